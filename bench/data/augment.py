"""Augmentation, declared by the split: geometry an image at a time on the CPU, photometry a batch on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bench.data.geometry import Size, nearest
from bench.split import Augmentation

NUM_UNIFORMS = 8  # random numbers of an image; each has its own use, so that no option shifts another's
GREY = (0.299, 0.587, 0.114)  # the shares of R, G and B in the perceived brightness
FAINT = 1e-3  # of the centre: a blur's weights below are 0, and cost nothing


@dataclass(frozen=True)
class View:
    """A window of a packed image, brought to the crop's size and perhaps mirrored."""

    top: int
    left: int
    height: int  # of the window
    width: int
    crop: Size
    mirrored: bool

    @property
    def zoom(self) -> float:
        """How many times larger things look. Under the same camera they are so many times nearer: depth / zoom."""
        return math.sqrt(self.crop[0] * self.crop[1] / (self.width * self.height))

    def apply(self, name: str, window: NDArray[Any]) -> NDArray[Any]:  # H W or H W C, of the window -> of the crop
        """Image, depth and normals each by their rule; anything else is moved alike, its values as they are."""
        if name == "image":
            return self._seen(window)
        if (self.width, self.height) != self.crop:
            window = window[nearest(self.height, self.crop[1])][:, nearest(self.width, self.crop[0])]
        if self.mirrored:
            window = window[:, ::-1]
        if name == "depth" and self.zoom != 1:
            window = window / window.dtype.type(self.zoom)
        if name == "normals" and self.mirrored:
            window = np.stack([-window[..., 0], window[..., 1], window[..., 2]], -1)
        return window

    def _seen(self, window: NDArray[np.uint8]) -> NDArray[np.uint8]:  # H W 3
        """By torch, for its filter is Pillow's with vector instructions, and it mirrors pixels and not bytes."""
        resized = (self.width, self.height) != self.crop
        if not resized and not self.mirrored:
            return window
        image = torch.from_numpy(np.array(window))[None].permute(0, 3, 1, 2)  # 1 3 H W, channels last
        if resized:
            image = F.interpolate(image, (self.crop[1], self.crop[0]), mode="bilinear", antialias=True)
        if self.mirrored:
            image = image.flip(3)
        seen: NDArray[np.uint8] = image[0].permute(1, 2, 0).numpy()
        return seen

    def gather(self, name: str, whole: NDArray[Any], packed: Size) -> NDArray[Any]:
        """The same of a map over the whole packed image that may be smaller than it: the value under each pixel."""
        if (whole.shape[1], whole.shape[0]) == packed:
            return self.apply(name, whole[self.top : self.top + self.height, self.left : self.left + self.width])
        rows = nearest(whole.shape[0], packed[1])[self.top : self.top + self.height]
        columns = nearest(whole.shape[1], packed[0])[self.left : self.left + self.width]
        return self.apply(name, whole[rows][:, columns])


def whole_view(packed: Size) -> View:
    """The packed image as it is."""
    return View(0, 0, packed[1], packed[0], packed, False)


def draw_view(uniforms: NDArray[np.float64], augment: Augmentation, packed: Size, crop: Size) -> View:
    """Zoom, place and mirroring of one image."""
    least, most = augment.zoom
    zoom = least + (most - least) * uniforms[0]
    width, height = min(round(crop[0] / zoom), packed[0]), min(round(crop[1] / zoom), packed[1])
    return View(
        top=int(uniforms[1] * (packed[1] - height + 1)),
        left=int(uniforms[2] * (packed[0] - width + 1)),
        height=height,
        width=width,
        crop=crop,
        mirrored=augment.flip and bool(uniforms[3] < 0.5),
    )


def check(augment: Augmentation, packed: Size, crop: Size) -> None:
    """ValueError unless every view that can be drawn lies in the image."""
    least, most = augment.zoom
    if not 0 < least <= most:
        raise ValueError(f"augment.zoom is {least}..{most}, expected a range above 0, such as 1..1.5")
    if augment.jitter < 0 or augment.jitter > 1 or augment.blur < 0:
        raise ValueError(f"augment: jitter {augment.jitter}, blur {augment.blur}; expected 0..1, and pixels from 0")
    width, height = round(crop[0] / least), round(crop[1] / least)
    if width > packed[0] or height > packed[1]:
        zoomed = f" at zoom {least} needs {width}x{height}" if least != 1 else ""
        images = f"the images are {packed[0]}x{packed[1]}"
        raise ValueError(f"crop {crop[0]}x{crop[1]}{zoomed}: {images}, expected no smaller")


def is_photometric(augment: Augmentation) -> bool:
    return augment.jitter > 0 or augment.blur > 0


def draw_photometry(uniforms: NDArray[np.float64], augment: Augmentation) -> NDArray[np.float32]:  # 3 + R + 1
    """Factors of brightness, contrast and saturation, then half a Gaussian: its weights at 0, 1 .. R pixels."""
    factors = 1 + augment.jitter * (2 * uniforms[4:7] - 1)
    sigma = max(augment.blur * float(uniforms[7]), 1e-3)
    half = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(math.ceil(3 * augment.blur) + 1)]
    half = [weight if weight > FAINT else 0 for weight in half]
    total = 2 * sum(half) - half[0]
    return np.array([*factors, *(weight / total for weight in half)], np.float32)


def photometry(clean: Tensor, pixels: Tensor, parameters: Tensor) -> Tensor:  # B 3 H W
    """Brightness, contrast, saturation and blur of a batch; pixels are the same images, B H W 3 uint8.

    Image by image, with parameters (B 3 + R + 1, on the CPU) as plain numbers: so an image's result does not depend on
    which others are in its batch, it is the same on any number of ranks, and a narrow blur costs less than a wide one.
    """
    image = torch.empty_like(clean, memory_format=torch.channels_last)
    there = image.permute(0, 2, 3, 1)  # B H W 3
    for i, (brightness, contrast, saturation, *weights) in enumerate(parameters.tolist()):
        gain = brightness * contrast
        grey = _grey(clean[i]).mul_(gain * (1 - saturation)).add_(_middle(pixels[i]) * (brightness * (1 - contrast)))
        torch.mul(clean[i].permute(1, 2, 0), gain * saturation, out=there[i])
        for channel in there[i].unbind(-1):
            channel.add_(grey)
        there[i].clamp_(0, 1)
        if any(weights[1:]):
            across = _blurred(there[i], weights, 1, torch.empty_like(there[i]))
            _blurred(across, weights, 0, there[i])
    return image


def _grey(image: Tensor) -> Tensor:  # 3 H W -> H W
    red, green, blue = image.unbind()
    return (red * GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


def _middle(pixels: Tensor) -> Tensor:  # H W 3 uint8 -> 0-dim
    """The mean grey, from sums of integers, which no order of summing changes. Stays on the device: nobody waits."""
    red, green, blue = pixels.sum(0, dtype=torch.int32).sum(0).double().unbind()
    return ((red * GREY[0] + green * GREY[1] + blue * GREY[2]) / (255 * pixels[..., 0].numel())).float()


def _blurred(image: Tensor, weights: list[float], dim: int, out: Tensor) -> Tensor:  # H W 3
    """By half a kernel along one axis; the border is repeated outwards."""
    size = image.shape[dim]
    first, last = image.narrow(dim, 0, 1), image.narrow(dim, size - 1, 1)
    torch.mul(image, weights[0], out=out)
    for k, weight in enumerate(weights[1:], 1):
        if weight:
            inner, edge = max(size - k, 0), min(k, size)
            out.narrow(dim, edge, inner).add_(image.narrow(dim, 0, inner), alpha=weight)
            out.narrow(dim, 0, inner).add_(image.narrow(dim, size - inner, inner), alpha=weight)
            out.narrow(dim, 0, edge).add_(first, alpha=weight)
            out.narrow(dim, inner, edge).add_(last, alpha=weight)
    return out
