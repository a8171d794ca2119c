"""How a domain looks: light, air, lens and sensor. All of a domain's appearance is in one literal of this class."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from datasets.city.materials import Colour
from datasets.city.meshes import Floats

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Look:
    """Ranges are drawn from once an image."""

    # Light
    sun_elevation: Range  # degrees
    sun: Range  # strength of direct light
    ambient: Range  # strength of light from the sky
    sun_colour: Colour
    zenith: Colour  # the sky above
    horizon: Colour  # the sky at the horizon, and the haze
    clouds: float = 0.0  # 0 clear .. 1 overcast
    shadows: float = 0.0  # 0 none .. 1 black where only the sky shines
    lamps: float = 0.0  # strength of street lamps, head lights and lit windows; 0 by day
    # Surfaces
    texture: float = 0.0  # strength of noise on all surfaces
    detail: float = 1.0  # strength of joints, bricks, planks, tiles; windows and lane markings always show
    mirror: float = 0.0  # strength of the sky's reflection in glass and paint
    # Air
    haze: Range = (0.0, 0.0)  # extinction in 1/m; the view fades to 37 % over 1/haze metres
    # Camera
    exposure: Range = (0.0, 0.0)  # stops
    cast: float = 0.0  # largest white-balance error, share
    gamma: float = 1.0  # tone curve: output = input ** (1 / gamma)
    contrast: float = 1.0  # about middle grey, after the tone curve
    saturation: float = 1.0
    blur: Range = (0.0, 0.0)  # the lens's sigma in pixels of an image 256 wide
    bloom: float = 0.0  # share of light scattered by the lens
    vignette: float = 0.0  # darkening of the corners, share
    shot_noise: float = 0.0  # deviation at full signal, growing with its root
    read_noise: float = 0.0  # deviation at black


@dataclass(frozen=True)
class Moment:
    """The values of one image."""

    azimuth: float  # degrees to the left of ahead
    elevation: float
    sun: float
    ambient: float
    haze: float
    gain: Colour  # exposure and white balance
    blur: float

    @property
    def sunward(self) -> Floats:
        """The direction towards the sun, world, 3."""
        azimuth, elevation = np.radians([self.azimuth, self.elevation])
        flat = np.cos(elevation)
        return np.array([-np.sin(azimuth) * flat, np.cos(azimuth) * flat, np.sin(elevation)])

    @property
    def shadow(self) -> float:
        """The length of a shadow on the ground, in heights of what casts it."""
        return float(1 / np.tan(np.radians(self.elevation)))


def moment_from(random: Random, look: Look) -> Moment:
    """Draw the light, air and camera settings of one image."""
    exposure = 2 ** random.uniform(*look.exposure)
    warm, tint = random.uniform(-1, 1) * look.cast, random.uniform(-0.4, 0.4) * look.cast
    return Moment(
        azimuth=random.choice((-1, 1)) * random.uniform(35, 150), elevation=random.uniform(*look.sun_elevation),
        sun=random.uniform(*look.sun), ambient=random.uniform(*look.ambient), haze=random.uniform(*look.haze),
        gain=(exposure * (1 + warm), exposure * (1 + tint), exposure * (1 - warm)), blur=random.uniform(*look.blur),
    )  # fmt: skip
