"""What the fixtures show: scenes of the embedded world, through the camera of the data set that they stand for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scene:
    """A picture and what it shows, exactly."""

    image: NDArray[np.uint8]  # H W 3, RGB
    classes: NDArray[np.uint8]  # H W: places in `names`
    depth: NDArray[np.float64]  # H W, planar metres; the sky is infinitely far
    names: tuple[str, ...]  # of cs19

    def ids(self, numbers: Mapping[str, int], dtype: type = np.uint8) -> NDArray[Any]:  # H W
        """The label map in a data set's own numbers, by class names."""
        return np.array([numbers[name] for name in self.names], dtype)[self.classes]


def scene(seed: str, world: str, size: tuple[int, int], focal: float) -> Scene:
    """Render a scene of minicity's "render", "camera" or "night" at a size (width, height); focal length in pixels."""
    from datasets import minicity  # here and not above: a data set can be deleted, and the others stay
    from datasets.city.render import render

    fov = math.degrees(2 * math.atan(size[0] / 2 / focal))
    chosen = minicity.WORLDS[world]
    chosen = replace(chosen, rig=replace(chosen.rig, fov=(fov, fov)))
    maps, _ = render(f"fixture {seed}", chosen, ("image", "semseg", "depth"), size)
    depth = np.where(maps["depth"] > 0, maps["depth"].astype(np.float64), np.inf)
    return Scene(maps["image"], maps["semseg"], depth, minicity.CLASSES.classes)
