"""BatchNorm statistics of a finished network, estimated anew on the target (Li et al., AdaBN, ICLR workshop 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench.nets.norm import restart_statistics
from bench.stage import Stage


class TargetStatistics(Stage):
    """One in-order pass over the target's training images, every batch with equal weight; no weight moves.

    Heirs say whose network it is: `base`, a stage that keeps it as `net`.
    """

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        draw = "in order"
        reads = ("target",)
        base: Stage.Config | None = None

        def network(self, problem):
            return self.base.network(problem)

        def batchnorm(self):
            return "re-estimated on target training images"

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = self.network(given["base"].build())
        restart_statistics(self.net)

    def network(self, base):
        """What of the finished stage predicts."""
        return base.net

    @torch.no_grad()
    def step(self, t, source, target):
        self.net(target.image)
        return {}

    def predict(self, image):
        return self.net(image)
