"""What a task is: channels, supervised loss, decoding, sufficient statistics of an image, and metrics from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bench import dist
from bench.problem import Problem

Statistics = Mapping[str, NDArray[Any]]  # of one image; stacked N x ... for `metrics`


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What scoring needs to know of a split."""

    classes: int
    depth_range: tuple[float, float]  # metres; truth not strictly inside is not scored, predictions are clamped
    names: NDArray[np.int16] | None = None  # 256: the class behind each id of a label, or VOID; -1: no such id


class Task(Protocol):
    """The members of a task. raw: network output B channels h w, at any size; label: as in problem.Labelled."""

    @property
    def name(self) -> str: ...

    def channels(self, problem: Problem) -> int:
        """How many channels a network's output has."""

    def loss(self, raw: Tensor, label: Tensor, problem: Problem) -> Tensor:
        """The supervised loss, a mean over the valid pixels of all ranks; raw is brought to the label's size."""

    def canonical(self, raw: Tensor, problem: Problem) -> Tensor:
        """The output in bounded form: class probabilities, log depth in [0, 1], unit vectors. B channels h w."""

    def decode(self, raw: Tensor, size: tuple[int, int], problem: Problem) -> Tensor:
        """The prediction at `size` (height, width): class ids B H W, metres B H W, unit vectors B 3 H W."""

    def statistics(self, prediction: NDArray[Any], label: NDArray[Any], rules: Rules) -> dict[str, NDArray[Any]]:
        """What one image adds to the metrics, at the label's size. Arrays H W (C)."""

    def metrics(self, statistics: Statistics) -> dict[str, float]:
        """The metrics over all pixels of all images; NaN where no pixel was scored."""


def upsampled(raw: Tensor, size: Sequence[int]) -> Tensor:
    """B C h w brought to `size` (height, width), bilinearly, in float32."""
    raw = raw.float()
    if raw.shape[-2:] == torch.Size(size):
        return raw
    return F.interpolate(raw, list(size), mode="bilinear", align_corners=False)


def pooled(losses: Tensor, valid: Tensor) -> Tensor:
    """The mean over the valid pixels of all ranks: what one process with the whole batch would compute.

    `losses` is 0, without gradient, where not `valid`. With no valid pixel anywhere the loss is 0.
    """
    count = dist.mean(valid.sum().float())
    return losses.sum() / count.clamp(min=1e-6)


def resized(prediction: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """A predicted map H W or H W C brought to `size` (height, width), bilinearly."""
    if prediction.shape[:2] == size:
        return prediction.astype(np.float32, copy=False)
    maps = torch.from_numpy(np.atleast_3d(prediction)).permute(2, 0, 1)[None]
    result: NDArray[np.float32] = upsampled(maps, size)[0].permute(1, 2, 0).contiguous().numpy()
    return result.reshape(*size, *prediction.shape[2:])


def ratio(total: float, count: float) -> float:
    return total / count if count else float("nan")
