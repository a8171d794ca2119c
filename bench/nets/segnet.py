"""SegNet as multi-task work uses it (Badrinarayanan et al., TPAMI 2017; decoder as in Liu et al., MTAN, CVPR 2019).

A VGG16-like encoder, and a decoder that puts each value back where its maximum was. Trained from scratch; images are
not normalised. `low` is what comes before the first pooling, so that no index bypasses `high`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.nets.backbone import Encoder
from bench.nets.multitask import MultiTask
from bench.nets.norm import BatchNorm
from bench.problem import Problem
from bench.tasks import task

WIDTHS, DOWN, UP = (64, 128, 256, 512, 512), (2, 2, 3, 3, 3), (2, 2, 3, 3, 3)  # and convolutions a level


def pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """2x2 maxima and their places in the windows, 0 .. 3: B C H/2 W/2 each."""
    batch, channels, height, width = x.shape
    windows = F.pixel_unshuffle(x, 2).reshape(batch, channels, 4, height // 2, width // 2)
    values, places = windows.max(2)
    return values, places


def unpool(x: Tensor, places: Tensor) -> Tensor:
    """Each value at its place in a 2x2 window of zeros: B C 2H 2W. CUDA's max-unpooling has no deterministic form."""
    four = torch.arange(4, device=x.device).view(4, 1, 1)
    windows = torch.where(places.unsqueeze(2) == four, x.unsqueeze(2), 0)
    return F.pixel_shuffle(windows.flatten(1, 2), 2)


def level(inputs: int, outputs: int, count: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(count):
        convolution = nn.Conv2d(inputs if i == 0 else outputs, outputs, 3, 1, 1)
        layers += [convolution, BatchNorm(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class High(nn.Module):
    """From the first level's map down to stride 32 and back: 64 channels at the image's size."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            level(a, b, count) for a, b, count in zip(WIDTHS, WIDTHS[1:], DOWN[1:], strict=False)
        )  # fmt: skip
        self.up = nn.ModuleList(
            level(a, b, count) for a, b, count in zip(WIDTHS, (WIDTHS[0], *WIDTHS), UP, strict=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        x, places = pool(x)
        seen = [places]
        for down in self.down:
            x, places = pool(down(x))
            seen.append(places)
        for up, places in zip(reversed(self.up), reversed(seen), strict=True):
            x = up(unpool(x, places))
        return x


@dataclass(kw_only=True)
class SegNet:
    """SegNet, 24.94 M parameters, and two convolutions a task at the image's size; from scratch."""

    auxiliary_width: int = 64
    lr: float = 1e-4

    def build(self, problem: Problem, tasks: tuple[str, ...]) -> MultiTask:
        width = WIDTHS[0]
        encoder = Encoder(level(3, width, DOWN[0]), High(), width, width, 1)
        return MultiTask(
            encoder,
            {
                name: nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, task(name).channels(problem), 1))
                for name in tasks
            },
        )

    def weights_used(self) -> str:
        return "none"
