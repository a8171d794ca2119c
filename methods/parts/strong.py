"""Strong photometric augmentation of a batch, each image with numbers of its own: colour, grey, blur, sharpness.

Images are B 3 H W in [0, 1]; factors are B. Who applies what and how often is the method's recipe; `changed` is that of
DACS and its heirs.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

GREY = (0.299, 0.587, 0.114)
DEALT = 7  # numbers an image that `changed` asks for
JITTERED, BLURRED = 0.8, 0.5  # shares of the images
BLUR = (0.15, 1.15)  # sigma, pixels


def changed(image: Tensor, dealt: Tensor, strength: float) -> Tensor:
    """Colour jitter of four in five images, blur of one in two, by each image's own numbers (B 7)."""
    jittered = jitter(image, dealt[:, :4], (strength,) * 4)
    image = where(dealt[:, 4] < JITTERED, jittered, image)
    sigma = BLUR[0] + (BLUR[1] - BLUR[0]) * dealt[:, 6]
    return where(dealt[:, 5] < BLURRED, blur(image, sigma, radius=4), image)


def where(chosen: Tensor, changed: Tensor, image: Tensor) -> Tensor:
    """The changed image where `chosen` (B, bool) says so."""
    return torch.where(chosen.view(-1, 1, 1, 1), changed, image)


def grey(image: Tensor) -> Tensor:
    weights = image.new_tensor(GREY).view(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True).expand_as(image)


def brightness(image: Tensor, factor: Tensor) -> Tensor:
    return (image * factor.view(-1, 1, 1, 1)).clamp(0, 1)


def contrast(image: Tensor, factor: Tensor) -> Tensor:
    factor = factor.view(-1, 1, 1, 1)
    return (image * factor + grey(image).mean((1, 2, 3), keepdim=True) * (1 - factor)).clamp(0, 1)


def saturation(image: Tensor, factor: Tensor) -> Tensor:
    factor = factor.view(-1, 1, 1, 1)
    return (image * factor + grey(image) * (1 - factor)).clamp(0, 1)


def hue(image: Tensor, turn: Tensor) -> Tensor:
    """Colours turned about the grey axis by `turn` (B, in whole turns): a rotation of RGB, linear and cheap."""
    angle = 2 * math.pi * turn
    cos, sin = angle.cos(), angle.sin()
    same, third = (1 - cos) / 3 + cos, (1 - cos) / 3
    ahead, behind = third - sin / math.sqrt(3), third + sin / math.sqrt(3)
    rows = [same, ahead, behind, behind, same, ahead, ahead, behind, same]
    turned = torch.einsum("bij,bjhw->bihw", torch.stack(rows, 1).view(-1, 3, 3), image)
    return turned.clamp(0, 1)


def jitter(image: Tensor, uniforms: Tensor, strengths: tuple[float, float, float, float]) -> Tensor:
    """Brightness, contrast, saturation by factors 1 +- s, hue by +- s turns; uniforms: B 4."""
    change = 2 * uniforms - 1
    for k, adjust in enumerate((brightness, contrast, saturation)):
        image = adjust(image, 1 + strengths[k] * change[:, k])
    return hue(image, strengths[3] * change[:, 3])


def blur(image: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """A Gaussian of each image's own sigma (B, pixels), cut at `radius` pixels, borders replicated."""
    steps = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    weights = torch.exp(-0.5 * (steps / sigma.view(-1, 1).clamp_min(1e-3)) ** 2)
    weights = weights / weights.sum(1, keepdim=True)
    batch, channels, height, width = image.shape
    kernel = weights.repeat_interleave(channels, 0)[:, None]
    flat = image.reshape(1, batch * channels, height, width)
    flat = F.conv2d(F.pad(flat, (radius, radius, 0, 0), mode="replicate"), kernel[:, :, None], groups=batch * channels)
    flat = F.conv2d(
        F.pad(flat, (0, 0, radius, radius), mode="replicate"), kernel[:, :, :, None], groups=batch * channels
    )
    return flat.reshape(image.shape).clamp(0, 1)


def sharpness(image: Tensor, factor: Tensor) -> Tensor:
    """The image's difference from its 3x3 mean (centre weight 5 of 13), added `factor` times."""
    kernel = image.new_ones(3, 1, 3, 3) / 13
    kernel[:, :, 1, 1] = 5 / 13
    smooth = F.conv2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    return (image + factor.view(-1, 1, 1, 1) * (image - smooth)).clamp(0, 1)
