"""Decoders: from the encoder's feature map to one task's raw output at half the image's size."""

from __future__ import annotations

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
