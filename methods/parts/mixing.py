"""Mixing by class: the pixels of some classes of one image over another (Olsson et al., "ClassMix", WACV 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.problem import VOID


def classes_in(labels: Tensor, num_classes: int) -> Tensor:
    """Which classes each label map has: B H W int64 -> B C bool. Void is none of them."""
    there = torch.zeros(len(labels), VOID + 1, dtype=torch.bool, device=labels.device)
    return there.scatter_(1, labels.flatten(1), True)[:, :num_classes]


def half(there: Tensor, uniforms: Tensor, *, up: bool) -> Tensor:
    """A random half of the classes of each image, B C bool; an odd number is rounded up or down.

    uniforms: B C, as bench.rng.uniforms deals them.
    """
    count = (there.sum(1, keepdim=True) + int(up)) // 2
    order = uniforms.masked_fill(~there, 2.0).argsort(1).argsort(1)  # the rank of each class's number
    return (order < count) & there


def pixels_of(labels: Tensor, chosen: Tensor, *, void: bool) -> Tensor:
    """M: B 1 H W bool, True on the pixels of the chosen classes; `void` says whether void pixels are among them."""
    table = torch.full((len(labels), VOID + 1), void, device=labels.device)
    table[:, : chosen.shape[1]] = chosen
    return table.gather(1, labels.flatten(1)).view(len(labels), 1, *labels.shape[1:])


def paste(mask: Tensor, inside: Tensor, outside: Tensor) -> Tensor:
    """M inside + (1 - M) outside, for maps B C H W and for labels B H W."""
    return torch.where(mask if inside.ndim == 4 else mask[:, 0], inside, outside)
