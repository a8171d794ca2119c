"""Scores of class maps are those of cityscapesscripts' own evaluation, to the last digit that it prints.

One difference is deliberate: a class that is predicted but never true is 0 and counted there, NaN and left out of the
mean here (docs/decisions.md, "Scoring"). tests/speed has the same comparison at full size, and the times.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import predictions, score
from bench.data.pack import Item
from bench.data.png import png
from datasets import cityscapes, spaces
from datasets.splits import SPLITS

official = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
labels = pytest.importorskip("cityscapesscripts.helpers.labels")

SHAPE = (128, 256)
LABEL_IDS = np.array([labels.trainId2label[i].id for i in range(19)], np.uint8)
TRAIN = 16  # a class whose absence is tried


def blocks(seed: int, ids: NDArray[np.uint8]) -> NDArray[np.uint8]:  # H W
    """Patches of 8x8 pixels of these ids."""
    rows, columns = SHAPE[0] // 8, SHAPE[1] // 8
    return np.random.default_rng(seed).choice(ids, (rows, columns)).repeat(8, 0).repeat(8, 1)


def truth(seed: int, without: int | None = None) -> NDArray[np.uint8]:
    """Label ids of all kinds, those of void among them."""
    gone = None if without is None else int(LABEL_IDS[without])
    return blocks(seed, np.array([i for i in range(34) if i != gone], np.uint8))


def guess(seed: int, ids: NDArray[np.uint8], classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The class that is there, or any of `classes` where it is void, and on a third of the pixels."""
    r = np.random.default_rng(seed)
    found = np.zeros(256, np.uint8)
    found[LABEL_IDS] = np.arange(19)
    unsure = (r.random(SHAPE) < 1 / 3) | ~np.isin(ids, LABEL_IDS)
    return np.where(unsure, r.choice(classes, SHAPE), found[ids]).astype(np.uint8)


def both(folder: Path, truths: list[NDArray[np.uint8]], guesses: list[NDArray[np.uint8]]) -> tuple[Any, Any]:
    """What bench.score finds, and what the official tool does, each with the predictions in its own files."""
    items, files = [], []
    for i, (ids, seen) in enumerate(zip(truths, guesses, strict=True)):
        stem = f"town_{i:06d}_000019"
        place = folder / "gtFine" / "val" / "town" / f"{stem}_gtFine_labelIds.png"
        png(place, ids)
        predictions.write(folder / "predictions", stem, {"semseg": seen})
        files.append(folder / "official" / f"{stem}_pred.png")
        png(files[-1], LABEL_IDS[seen])
        items.append(Item(stem, {"semseg": place}))
    # instances, its default too, it cannot judge with NumPy 2.4: it calls the lost np.in1d
    official.args.quiet, official.args.JSONOutput, official.args.evalInstLevelScore = True, False, False
    expected = official.evaluateImgLists(
        [str(f) for f in files], [str(i.files["semseg"]) for i in items], official.args
    )
    return score.score(folder / "predictions", cityscapes, items, SPLITS["gta2cs"], spaces), expected


def digits(found: Any) -> tuple[str, dict[str, str]]:
    """The mean and each class, as the official tool prints them."""
    return f"{found.metrics['miou'] / 100:.9f}", {name: f"{iou / 100:.9f}" for name, iou in found.per_class.items()}


def official_digits(expected: Any) -> tuple[str, dict[str, str]]:
    scores = {name: f"{expected['classScores'][name]:.9f}" for name in spaces.CS19.classes}
    return f"{expected['averageScoreClasses']:.9f}", scores


def test_scores_are_those_of_cityscapesscripts_to_the_last_printed_digit(tmp_path: Path) -> None:
    truths = [truth(seed) for seed in range(3)]
    guesses = [guess(seed, ids, np.arange(19, dtype=np.uint8)) for seed, ids in enumerate(truths)]
    found, expected = both(tmp_path, truths, guesses)
    assert digits(found) == official_digits(expected)
    assert len(set(digits(found)[1].values())) > 15 and 30 < found.metrics["miou"] < 80


def test_a_class_that_is_neither_true_nor_predicted_is_left_out_by_both(tmp_path: Path) -> None:
    truths = [truth(seed, without=TRAIN) for seed in range(2)]
    others = np.delete(np.arange(19, dtype=np.uint8), TRAIN)
    found, expected = both(tmp_path, truths, [guess(seed, ids, others) for seed, ids in enumerate(truths)])
    assert digits(found) == official_digits(expected)
    assert math.isnan(found.per_class["train"])


def test_a_class_that_is_predicted_but_never_true_is_zero_there_and_left_out_here(tmp_path: Path) -> None:
    truths = [truth(seed, without=TRAIN) for seed in range(2)]
    guesses = [guess(seed, ids, np.arange(19, dtype=np.uint8)) for seed, ids in enumerate(truths)]
    found, expected = both(tmp_path, truths, guesses)
    assert expected["classScores"]["train"] == 0 and math.isnan(found.per_class["train"])
    (_, ours), (_, theirs) = digits(found), official_digits(expected)
    assert {n: s for n, s in ours.items() if n != "train"} == {n: s for n, s in theirs.items() if n != "train"}
    assert found.metrics["miou"] / 100 == pytest.approx(expected["averageScoreClasses"] * 19 / 18)
