"""How far two predictions of depth or normals are apart at each pixel: |ln d - ln d'|, 1 - cos."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from bench.problem import Problem
from bench.tasks.contract import pooled


def log_depth(a: Tensor, b: Tensor, problem: Problem) -> Tensor:
    """|ln d_a - ln d_b| of canonical depths, log-depth in [0, 1]: B 1 h w."""
    near, far = problem.depth_range
    return (a - b).abs() * math.log(far / near)


def cosine(a: Tensor, b: Tensor, problem: Problem) -> Tensor:
    """1 - cos of the angle between unit vectors B 3 h w: B 1 h w."""
    return 1 - (a * b).sum(1, keepdim=True)


REGRESSIONS = {"depth": log_depth, "normals": cosine}  # task -> (a, b, problem), canonical forms, to B 1 h w


def sky_free(outputs: Mapping[str, Tensor], problem: Problem) -> Tensor | None:
    """B 1 h w: False where the segmentation says sky, where depth and normals do not exist; None: no mask.

    `outputs`: the raw or the canonical outputs of all tasks: one order of the classes.
    """
    if problem.sky is None or "semseg" not in outputs:
        return None
    scores = outputs["semseg"].detach()
    return scores[:, [problem.sky]] < scores.amax(1, keepdim=True)  # an arg-max over the channels is slow on a CPU


def mean_where(pixels: Tensor, seen: Tensor | None) -> Tensor:
    """The mean over the pixels of all ranks that are seen (B 1 h w, bool); None: all are."""
    return pixels.mean() if seen is None else pooled(torch.where(seen, pixels, 0.0), seen)
