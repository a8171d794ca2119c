"""What the kept checkpoints of a run are worth by criteria that need no target label; their test predictions beside.

python -m bench.criteria KEY store=DIR [images=64] [validation=PART]

The half of bench.select that runs a method's code: it opens target images, and labels of the source only. Writes
RUN/criteria.json, and predictions/ in the folder of each snapshot that is not scored yet. Smaller is better:

entropy     of the class probabilities on target images, as a share of the largest possible (Wang et al., ADVENT's E)
energy      degrees between the predicted normals and those of the predicted depth, on target images outside the sky
agreement   with the mean of all checkpoints' outputs on target images: share of pixels of another class, |ln depth|,
            1 - cos; the name is that of the criterion, the values are disagreements
source_val  the headline metrics on `validation=PART` of the source's data sets, images that were not trained on

The energy is geometry, the same for every method: it is not UM-Adapt's, whose networks are its own.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench import plugins, record, words
from bench.checkpoint import SNAPSHOTS
from bench.data.geometry import Camera, normals_from_depth
from bench.data.pack import Pack
from bench.data.sampling import place
from bench.domains import Domains
from bench.log import Meter
from bench.plain import from_plain
from bench.predict import BATCH, decoded, load, on_device, raw_outputs, write_predictions
from bench.problem import Problem
from bench.record import HEADLINES
from bench.split import Domain, Split
from bench.stage import Stage
from bench.store import Store, write_json
from bench.tasks import task
from bench.tasks.contract import Rules
from bench.tasks.normals import angle

FILE = "criteria.json"

Raw = Mapping[str, Tensor]  # {task: B channels h w}
Values = list[dict[str, float]]  # of each checkpoint, oldest first


def entropy(raw: Raw, problem: Problem) -> Tensor:  # B
    """Of the class probabilities: 0 sure, 1 no idea."""
    p = task("semseg").canonical(raw["semseg"], problem)
    mean: Tensor = torch.special.entr(p).sum(1).mean((1, 2))
    return mean / math.log(p.shape[1])


def disagreements(raws: Sequence[Raw], problem: Problem) -> list[dict[str, Tensor]]:  # of each checkpoint, B
    """How far each checkpoint's outputs are from the mean of all."""
    found: list[dict[str, Tensor]] = [{} for _ in raws]
    near, far = problem.depth_range
    for name in raws[0]:
        each = torch.stack([task(name).canonical(raw[name], problem) for raw in raws])  # K B C h w
        mean = each.mean(0)
        if name == "semseg":
            apart = (each.argmax(2) != mean.argmax(1)).float()
        elif name == "normals":
            apart = 1 - (each * torch.nn.functional.normalize(mean, dim=1)).sum(2)
        else:
            apart = (each - mean).abs().squeeze(2) * (math.log(far / near) if name == "depth" else 1.0)
        for values, one in zip(found, apart.mean((2, 3)), strict=True):
            values[name] = one
    return found


def energy(maps: Mapping[str, NDArray[Any]], camera: Camera, sky: int | None) -> tuple[float, int]:
    """Summed degrees between normals and those of the depth, and over how many pixels; of one image, decoded."""
    expected = normals_from_depth(maps["depth"], camera)
    valid = np.square(expected).sum(-1) > 0.25
    if sky is not None and "semseg" in maps:
        valid &= maps["semseg"] != sky
    return float(angle(maps["normals"][valid], expected[valid]).sum()), int(valid.sum())


@dataclass(frozen=True)
class Images:
    """Some images of one target."""

    pack: Pack
    places: Sequence[int]
    cameras: Mapping[int, Camera]  # of each place at the pack's size; empty if one is not known

    def batches(self) -> Iterator[Sequence[int]]:
        return (self.places[start : start + BATCH] for start in range(0, len(self.places), BATCH))


def on_target(stages: Sequence[Stage], targets: Sequence[Images], device: torch.device) -> dict[str, Values]:
    """Agreement, entropy if there are classes, energy if every target has cameras."""
    cameras = all(images.cameras for images in targets)
    problem = stages[0].problem
    sums: list[dict[str, list[float]]] = [{} for _ in stages]
    bent = np.zeros((len(stages), 2))
    done = 0
    with Meter("criteria", sum(len(images.places) for images in targets)) as meter:
        for images, chosen in [(one, batch) for one in targets for batch in one.batches()]:
            raws = [raw_outputs(stage, load(images.pack, chosen, device)) for stage in stages]
            apart = disagreements(raws, problem)
            for k, raw in enumerate(raws):
                if "semseg" in raw:
                    sums[k].setdefault("entropy", []).extend(entropy(raw, problem).tolist())
                for name, values in apart[k].items():
                    sums[k].setdefault(name, []).extend(values.tolist())
                for row, i in enumerate(chosen if cameras else ()):
                    bent[k] += _energy_of(raw, row, images.cameras[i], images.pack.size, problem)
            done += len(chosen)
            meter.at(done)
    means = [{name: float(np.mean(values)) for name, values in one.items()} for one in sums]
    found = {"agreement": [{n: v for n, v in one.items() if n != "entropy"} for one in means]}
    if "semseg" in problem.tasks:
        found["entropy"] = [{"entropy": one["entropy"]} for one in means]
    if cameras:
        found["energy"] = [{"degrees": total / count if count else math.nan} for total, count in bent.tolist()]
    return found


def _energy_of(raw: Raw, row: int, camera: Camera, size: tuple[int, int], problem: Problem) -> tuple[float, int]:
    """At the depth output's own size."""
    height, width = raw["depth"].shape[-2:]
    maps = {name: task(name).decode(value[row : row + 1], (height, width), problem)[0].cpu().numpy()
            for name, value in raw.items()}  # fmt: skip
    maps["normals"] = np.moveaxis(maps["normals"], 0, -1)
    return energy(maps, camera.resized(size, (width, height)), problem.sky)


def images_of(domains: Domains, limit: int, cameras: bool) -> list[Images]:
    """At most so many training images of all targets, at equal distances in their joint index."""
    packs = list(domains.target().values())
    chosen: list[list[int]] = [[] for _ in packs]
    for position in spread(sum(map(len, packs)), limit):
        which, i = place(position, [len(pack) for pack in packs])
        chosen[which].append(i)
    return [
        Images(pack, places, cameras_of(domains, domain, pack, places) if cameras else {})
        for domain, pack, places in zip(domains.split.target, packs, chosen, strict=True)
        if places
    ]


def cameras_of(domains: Domains, domain: Domain, images: Pack, places: Sequence[int]) -> dict[int, Camera]:
    """The camera of each place at the pack's size; empty if one is not known."""
    items = domains.index(domain)
    found = {}
    for i in places:
        camera = images.cameras[i]
        if camera is None and "camera" in items[i].files:
            raw = plugins.dataset(domain.dataset).read(items[i], ("image", "camera"), domain.size)
            height, width = raw["image"].shape[:2]
            camera = raw["camera"].resized((width, height), images.size)
        if camera is None:
            return {}
        found[i] = camera
    return found


def on_source(stages: Sequence[Stage], pack: Pack, depth_range: tuple[float, float], device: torch.device) -> Values:
    """The headline metrics on labelled images."""
    rules = Rules(classes=len(stages[0].problem.classes), depth_range=depth_range)
    return [_metrics(_statistics(stage, pack, rules, device)) for stage in stages]


def _statistics(
    stage: Stage, pack: Pack, rules: Rules, device: torch.device
) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    for start in range(0, len(pack), BATCH):
        chosen = range(start, min(start + BATCH, len(pack)))
        raw = raw_outputs(stage, load(pack, chosen, device))
        for row, i in enumerate(chosen):
            maps = decoded({name: value[row : row + 1] for name, value in raw.items()}, pack.size, stage.problem)
            for name, prediction in maps.items():
                yield name, task(name).statistics(prediction, pack.read(i, name), rules)


def _metrics(each: Iterator[tuple[str, dict[str, NDArray[Any]]]]) -> dict[str, float]:
    by_task: dict[str, list[dict[str, NDArray[Any]]]] = {}
    for name, statistics in each:
        by_task.setdefault(name, []).append(statistics)
    found: dict[str, float] = {}
    for name, several in by_task.items():
        stacked = {key: np.stack([one[key] for one in several]) for key in several[0]}
        found |= {k: v for k, v in task(name).metrics(stacked).items() if k == HEADLINES[name].name}
    return found


def validation_pack(domains: Domains, part: str, limit: int) -> Pack:
    """Labelled images of the first source's data set that were not trained on. ValueError if they were."""
    source = domains.split.source[0]
    if part in {domain.part for domain in domains.split.source if domain.dataset == source.dataset}:
        raise ValueError(f"validation={part} is what was trained on; name another part of {source.dataset}")
    return domains.pack(Domain(dataset=source.dataset, part=part, size=source.size, limit=limit),
                        ("image", *domains.split.tasks))  # fmt: skip


def spread(number: int, limit: int) -> list[int]:
    """At most so many places, at equal distances."""
    return sorted({int(place) for place in np.linspace(0, number - 1, min(limit, number)).round()})


def compute(store: Store, key: str, limit: int, part: str) -> None:
    """Write the run's criteria.json, and the predictions of its snapshots."""
    folder = store.folder(key)
    run = json.loads((folder / record.RUN).read_text())
    split = from_plain(Split, run["record"]["split"])
    domains = Domains(split, {n: Path(p) for n, p in run["data"].items()}, store.root)
    snapshots = sorted((folder / SNAPSHOTS).glob("*/product.pt"))
    if not snapshots:
        raise ValueError(f"{folder} has no snapshots; train it with snapshots=5, in another store=DIR: here it is done")
    names = [f"{SNAPSHOTS}/{file.parent.name}/product.pt" for file in snapshots]
    stages = [on_device(store.load(key, name), run["device"]) for name in (*names, "product.pt")]
    device, skipped = torch.device(run["device"]), {}
    targets = images_of(domains, limit, cameras={"depth", "normals"} <= set(stages[0].problem.tasks))
    found = on_target(stages, targets, device)
    if "energy" not in found:
        skipped["energy"] = "it asks for depth, normals and the target's cameras"
    if part:
        pack = validation_pack(domains, part, limit)
        found["source_val"] = on_source(stages, pack, split.depth_range, device)
    else:
        skipped["source_val"] = "say validation=PART, a part of the source that was not trained on"
    for file, stage in zip(snapshots, stages, strict=False):
        if not (file.parent / record.RECORD).exists():
            write_predictions(stage, file.parent / "predictions", domains, f"predict step {int(file.parent.name)}")
    write_json(
        folder / FILE, {"images": sum(len(images.places) for images in targets), "values": found, "skipped": skipped}
    )


def main(arguments: Sequence[str]) -> None:
    bare, values = words.parse(arguments, {"store": "store", "images": "64", "validation": ""})
    if len(bare) != 1:
        raise SystemExit("say which run: python -m bench.criteria KEY store=DIR [images=64] [validation=PART]")
    store = Store(values["store"])
    try:
        compute(store, store.find(bare[0]), int(values["images"]), values["validation"])
    except (ValueError, OSError, plugins.Unknown) as error:
        raise SystemExit(f"bench.criteria: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
