"""A forward pass of a step, once more after the update, as if nothing had happened but the update."""

from __future__ import annotations

import torch


def repeatable(forward, *nets):
    """A second `forward()`: same random numbers, no graph, and no buffer of `nets` moves.

    To be made before the first pass, which draws the numbers that the second is to draw again.
    """
    device = next(nets[0].parameters()).device
    cuda = [device] if device.type == "cuda" else []
    host, states = torch.get_rng_state(), [torch.cuda.get_rng_state(d) for d in cuda]

    def again():
        buffers = [(buffer, buffer.clone()) for net in nets for buffer in net.buffers()]
        with torch.no_grad(), torch.random.fork_rng(cuda):
            torch.set_rng_state(host)
            for d, state in zip(cuda, states, strict=True):
                torch.cuda.set_rng_state(state, d)
            found = forward()
            for buffer, value in buffers:
                buffer.copy_(value)
        return found

    return again
