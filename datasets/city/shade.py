"""Light and air: the linear colour that rays bring back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasets.city.cast import Hits, Tracer, shading
from datasets.city.look import Look, Moment
from datasets.city.materials import MATERIALS, PATTERNS, Colour
from datasets.city.meshes import Floats, Ints
from datasets.city.patterns import Spots, decorate
from datasets.city.texture import noise

SLOT = np.array([m.paint if isinstance(m.paint, int) else -1 for m in MATERIALS])
FIXED = np.array([(0, 0, 0) if isinstance(m.paint, int) else m.paint for m in MATERIALS], np.float32)
GLOSS = np.array([m.gloss for m in MATERIALS], np.float32)
GLOW = np.array([m.glow for m in MATERIALS], np.float32)
PATTERN = np.array([PATTERNS.index(m.pattern) for m in MATERIALS], np.uint8)
SKY = np.uint8(255)  # stands behind the patterns
CHUNK = 16384  # points shaded at a time: more do not fit a core's cache

LAMP_LIGHT = np.array([1.0, 0.72, 0.42], np.float32)
HEAD_LIGHT = np.array([1.0, 0.95, 0.85], np.float32)


def dot(a: Floats, b: Floats) -> Floats:
    """The products of M pairs of vectors (3 M), M."""
    product: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def column(colour: Colour | Floats) -> Floats:
    return np.array(colour, np.float32)[:, None]


@dataclass(frozen=True, eq=False)
class Light:
    """The light of one image, for as many rays as wanted."""

    eye: Tracer  # whose hits are shaded
    look: Look
    moment: Moment

    @cached_property
    def casters(self) -> Tracer:
        return shading(self.eye.scene, self.eye.view, self.moment.sunward)

    @cached_property
    def pattern(self) -> Ints:
        """The patterns of the eye's triangles, and the sky's, F + 1."""
        return np.append(PATTERN[self.eye.scene.material[self.eye.chosen]], SKY)

    @cached_property
    def table(self) -> Floats:
        """What a hit point has of its triangle: 18 F float32.

        A corner and two edges along the surface (2 each), paint (3), the object's second paint (3), normal (3, world,
        towards the eye), the object's key, gloss, glow.
        """
        scene, chosen = self.eye.scene, self.eye.chosen
        material, owner = scene.material[chosen], scene.owner[chosen]
        slot = SLOT[material]
        paint = np.where(slot[:, None] < 0, FIXED[material], scene.paints[owner, slot])
        first, second, third = scene.flat(chosen)
        normal = self.eye.view.rotation @ self.eye.planes[0]
        return np.concatenate([
            first, second - first, third - first, paint.T, scene.paints[owner, 1].T, normal.astype(np.float32),
            [scene.key[owner], GLOSS[material], GLOW[material]],
        ])  # fmt: skip

    def radiance(self, hits: Hits) -> Floats:
        """The linear colour of N rays, 3 N float32."""
        patterns = self.pattern[hits.piece]
        order = np.argsort(patterns, kind="stable")  # what has the same pattern together, then the sky
        sky = len(order) - np.count_nonzero(patterns == SKY)
        colour = np.empty((3, len(order)), np.float32)
        for start in range(0, sky, CHUNK):
            rows = slice(start, min(start + CHUNK, sky))
            colour[:, rows] = self.surface(hits.at(order[rows]))
        colour[:, sky:] = self.sky(hits.rays.take(order[sky:], 1, mode="clip"))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return colour.take(back, 1, mode="clip")

    def surface(self, hits: Hits) -> Floats:
        """The linear colour of M rays that hit something, sorted by pattern; 3 M float32."""
        look, moment = self.look, self.moment
        depth = hits.depth.astype(np.float32)
        points = hits.rays * depth + column(self.eye.view.position)
        seen = hits.rays / np.sqrt(dot(hits.rays, hits.rays))
        spots, normal = self.spots(hits, depth)
        facing = -dot(seen, normal)
        spots.coarse = spots.fine / np.maximum(facing, 0.05)
        decorate(spots, self.pattern[hits.piece], look, self.eye.scene.street)
        out = spots.albedo * self.arriving(points, depth, normal, facing)
        if look.mirror > 0:
            glossy = np.flatnonzero(spots.gloss > 0.02)
            bounce = seen.take(glossy, 1, mode="clip") + 2 * facing[glossy] * normal.take(glossy, 1, mode="clip")
            bounce[2] = np.abs(bounce[2])
            share = look.mirror * spots.gloss[glossy] * (0.35 + 0.65 * (1 - facing[glossy]) ** 3)
            part = out.take(glossy, 1, mode="clip")
            out[:, glossy] = part + share * (0.8 * self.sky(bounce) - part)
        if look.lamps > 0:
            dark = spots.albedo.max(axis=0) < 0.15
            warm = np.where(dark, LAMP_LIGHT[:, None] * np.float32(0.12), spots.albedo)  # lit rooms
            out += np.float32(look.lamps * 0.5) * spots.glow * warm
        if moment.haze > 0:
            horizon = column(look.horizon)
            out -= horizon
            out *= np.exp(np.float32(-moment.haze) * depth)
            out += horizon
        return out

    def sky(self, rays: Floats) -> Floats:
        """The sky's colour in directions (3 N, world, any length), 3 N float32."""
        look = self.look
        unit = rays / np.sqrt(dot(rays, rays))
        up = np.clip(unit[2], 0, 1) ** np.float32(0.6)
        horizon, zenith = column(look.horizon), column(look.zenith)
        colour: Floats = horizon + up * (zenith - horizon)
        if look.clouds > 0:
            over = np.maximum(unit[2], 0.03) + np.float32(0.12)  # the clouds' plane, curved down to the horizon
            drift = self.moment.azimuth
            cover = noise(unit[0] / over + drift, unit[1] / over, 0.025, np.float32(0.2))
            share = np.clip(np.float32(0.9) * cover + np.float32(2 * look.clouds - 0.5), 0, 1)
            colour += share * (np.float32(1.05) * horizon - colour)
        if look.shadows > 0:
            toward = np.clip(self.moment.sunward.astype(np.float32) @ unit, 0, 1)
            eighth = (toward * toward * toward) ** 2
            eighth *= toward * toward
            colour += np.float32(0.35 * self.moment.sun) * eighth * eighth * eighth * column(look.sun_colour)
        return colour

    def spots(self, hits: Hits, depth: Floats) -> tuple[Spots, Floats]:
        """The hit points with their paints, before any pattern and without `coarse`; their normals."""
        rows = self.table.take(hits.piece, 1, mode="clip")
        flat = rows[:2] + hits.weights[0] * rows[2:4] + hits.weights[1] * rows[4:6]
        fine = depth / np.float32(self.eye.view.focal)
        key, gloss, glow = rows[15:]
        return Spots(flat[0], flat[1], fine, fine, key, rows[9:12], rows[6:9], gloss, glow), rows[12:15]

    def arriving(self, points: Floats, depth: Floats, normal: Floats, facing: Floats) -> Floats:
        """Light that arrives at points (3 M): the sun's, the sky's, the lamps'; 3 M."""
        look, moment = self.look, self.moment
        zenith = column(look.zenith)
        above = np.float32(0.72 * moment.ambient) + np.float32(0.28 * moment.ambient) * normal[2]
        light: Floats = above * (np.float32(0.5) + np.float32(0.5) * zenith / zenith.max())
        if moment.sun > 0:
            direct = np.float32(moment.sun) * np.clip(moment.sunward.astype(np.float32) @ normal, 0, 1)
            if look.shadows > 0:
                sunny = np.flatnonzero((direct > 0.02) & (depth < 70))
                off = np.float32(0.01) + np.float32(0.002) * depth[sunny]  # clear of the surface itself
                starts = points.take(sunny, 1, mode="clip") + off * normal.take(sunny, 1, mode="clip")
                dark = self.casters.occluded(starts, moment.sunward)
                direct[sunny[dark]] *= np.float32(1 - look.shadows)
            light += direct * column(look.sun_colour)
        if look.lamps > 0:
            light += np.float32(look.lamps) * self.artificial(points, normal, facing)
        return light

    def artificial(self, points: Floats, normal: Floats, facing: Floats) -> Floats:
        """Light of the nearest street lamps and of our own head lights, 3 M."""
        view = self.eye.view
        own = points - column(view.position)
        lamps = (self.eye.scene.lamps[:8] - view.position).astype(np.float32)
        # Of the vectors from the points to the lamps, L M: the squared length, and the product with the normal.
        square = (lamps**2).sum(1)[:, None] - 2 * lamps @ own + dot(own, own)
        square = np.maximum(square, 0) + np.float32(1.0)
        across = np.maximum(lamps @ normal - dot(own, normal), 0)
        warm = (across / (square * np.sqrt(square))).sum(axis=0)
        right, down, ahead = view.rotation.T.astype(np.float32) @ own
        ahead = np.maximum(ahead, 1.0)
        # Dipped beams: little light above the horizon.
        beam = np.exp(-((right / ahead / 0.55) ** 2)) * np.clip(0.37 + 6 * down / ahead, 0.05, 1)
        cold = 60.0 * beam * np.sqrt(np.clip(facing, 0, 1)) / (ahead**2 + 30)
        light: Floats = np.float32(14.0) * warm * LAMP_LIGHT[:, None] + cold * HEAD_LIGHT[:, None]
        return light
