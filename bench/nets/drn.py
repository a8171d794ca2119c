"""Dilated residual networks D-22 and D-38 (Yu, Koltun, Funkhouser, CVPR 2017, arXiv 1705.09914), a 1x1 head a task.

`low` ends with layer6, `high` is layer7 and layer8: the two taps of multi-level methods, both 512 channels, stride 8.
Differs: images are normalised by ImageNet's RGB statistics, as the published weights were trained, not by BGR means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from bench.nets.backbone import Encoder, Normalise
from bench.nets.multitask import MultiTask
from bench.nets.norm import BatchNorm
from bench.nets.weights import load_exactly, weight_hash
from bench.problem import Problem
from bench.tasks import task

WIDTHS = (16, 32, 64, 128, 256, 512, 512, 512)  # of layer1 .. layer8


class Block(nn.Module):
    """Two 3x3 convolutions of one dilation and a shortcut; names as in the published files."""

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)
        self.bn1 = BatchNorm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False)
        self.bn2 = BatchNorm(outputs)
        same = inputs == outputs and stride == 1
        self.downsample = None if same else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), BatchNorm(outputs)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + shortcut)


def plain(inputs: int, outputs: int, count: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolutions without shortcuts: the first and the last layers, the last to undo what dilation leaves."""
    layers: list[nn.Module] = []
    for i in range(count):
        convolution = nn.Conv2d(
            inputs if i == 0 else outputs, outputs, kernel, stride if i == 0 else 1, dilation * (kernel // 2), dilation,
            bias=False,
        )  # fmt: skip
        layers += [convolution, BatchNorm(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def residual(inputs: int, outputs: int, count: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    first = Block(inputs, outputs, stride, dilation)
    return nn.Sequential(first, *(Block(outputs, outputs, 1, dilation) for _ in range(count - 1)))


class DRN(nn.Module):
    """The network that is published, with the classifier of its files; only its parts are used."""

    def __init__(self, counts: Sequence[int]) -> None:
        super().__init__()
        w, n = WIDTHS, counts
        self.layer0 = plain(3, w[0], 1, kernel=7)
        self.layer1 = plain(w[0], w[0], n[0])
        self.layer2 = plain(w[0], w[1], n[1], stride=2)
        self.layer3 = residual(w[1], w[2], n[2], stride=2)
        self.layer4 = residual(w[2], w[3], n[3], stride=2)
        self.layer5 = residual(w[3], w[4], n[4], dilation=2)
        self.layer6 = residual(w[4], w[5], n[5], dilation=4)
        self.layer7 = plain(w[5], w[6], n[6], dilation=2)
        self.layer8 = plain(w[6], w[7], n[7])
        self.fc = nn.Conv2d(w[7], 1000, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")


def drn(counts: Sequence[int], weights: str) -> Encoder:
    net = DRN(counts)
    if weights != "none":
        load_exactly(net, weights)
    low = nn.Sequential(
        Normalise(), net.layer0, net.layer1, net.layer2, net.layer3, net.layer4, net.layer5, net.layer6
    )  # fmt: skip
    return Encoder(low, nn.Sequential(net.layer7, net.layer8), WIDTHS[5], WIDTHS[7], 8)


@dataclass(kw_only=True)
class DRN22:
    """DRN-D-22, 15.88 M parameters, and a 1x1 convolution a task at stride 8."""

    counts: ClassVar[tuple[int, ...]] = (1, 1, 2, 2, 2, 2, 1, 1)  # blocks of layer1 .. layer8

    auxiliary_width: int = 64
    weights: str = "drn_d_22-4bd2f8ea.pth"  # the authors'; or another file of it, or "none": from scratch, knowingly
    lr: float = 1e-4

    def build(self, problem: Problem, tasks: tuple[str, ...]) -> MultiTask:
        encoder = drn(self.counts, self.weights)
        return MultiTask(
            encoder, {name: nn.Conv2d(encoder.channels, task(name).channels(problem), 1) for name in tasks}
        )

    def weights_used(self) -> str:
        return weight_hash(self.weights)


@dataclass(kw_only=True)
class DRN38(DRN22):
    """DRN-D-38, 25.99 M parameters, and a 1x1 convolution a task at stride 8."""

    counts = (1, 1, 3, 4, 6, 3, 1, 1)

    weights: str = "drn_d_38-eebb45f0.pth"
