"""Ray casting with Embree: what the camera's rays hit, and what lies in the shade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from embreex.mesh_construction import TriangleMesh  # type: ignore[import-untyped]
from embreex.rtcore_scene import EmbreeScene  # type: ignore[import-untyped]

from datasets.city.meshes import Booleans, Floats, Ints
from datasets.city.scene import RADIUS, TALLNESS, Scene
from datasets.city.street import Street, Thing
from datasets.city.view import View


@dataclass(frozen=True, eq=False)
class Hits:
    """What N rays hit. The arrays hold the M rays that hit something, `where` says which; the others see the sky."""

    scene: Scene
    num_rays: int
    where: Ints  # M
    triangle: Ints  # M, of the scene
    depth: Floats  # M, metres along the optical axis, float64
    point: Floats  # M 3, world, float64
    normal: Floats  # M 3, world, unit, towards the camera, float64
    weights: Floats  # M 2, float32: barycentric, of the triangle's second and third corner

    @cached_property
    def flat(self) -> Floats:
        """The points in metres along their surfaces, M 2 float32; see Scene.flat."""
        corners = self.scene.flat[self.triangle]
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        flat: Floats = a + self.weights[:, :1] * (b - a) + self.weights[:, 1:] * (c - a)
        return flat


@dataclass(frozen=True, eq=False)
class Tracer:
    """Some triangles of a scene, ready for ray casting. Fewer triangles are built and traversed faster."""

    scene: Scene
    chosen: Ints  # indices of triangles

    @cached_property
    def tree(self) -> EmbreeScene:
        tree = EmbreeScene()
        if len(self.chosen):
            TriangleMesh(tree, self.scene.triangles[self.chosen])
        return tree

    def cast(self, view: View, rays: Floats) -> Hits:
        """Follow rays (N 3, world) from the camera. Depth is exact: each triangle's plane in double precision."""
        origins = np.broadcast_to(view.position.astype(np.float32), rays.shape)
        found = self.tree.run(origins, rays.astype(np.float32), output=True)
        where = np.flatnonzero(found["primID"] >= 0)
        triangle = self.chosen[found["primID"][where]]
        rays, plane, traced = rays[where], self.scene.planes[triangle], found["tfar"][where].astype(np.float64)
        normal = plane[:, :3]
        slope = np.einsum("mi,mi->m", normal, rays)
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = (plane[:, 3] - normal @ view.position) / slope
        # Where a ray all but lies in the plane the quotient is noise, and the ray tracer's own answer counts.
        depth = np.where(np.abs(depth - traced) < 0.05 * traced, depth, traced)
        weights = np.stack([found["u"][where], found["v"][where]], axis=1)
        toward = normal * -np.sign(slope)[:, None]
        points = view.position + rays * depth[:, None]
        return Hits(self.scene, len(found["primID"]), where, triangle, depth, points, toward, weights)

    def occluded(self, points: Floats, direction: Floats) -> Booleans:
        """Whether points (N 3, world) have something between them and a light far away."""
        directions = np.broadcast_to(direction.astype(np.float32), points.shape)
        answer = self.tree.run(points.astype(np.float32), directions, query="OCCLUDED")
        return np.asarray(answer) >= 0


def outside(view: View, corners: Floats) -> Booleans:
    """Whether all of F K points (F K 3, world) lie beyond one side of the picture, or behind the camera."""
    right, down, ahead = np.moveaxis(view.own(corners), -1, 0)
    wide, high = (view.width / 2 + 2) / view.focal, (view.height / 2 + 2) / view.focal
    beyond = (ahead < 0.05, right > wide * ahead, -right > wide * ahead, down > high * ahead, -down > high * ahead)
    answer: Booleans = np.logical_or.reduce([side.all(axis=1) for side in beyond])
    return answer


def seen(scene: Scene, view: View) -> Tracer:
    """The triangles that reach into the picture and do not show their inside."""
    outward = scene.planes[:, :3] @ view.position > scene.planes[:, 3]
    candidates = np.flatnonzero(outward | ~scene.solid)
    return Tracer(scene, candidates[~outside(view, scene.triangles[candidates])])


def shading(scene: Scene, view: View, sun: Floats) -> Tracer:
    """The triangles that face the sun (3, unit, world) and whose shadow falls into the picture within 50 m."""
    lit = scene.solid & (scene.planes[:, :3] @ sun > 0) & (scene.triangles[:, 0, 1] < 50)
    candidates = np.flatnonzero(lit)
    corners = scene.triangles[candidates]
    fall = (corners[..., 2:] + 6.0) / sun[2]  # down to the lowest ground
    swept = np.concatenate([corners, corners - fall * sun.astype(np.float32)], axis=1)
    return Tracer(scene, candidates[~outside(view, swept)])


def in_sight(street: Street, things: Sequence[Thing], view: View, shadow: float) -> Ints:
    """The things that may be seen, or whose shadow may be; a shadow is `shadow` times as long as its thing is tall."""
    s, t = np.array([(thing.s, thing.t) for thing in things]).T
    x, y, _, _ = street.place(s, t)
    reach = np.array([RADIUS[thing.mesh] * max(thing.scale[:2]) + shadow * TALLNESS[thing.mesh] * thing.scale[2]
                      for thing in things]) + 0.5  # fmt: skip
    forward = view.rotation[:2, 2] / np.linalg.norm(view.rotation[:2, 2])
    ahead = x * forward[0] + y * forward[1] - view.position[:2] @ forward
    aside = np.abs((x - view.position[0]) * forward[1] - (y - view.position[1]) * forward[0])
    # The picture's corners see a little wider than its middle row when the camera is pitched or rolled.
    wide = 1.08 * view.width / 2 / view.focal + 0.02
    return np.flatnonzero((ahead > -reach) & (aside < wide * np.maximum(ahead, 0) + reach * np.hypot(1, wide)))
