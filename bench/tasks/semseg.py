"""Semantic segmentation: cross entropy; one confusion matrix over the full class set; mean IoU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.labels import chosen
from bench.exact import cross_entropy
from bench.problem import VOID, Problem
from bench.tasks.contract import Rules, Statistics, pooled, upsampled


@dataclass(frozen=True)
class Semseg:
    name: str = "semseg"

    def channels(self, problem: Problem) -> int:
        return len(problem.classes)

    def loss(self, raw: Tensor, label: Tensor, problem: Problem) -> Tensor:
        return pooled(*cross_entropy(upsampled(raw, label.shape[-2:]), label, VOID))

    def canonical(self, raw: Tensor, problem: Problem) -> Tensor:
        return raw.float().softmax(1)

    def decode(self, raw: Tensor, size: tuple[int, int], problem: Problem) -> Tensor:
        return upsampled(raw, size).argmax(1).to(torch.uint8)

    def statistics(self, prediction: NDArray[Any], label: NDArray[Any], rules: Rules) -> dict[str, NDArray[Any]]:
        return {"confusion": confusion(prediction, label, rules.classes, rules.names)}

    def metrics(self, statistics: Statistics) -> dict[str, float]:
        matrix = statistics["confusion"].sum(0)
        right, truth = matrix.diagonal(), matrix.sum(1)
        present = truth > 0
        recall = right[present] / truth[present]
        return {
            "miou": mean_iou(matrix, range(len(matrix))),
            "pixel_accuracy": 100 * float(right.sum() / truth.sum()) if present.any() else math.nan,
            "mean_accuracy": 100 * float(recall.mean()) if present.any() else math.nan,
        }


TASK = Semseg()


def confusion(
    prediction: NDArray[np.uint8], label: NDArray[np.uint8], classes: int, names: NDArray[np.int16] | None = None
) -> NDArray[np.int64]:
    """Pixels by (true class, predicted class); pixels whose label is void are not counted.

    Runs of equal pairs are named (`names`: as in Rules; None: labels' ids are the classes) and counted, and not pixels:
    a street has sixty thousand of them in two million pixels.
    """
    if prediction.shape != label.shape:
        raise ValueError(f"the class map is {prediction.shape}, its label {label.shape}: they must have one size")
    named = own_ids(classes) if names is None else names
    void, strange = classes, classes + 1  # rows of the counts below the classes'
    truth = (named >= 0) & (named < classes)
    rows = np.where(truth, named, np.where(named == VOID, void, strange)).astype(np.uint32)
    counts = _pairs(256 * rows, 256 * (classes + 2), label.ravel(), prediction.ravel()).reshape(-1, 256)
    invented = classes + np.flatnonzero(counts[:classes, classes:].any(0))
    unknown = np.unique(label[rows[label] == strange]) if counts[strange].any() else np.empty(0, np.uint8)
    for wrong, what in ((unknown, "the label"), (invented, "the class map")):
        if wrong.size:
            ids = f"ids are 0 to {classes - 1}, and in labels {VOID} for void"
            raise ValueError(f"{what} has the id {wrong[0]}; {ids}")
    return counts[:classes, :classes].copy()


def own_ids(classes: int) -> NDArray[np.int16]:  # 256
    """The names of labels whose ids are the classes."""
    ids = np.arange(256, dtype=np.int16)
    return np.where((ids < classes) | (ids == VOID), ids, np.int16(-1))


def _pairs(
    rows: NDArray[np.uint32], size: int, label: NDArray[np.uint8], prediction: NDArray[np.uint8]
) -> NDArray[np.int64]:  # size
    """How often each pair is there, rows[label] + prediction; runs of equal pairs are counted, for streets have few.

    Where runs begin is looked for eight pixels at a time.
    """
    changes = np.empty(label.size + -label.size % 8, np.uint8)
    changes[label.size :] = 0
    changes[:1] = 1
    within = changes[1 : label.size]
    np.bitwise_xor(label[1:], label[:-1], out=within)
    within |= prediction[1:] ^ prediction[:-1]
    eights = changes.view(np.uint64)
    some = np.flatnonzero(eights != 0)
    if 2 * some.size > eights.size:
        pixels = (rows[label] | prediction).view(np.int32)  # what torch takes fastest
        counts: NDArray[np.int64] = torch.bincount(torch.from_numpy(pixels), minlength=size).numpy()
        return counts
    places = np.flatnonzero(eights[some].view(np.uint8) != 0)
    starts = (some[places >> 3] << 3) + (places & 7)
    lengths = np.diff(starts, append=label.size)
    return np.bincount(rows[label[starts]] | prediction[starts], lengths, size).astype(np.int64)  # exact in float64


def iou_over(matrix: NDArray[Any], keep: Sequence[int]) -> NDArray[np.float64]:
    """IoU in percent of the classes `keep`, by the full matrix; NaN for a class that the ground truth does not have."""
    present = matrix.sum(1)[list(keep)] > 0
    return np.where(present, 100 * chosen(matrix, keep), np.nan)


def mean_iou(matrix: NDArray[Any], keep: Sequence[int]) -> float:
    """The mean over those of `keep` that the ground truth has; a class that is never true only costs the others."""
    each = iou_over(matrix, keep)
    present = np.isfinite(each)
    return float(each[present].mean()) if present.any() else math.nan
