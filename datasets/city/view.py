"""The camera: a rig's statistics and one view drawn from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from random import Random

import numpy as np

from datasets.city.meshes import Floats
from datasets.city.street import Street

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Rig:
    """How a domain's camera is mounted."""

    height: Range  # metres above the road
    pitch: Range  # degrees, downwards
    yaw: Range  # degrees, to the left
    roll: Range  # degrees
    fov: Range  # horizontal field of view, degrees
    offset: Range  # metres to the right of the lane's middle


@dataclass(frozen=True, eq=False)
class View:
    """A pinhole camera in the world. Camera axes: x right, y down, z forward; the first pixel's centre is (0, 0)."""

    width: int
    height: int
    focal: float  # pixels, both axes
    position: Floats  # 3, metres, world
    rotation: Floats  # 3 3: columns are the camera's axes in the world

    @property
    def centre(self) -> tuple[float, float]:
        return (self.width - 1) / 2, (self.height - 1) / 2

    def rays(self, u: Floats, v: Floats) -> Floats:
        """World directions (3 N, float32) through pixels, one metre along the optical axis: t is planar depth."""
        cx, cy = self.centre
        across, down = ((u - cx) / self.focal).astype(np.float32), ((v - cy) / self.focal).astype(np.float32)
        right, below, ahead = self.rotation.T.astype(np.float32)
        return across * right[:, None] + down * below[:, None] + ahead[:, None]

    @cached_property
    def pixels(self) -> tuple[Floats, Floats]:
        """u and v of all pixel centres, row by row."""
        u, v = np.arange(self.width, dtype=np.float64), np.arange(self.height, dtype=np.float64)
        return np.tile(u, self.height), np.repeat(v, self.width)


def view_from(random: Random, rig: Rig, street: Street, size: tuple[int, int]) -> View:
    """Draw a view along the street's right lane; `size` is width, height."""
    pitch, yaw, roll = (math.radians(random.uniform(*each)) for each in (rig.pitch, rig.yaw, rig.roll))
    height, offset, fov = (random.uniform(*each) for each in (rig.height, rig.offset, rig.fov))
    forward = np.array([-math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), -math.sin(pitch)])
    level = np.array([math.cos(yaw), math.sin(yaw), 0.0])
    down = np.cross(forward, level)
    right = math.cos(roll) * level + math.sin(roll) * down
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    focal = size[0] / 2 / math.tan(math.radians(fov) / 2)
    return View(size[0], size[1], focal, np.array([street.lane / 2 + offset, 0.0, height]), rotation)
