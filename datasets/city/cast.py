"""Ray casting with Embree: what the camera's rays hit, and what lies in the shade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasets.city.embree import Tree, tree_of
from datasets.city.meshes import Booleans, Floats, Ints
from datasets.city.scene import RADIUS, TALLNESS, Scene
from datasets.city.street import Street, Thing
from datasets.city.view import View


@dataclass(frozen=True, eq=False)
class Hits:
    """What N rays hit. The arrays hold the M rays that hit something, `where` says which; the others see the sky."""

    tracer: Tracer
    rays: Floats  # N 3, world, one metre along the optical axis, float32
    where: Ints  # M
    piece: Ints  # M, of the tracer's triangles
    depth: Floats  # M, metres along the optical axis, float64
    weights: Floats  # 2 M, float32: barycentric, of the triangle's second and third corner

    @property
    def triangle(self) -> Ints:
        """Of the scene, M."""
        return self.tracer.chosen[self.piece]

    def sort(self, key: Ints) -> Hits:
        """The hits in the order of a small number that each of the tracer's triangles has."""
        order = np.argsort(key[self.piece], kind="stable")
        where, piece, depth = self.where[order], self.piece[order], self.depth[order]
        return Hits(self.tracer, self.rays, where, piece, depth, self.weights.take(order, 1, mode="clip"))

    def join(self, other: Hits) -> Hits:
        """These rays and then others of the same tracer."""
        return Hits(
            self.tracer,
            np.concatenate([self.rays, other.rays]),
            np.concatenate([self.where, other.where + len(self.rays)]),
            np.concatenate([self.piece, other.piece]),
            np.concatenate([self.depth, other.depth]),
            np.concatenate([self.weights, other.weights], axis=1),
        )


@dataclass(frozen=True, eq=False)
class Tracer:
    """Some triangles of a scene, ready for ray casting. Fewer triangles are built and traversed faster."""

    scene: Scene
    view: View
    chosen: Ints  # indices of triangles

    @cached_property
    def tree(self) -> Tree:
        return tree_of(self.scene.triangles[self.chosen])

    @cached_property
    def planes(self) -> tuple[Floats, Floats]:
        """The unit normals, in the camera's axes and towards it, and minus the distances from it: 3 F and F."""
        normal, offset = self.scene.planes(self.chosen)
        away = offset - self.view.position @ normal
        side = np.where(away > 0, -1.0, 1.0)
        return self.view.rotation.T @ (normal * side), away * side

    def cast(self, u: Floats, v: Floats) -> Hits:
        """Follow rays through N pixels. Depth is exact: each triangle's plane in double precision."""
        view = self.view
        rays = view.rays(u, v)
        found = self.tree.run(np.broadcast_to(view.position.astype(np.float32), rays.shape), rays, output=True)
        where = np.flatnonzero(found["primID"] >= 0)
        piece, traced = found["primID"][where], found["tfar"][where].astype(np.float64)
        normal, away = self.planes
        # A plane's inverse depth is linear in the picture.
        (cx, cy), focal = view.centre, view.focal
        across, down = normal[0] / focal, normal[1] / focal
        slopes = np.stack([across, down, normal[2] - cx * across - cy * down])
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes /= away
            depth = 1 / (slopes[0][piece] * u[where] + slopes[1][piece] * v[where] + slopes[2][piece])
        # Where a ray all but lies in the plane the quotient is noise, and the ray tracer's own answer counts.
        depth = np.where(np.abs(depth - traced) < 0.05 * traced, depth, traced)
        return Hits(self, rays, where, piece, depth, np.stack([found["u"][where], found["v"][where]]))

    def occluded(self, points: Floats, direction: Floats) -> Booleans:
        """Whether points (N 3, world, float32) have something between them and a light far away."""
        directions = np.broadcast_to(direction.astype(np.float32), points.shape)
        answer = self.tree.run(points, directions, query="OCCLUDED")
        return np.asarray(answer) >= 0


def outside(view: View, corners: Floats) -> Booleans:
    """Whether all of F K points (F K 3, world) lie beyond one side of the picture, or behind the camera."""
    own = view.rotation.T.astype(np.float32) @ np.ascontiguousarray(corners.reshape(-1, 3).T)
    own -= (view.rotation.T @ view.position).astype(np.float32)[:, None]
    right, down, ahead = own.reshape(3, *corners.shape[:2])
    wide, high = (view.width / 2 + 2) / view.focal * ahead, (view.height / 2 + 2) / view.focal * ahead
    beyond = (ahead < 0.05, right > wide, -right > wide, down > high, -down > high)
    answer: Booleans = np.logical_or.reduce([np.logical_and.reduce(list(side.T)) for side in beyond])
    return answer


def seen(scene: Scene, view: View) -> Tracer:
    """The triangles that reach into the picture and do not show their inside."""
    position = view.position.astype(np.float32)
    x, y, z = scene.outward
    ax, ay, az = scene.triangles[:, 0].T
    facing = (position[0] - ax) * x + (position[1] - ay) * y + (position[2] - az) * z > 0
    candidates = np.flatnonzero(facing | ~scene.solid)
    return Tracer(scene, view, candidates[~outside(view, scene.triangles[candidates])])


def shading(scene: Scene, view: View, sun: Floats) -> Tracer:
    """The triangles that face the sun (3, unit, world) and whose shadow falls into the picture within 50 m."""
    lit = scene.casts & (sun.astype(np.float32) @ scene.outward > 0) & (scene.triangles[:, 0, 1] < 50)
    candidates = np.flatnonzero(lit)
    corners = scene.triangles[candidates]
    fall = (corners[..., 2:] + 6.0) / np.float32(sun[2])  # down to the lowest ground
    swept = np.concatenate([corners, corners - fall * sun.astype(np.float32)], axis=1)
    return Tracer(scene, view, candidates[~outside(view, swept)])


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
