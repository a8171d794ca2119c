"""Depth in metres: |ln| loss; the nine usual errors, metric and, beside them, median-scaled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.problem import Problem
from bench.record import DEPTH_RANGES
from bench.tasks.contract import Rules, Statistics, pooled, ratio, resized, upsampled

SCALED = "_median_scaled"


@dataclass(frozen=True)
class Depth:
    """The network's output u means z = sigmoid(u) in [0, 1] and d = dmin (dmax / dmin)^z metres."""

    name: str = "depth"

    def channels(self, problem: Problem) -> int:
        return 1

    def loss(self, raw: Tensor, label: Tensor, problem: Problem) -> Tensor:
        near, far = problem.depth_range
        valid = (label >= near) & (label <= far)  # 0, invalid, is nearer than near
        z = upsampled(raw, label.shape[-2:]).sigmoid()
        truth = torch.where(valid, label, near).log()
        return pooled(torch.where(valid, (_log(z, problem) - truth).abs(), 0.0), valid)

    def canonical(self, raw: Tensor, problem: Problem) -> Tensor:
        return raw.float().sigmoid()

    def decode(self, raw: Tensor, size: tuple[int, int], problem: Problem) -> Tensor:
        return _log(upsampled(raw, size).sigmoid(), problem).exp().squeeze(1)

    def statistics(self, prediction: NDArray[Any], label: NDArray[Any], rules: Rules) -> dict[str, NDArray[Any]]:
        near, far = rules.depth_range
        valid = (label > near) & (label < far)
        truth = label[valid].astype(np.float64)
        guess = resized(prediction, label.shape[:2])[valid].astype(np.float64)
        scale = np.median(truth) / max(np.median(guess), 1e-6) if truth.size else 1.0
        metric = errors(np.clip(guess, near, far), truth)
        scaled = errors(np.clip(guess * scale, near, far), truth)
        sums = metric | {name + SCALED: value for name, value in scaled.items()}
        sums |= ranges(np.clip(guess, near, far), truth)
        return {"count": np.array(truth.size)} | sums

    def metrics(self, statistics: Statistics) -> dict[str, float]:
        if missing := [name for name in SUMS if name not in statistics]:
            raise ValueError(f"the depth statistics are of an older suite, without {missing[0]}: predict again")
        count = float(statistics["count"].sum())
        result: dict[str, float] = {}
        for form in ("", SCALED):
            mean = {name: ratio(float(statistics[name + form].sum()), count) for name in SUMS}
            result |= {
                f"abs_err{form}": mean["absolute"],
                f"abs_rel{form}": mean["relative"],
                f"sq_rel{form}": mean["squared_relative"],
                f"rmse{form}": math.sqrt(mean["squared"]),
                f"rmse_log{form}": math.sqrt(mean["squared_log"]),
                f"log10{form}": mean["log"] / math.log(10),
                f"delta1{form}": 100 * mean["within1"],
                f"delta2{form}": 100 * mean["within2"],
                f"delta3{form}": 100 * mean["within3"],
            }
        return result


TASK = Depth()
SUMS = ("absolute", "relative", "squared_relative", "squared", "squared_log", "log", "within1", "within2", "within3")


def _log(z: Tensor, problem: Problem) -> Tensor:
    near, far = problem.depth_range
    return math.log(near) + z * math.log(far / near)


def errors(guess: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """The sums, over the pixels of an image, from which every depth metric follows. Natural logarithms."""
    gap = guess - truth
    log = np.abs(np.log(guess / truth))
    squared = gap * gap
    sums = (
        np.abs(gap).sum(),
        (np.abs(gap) / truth).sum(),
        (squared / truth).sum(),
        squared.sum(),
        (log * log).sum(),
        log.sum(),
        *(np.count_nonzero(log < power * math.log(1.25)) for power in (1, 2, 3)),
    )
    return {name: np.asarray(value) for name, value in zip(SUMS, sums, strict=True)}


def ranges(guess: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """The pixels of an image in each of DEPTH_RANGES, by their true depth, and the sums of their errors."""
    at, among = np.searchsorted(DEPTH_RANGES[1:-1], truth, "right"), len(DEPTH_RANGES) - 1
    gap = guess - truth
    sums = {"count": None, "relative": np.abs(gap) / truth, "squared": gap * gap}
    return {f"range_{name}": np.bincount(at, weights, among) for name, weights in sums.items()}
