"""AdaBN (Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", ICLR workshop 2017).

The source-only network, its BatchNorm statistics estimated anew on the target's training images: one in-order pass,
every batch with equal weight, no gradient. The cheapest adaptation there is, and the row beside which others are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from bench.nets.norm import restart_statistics
from bench.stage import Stage
from methods.parts.supervised import Supervised


class Method(Stage):
    @dataclass(kw_only=True)
    class Config(Stage.Config):
        draw = "in order"
        reads = ("target",)
        base: Supervised.Config = field(default_factory=Supervised.Config)

        def batchnorm(self):
            return "re-estimated on target training images"

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = given["base"].build().net
        restart_statistics(self.net)

    @torch.no_grad()
    def step(self, t, source, target):
        self.net(target.image)
        return {}

    def predict(self, image):
        return self.net(image)
