"""From linear light to a picture: lens, exposure, sensor noise, tone curve."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.city.look import Look, Moment
from datasets.city.meshes import Floats


def blurred(image: Floats, sigma: float) -> Floats:
    """A Gaussian blur of 3 H W; the border is repeated."""
    if sigma < 0.15:
        return image
    reach = max(1, round(2.5 * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    taps /= taps.sum()
    for axis in (1, 2):
        n = image.shape[axis]
        wide = image.take(np.clip(np.arange(-reach, n + reach), 0, n - 1), axis)
        shifted = [wide[:, i : i + n] if axis == 1 else wide[..., i : i + n] for i in range(len(taps))]
        image = taps[reach] * shifted[reach]
        for i in range(reach):
            image += taps[i] * (shifted[i] + shifted[-1 - i])
    return image


def develop(light: Floats, look: Look, moment: Moment, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture (H W 3, uint8) of linear light (3 H W, float32)."""
    _, height, width = light.shape
    image: NDArray[Any] = blurred(light, moment.blur * width / 256)
    if look.bloom > 0:
        small = np.clip(image[:, ::4, ::4], 0, 4)
        halo = look.bloom * blurred(small, 1.6 * width / 256)
        image = (1 - look.bloom) * image
        image += halo.repeat(4, 1)[:, :height].repeat(4, 2)[..., :width]
    gain = np.array(moment.gain, np.float32)[:, None, None]
    if look.vignette > 0:
        y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
        gain = gain * (1 - look.vignette * 0.5 * (x**2 + y**2)).astype(np.float32)
    image = image * gain
    if look.read_noise > 0 or look.shot_noise > 0:
        deviation = np.clip(image, 0, 1)
        deviation *= look.shot_noise**2
        deviation += look.read_noise**2
        np.sqrt(deviation, out=deviation)
        deviation *= rng.standard_normal(image.shape, np.float32)
        image += deviation
    # The tone curve, image ** (1 / gamma): numpy's power is slower than exp and log together.
    np.log(np.clip(image, 1e-9, 1, out=image), out=image)
    image *= 1 / look.gamma
    np.exp(image, out=image)
    if look.contrast != 1:
        image *= look.contrast
        image += 0.5 - 0.5 * look.contrast
    if look.saturation != 1:
        grey = 0.30 * image[0] + 0.59 * image[1] + 0.11 * image[2]
        image *= look.saturation
        image += (1 - look.saturation) * grey
    image = np.clip(image, 0, 1, out=image)
    image *= 255
    image += 0.5
    return np.ascontiguousarray(image.astype(np.uint8).transpose(1, 2, 0))
