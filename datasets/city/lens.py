"""From linear light to a picture: lens, exposure, sensor noise, tone curve."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.city.look import Look, Moment
from datasets.city.meshes import Floats


def blurred(image: Floats, sigma: float) -> Floats:
    """A Gaussian blur of H W 3; the border is repeated."""
    if sigma < 0.15:
        return image
    reach = max(1, round(2.5 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    taps /= taps.sum()
    for axis in (0, 1):
        pad = [(reach, reach) if a == axis else (0, 0) for a in range(3)]
        wide, n = np.pad(image, pad, mode="edge"), image.shape[axis]
        image = np.zeros_like(image)
        for i, tap in enumerate(taps):
            image += tap * (wide[i : i + n] if axis == 0 else wide[:, i : i + n])
    return image


def develop(light: Floats, look: Look, moment: Moment, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture (H W 3, uint8) of linear light (H W 3)."""
    height, width, _ = light.shape
    image: NDArray[Any] = blurred(light, moment.blur * width / 256)
    if look.bloom > 0:
        small = np.clip(image[::4, ::4], 0, 4)
        halo = blurred(small, 1.6 * width / 256).repeat(4, 0).repeat(4, 1)[:height, :width]
        image = (1 - look.bloom) * image + look.bloom * halo
    if look.vignette > 0:
        y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
        image = image * (1 - look.vignette * 0.5 * (x**2 + y**2)).astype(np.float32)[..., None]
    image = image * np.array(moment.gain, np.float32)
    if look.read_noise > 0 or look.shot_noise > 0:
        deviation = np.sqrt(look.read_noise**2 + look.shot_noise**2 * np.clip(image, 0, 1))
        image = image + deviation * rng.standard_normal(image.shape, np.float32)
    image = np.clip(image, 0, 1) ** np.float32(1 / look.gamma)
    if look.contrast != 1:
        image = 0.5 + look.contrast * (image - 0.5)
    if look.saturation != 1:
        grey = image @ np.array([0.30, 0.59, 0.11], np.float32)
        image = grey[..., None] + look.saturation * (image - grey[..., None])
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
