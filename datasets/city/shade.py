"""Light and air: the linear colour that rays bring back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasets.city.cast import Hits, Tracer, shading
from datasets.city.look import Look, Moment
from datasets.city.materials import MATERIALS, PATTERNS
from datasets.city.meshes import Floats, Ints
from datasets.city.patterns import Spots, decorate
from datasets.city.scene import Scene
from datasets.city.texture import noise
from datasets.city.view import View

SLOT = np.array([m.paint if isinstance(m.paint, int) else -1 for m in MATERIALS])
FIXED = np.array([(0, 0, 0) if isinstance(m.paint, int) else m.paint for m in MATERIALS], np.float32)
GLOSS = np.array([m.gloss for m in MATERIALS], np.float32)
GLOW = np.array([m.glow for m in MATERIALS], np.float32)
PATTERN = np.array([PATTERNS.index(m.pattern) for m in MATERIALS])

LAMP_LIGHT = np.array([1.0, 0.72, 0.42], np.float32)
HEAD_LIGHT = np.array([1.0, 0.95, 0.85], np.float32)


def dot(a: Floats, b: Floats) -> Floats:
    """The products of M pairs of vectors, M."""
    product: Floats = np.einsum("mi,mi->m", a, b)
    return product


@dataclass(frozen=True, eq=False)
class Light:
    """The light of one image, for as many rays as wanted."""

    scene: Scene
    view: View
    look: Look
    moment: Moment

    @cached_property
    def casters(self) -> Tracer:
        return shading(self.scene, self.view, self.moment.sunward)

    def radiance(self, rays: Floats, hits: Hits) -> Floats:
        """The linear colour of N rays (N 3, world, with what they hit), N 3 float32."""
        look, moment = self.look, self.moment
        colour = np.empty((hits.num_rays, 3), np.float32)
        missed = np.ones(hits.num_rays, bool)
        missed[hits.where] = False
        colour[missed] = self.sky(rays[missed].astype(np.float32))
        seen = rays[hits.where].astype(np.float32)
        seen /= np.sqrt(dot(seen, seen))[:, None]
        normal = hits.normal.astype(np.float32)
        facing = -dot(seen, normal)
        spots, pattern = self.spots(hits, facing)
        decorate(spots, pattern, look, self.scene.street)
        out = spots.albedo * self.arriving(hits, normal, facing)
        if look.mirror > 0:
            glossy = np.flatnonzero(spots.gloss > 0.02)
            bounce = seen[glossy] + 2 * facing[glossy, None] * normal[glossy]
            bounce[:, 2] = np.abs(bounce[:, 2])
            share = look.mirror * spots.gloss[glossy] * (0.35 + 0.65 * (1 - facing[glossy]) ** 3)
            out[glossy] += share[:, None] * (0.8 * self.sky(bounce) - out[glossy])
        if look.lamps > 0:
            warm = np.where(spots.albedo.max(1, keepdims=True) < 0.15, LAMP_LIGHT * 0.12, spots.albedo)  # lit rooms
            out += look.lamps * 0.5 * spots.glow[:, None] * warm
        if moment.haze > 0:
            clear = np.exp(-moment.haze * hits.depth.astype(np.float32))[:, None]
            out = clear * out + (1 - clear) * np.array(look.horizon, np.float32)
        colour[hits.where] = out
        return colour

    def sky(self, rays: Floats) -> Floats:
        """The sky's colour in directions (N 3, world, any length), N 3 float32."""
        look = self.look
        unit = rays / np.sqrt(dot(rays, rays))[:, None]
        up = np.clip(unit[:, 2:], 0, 1) ** 0.6
        horizon, zenith = np.array(look.horizon, np.float32), np.array(look.zenith, np.float32)
        colour: Floats = horizon + up * (zenith - horizon)
        if look.clouds > 0:
            over = np.maximum(unit[:, 2], 0.03) + 0.12  # the clouds' plane, curved down to the horizon
            drift = self.moment.azimuth
            cover = noise(unit[:, 0] / over + drift, unit[:, 1] / over, 0.025, np.full(len(unit), 0.2))
            share = np.clip(0.9 * cover + 2 * look.clouds - 0.5, 0, 1)[:, None]
            colour += share * (1.05 * horizon - colour)
        if look.shadows > 0:
            toward = np.clip(unit @ self.moment.sunward.astype(np.float32), 0, 1)
            colour += (0.35 * self.moment.sun * toward**24)[:, None] * np.array(look.sun_colour, np.float32)
        return colour

    @cached_property
    def base(self) -> Floats:
        """Each triangle's colour before any pattern, F 3."""
        slot = SLOT[self.scene.material]
        return np.where(slot[:, None] < 0, FIXED[self.scene.material], self.scene.paints[self.scene.owner, slot])

    def spots(self, hits: Hits, facing: Floats) -> tuple[Spots, Ints]:
        """The hit points with their paints, before any pattern; and their patterns."""
        scene = self.scene
        material, owner = scene.material[hits.triangle], scene.owner[hits.triangle]
        u, v = np.ascontiguousarray(hits.flat.T)
        fine = (hits.depth / self.view.focal).astype(np.float32)
        spots = Spots(
            u=u,
            v=v,
            fine=fine,
            coarse=fine / np.maximum(facing, 0.05),
            key=scene.key[owner],
            trim=scene.paints[owner, 1],
            albedo=self.base[hits.triangle],
            gloss=GLOSS[material],
            glow=GLOW[material],
        )
        return spots, PATTERN[material]

    def arriving(self, hits: Hits, normal: Floats, facing: Floats) -> Floats:
        """Light that arrives at M points: the sun's, the sky's, the lamps'; M 3."""
        look, moment = self.look, self.moment
        zenith = np.array(look.zenith, np.float32)
        light: Floats = (moment.ambient * (0.72 + 0.28 * normal[:, 2]))[:, None] * (0.5 + 0.5 * zenith / zenith.max())
        if moment.sun > 0:
            direct = moment.sun * np.clip(normal @ moment.sunward.astype(np.float32), 0, 1)
            if look.shadows > 0:
                sunny = np.flatnonzero((direct > 0.02) & (hits.depth < 70))
                off = (0.01 + 0.002 * hits.depth[sunny])[:, None]  # clear of the surface itself
                dark = self.casters.occluded(hits.point[sunny] + off * hits.normal[sunny], moment.sunward)
                direct[sunny[dark]] *= 1 - look.shadows
            light += direct[:, None] * np.array(look.sun_colour, np.float32)
        if look.lamps > 0:
            light += look.lamps * self.artificial(hits.point.astype(np.float32), normal, facing)
        return light

    def artificial(self, points: Floats, normal: Floats, facing: Floats) -> Floats:
        """Light of the nearest street lamps and of our own head lights, M 3."""
        light = np.zeros(points.shape, np.float32)
        for lamp in self.scene.lamps[:8].astype(np.float32):
            toward = lamp - points
            square = dot(toward, toward) + 1.0
            light += (14.0 * np.clip(dot(toward, normal), 0, None) * square**-1.5)[:, None] * LAMP_LIGHT
        right, down, ahead = self.view.own(points).T
        ahead = np.maximum(ahead, 1.0)
        # Dipped beams: little light above the horizon.
        beam = np.exp(-((right / ahead / 0.55) ** 2)) * np.clip(0.37 + 6 * down / ahead, 0.05, 1)
        light += (60.0 * beam * np.sqrt(np.clip(facing, 0, 1)) / (ahead**2 + 30))[:, None] * HEAD_LIGHT
        return light
