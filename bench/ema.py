"""Exponential moving average of a network: parameters averaged, buffers copied."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update(average: nn.Module, student: nn.Module, momentum: float) -> None:
    """average <- momentum * average + (1 - momentum) * student, for parameters; buffers (BatchNorm) are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(student.parameters()), 1.0 - momentum)
    for mine, theirs in zip(average.buffers(), student.buffers(), strict=True):
        mine.copy_(theirs)
