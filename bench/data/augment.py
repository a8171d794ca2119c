"""Augmentation, declared by the split: geometry an image on the CPU, photometry a batch on the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bench.data.geometry import nearest
from bench.split import Augmentation

Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Geometry:
    """A window of the packed image, enlarged to the crop's size and perhaps mirrored."""

    top: int
    left: int
    height: int  # of the window
    width: int
    crop: Size
    mirrored: bool

    @property
    def zoom(self) -> float:
        """How much nearer things look: the factor that depth is divided by."""
        return self.crop[1] / self.height

    def apply(self, name: str, window: NDArray[np.generic]) -> NDArray[np.generic]:
        """One field of the window, H W or H W C, brought to the crop."""
        width, height = self.crop
        if (self.height, self.width) != (height, width):
            if name == "image":
                window = np.asarray(Image.fromarray(window).resize(self.crop, Image.Resampling.BILINEAR))
            else:
                window = window[nearest(self.height, height)][:, nearest(self.width, width)]
        if self.mirrored:
            window = window[:, ::-1]
        if name == "depth" and self.zoom != 1.0:
            window = window / np.float32(self.zoom)
        if name == "normals" and self.mirrored:
            window = window * np.array([-1, 1, 1], window.dtype)
        return np.array(window)  # a copy: the pack is read-only


def draw_geometry(random: np.random.Generator, augment: Augmentation, packed: Size, crop: Size) -> Geometry:
    """Zoom, place and mirroring of one image. ValueError if the image is smaller than the crop."""
    if packed[0] < crop[0] or packed[1] < crop[1]:
        raise ValueError(f"images are {packed[0]}x{packed[1]}, smaller than the crop {crop[0]}x{crop[1]} (split.crop)")
    zoom = random.uniform(*augment.zoom) if augment.zoom != (1.0, 1.0) else 1.0
    width, height = round(crop[0] / zoom), round(crop[1] / zoom)
    return Geometry(
        top=int(random.integers(packed[1] - height + 1)),
        left=int(random.integers(packed[0] - width + 1)),
        height=height,
        width=width,
        crop=crop,
        mirrored=bool(augment.flip and random.random() < 0.5),
    )


def whole(packed: Size) -> Geometry:
    """No augmentation: the packed image as it is."""
    return Geometry(0, 0, packed[1], packed[0], packed, False)


def draw_photometry(random: np.random.Generator, augment: Augmentation) -> NDArray[np.float32]:  # 4
    """Factors of brightness, contrast and saturation, and the sigma of a blur in pixels."""
    factors = 1 + augment.jitter * random.uniform(-1, 1, 3)
    return np.array([*factors, augment.blur * random.random()], np.float32)


def photometry(image: Tensor, parameters: Tensor) -> Tensor:
    """Brightness, contrast, saturation and blur of a batch B 3 H W in [0, 1]; parameters B 4."""
    brightness, contrast, saturation, sigma = (parameters[:, i].view(-1, 1, 1, 1) for i in range(4))
    weights = image.new_tensor((0.299, 0.587, 0.114)).view(3, 1, 1)
    image = (image * brightness).clamp(0, 1)
    mean = (image * weights).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    image = (mean + (image - mean) * contrast).clamp(0, 1)
    grey = (image * weights).sum(1, keepdim=True)
    image = (grey + (image - grey) * saturation).clamp(0, 1)
    return blurred(image, sigma) if bool((sigma > 0).any()) else image


def blurred(image: Tensor, sigma: Tensor) -> Tensor:
    """Each image of the batch by a Gaussian of its own sigma (B 1 1 1, pixels)."""
    radius = max(1, round(3 * float(sigma.max())))
    x = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (x / sigma.view(-1, 1).clamp_min(1e-3)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)  # 3B taps
    count = image.shape[0] * 3
    flat = image.reshape(1, count, *image.shape[2:])
    flat = F.conv2d(F.pad(flat, (radius, radius, 0, 0), mode="replicate"), kernel.view(count, 1, 1, -1), groups=count)
    flat = F.conv2d(F.pad(flat, (0, 0, radius, radius), mode="replicate"), kernel.view(count, 1, -1, 1), groups=count)
    return flat.view_as(image)


def to_tensors(sample: Mapping[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in sample.items()}
