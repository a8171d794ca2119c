"""DeepLab-v2 on dilated ResNets, a classifier a task (Chen et al., "DeepLab", TPAMI 2018, arXiv 1606.00915).

Differs: torchvision's ResNets have a unit's stride in its 3x3 convolution, Caffe's in the 1x1 before it; no ceil_mode
in the max pooling, so that sides stay multiples; images are normalised by ImageNet's RGB statistics; one rate for
encoder and classifiers (the authors: ten times for classifiers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from bench.nets import backbone
from bench.nets.multitask import MultiTask
from bench.nets.weights import weight_hash
from bench.problem import Problem
from bench.tasks import task

DILATIONS = (6, 12, 18, 24)


class Classifier(nn.Module):
    """The sum of four 3x3 convolutions, each of another dilation: raw outputs at the features' size."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(channels, outputs, 3, 1, d, d) for d in DILATIONS)
        for branch in self.branches:
            assert isinstance(branch, nn.Conv2d)
            nn.init.normal_(branch.weight, std=0.01)

    def forward(self, features: Tensor) -> Tensor:
        return torch.stack([branch(features) for branch in self.branches]).sum(0)


@dataclass(kw_only=True)
class DeepLab50:
    """DeepLab-v2 on ResNet-50 at stride 8, 23.5 M parameters and four dilated 3x3 convolutions a task."""

    resnet: ClassVar[str] = "resnet50"

    auxiliary_width: int = 64
    weights: str = "resnet50-0676ba61.pth"  # torchvision's; or another file of it, or "none": from scratch, knowingly
    lr: float = 1e-4

    def build(self, problem: Problem, tasks: tuple[str, ...]) -> MultiTask:
        encoder = backbone.resnet(self.resnet, self.weights, dilated=True)
        return MultiTask(encoder, {name: Classifier(encoder.channels, task(name).channels(problem)) for name in tasks})

    def weights_used(self) -> str:
        return weight_hash(self.weights)


@dataclass(kw_only=True)
class DeepLab101(DeepLab50):
    """DeepLab-v2 on ResNet-101 at stride 8, 42.5 M parameters and four dilated 3x3 convolutions a task."""

    resnet = "resnet101"

    weights: str = "resnet101-63fe2227.pth"
