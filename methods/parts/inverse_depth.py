"""Inverse depth as the DADA family has it, 65536 / (centimetres + 1), its reverse Huber loss, and soft depth bins."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.problem import Problem
from bench.tasks import task
from bench.tasks.contract import pooled

LEAST = 0.2  # of an image's largest error: where the reverse Huber loss turns from linear to quadratic
NUM_BINS, FARTHEST = 15, 655.36  # soft bins, log-spaced from 1 m to this


def inverse(depth: Tensor) -> Tensor:
    """655.36 / (m + 0.01)."""
    return 655.36 / (depth + 0.01)


def metres(inverted: Tensor) -> Tensor:
    """Back: 655.36 / inverse - 0.01 (DenseMTL takes 1 away: a slip)."""
    return 655.36 / inverted - 0.01


def depth_of(raw: Tensor, size: tuple[int, int], problem: Problem) -> Tensor:
    """Metres, B 1 H W at `size`, of a raw depth output: within the split's range, and differentiable."""
    return task("depth").decode(raw, size, problem).unsqueeze(1)


def berhu(error: Tensor, valid: Tensor) -> Tensor:
    """Reverse Huber: |e| up to c, (e^2 + c^2) / 2c beyond, c = 0.2 of the largest |e|; B 1 H W, the mean where valid.

    Differs: c is of each image, not of the batch, so that no image's loss depends on the others of its batch and rank.
    """
    size = torch.where(valid, error.abs(), 0.0)
    c = LEAST * size.detach().amax((1, 2, 3), keepdim=True)
    beyond = (size.square() + c.square()) / (2 * c).clamp_min(1e-12)
    return pooled(torch.where(size <= c, size, beyond), valid)


def inverse_loss(raw: Tensor, label: Tensor, problem: Problem) -> Tensor:
    """berHu of inverse depth, where the label is within the split's range. label: B 1 H W metres, invalid 0."""
    near, far = problem.depth_range
    valid = (label >= near) & (label <= far)
    guess = inverse(depth_of(raw, (label.shape[-2], label.shape[-1]), problem))
    return berhu(guess - inverse(torch.where(valid, label, near)), valid)


def bin_scores(depth: Tensor) -> Tensor:
    """-(d - bin)^2, B 15 H W: the soft assignment exp(-(d - bin)^2) is their softmax. depth: B 1 H W metres."""
    bins = torch.logspace(0, torch.tensor(FARTHEST).log10().item(), NUM_BINS, device=depth.device)
    return -(depth - bins.view(1, -1, 1, 1)).square()
