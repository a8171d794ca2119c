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

from bench.data.geometry import Size, nearest, resize_image
from bench.split import Augmentation

NUM_UNIFORMS = 8  # random numbers of an image; each has its own use, so that no option shifts another's
GREY = (299, 587, 114)  # thousandths of R, G and B in the perceived brightness


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
        if (self.width, self.height) != self.crop:
            if name == "image":
                window = resize_image(np.ascontiguousarray(window), self.crop)
            else:
                window = window[nearest(self.height, self.crop[1])][:, nearest(self.width, self.crop[0])]
        if self.mirrored:
            window = window[:, ::-1]
        if name == "depth" and self.zoom != 1:
            window = window / window.dtype.type(self.zoom)
        if name == "normals" and self.mirrored:
            window = np.stack([-window[..., 0], window[..., 1], window[..., 2]], -1)
        return window

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
    total = 2 * sum(half) - half[0]
    return np.array([*factors, *(weight / total for weight in half)], np.float32)


def photometry(clean: Tensor, pixels: Tensor, parameters: Tensor) -> Tensor:  # B 3 H W
    """Brightness, contrast, saturation and blur of a batch; pixels are the same images, B H W 3 uint8.

    An image's result does not depend on which others are in its batch, to the bit, so it is the same on any number of
    ranks: sums over an image are of integers, everything else is pixel by pixel.
    """
    factor = parameters[:, :, None, None, None]  # B P 1 1 1
    brightness, contrast, saturation = factor[:, 0], factor[:, 1], factor[:, 2]
    sums = pixels.sum((1, 2), dtype=torch.int64)  # B 3
    grey = sums[:, 0] * GREY[0] + sums[:, 1] * GREY[1] + sums[:, 2] * GREY[2]  # sends nothing that would be waited for
    middle = (grey.double() / (1000 * 255 * pixels[0, ..., 0].numel())).float().view(-1, 1, 1, 1)
    image = (clean * contrast + middle * (1 - contrast)) * brightness
    red, green, blue = (image[:, i : i + 1] * (GREY[i] / 1000) for i in range(3))
    image = image * saturation + (red + green + blue) * (1 - saturation)
    return _blurred(image.clamp_(0, 1), factor[:, 3:])


def _blurred(image: Tensor, weights: Tensor) -> Tensor:
    """Each image by its own kernel; weights B R+1 1 1 1."""
    radius = weights.shape[1] - 1
    for dim in (2, 3) if radius else ():
        padded = F.pad(image, (0, 0, radius, radius) if dim == 2 else (radius, radius, 0, 0), mode="replicate")
        size, image = image.shape[dim], image * weights[:, 0]
        for k in range(1, radius + 1):
            pair = padded.narrow(dim, radius - k, size) + padded.narrow(dim, radius + k, size)
            image += pair * weights[:, k]
    return image
