"""Decoders: from the encoder's feature map to one task's raw output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.nets.backbone import conv
from bench.nets.norm import BatchNorm, upsample


class UpProjection(nn.Module):
    """Bilinear x2, then a residual pair of branches (Laina et al., FCRN, 3DV 2016, section 3.2)."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            conv(inputs, outputs, kernel=kernel),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), BatchNorm(outputs),
        )  # fmt: skip
        self.side = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, bias=False), BatchNorm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = upsample(x, (2 * x.shape[-2], 2 * x.shape[-1]))
        return F.relu(self.main(x) + self.side(x))


def up_projection_decoder(channels: int, widths: tuple[int, ...], outputs: int, kernel: int = 5) -> nn.Sequential:
    """1x1 to the first width, one up-projection per further width, 3x3 to the outputs."""
    blocks = [UpProjection(a, b, kernel) for a, b in zip(widths, widths[1:], strict=False)]
    return nn.Sequential(conv(channels, widths[0], kernel=1), *blocks, nn.Conv2d(widths[-1], outputs, 3, 1, 1))


class LightDecoder(nn.Sequential):
    """For the small network: 3x3 at stride 4, 3x3 to the four sub-pixels of stride 2."""

    def __init__(self, channels: int, width: int, outputs: int) -> None:
        super().__init__(conv(channels, 2 * width), nn.Conv2d(2 * width, 4 * outputs, 3, 1, 1), nn.PixelShuffle(2))


class ContextHead(nn.Module):
    """Levels embedded alike, then joined by dilated depth-wise separable convolutions (Hoyer et al., CVPR 2022).

    The levels come side by side at one size; so does the raw output leave.
    """

    def __init__(
        self, widths: Sequence[int], outputs: int, channels: int = 256, dilations: Sequence[int] = (6, 12, 18)
    ) -> None:
        super().__init__()
        self.widths, joined = list(widths), channels * len(widths)
        self.embed = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)
        self.pyramid = nn.ModuleList(
            [conv(joined, channels, kernel=1), *(separable(joined, channels, dilation) for dilation in dilations)]
        )
        self.join = conv(channels * len(self.pyramid), channels)
        self.out = nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(channels, outputs, 1))

    def forward(self, features: Tensor) -> Tensor:
        levels = torch.split(features, self.widths, 1)
        embedded = torch.cat([embed(level) for embed, level in zip(self.embed, levels, strict=True)], 1)
        joined = self.join(torch.cat([branch(embedded) for branch in self.pyramid], 1))
        raw: Tensor = self.out(joined)
        return raw


def separable(inputs: int, outputs: int, dilation: int) -> nn.Sequential:
    """A dilated 3x3 convolution of each channel, then a 1x1 of all."""
    depthwise = nn.Conv2d(inputs, inputs, 3, 1, dilation, dilation, groups=inputs, bias=False)
    return nn.Sequential(depthwise, BatchNorm(inputs), nn.ReLU(inplace=True), conv(inputs, outputs, kernel=1))
