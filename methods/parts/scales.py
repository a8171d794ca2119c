"""Two scales of one network: context, the whole image made small, and details, windows of it at full scale (HRDA)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from bench.nets.backbone import conv
from bench.nets.norm import upsample

STEP = 8  # pixels: corners of windows are multiples of it, so that they lie on the grids of outputs
MULTIPLE = 32  # what networks ask of sides


@dataclass(frozen=True)
class Window:
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def drawn(cls, number, image, size):
        """The window of `size` (height, width) that a number picks among those of images .. H W."""
        (height, width), (rows, columns) = size, ((a - b) // STEP + 1 for a, b in zip(image, size, strict=True))
        return cls(STEP * (number % rows), STEP * (number // rows % columns), height, width)

    @property
    def halved(self):
        """The same on the grid of half the image."""
        return Window(self.top // 2, self.left // 2, self.height // 2, self.width // 2)

    def of(self, maps):
        """The part of maps .. H W: a view."""
        return maps[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def within(self, part, size):
        """Maps .. h w put at their place in maps of `size` (height, width) that are 0 elsewhere."""
        right, bottom = size[1] - self.left - self.width, size[0] - self.top - self.height
        return F.pad(part, (self.left, right, self.top, bottom))


class TwoScales(nn.Module):
    """forward, for a teacher and for tests: image B 3 H W -> {task: raw B channels H/2 W/2}, windows slid over it."""

    def __init__(self, net, problem):
        super().__init__()
        self.net, self.crop = net, (problem.height, problem.width)
        self.window = tuple(MULTIPLE * -(-side // (2 * MULTIPLE)) for side in self.crop)  # height, width
        channels = net.encoder.channels
        width = min(channels, 4 * problem.network.auxiliary_width)
        self.attention = nn.Sequential(conv(channels, width), nn.Conv2d(width, len(problem.classes), 1))

    def shrunk(self, image):
        """The image at the scale that makes the training crop as large as a window."""
        sides = zip(image.shape[-2:], self.window, self.crop, strict=True)
        size = [max(1, round(side * window / crop / MULTIPLE)) * MULTIPLE for side, window, crop in sides]
        return F.interpolate(image, size, mode="bilinear", align_corners=False)

    def context(self, image):
        """The context's features, all raw outputs and a, the latter two on the grid of half the image."""
        grid = (image.shape[-2] // 2, image.shape[-1] // 2)
        features = self.net.encoder(self.shrunk(image))
        raw = {name: upsample(output, grid) for name, output in self.net.decode(features).items()}
        return features, raw, upsample(self.attention(features), grid).float().sigmoid()

    def detail(self, part):
        """Raw class scores of windows, on the grid of half of them."""
        scores = self.net.decoders["semseg"](self.net.encoder(part))
        return upsample(scores, (part.shape[-2] // 2, part.shape[-1] // 2))

    def learn(self, image, window):
        """With one window: the context's features, all raw outputs, the classes fused, and the details' own scores."""
        features, raw, attention = self.context(image)
        scores, grid = self.detail(window.of(image)), raw["semseg"].shape[-2:]
        there = window.halved.within(torch.ones_like(scores[:1, :1]), grid)
        whole = window.halved.within(scores, grid)
        return features, raw | {"semseg": fused(raw["semseg"], whole, attention * there)}, scores

    def forward(self, image):
        _, raw, attention = self.context(image)
        grid = raw["semseg"].shape[-2:]
        total, count = torch.zeros_like(raw["semseg"]), torch.zeros_like(raw["semseg"][:1, :1])
        for window in self.slid(image.shape[-2:]):
            scores = self.detail(window.of(image))
            total = total + window.halved.within(scores, grid)
            count = count + window.halved.within(torch.ones_like(scores[:1, :1]), grid)
        return raw | {"semseg": fused(raw["semseg"], total / count, attention)}

    def slid(self, image):
        """Windows over an image of `image` (height, width) by half of their size, the last ones at its borders."""
        corners = [
            [*range(0, side - window, window // 2), side - window]
            for side, window in zip(image, self.window, strict=True)
        ]
        return [Window(top, left, *self.window) for top in corners[0] for left in corners[1]]


def fused(context, detail, attention):
    """(1 - a) context + a detail, for maps B C h w."""
    return torch.lerp(context.float(), detail.float(), attention)
