"""Score the saved predictions of a run: the only code that opens target labels. Imports no method.

python -m bench.score KEY store=DIR [data.NAME=DIR] [workers=N]

Reads RUN/run.json, RUN/throughput.json and RUN/predictions/; writes RUN/stats.npz (sufficient
statistics of each test image), RUN/panels/*.npz (a few images with truth and prediction) and, last, RUN/record.json.
Without predictions but with stats.npz it recomputes the metrics: a re-scoring needs no GPU and no data.
"""

from __future__ import annotations

import io
import json
import math
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench import plugins, predictions, record, words
from bench.data.geometry import resize_image, resize_nearest
from bench.data.labels import LabelSpace, aggregated, renumbered
from bench.log import Meter
from bench.memory import keep_freed_memory
from bench.plain import from_plain
from bench.record import RunRecord
from bench.split import Box, Protocol, Split
from bench.tasks import task
from bench.tasks.contract import Rules
from bench.tasks.semseg import iou_over, mean_iou, own_ids

if TYPE_CHECKING:
    from bench.data.pack import Item

IDS = "ids"  # field: class labels as a file has them, of a data set whose STORED says what they are
STATS, PREDICTIONS, PANELS, THROUGHPUT = "stats.npz", "predictions", "panels", "throughput.json"
PANEL_IMAGES, PANEL_WIDTH = 4, 512
CHUNK = 4  # images a child is handed at a time

Statistics = dict[str, NDArray[Any]]  # "task.name": N x ..; the names are those of the task's `statistics`


@dataclass(frozen=True)
class Scores:
    """What the test set says of the predictions, and the statistics it follows from."""

    stems: list[str]
    statistics: Statistics
    metrics: dict[str, float]
    per_class: dict[str, float]
    class_sets: dict[str, float]
    not_scored: dict[str, str]


@dataclass(frozen=True)
class Court:
    """How the truth of one split is read."""

    dataset: ModuleType
    size: tuple[int, int]  # asked of a renderer; files have their own
    tasks: tuple[str, ...]
    stored: bool  # class labels come with the ids of their files: counts are named, not pixels
    rules: Rules
    protocol: Protocol

    def truth(self, item: Item, *more: str) -> dict[str, Any]:
        """The truth of an image as the protocol wants it: at its size, nothing outside its box. `more` is as stored.

        Class labels have the ids that `rules.names` knows.
        """
        tasks = (IDS if self.stored and name == "semseg" else name for name in self.tasks)
        fields = dict(self.dataset.read(item, (*tasks, *more), self.size))
        if IDS in fields:
            fields["semseg"] = fields.pop(IDS)
        size, box = self.protocol.size, self.protocol.box
        for name in self.tasks:
            whole = np.ascontiguousarray(resize_nearest(fields[name], size)) if size else fields[name]
            fields[name] = within(whole, box) if box and name != "semseg" else whole
        return fields

    def statistics(self, item: Item, folder: Path) -> Statistics:
        found = {name: predictions.read(folder, item.stem, name) for name in self.tasks}
        truth, result = self.truth(item), Statistics()
        for name, prediction in found.items():
            try:
                each = task(name).statistics(prediction, truth[name], self.rules)
            except ValueError as error:
                self.dataset.read(item, self.tasks, self.size)  # ids that are no label's are named with their file
                raise ValueError(f"{predictions.path(folder, name, item.stem)}: {error}") from None
            result |= {f"{name}.{key}": value for key, value in each.items()}
        return result


def court(dataset: ModuleType, split: Split, spaces: ModuleType, items: Sequence[Item]) -> Court:
    tasks = tuple(name for name in split.scored if name in dataset.TASKS and name not in untold(dataset, items))
    space: LabelSpace = spaces.space(split.classes)
    protocol = plugins.protocol(split.protocol)
    stored: NDArray[np.int16] | None = getattr(dataset, "STORED", None)
    names = own_ids(len(dataset.CLASSES)) if stored is None else stored
    if dataset.CLASSES != space:
        names = np.where(names < 0, names, spaces.mapping(dataset.CLASSES, space)[names]).astype(np.int16)
    depth_range = split.depth_range if protocol.capped else (0.0, math.inf)
    rules = Rules(classes=len(space), depth_range=depth_range, names=names)
    return Court(dataset, split.test.size, tasks, stored is not None, rules, protocol)


def untold(dataset: ModuleType, items: Sequence[Item]) -> list[str]:
    """The tasks whose truth this copy of the data set is without; it may be, where OPTIONAL names them."""
    return [name for name in getattr(dataset, "OPTIONAL", ()) if items and name not in items[0].files]


def within(truth: NDArray[Any], box: Box) -> NDArray[Any]:
    """Depth or normals with no truth outside the box: 0."""
    inside = np.zeros_like(truth)
    rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
    inside[rows, columns] = truth[rows, columns]
    return inside


def score(
    folder: Path,
    dataset: ModuleType,
    items: Sequence[Item],
    split: Split,
    spaces: ModuleType,
    workers: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Scores:
    """Score the predictions of these images in `folder`. Raises ValueError, in one line, if they are not fit."""
    reader = court(dataset, split, spaces, items)
    each: list[Statistics] = []
    for statistics in _over(reader, items, folder, workers):
        each.append(statistics)
        progress(len(each))
    stacked = {name: np.stack([one[name] for one in each]) for name in each[0]} if each else {}
    return scores([item.stem for item in items], stacked, split, spaces)


def scores(stems: list[str], statistics: Statistics, split: Split, spaces: ModuleType) -> Scores:
    """The metrics that follow from the statistics of images: of all, or of a resampled set."""
    by_task: dict[str, Statistics] = {}
    for name, values in statistics.items():
        of, _, key = name.partition(".")
        by_task.setdefault(of, {})[key] = values
    missing = {name: f"{split.test.dataset} has no truth" for name in split.scored if name not in by_task}
    metrics: dict[str, float] = {}
    for name in by_task:
        metrics |= task(name).metrics(by_task[name])
    reported = plugins.protocol(split.protocol).metrics
    metrics = {name: value for name, value in metrics.items() if not reported or name in reported}
    if "semseg" not in by_task:
        return Scores(stems, statistics, metrics, {}, {}, missing)
    matrix = by_task["semseg"]["confusion"].sum(0)
    space: LabelSpace = spaces.space(split.classes)
    per_class = dict(zip(space.classes, iou_over(matrix, range(len(space))).tolist(), strict=True))
    sets = {name: class_set(matrix, space, spaces.space(name), spaces) for name in split.also}
    return Scores(stems, statistics, metrics, per_class, sets, missing)


def by_group(found: Scores, dataset: ModuleType, split: Split, spaces: ModuleType) -> dict[str, dict[str, float]]:
    """The metrics of each group of images that the data set tells apart by their stems; {} if it tells none."""
    if not hasattr(dataset, "group"):
        return {}
    names = np.array([dataset.group(stem) for stem in found.stems])
    parts = {name: {key: each[names == name] for key, each in found.statistics.items()} for name in sorted({*names})}
    return {str(name): scores([], part, split, spaces).metrics for name, part in parts.items()}


def class_set(matrix: NDArray[Any], space: LabelSpace, smaller: LabelSpace, spaces: ModuleType) -> float:
    """The mean IoU over a smaller space: some classes by the full matrix, or the matrix folded into coarser ones."""
    if set(smaller.classes) <= set(space.classes):
        return mean_iou(matrix, [space.id(name) for name in smaller.classes])
    folded = aggregated(matrix, spaces.mapping(space, smaller), len(smaller))
    return mean_iou(folded, range(len(smaller)))


def _over(reader: Court, items: Sequence[Item], folder: Path, workers: int) -> Iterator[Statistics]:
    """In the order of the items. Processes, for the decoder keeps Python's lock; forked, as torch's DataLoader does.

    They are forked off what is loaded, in no time: to load torch anew takes as long as scoring a hundred images.
    """
    if workers < 2:
        yield from (reader.statistics(item, folder) for item in items)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, initializer=_seat, initargs=(reader, folder)) as pool:
        try:
            yield from pool.map(_judged, items, chunksize=CHUNK)
        except ValueError:
            pool.shutdown(cancel_futures=True)
            raise


_seated: list[tuple[Court, Path]] = []  # in a child, its own


def _seat(reader: Court, folder: Path) -> None:
    """A child's own: a forked process has one thread, and may not ask torch for more."""
    torch.set_num_threads(1)
    _seated.append((reader, folder))


def _judged(item: Item) -> Statistics:
    reader, folder = _seated[0]
    return reader.statistics(item, folder)


def panels(folder: Path, reader: Court, items: Sequence[Item], space: LabelSpace, out: Path) -> None:
    """Keep image, truth and prediction of a few test images, small, for a report that may open no label."""
    out.mkdir(exist_ok=True)
    spread = np.linspace(0, len(items) - 1, min(PANEL_IMAGES, len(items)))
    for number, item in enumerate(items[round(place)] for place in spread):
        maps = reader.truth(item, "image")
        height, width = maps["image"].shape[:2]
        small = (min(PANEL_WIDTH, width), round(height * min(PANEL_WIDTH, width) / width))
        kept: dict[str, Any] = {"image": resize_image(maps["image"], small)}
        for name in reader.tasks:
            truth = resize_nearest(maps[name], small)
            if name == "semseg" and reader.rules.names is not None:
                truth = renumbered(truth, reader.rules.names.astype(np.uint8))
            kept[f"{name}.truth"] = truth
            kept[f"{name}.prediction"] = resize_nearest(predictions.read(folder, item.stem, name), small)
        kept |= {"stem": item.stem, "classes": list(space.classes), "palette": np.array(space.palette, np.uint8)}
        kept |= {"depth_range": reader.rules.depth_range}
        _save(out / f"{number}.npz", kept)


def _save(file: Path, arrays: Mapping[str, Any]) -> None:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    record.replace(file, content.getvalue())


def draft(run: Path) -> tuple[RunRecord, dict[str, Any]]:
    """The record as far as bench.run knows it, checked before an image is scored; and all of run.json."""
    try:
        asked = json.loads((run / record.RUN).read_text())
        result = RunRecord.model_validate({"key": run.name, "metrics": {}} | asked["record"])
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{run / record.RUN} is not fit to be scored: {' '.join(str(error).split())}") from None
    if (run / THROUGHPUT).exists():
        result.throughput = json.loads((run / THROUGHPUT).read_text())
        result.network.parameters = result.throughput.get("parameters")
    return result, asked


def score_run(run: Path, roots: Mapping[str, str], workers: int | None) -> RunRecord:
    """Score one run folder and write its record, last."""
    result, asked = draft(run)
    keep_freed_memory()
    split, spaces = from_plain(Split, result.split), plugins.spaces()
    folder, stats, dataset = run / PREDICTIONS, run / STATS, split.test.dataset
    truth = plugins.dataset(dataset)
    if folder.is_dir():
        root = {**asked.get("data", {}), **roots}.get(dataset)
        items = truth.index(Path(root) if root else None, split.test.part)[: split.test.limit]
        if not items:
            raise ValueError(f"{dataset} has no images in its part {split.test.part!r}")
        if workers is None:
            workers = _worthwhile(len(items) * split.test.size[0] * split.test.size[1])
        with Meter(f"score {result.method}", len(items)) as meter:
            found = score(folder, truth, items, split, spaces, workers, meter.at)
        _save(stats, {"stems": found.stems} | found.statistics)
        panels(folder, court(truth, split, spaces, items), items, spaces.space(split.classes), run / PANELS)
    elif stats.exists():
        with np.load(stats) as file:
            kept = {name: file[name] for name in file.files}
        found = scores(kept.pop("stems").tolist(), kept, split, spaces)
    else:
        raise ValueError(f"nothing to score: neither {folder} nor {stats} is there")
    result.metrics, result.per_class, result.class_sets = found.metrics, found.per_class, found.class_sets
    result.groups = by_group(found, truth, split, spaces)
    result.not_scored, result.images = found.not_scored, len(found.stems)
    result.panels = [f"{PANELS}/{file.name}" for file in sorted((run / PANELS).glob("*.npz"))]
    record.write(result, run / record.RECORD)
    if folder.is_dir() and asked.get("keep", "") != PREDICTIONS:
        shutil.rmtree(folder)
    return result


def _worthwhile(pixels: int) -> int:
    """Processes: none below seconds of work, nor where a process cannot be forked."""
    return min(8, os.cpu_count() or 1) if pixels > 1e8 and "fork" in multiprocessing.get_all_start_methods() else 0


def main(arguments: Sequence[str]) -> None:
    bare, values = words.parse(arguments, {"store": "store", "workers": ""}, prefix="data.")
    if len(bare) != 1:
        raise SystemExit("say which run: python -m bench.score KEY store=DIR [data.NAME=DIR] [workers=N]")
    roots = {word.removeprefix("data."): root for word, root in values.items() if word.startswith("data.")}
    try:
        run = record.find(Path(values["store"]), bare[0])
        score_run(run, roots, int(values["workers"]) if values["workers"] else None)
    except (ValueError, OSError) as error:
        raise SystemExit(f"bench.score: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
