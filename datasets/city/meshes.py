"""Triangle meshes: boxes, tubes, polygons and blobs, in metres. x right, y ahead, z up, the ground at z = 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Booleans = NDArray[np.bool_]
Point = tuple[float, float, float]
Rectangle = tuple[float, float, float, float]  # x0, x1, y0, y1


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface; faces run counter-clockwise seen from outside."""

    vertices: Floats  # V 3, metres
    faces: Ints  # F 3
    material: Ints  # F: an index into materials.MATERIALS

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Mesh:
        return Mesh(self.vertices + np.array([x, y, z]), self.faces, self.material)

    def scaled(self, x: float, y: float, z: float) -> Mesh:
        return Mesh(self.vertices * np.array([x, y, z]), self.faces, self.material)

    def turned(self, degrees: float) -> Mesh:
        """Turned about the vertical axis, counter-clockwise seen from above."""
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        return Mesh(self.vertices @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]), self.faces, self.material)


def merge(*meshes: Mesh) -> Mesh:
    """One mesh of many."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=False)]),
        np.concatenate([m.material for m in meshes]),
    )


def loft(bottom: Floats, top: Floats, sides: Sequence[int], cap: int | None, *, floor: bool = False) -> Mesh:
    """The surface between two polygons of N corners (N 3), counter-clockwise seen from the top; `sides` holds a
    material per side, `cap` is the top's. Only what hangs above the eye needs a floor."""
    n = len(bottom)
    here, there = np.arange(n), (np.arange(n) + 1) % n
    faces = np.stack([here, there, there + n, here, there + n, here + n], axis=1).reshape(-1, 3)
    material = np.repeat(np.resize(np.asarray(sides), n), 2)
    if cap is not None:
        fan = np.stack([np.full(n - 2, n), here[1:-1] + n, here[2:] + n], axis=1)
        faces, material = np.concatenate([faces, fan]), np.concatenate([material, np.full(n - 2, cap)])
    if floor:
        fan = np.stack([np.full(n - 2, 0), here[2:], here[1:-1]], axis=1)
        faces, material = np.concatenate([faces, fan]), np.concatenate([material, material[: n - 2]])
    return Mesh(np.concatenate([bottom, top]).astype(np.float64), faces, material)


def slab(
    bottom: Rectangle,
    z0: float,
    z1: float,
    sides: int | Sequence[int],
    *,
    top: Rectangle | None = None,
    cap: int | None = None,
    floor: bool = False,
) -> Mesh:
    """A box that may taper. Materials of the sides: front (y1), left (x0), back (y0), right (x1)."""

    def corners(r: Rectangle, z: float) -> Floats:
        x0, x1, y0, y1 = r
        return np.array([[x1, y1, z], [x0, y1, z], [x0, y0, z], [x1, y0, z]])

    each = [sides] * 4 if isinstance(sides, int) else list(sides)
    return loft(corners(bottom, z0), corners(top or bottom, z1), each, each[0] if cap is None else cap, floor=floor)


def box(
    x0: float, x1: float, y0: float, y1: float, z0: float, z1: float, material: int, *, floor: bool = False
) -> Mesh:
    return slab((x0, x1, y0, y1), z0, z1, material, floor=floor)


def tube(
    start: Point, end: Point, radius: float, material: int, *, taper: float = 1.0, sides: int = 4, floor: bool = False
) -> Mesh:
    """A limb, a bar or a mast from `start` to `end`; `taper` is the end's radius over the start's."""
    a, b = np.array(start), np.array(end)
    axis = (b - a) / np.linalg.norm(b - a)
    across = np.cross(axis, [0.0, 1.0, 0.0] if abs(axis[1]) < 0.9 else [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    angle = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    ring = radius * (np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * np.cross(axis, across))
    return loft(a + ring, b + taper * ring, [material], material, floor=floor)


def polygon(radius: float, sides: int, y: float, z: float, material: int, *, phase: float = 0.5) -> Mesh:
    """A regular polygon that faces backwards (-y): the plate of a sign, a lamp."""
    angle = 2 * np.pi * (np.arange(sides) + phase) / sides
    ring = np.stack([radius * np.sin(angle), np.full(sides, y), z - radius * np.cos(angle)], axis=1)
    faces = np.stack([np.zeros(sides - 2), np.arange(1, sides - 1), np.arange(2, sides)], axis=1).astype(np.int64)
    return Mesh(ring, faces, np.full(sides - 2, material))


def pane(x0: float, x1: float, y: float, z0: float, z1: float, material: int, *, ahead: bool) -> Mesh:
    """A rectangle that faces ahead or back."""
    corners = np.array([[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]])
    faces = np.array([[0, 2, 1], [0, 3, 2]] if ahead else [[0, 1, 2], [0, 2, 3]])
    return Mesh(corners, faces, np.full(2, material))


def wheel(radius: float, width: float, x: float, y: float, tyre: int, rim: int, *, sides: int = 8) -> Mesh:
    """A wheel that rolls along y, with a rim on both sides."""
    angle = 2 * np.pi * (np.arange(sides) + 0.5) / sides

    def disc(r: float, at: float) -> Floats:
        return np.stack([np.full(sides, x + at), y + r * np.cos(angle), radius + r * np.sin(angle)], axis=1)

    half = width / 2
    tread = loft(disc(radius, -half), disc(radius, half), [tyre], tyre, floor=True)
    fan = np.stack([np.zeros(sides - 2), np.arange(1, sides - 1), np.arange(2, sides)], axis=1).astype(np.int64)
    right = Mesh(disc(0.62 * radius, half + 0.01), fan, np.full(sides - 2, rim))
    left = Mesh(disc(0.62 * radius, -half - 0.01), fan[:, ::-1], right.material)
    return merge(tread, right, left)


def blob(
    centre: Point, radii: Point, material: int, *, rough: float = 0.0, subdivisions: int = 1, seed: int = 0
) -> Mesh:
    """An ellipsoid whose vertices are pushed in and out by up to the share `rough`: a crown, a bush, a head."""
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions)
    push = 1 + rough * np.random.default_rng(seed).uniform(-1, 1, (len(sphere.vertices), 1))
    return Mesh(
        np.asarray(sphere.vertices) * push * np.array(radii) + np.array(centre),
        np.asarray(sphere.faces),
        np.full(len(sphere.faces), material),
    )
