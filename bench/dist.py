"""Ranks: who am I, and exact reductions over the processes of one run. One process needs none of it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import torch.distributed as torchdist
from torch import Tensor


def rank() -> int:
    return torchdist.get_rank() if torchdist.is_initialized() else 0


def world() -> int:
    return torchdist.get_world_size() if torchdist.is_initialized() else 1


def join(device: torch.device) -> None:
    """Join the group that torchrun (or Slurm) describes in the environment, if it does."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torchdist.is_initialized():
        torchdist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def leave() -> None:
    if torchdist.is_initialized():
        torchdist.destroy_process_group()


def barrier() -> None:
    if world() > 1:
        torchdist.barrier()


def mean(value: Tensor) -> Tensor:
    """The mean over the ranks, without gradient. Every rank must call it."""
    value = value.detach()
    if world() == 1:
        return value
    total = value.clone()
    torchdist.all_reduce(total)
    return total / world()


def any_rank(flag: bool, device: torch.device) -> bool:
    """True on every rank as soon as it is true on one."""
    if world() == 1:
        return flag
    vote = torch.tensor(float(flag), device=device)
    torchdist.all_reduce(vote, op=torchdist.ReduceOp.MAX)
    return bool(vote.item())


def average(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The mean over the ranks of each tensor, reduced as one flat bucket a dtype."""
    if world() == 1:
        return list(tensors)
    out: list[Tensor | None] = [None] * len(tensors)
    for dtype in sorted({t.dtype for t in tensors}, key=str):
        where = [i for i, t in enumerate(tensors) if t.dtype == dtype]
        flat = torch.cat([tensors[i].reshape(-1) for i in where])
        torchdist.all_reduce(flat)
        flat /= world()
        for i, piece in zip(where, torch.split(flat, [tensors[i].numel() for i in where]), strict=True):
            out[i] = torch.empty_like(tensors[i]).copy_(piece.view(tensors[i].shape))  # in the tensor's own layout
    return [t for t in out if t is not None]


def broadcast(tensors: Sequence[Tensor]) -> None:
    """Copy rank 0's values into everybody's tensors, in place."""
    if world() > 1:
        with torch.no_grad():
            for tensor in tensors:
                torchdist.broadcast(tensor, src=0)


class _Sum(torch.autograd.Function):
    """Sum over the ranks; the gradient of a sum is the sum of the gradients."""

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        total = value.contiguous().clone()
        torchdist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, *grads: Tensor) -> Tensor:
        total = grads[0].contiguous().clone()
        torchdist.all_reduce(total)
        return total


def summed(value: Tensor) -> Tensor:
    """The sum over the ranks, differentiable: what synchronised batch statistics are made of."""
    if world() == 1:
        return value
    result: Tensor = _Sum.apply(value)
    return result
