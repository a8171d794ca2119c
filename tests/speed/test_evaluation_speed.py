"""Class maps at 2048x1024 against cityscapesscripts' own evaluation: same PNG labels, same two cores, in one run.

Streets rendered at full size, and predictions as a network makes them: scores at an eighth, enlarged, arg max. The
package comes without its Cython part (neither wheel nor sdist has the source): what is measured is its NumPy path.
"""

from __future__ import annotations

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
def town(tmp_path_factory) -> tuple[list[Item], Path, list[str]]:
    """Items with labels, the folder of our predictions, and the same predictions as the official tool wants them."""
    folder, items, official_files = tmp_path_factory.mktemp("town"), [], []
    to_cs19 = spaces.mapping(minicity.CLASSES, spaces.CS19)
    scenes = minicity.index(None, "camera-test")[:SCENES]
    rendered = [to_cs19[minicity.read(scene, ("semseg",), SIZE)["semseg"]] for scene in scenes]
    truths = [np.ascontiguousarray(truth[:, ::step]) for truth in rendered for step in (1, -1)]
    classes = np.unique(np.stack(truths))
    for i, truth in enumerate(truths):
        stem = f"town_{i:06d}_000019"
        seen, unlabeled = guess(truth, classes, i), np.random.default_rng(i).random((16, 32)) < 0.05
        ids = np.where(unlabeled.repeat(64, 0).repeat(64, 1), 0, LABELS[truth]).astype(np.uint8)
        ends = {"image": "leftImg8bit", "semseg": "gtFine_labelIds"}
        places = {field: folder / end.partition("_")[0] / "val" / "town" for field, end in ends.items()}
        files = {field: place / f"{stem}_{ends[field]}.png" for field, place in places.items()}
        places["semseg"].mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids).save(files["semseg"])  # rows filtered, as in any tool's files
        predictions.write(folder / "predictions", stem, {"semseg": seen})
        official_files.append(str(folder / f"{stem}_pred.png"))
        Image.fromarray(LABELS[seen]).save(official_files[-1])
        items.append(Item(stem, files))
    return items, folder / "predictions", official_files


def as_cityscapes_does(items: list[Item], files: list[str]) -> dict:
    """The IoU of classes. Instances, its default too, it cannot judge with NumPy 2.4: it calls the lost np.in1d."""
    official.args.quiet, official.args.JSONOutput, official.args.evalInstLevelScore = True, False, False
    return official.evaluateImgLists(files, [str(item.files["semseg"]) for item in items], official.args)


def split() -> Split:
    literal = SPLITS["gta2cs"]
    assert literal.scored == ("semseg",) and literal.classes == "cs19"
    return literal


def seconds(function) -> tuple[float, float]:
    """By the clock, and of all cores."""
    clock, cores = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - clock, time.process_time() - cores


def test_scoring_gives_the_numbers_of_cityscapesscripts_to_the_last_printed_digit(town):
    items, ours, theirs = town
    expected = as_cityscapes_does(items, theirs)
    found = score.score(ours, cityscapes, items, split(), spaces, 2)
    assert f"{found.metrics['miou'] / 100:.9f}" == f"{expected['averageScoreClasses']:.9f}"
    assert len(found.per_class) == 19
    for name, iou in found.per_class.items():
        assert f"{iou / 100:.9f}" == f"{expected['classScores'][name]:.9f}", name


@pytest.fixture(scope="module")
def least(town) -> dict[str, tuple[float, float]]:
    """Seconds an image, by the clock and of all cores: the least of rounds that take turns."""
    items, ours, theirs = town
    keep_freed_memory()  # as bench.score does; theirs is no slower for it
    times = -(-IMAGES // len(items))
    many, files = (items * times)[:IMAGES], (theirs * times)[:IMAGES]
    ways = {
        "theirs": lambda: as_cityscapes_does(many, files),
        "one": lambda: score.score(ours, cityscapes, many, split(), spaces, 0),
        "two": lambda: score.score(ours, cityscapes, many, split(), spaces, 2),
    }
    rounds = [{name: seconds(way) for name, way in ways.items()} for _ in range(ROUNDS)]
    return {name: tuple(min(r[name][i] for r in rounds) / len(many) for i in (0, 1)) for name in ways}


def test_one_core_scores_times_as_many_images_as_cityscapesscripts(benchmark, town, least):
    items, ours, _ = town
    benchmark.pedantic(score.score, (ours, cityscapes, items, split(), spaces), rounds=3)
    ratio = least["theirs"][1] / least["one"][1]
    benchmark.extra_info["times_faster_than_cityscapesscripts"] = round(ratio, 1)
    print(f"ms of a core: theirs {1e3 * least['theirs'][1]:.1f}, ours {1e3 * least['one'][1]:.1f}: {ratio:.1f} times")
    assert ratio >= TIMES_ON_ONE


@pytest.mark.xfail(reason="7.1 to 8.4 seen: docs/results/speed.md has what bounds it", strict=False)
def test_two_cores_score_eight_times_as_many_images_as_cityscapesscripts(least):
    """The official evaluation is one process; ours has two, forked anew each time."""
    theirs, ours = least["theirs"][0], least["two"][0]
    print(f"ms by the clock: theirs {1e3 * theirs:.1f}, ours {1e3 * ours:.1f}: {theirs / ours:.1f} times")
    assert theirs / ours >= TIMES
