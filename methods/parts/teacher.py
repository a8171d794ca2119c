"""The mean teacher (Tarvainen and Valpola, NeurIPS 2017): an average of the student, never trained itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from bench import ema
from bench.nets.norm import batch_statistics, stored_statistics

MODES = ("batch", "eval")  # how a teacher's BatchNorm normalises


def teacher_of(student: nn.Module) -> nn.Module:
    """A copy that no optimiser can reach."""
    return copy.deepcopy(student).requires_grad_(False)


def momentum(k: int, cap: float) -> float:
    """min(1 - 1/(k+1), cap): a true mean of the first updates; k counts from 0, where the teacher is the student."""
    return min(1 - 1 / (k + 1), cap)


def follow(teacher: nn.Module, student: nn.Module, k: int, cap: float) -> None:
    """theta' <- a theta' + (1 - a) theta; buffers (BatchNorm's statistics) are copied."""
    ema.update(teacher, student, momentum(k, cap))


@torch.no_grad()
def predicted(teacher: nn.Module, image: Tensor, mode: str = "eval") -> Mapping[str, Tensor]:
    """The teacher's raw outputs, without dropout and without a graph.

    mode: BatchNorm on the stored statistics ("eval"), or on those of these images ("batch"), which leave no trace. A
    student that learns from two domains in turn stores what is true of neither.
    """
    with stored_statistics(teacher), batch_statistics(teacher) if mode == "batch" else nullcontext():
        outputs: Mapping[str, Tensor] = teacher(image)
    return outputs
