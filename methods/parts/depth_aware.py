"""DADA's trunk: a depth branch whose code also weighs the features that classes are read from; and what needs it.

Vu, Jain, Bucher, Cord, Perez, "DADA: Depth-Aware Domain Adaptation in Semantic Segmentation", ICCV 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from bench.nets.backbone import conv
from methods.parts.aligned import Aligned
from methods.parts.inverse_depth import inverse_loss
from methods.parts.supervised import losses


class DepthAware(nn.Module):
    """forward: image -> {task: raw}. Published channels: 2048-512-512-128, the depth their mean, and 128-2048 back."""

    def __init__(self, problem):
        super().__init__()
        self.net = problem.network.build(problem, tuple(name for name in problem.tasks if name != "depth"))
        channels = self.net.encoder.channels
        inner, code = max(8, channels // 4), max(8, channels // 16)
        self.code = nn.Sequential(conv(channels, inner, kernel=1), conv(inner, inner), nn.Conv2d(inner, code, 1))
        self.back = conv(code, channels, kernel=1)

    @property
    def shared(self):
        """What several tasks are read from: the features, and the depth branch that weighs them."""
        return nn.ModuleList([self.net.encoder, self.code, self.back])

    def branch(self, image):
        """The features, and the depth branch's code."""
        features = self.net.encoder(image)
        return features, self.code(features)

    def forward(self, image):
        features, code = self.branch(image)
        return self.net.decode(features * self.back(code)) | {"depth": code.mean(1, keepdim=True)}


class DepthAligned(Aligned):
    """DADA's weights: source depth is privileged information that one view of the discriminator is made with."""

    SHARE = 1.0  # of each domain: not halved

    @dataclass(kw_only=True)
    class Config(Aligned.Config):
        depth: float = 1e-3  # weight of berHu on inverse depth
        adversarial: float = 1e-3

        def check(self, problem):
            super().check(problem)
            if "depth" not in problem.tasks:
                raise ValueError(f"it learns from depth labels of the source, and {problem.split} has none")

    def supervised(self, outputs, labels):
        depth = {"depth": self.config.depth * inverse_loss(outputs["depth"], labels["depth"], self.problem)}
        others = {name: raw for name, raw in outputs.items() if name != "depth"}
        return losses(others, labels, self.problem) | depth

    def weights(self):
        return {"joint": self.config.adversarial}
