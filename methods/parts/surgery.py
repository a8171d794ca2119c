"""One update from the gradients of several tasks: combined where parameters are shared, plain elsewhere."""

from __future__ import annotations

import torch


def minimise(losses, shared, optim, coefficients_of, extra=None):
    """shared: parameters whose gradient becomes sum_k c_k g_k, c = coefficients_of(gram) of just these parameters.

    `optim` averages each g_k over the ranks before anything is made of it. extra: one more loss, its gradient plain.
    """
    each = [optim.grads(loss, keep=True) for loss in losses]
    ids = {id(p) for p in shared}
    inside = [id(p) in ids for p in optim.parameters]
    gram = gram_of([[g for g, here in zip(grads, inside, strict=True) if here] for grads in each])
    coefficients, plain = coefficients_of(gram), [1.0] * len(each)
    update = [
        _sum(column, coefficients if here else plain)
        for column, here in zip(zip(*each, strict=True), inside, strict=True)
    ]
    if extra is not None:
        update = [_sum(pair, (1.0, 1.0)) for pair in zip(update, optim.grads(extra), strict=True)]
    optim.apply(update)


def _sum(gradients, coefficients):
    """sum_k c_k g_k of one parameter; a None is a task that does not reach it."""
    there = [float(c) * g for c, g in zip(coefficients, gradients, strict=True) if g is not None]
    return sum(there[1:], there[0]) if there else None


def gram_of(gradients):
    """g_i . g_j, K K nested lists of float64; a gradient is a list over the parameters, None is zero."""
    reached = [next((g for g in column if g is not None), None) for column in zip(*gradients, strict=True)]
    flat = [
        torch.cat([
            (torch.zeros_like(like) if g is None else g).reshape(-1)
            for g, like in zip(grads, reached, strict=True) if like is not None
        ])
        for grads in gradients
    ]  # fmt: skip
    # products and sums, no matrix product: autocast would have that in half precision
    return torch.stack([torch.stack([(a * b).sum(dtype=torch.float64) for b in flat]) for a in flat]).tolist()
