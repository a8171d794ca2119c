"""Encoders: `low`, the early layers domains share, and `high`, what adaptation trains; one feature map comes out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.nets.norm import BatchNorm, upsample
from bench.nets.weights import load_exactly

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


def pointwise(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    """A 1x1 convolution. Of fewer than 8 channels the pixels are picked first: the gradient of a strided one writes
    beyond its memory then (oneDNN in torch 2.15 on AVX2), and the process dies somewhere else."""
    if stride == 1 or inputs >= 8:
        return [nn.Conv2d(inputs, outputs, 1, stride, bias=False)]
    return [nn.AvgPool2d(1, stride), nn.Conv2d(inputs, outputs, 1, bias=False)]


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv(inputs, outputs, stride=stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), BatchNorm(outputs))
        same = inputs == outputs and stride == 1
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(*pointwise(inputs, outputs, stride), BatchNorm(outputs))
        )

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
    """torchvision's ResNet-50. Output: 2048 channels at stride 32."""
    return resnet("resnet50", weights)


def resnet(name: str, weights: str, *, dilated: bool = False) -> Encoder:
    """One of torchvision's deep ResNets; low = stem..res4, high = res5. Output: 2048 channels at stride 32.

    weights: "none", or the path of a state dict of that network. ValueError if it does not fit exactly.
    dilated: the last two strides become dilations: stride 8.
    """
    from torchvision import models  # two seconds that no other network has to wait for

    build = getattr(models, name)
    net = build(weights=None, norm_layer=BatchNorm, replace_stride_with_dilation=[False, dilated, dilated])
    if weights != "none":
        load_exactly(net, weights)
    low = nn.Sequential(
        Normalise(), net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3
    )  # fmt: skip
    return Encoder(low, net.layer4, 1024, 2048, 8 if dilated else 32)
