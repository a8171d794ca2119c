"""Encoders: `low`, the early layers domains share, and `high`, what adaptation trains; one feature map comes out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.nets.norm import BatchNorm, upsample

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet RGB


class Normalise(nn.Module):
    """RGB in [0, 1] -> zero mean, unit deviation by ImageNet's statistics."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


class Encoder(nn.Module):
    """`high(low(image))`: B 3 H W -> B channels H/stride W/stride. `low` has low_channels, for auxiliary heads."""

    def __init__(self, low: nn.Module, high: nn.Module, low_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.low, self.high = low, high
        self.low_channels, self.channels, self.stride = low_channels, channels, stride

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.high(self.low(image))
        return features


def conv(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), BatchNorm(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv(inputs, outputs, stride=stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), BatchNorm(outputs))
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), BatchNorm(outputs)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


class SmallHigh(nn.Module):
    """Stride 4 -> 8 -> 16 and back to 4: the skips start inside `high`, so that nothing bypasses what is adapted."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w2, w4, w8 = 2 * width, 4 * width, 8 * width
        self.four = conv(w2, w2)
        self.eight = nn.Sequential(Residual(w2, w4, 2), Residual(w4, w4))
        self.sixteen = nn.Sequential(Residual(w4, w8, 2), Residual(w8, w8))  # most parameters, few pixels
        self.join8 = conv(w8 + w4, w4, kernel=1)
        self.mix8 = Residual(w4, w4)
        self.join4 = conv(w4 + w2, 3 * width, kernel=1)
        self.mix4 = Residual(3 * width, 3 * width)

    def forward(self, x: Tensor) -> Tensor:
        four = self.four(x)
        eight = self.eight(four)
        sixteen = self.sixteen(eight)
        eight = self.mix8(self.join8(torch.cat([upsample(sixteen, eight.shape[-2:]), eight], 1)))
        joined: Tensor = self.mix4(self.join4(torch.cat([upsample(eight, four.shape[-2:]), four], 1)))
        return joined


def small(width: int) -> Encoder:
    """A U-shaped residual encoder for the embedded world. Output: 3 width channels at stride 4."""
    low = nn.Sequential(Normalise(), conv(3, width, stride=2), conv(width, 2 * width, stride=2))
    return Encoder(low, SmallHigh(width), 2 * width, 3 * width, 4)


def resnet50(weights: str) -> Encoder:
    """torchvision's ResNet-50; low = stem..res4, high = res5. Output: 2048 channels at stride 32.

    weights: "none", or the path of a state dict of torchvision's resnet50. ValueError if it does not fit exactly.
    """
    from torchvision.models import resnet50 as published  # two seconds that no other network has to wait for

    net = published(weights=None, norm_layer=BatchNorm)
    if weights != "none":
        load_exactly(net, weights)
    low = nn.Sequential(
        Normalise(), net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3
    )  # fmt: skip
    return Encoder(low, net.layer4, 1024, 2048, 32)


def load_exactly(net: nn.Module, path: str) -> None:
    """Load a local weight file; one line of ValueError if it is missing or any tensor does not fit."""
    if not Path(path).is_file():
        raise ValueError(f'network.weights: no file "{path}"; give a local state dict, or "none" to start from scratch')
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        there = {name: value.shape for name, value in state.items()}
    except Exception as error:  # torch.load meets what it does not know with errors of every kind
        raise ValueError(f"network.weights: {path} is no state dict ({type(error).__name__})") from error
    wanted = {name: value.shape for name, value in net.state_dict().items()}
    odd = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    if odd:
        raise ValueError(f"network.weights: {path} does not fit: {len(odd)} tensors differ, first {odd[0]}")
    net.load_state_dict(state)


def weight_hash(path: str) -> str:
    """sha256 of a weight file, "none" if there is none: what a record says about the start."""
    return "none" if path == "none" else hashlib.sha256(Path(path).read_bytes()).hexdigest()
