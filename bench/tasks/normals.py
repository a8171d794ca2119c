"""Surface normals: 1 - cos loss; the angle's mean, median and RMSE in degrees, and the shares of small angles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bench.problem import Problem
from bench.tasks.contract import Rules, Statistics, pooled, ratio, resized, upsampled

BINS = 3600  # of 0.05 degrees each: the thresholds 11.25, 22.5 and 30 lie on edges
PER_DEGREE = BINS // 180


@dataclass(frozen=True)
class Normals:
    """Unit vectors in the camera's frame. An invalid label is the zero vector."""

    name: str = "normals"

    def channels(self, problem: Problem) -> int:
        return 3

    def loss(self, raw: Tensor, label: Tensor, problem: Problem) -> Tensor:
        valid = label.square().sum(1) > 0.25
        guess = self.canonical(upsampled(raw, label.shape[-2:]), problem)
        return pooled(torch.where(valid, 1 - (guess * label).sum(1), 0.0), valid)

    def canonical(self, raw: Tensor, problem: Problem) -> Tensor:
        return F.normalize(raw.float(), dim=1, eps=1e-6)

    def decode(self, raw: Tensor, size: tuple[int, int], problem: Problem) -> Tensor:
        return self.canonical(upsampled(raw, size), problem)

    def statistics(self, prediction: NDArray[Any], label: NDArray[Any], rules: Rules) -> dict[str, NDArray[Any]]:
        """The histogram keeps the median over all images exact to a bin, and the shares exact."""
        valid = np.square(label, dtype=np.float32).sum(-1) > 0.25
        angles = angle(resized(prediction, label.shape[:2])[valid], label[valid])
        bins = np.minimum((angles * PER_DEGREE).astype(np.int32), BINS - 1)
        return {
            "count": np.array(angles.size),
            "sum": angles.sum(),
            "squared": np.square(angles).sum(),
            "histogram": np.bincount(bins, minlength=BINS).astype(np.int32),
        }

    def metrics(self, statistics: Statistics) -> dict[str, float]:
        count = float(statistics["count"].sum())
        below = np.cumsum(statistics["histogram"].sum(0, dtype=np.int64))
        return {
            "angle_mean": ratio(float(statistics["sum"].sum()), count),
            "angle_median": median(below),
            "angle_rmse": math.sqrt(ratio(float(statistics["squared"].sum()), count)),
            "within_11.25": 100 * ratio(float(below[225 - 1]), count),
            "within_22.5": 100 * ratio(float(below[450 - 1]), count),
            "within_30": 100 * ratio(float(below[600 - 1]), count),
        }


TASK = Normals()


def angle(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Degrees between vectors N 3 of any length but 0; atan2, because arc cosine loses small angles."""
    (ax, ay, az), (bx, by, bz) = a.T.astype(np.float32), b.T.astype(np.float32)
    cross = np.sqrt((ay * bz - az * by) ** 2 + (az * bx - ax * bz) ** 2 + (ax * by - ay * bx) ** 2)
    degrees: NDArray[np.float64] = np.degrees(np.arctan2(cross, ax * bx + ay * by + az * bz)).astype(np.float64)
    return degrees


def median(below: NDArray[np.int64]) -> float:
    """The median from a cumulative histogram: the middle of the bin it lies in (two bins' mean if it falls between)."""
    count = int(below[-1])
    if not count:
        return float("nan")
    low, high = np.searchsorted(below, [(count - 1) // 2, count // 2], side="right")
    return float(low + high + 1) / 2 / PER_DEGREE
