"""What the fixtures show: scenes of the embedded world, through the camera of the data set that they stand for.

The suite renders streets and no rooms: where a data set is of rooms, its fixture is of streets at a tenth of their
size, with a room's classes for names. Its files are what that data set's are; what they show is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOM = 0.1  # metres of a room to a metre of a street


@dataclass(frozen=True)
class Scene:
    """A picture and what it shows, exactly."""

    image: NDArray[np.uint8]  # H W 3, RGB
    classes: NDArray[np.uint8]  # H W: places in `names`
    depth: NDArray[np.float64]  # H W, planar metres; the sky is infinitely far
    normals: NDArray[np.float32]  # H W 3, unit, x right, y down, z forward, towards the camera; zeros in the sky
    names: tuple[str, ...]  # of cs19

    def ids(self, numbers: Mapping[str, int], dtype: type = np.uint8) -> NDArray[Any]:  # H W
        """The label map in a data set's own numbers, by class names."""
        return np.array([numbers[name] for name in self.names], dtype)[self.classes]


def scene(
    seed: str, world: str, size: tuple[int, int], focal: float, centre: tuple[float, float] | None = None
) -> Scene:
    """Render a scene of minicity's "render", "camera" or "night" at a size (width, height); focal length in pixels.

    centre: the principal point, which the picture has to a quarter of a pixel; None: the picture's middle.
    """
    from datasets import minicity  # here and not above: a data set can be deleted, and the others stay
    from datasets.city.render import render

    width, height = size
    cx, cy = centre or ((width - 1) / 2, (height - 1) / 2)
    more = round(2 * cx) - (width - 1), round(2 * cy) - (height - 1)
    whole = width + abs(more[0]), height + abs(more[1])  # of which a corner has its principal point elsewhere
    fov = math.degrees(2 * math.atan(whole[0] / 2 / focal))
    chosen = minicity.WORLDS[world]
    chosen = replace(chosen, rig=replace(chosen.rig, fov=(fov, fov)))
    maps, _ = render(f"fixture {seed}", chosen, ("image", "semseg", "depth", "normals"), whole)
    left, top = (max(0, -one) for one in more)
    maps = {name: values[top : top + height, left : left + width] for name, values in maps.items()}
    depth = np.where(maps["depth"] > 0, maps["depth"].astype(np.float64), np.inf)
    return Scene(maps["image"], maps["semseg"], depth, maps["normals"], minicity.CLASSES.classes)


def room(
    seed: str, world: str, size: tuple[int, int], focal: float, centre: tuple[float, float] | None = None
) -> Scene:
    """A street at a tenth of its size, in the place of a room."""
    street = scene(seed, world, size, focal, centre)
    return replace(street, depth=street.depth * ROOM)


def rays(size: tuple[int, int], camera: tuple[float, float, float, float]) -> NDArray[np.float64]:  # H W 3
    """The ray of each pixel, one metre along the optical axis; camera: fx, fy, cx, cy."""
    (width, height), (fx, fy, cx, cy) = size, camera
    v, u = np.mgrid[:height, :width]
    return np.stack([(u - cx) / fx, (v - cy) / fy, np.ones((height, width))], -1)


def fogged(shown: Scene, beta: float) -> NDArray[np.uint8]:  # H W 3
    """The picture in fog of an attenuation per metre (Koschmieder): what is far takes the colour of the air."""
    clear = np.exp(-beta * shown.depth)[..., None]
    image: NDArray[np.uint8] = np.round(clear * shown.image + (1 - clear) * 205).astype(np.uint8)
    return image
