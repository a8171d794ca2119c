"""Contour-based content regularisation (CCR): the image's contours must stay readable from the features.

Kundu et al., UM-Adapt, ICCV 2019. Differs: the contour target is a multi-scale Sobel response of the image instead of
a HED network's output, whose weights may not be distributed; rows say "CCR (Sobel)".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.exact import replicate_pad
from bench.nets.norm import stored_statistics, upsample
from bench.optim import Optim
from bench.stage import Stage
from methods.parts.transfer import Base

SCALES = (1, 2, 4)  # sigma, pixels


def sobel_contour(image: Tensor) -> Tensor:
    """c(x): B 3 H W RGB in [0, 1] -> B 1 H/2 W/2 in [0, 1), unchanged by contrast and brightness. No gradient.

    In the image's own precision: half of it would be lost in the squares.
    """
    with torch.no_grad(), torch.autocast(image.device.type, enabled=False):
        weights = image.new_tensor((0.299, 0.587, 0.114)).view(3, 1, 1)
        luma = (image * weights).sum(1, keepdim=True)
        edges = torch.stack([_edges(_blur(luma, sigma)) for sigma in SCALES]).mean(0)
        return F.avg_pool2d(edges, 2)


def _blur(luma: Tensor, sigma: int) -> Tensor:
    radius = 3 * sigma
    x = torch.arange(-radius, radius + 1, dtype=luma.dtype, device=luma.device)
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = kernel / kernel.sum()
    across = F.conv2d(replicate_pad(luma, radius, radius, 0, 0), kernel.view(1, 1, 1, -1))
    return F.conv2d(replicate_pad(across, 0, 0, radius, radius), kernel.view(1, 1, -1, 1))


def _edges(luma: Tensor) -> Tensor:
    """q / (q + 4 mean(q)), q the squared Sobel gradient."""
    kernel = luma.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]).div(8)
    padded = replicate_pad(luma, 1, 1, 1, 1)
    gradients = F.conv2d(padded, torch.stack([kernel, kernel.T]).unsqueeze(1))
    q = gradients.square().sum(1, keepdim=True)
    return q / (q + 4 * q.mean((1, 2, 3), keepdim=True) + 1e-8)


class ContourDecoder(nn.Sequential):
    """D_c: bilinear x2 and 3x3, as often as lie between the features and half the image, down to one channel.

    Features as large as the image (SegNet's) are averaged first.
    """

    def __init__(self, channels: int, stride: int) -> None:
        hidden = {32: (512, 256, 64), 16: (256, 64), 8: (64,), 4: (32,), 2: (32,), 1: (32,)}[stride]
        doublings = max(0, int(math.log2(stride)) - 1)
        layers: list[nn.Module] = [nn.AvgPool2d(2)] if stride == 1 else []
        for i, (a, b) in enumerate(zip((channels, *hidden), (*hidden, 1), strict=True)):
            layers += [Double()] if i < doublings else []
            layers += [nn.Conv2d(a, b, 3, 1, 1), nn.LeakyReLU(0.2) if b > 1 else nn.Sigmoid()]
        super().__init__(*layers)


class Double(nn.Module):
    """Bilinear x2."""

    def forward(self, x: Tensor) -> Tensor:
        return upsample(x, (2 * x.shape[-2], 2 * x.shape[-1]))


def contour_loss(decoder: nn.Module, features: Tensor, clean: Tensor) -> Tensor:
    """L_ccr(x) = mean (D_c(F(x)) - c(x))^2."""
    return (decoder(features).float() - sobel_contour(clean)).square().mean()


class Contour(Stage):
    """Stage 2: the contour decoder D_c on the frozen source encoder, source images; no BatchNorm in it."""

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        reads = ("source",)
        share: float = 0.125
        base: Base.Config | None = None  # filled in by the method
        contour: str = "sobel"
        lr: float | None = None  # None: a quarter of the network's: at its own, D_c stuck at a constant in 2 seeds of 3

        def check(self, problem):
            if self.contour != "sobel":
                raise ValueError(
                    f'no contour target "{self.contour}"; known: sobel (HED weights may not be distributed)'
                )

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.encoder = given["base"].build().net.encoder.requires_grad_(False)
        self.decoder = ContourDecoder(self.encoder.channels, self.encoder.stride)
        lr = problem.rate(config.lr, 1 / 4)
        self.optim = Optim(self.decoder.parameters(), config.steps(problem), lr=lr)

    def step(self, t, source, target):
        with torch.no_grad(), stored_statistics(self.encoder):
            features = self.encoder(source.image)
        loss = contour_loss(self.decoder, features, source.clean)
        self.optim.minimise(loss)
        return {"contour": loss}
