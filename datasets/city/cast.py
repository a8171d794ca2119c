"""Ray casting with Embree: what the camera's rays hit, and what lies in the shade."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasets.city.embree import Tree, tree_of
from datasets.city.meshes import Booleans, Floats, Ints
from datasets.city.scene import RADIUS, TALLNESS, Places, Scene
from datasets.city.view import View


@dataclass(frozen=True, eq=False)
class Hits:
    """What N rays hit."""

    tracer: Tracer
    rays: Floats  # 3 N, world, one metre along the optical axis, float32
    piece: Ints  # N, of the tracer's triangles; -1 is the sky, so that a table's last row may stand for it
    depth: Floats  # N, metres along the optical axis, float64; of no meaning in the sky
    weights: Floats  # 2 N, float32: barycentric, of the triangle's second and third corner

    @property
    def where(self) -> Ints:
        """Indices of the rays that hit something, M."""
        return np.flatnonzero(self.piece >= 0)

    @property
    def triangle(self) -> Ints:
        """Of the scene, M."""
        return self.tracer.chosen[self.piece[self.where]]

    def at(self, order: Ints) -> Hits:
        """Some of the hits, in another order."""
        rays, weights = (each.take(order, 1, mode="clip") for each in (self.rays, self.weights))
        return Hits(self.tracer, rays, self.piece.take(order), self.depth.take(order), weights)

    def join(self, other: Hits) -> Hits:
        """These rays and then others of the same tracer."""
        return Hits(
            self.tracer,
            np.concatenate([self.rays, other.rays], axis=1),
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
        return tree_of(np.ascontiguousarray(self.scene.corners[..., self.chosen].transpose(2, 0, 1)))

    @cached_property
    def planes(self) -> tuple[Floats, Floats]:
        """The unit normals, in the camera's axes and towards it, and minus the distances from it: 3 F and F."""
        normal, offset = self.scene.planes(self.chosen)
        away = offset - self.view.position @ normal
        side = np.where(away > 0, -1.0, 1.0)
        return self.view.rotation.T @ (normal * side), away * side

    @cached_property
    def slopes(self) -> Floats:
        """How the inverse of each plane's depth changes to the right, downwards, and what it is at (0, 0): 3 F."""
        normal, away = self.planes
        (cx, cy), focal = self.view.centre, self.view.focal
        across, down = normal[0] / focal, normal[1] / focal
        slopes = np.stack([across, down, normal[2] - cx * across - cy * down])
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes /= away
        return slopes

    def cast(self, u: Floats, v: Floats) -> Hits:
        """Follow rays through N pixels. Depth is exact: each triangle's plane in double precision."""
        rays = self.view.rays(u, v)
        start = np.broadcast_to(self.view.position.astype(np.float32), (len(u), 3))
        found = self.tree.run(start, rays.T, output=True)
        piece, traced = found["primID"].astype(np.intp), found["tfar"].astype(np.float64)
        right, below, first = self.slopes.take(piece, 1, mode="wrap")
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = 1 / (right * u + below * v + first)
            # Where a ray all but lies in the plane the quotient is noise, and the ray tracer's own answer counts.
            np.copyto(depth, traced, where=~(np.abs(depth - traced) < 0.05 * traced))
        return Hits(self, rays, piece, depth, np.stack([found["u"], found["v"]]))

    def occluded(self, points: Floats, direction: Floats) -> Booleans:
        """Whether points (3 N, world, float32) have something between them and a light far away."""
        directions = np.broadcast_to(direction.astype(np.float32), points.T.shape)
        answer = self.tree.run(points.T, directions, query="OCCLUDED")
        return np.asarray(answer) >= 0


def outside(view: View, corners: Floats) -> Booleans:
    """Whether all of F times K points (K 3 F, world) lie beyond one side of the picture, or behind the camera."""
    own = view.rotation.T.astype(np.float32) @ corners
    own -= (view.rotation.T @ view.position).astype(np.float32)[:, None]
    right, down, ahead = own.swapaxes(0, 1)
    wide, high = (view.width / 2 + 2) / view.focal * ahead, (view.height / 2 + 2) / view.focal * ahead
    beyond = (ahead < 0.05, right > wide, -right > wide, down > high, -down > high)
    answer: Booleans = np.logical_or.reduce([np.logical_and.reduce(side) for side in beyond])
    return answer


def seen(scene: Scene, view: View) -> Tracer:
    """The triangles that reach into the picture and do not show their inside."""
    position = view.position.astype(np.float32)
    x, y, z = scene.outward
    ax, ay, az = scene.corners[0]
    facing = (position[0] - ax) * x + (position[1] - ay) * y + (position[2] - az) * z > 0
    candidates = np.flatnonzero(facing | ~scene.solid)
    return Tracer(scene, view, candidates[~outside(view, scene.corners.take(candidates, 2))])


def shading(scene: Scene, view: View, sun: Floats) -> Tracer:
    """The triangles that face the sun (3, unit, world) and whose shadow falls into the picture within 50 m."""
    lit = scene.casts & (sun.astype(np.float32) @ scene.outward > 0) & (scene.corners[0, 1] < 50)
    candidates = np.flatnonzero(lit)
    corners = scene.corners.take(candidates, 2)
    fall = (corners[:, 2:] + 6.0) / np.float32(sun[2])  # down to the lowest ground
    swept = np.concatenate([corners, corners - fall * sun.astype(np.float32)[:, None]])
    return Tracer(scene, view, candidates[~outside(view, swept)])


def in_sight(places: Places, view: View, shadow: float) -> Ints:
    """The things that may be seen, or whose shadow may be; a shadow is `shadow` times as long as its thing is tall."""
    x, y, _ = places.position
    wide, deep, tall = places.scale
    reach = RADIUS[places.form] * np.maximum(wide, deep) + shadow * TALLNESS[places.form] * tall + 0.5
    forward = view.rotation[:2, 2] / np.linalg.norm(view.rotation[:2, 2])
    ahead = x * forward[0] + y * forward[1] - view.position[:2] @ forward
    aside = np.abs((x - view.position[0]) * forward[1] - (y - view.position[1]) * forward[0])
    # The picture's corners see a little wider than its middle row when the camera is pitched or rolled.
    wide = 1.08 * view.width / 2 / view.focal + 0.02
    return np.flatnonzero((ahead > -reach) & (aside < wide * np.maximum(ahead, 0) + reach * np.hypot(1, wide)))
