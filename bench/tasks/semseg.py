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
        return {"confusion": confusion(prediction, label, rules.classes)}

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


def confusion(prediction: NDArray[np.uint8], label: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Pixels by (true class, predicted class); pixels whose label is void are not counted.

    A histogram of the pairs, cut to the classes afterwards: no mask, and ids that cannot be are seen in the counts.
    """
    if prediction.shape != label.shape:
        raise ValueError(f"the class map is {prediction.shape}, its label {label.shape}: they must have one size")
    matrix = _pairs(label.ravel(), prediction.ravel()).reshape(256, 256)
    strange, invented = matrix[classes:VOID].sum(1), matrix[:classes, classes:].sum(0)
    for counts, what in ((strange, "the label"), (invented, "the class map")):
        if counts.any():
            wrong = classes + int(counts.argmax())
            raise ValueError(f"{what} has the id {wrong}; ids are 0 to {classes - 1}, and in labels {VOID} for void")
    return matrix[:classes, :classes].copy()


def _pairs(label: NDArray[np.uint8], prediction: NDArray[np.uint8]) -> NDArray[np.int64]:  # 65536
    """How often each pair is there, 256 label + prediction: runs of equal pairs are counted, for streets have few."""
    begins = np.ones(label.size, bool)
    np.not_equal(label[1:], label[:-1], out=begins[1:])
    begins[1:] |= prediction[1:] != prediction[:-1]
    if 8 * np.count_nonzero(begins) < label.size:
        starts = np.flatnonzero(begins)
        pairs = label[starts].astype(np.int32) << 8 | prediction[starts]
        lengths = np.diff(starts, append=label.size)
        return np.bincount(pairs, lengths, 1 << 16).astype(np.int64)  # float64 counts are exact
    pairs = label.astype(np.int32)  # what torch.bincount takes fastest as it is
    pairs <<= 8
    pairs |= prediction
    counts: NDArray[np.int64] = torch.bincount(torch.from_numpy(pairs), minlength=1 << 16).numpy()
    return counts


def iou_over(matrix: NDArray[Any], keep: Sequence[int]) -> NDArray[np.float64]:
    """IoU in percent of the classes `keep`, by the full matrix; NaN for a class that the ground truth does not have."""
    present = matrix.sum(1)[list(keep)] > 0
    return np.where(present, 100 * chosen(matrix, keep), np.nan)


def mean_iou(matrix: NDArray[Any], keep: Sequence[int]) -> float:
    """The mean over those of `keep` that the ground truth has; a class that is never true only costs the others."""
    each = iou_over(matrix, keep)
    present = np.isfinite(each)
    return float(each[present].mean()) if present.any() else math.nan
