"""Class maps at 2048x1024 against cityscapesscripts' own evaluation: same PNG labels, same two cores, in one run.

Streets rendered at full size, and predictions as a network makes them: scores at an eighth, enlarged, arg max. The
package comes without its Cython part (neither wheel nor sdist has the source): what is measured is its NumPy path.
Each way is timed in a process of its own, as both programs are one; loading libraries is not timed.

python tests/speed/test_evaluation_speed.py WAY FOLDER: such a process; prints seconds by the clock and of all cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from cityscapesscripts.helpers.labels import trainId2label
from PIL import Image

from bench import predictions, score
from bench.data.pack import Item
from bench.memory import keep_freed_memory
from bench.split import Split
from datasets import cityscapes, minicity, spaces
from datasets.splits import SPLITS

pytestmark = pytest.mark.speed
SCENES, SIZE = 3, (2048, 1024)
IMAGES, ROUNDS, TIMES_ON_ONE, TIMES = 500, 3, 4, 8
LABELS = np.array([trainId2label[i].id for i in range(19)], np.uint8)


def guess(truth: np.ndarray, classes: np.ndarray, seed: int) -> np.ndarray:
    """What a network might say of a scene: coarse, with blobs of wrong classes (about one pixel in eight)."""
    torch.manual_seed(seed)
    known = torch.from_numpy(truth)[None] == torch.from_numpy(classes)[:, None, None]
    scores = F.avg_pool2d(known.float()[None], 8)
    noise = F.interpolate(torch.randn(1, len(classes), 16, 32), scores.shape[-2:], mode="bicubic")
    scores += 0.35 * noise + 0.1 * torch.randn(scores.shape)
    return classes[F.interpolate(scores, truth.shape, mode="bilinear").argmax(1)[0].numpy()]


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Path:
    """A folder with labels, our predictions, and the same predictions as the official tool wants them."""
    folder = tmp_path_factory.mktemp("town")
    to_cs19 = spaces.mapping(minicity.CLASSES, spaces.CS19)
    scenes = minicity.index(None, "camera-test")[:SCENES]
    rendered = [to_cs19[minicity.read(scene, ("semseg",), SIZE)["semseg"]] for scene in scenes]
    truths = [np.ascontiguousarray(truth[:, ::step]) for truth in rendered for step in (1, -1)]
    classes = np.unique(np.stack(truths))
    for i, (item, official_file, truth) in enumerate(zip(*files(folder), truths, strict=True)):
        seen, unlabeled = guess(truth, classes, i), np.random.default_rng(i).random((16, 32)) < 0.05
        ids = np.where(unlabeled.repeat(64, 0).repeat(64, 1), 0, LABELS[truth]).astype(np.uint8)
        item.files["semseg"].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids).save(item.files["semseg"])  # rows filtered, as in any tool's files
        predictions.write(folder / "predictions", item.stem, {"semseg": seen})
        Image.fromarray(LABELS[seen]).save(official_file)
    return folder


def files(folder: Path) -> tuple[list[Item], list[str]]:
    """The images of a town, and their predictions as the official tool wants them."""
    stems = [f"town_{i:06d}_000019" for i in range(2 * SCENES)]
    ends = {"image": "leftImg8bit", "semseg": "gtFine_labelIds"}
    items = [
        Item(s, {f: folder / end.partition("_")[0] / "val" / "town" / f"{s}_{end}.png" for f, end in ends.items()})
        for s in stems
    ]
    return items, [str(folder / f"{stem}_pred.png") for stem in stems]


def as_cityscapes_does(items: list[Item], files: list[str]) -> dict:
    """The IoU of classes. Instances, its default too, it cannot judge with NumPy 2.4: it calls the lost np.in1d."""
    official.args.quiet, official.args.JSONOutput, official.args.evalInstLevelScore = True, False, False
    return official.evaluateImgLists(files, [str(item.files["semseg"]) for item in items], official.args)


def split() -> Split:
    literal = SPLITS["gta2cs"]
    assert literal.scored == ("semseg",) and literal.classes == "cs19"
    return literal


def seconds(way: str, folder: Path) -> tuple[float, float]:
    """Of IMAGES images scored in this process and its children: by the clock, and of all cores."""
    keep_freed_memory()  # as bench.score does; the official tool is no slower for it
    items, official_files = files(folder)
    times = -(-IMAGES // len(items))
    many, theirs = (items * times)[:IMAGES], (official_files * times)[:IMAGES]
    clock, cores = time.perf_counter(), os.times()
    if way == "theirs":
        as_cityscapes_does(many, theirs)
    else:
        score.score(folder / "predictions", cityscapes, many, split(), spaces, {"one": 0, "two": 2}[way])
    spent = [after - before for after, before in zip(os.times()[:4], cores[:4], strict=True)]
    return time.perf_counter() - clock, sum(spent)


def test_scoring_gives_the_numbers_of_cityscapesscripts_to_the_last_printed_digit(town):
    items, official_files = files(town)
    expected = as_cityscapes_does(items, official_files)
    found = score.score(town / "predictions", cityscapes, items, split(), spaces, 2)
    assert f"{found.metrics['miou'] / 100:.9f}" == f"{expected['averageScoreClasses']:.9f}"
    assert len(found.per_class) == 19
    for name, iou in found.per_class.items():
        assert f"{iou / 100:.9f}" == f"{expected['classScores'][name]:.9f}", name


@pytest.fixture(scope="module")
def least(town) -> dict[str, list[float]]:
    """Milliseconds an image, by the clock and of all cores: the least of rounds that take turns."""

    def timed(way: str) -> list[float]:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        words = [sys.executable, __file__, way, str(town)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        return [1e3 * spent / IMAGES for spent in json.loads(done.stdout.splitlines()[-1])]

    rounds = [{way: timed(way) for way in ("theirs", "one", "two")} for _ in range(ROUNDS)]
    for each in rounds:
        print({way: [round(ms, 2) for ms in spent] for way, spent in each.items()})
    return {way: [min(each[way][i] for each in rounds) for i in (0, 1)] for way in rounds[0]}


def test_one_core_scores_times_as_many_images_as_cityscapesscripts(benchmark, town, least):
    items, _ = files(town)
    benchmark.pedantic(score.score, (town / "predictions", cityscapes, items, split(), spaces), rounds=3)
    theirs, ours = least["theirs"][1], least["one"][1]
    benchmark.extra_info["times_faster_than_cityscapesscripts"] = round(theirs / ours, 1)
    print(f"ms of a core: theirs {theirs:.1f}, ours {ours:.1f}: {theirs / ours:.1f} times")
    assert theirs / ours >= TIMES_ON_ONE


@pytest.mark.xfail(reason="7.4 to 8.1 seen: docs/results/speed.md has what bounds it", strict=False)
def test_two_cores_score_eight_times_as_many_images_as_cityscapesscripts(least):
    """The official evaluation is one process; ours has two, forked anew each time."""
    theirs, ours = least["theirs"][0], least["two"][0]
    print(f"ms by the clock: theirs {theirs:.1f}, ours {ours:.1f}: {theirs / ours:.1f} times")
    assert theirs / ours >= TIMES


if __name__ == "__main__":
    print(json.dumps(seconds(sys.argv[1], Path(sys.argv[2]))))
