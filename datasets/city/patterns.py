"""What is drawn on surfaces: lane markings, windows, joints, bricks, planks, lettering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from datasets.city.look import Look
from datasets.city.materials import PATTERNS
from datasets.city.meshes import Floats, Ints
from datasets.city.street import Street
from datasets.city.texture import band, bars, noise, phase, rest, scatter, stripes

STOREY = 3.2  # metres
# How strong the noise of Look.texture is on each pattern.
ROUGHNESS = dict(zip(PATTERNS, (0.3, 0.8, 0.7, 1.6, 0.7, 1.0, 1.0, 0.9, 2.2, 1.4, 0.7, 0.3, 0.3, 2.0), strict=True))


@dataclass(eq=False)
class Spots:
    """M points of surfaces under shading; arrays whose last axis is M, changed in place by the patterns."""

    u: Floats  # metres along the surface: across for the ground, level for walls
    v: Floats  # metres: along the street for the ground, upwards for walls
    fine: Floats  # metres that a pixel spans across the line of sight
    coarse: Floats  # metres that it spans along a slanting surface
    key: Floats  # the object's random number
    trim: Floats  # 3 M, the object's second paint
    albedo: Floats  # 3 M
    gloss: Floats
    glow: Floats

    def part(self, rows: slice) -> Spots:
        return Spots(*(getattr(self, name)[..., rows] for name in self.__dataclass_fields__))

    def put(self, rows: slice, part: Spots) -> None:
        for name in ("albedo", "gloss", "glow"):
            getattr(self, name)[..., rows] = getattr(part, name)


def mix(spots: Spots, cover: Floats, colour: Floats | tuple[float, float, float]) -> None:
    """Paint over."""
    paint = np.asarray(colour, np.float32)
    cover = cover.astype(np.float32, copy=False)
    spots.albedo += cover * ((paint[:, None] if paint.ndim == 1 else paint) - spots.albedo)


def darken(spots: Spots, cover: Floats, share: float) -> None:
    spots.albedo *= 1 - share * cover


def asphalt(spots: Spots, look: Look, street: Street) -> None:
    t, s, white = spots.u, spots.v, (0.78, 0.78, 0.75)
    main = np.abs(t) < street.half
    a, b = street.crossing or (1e3, 1e3)
    clear = main & ((s < a - 1) | (s > b + 1))
    zebra = np.zeros_like(s)
    for middle in street.zebras:
        near = np.abs(s - middle) < 2.0
        clear &= ~near
        zebra += band(s, middle - 1.6, middle + 1.6, spots.coarse) * main
    dashes = stripes(s, 8.0, 0.45, spots.coarse) * band(t, -0.08, 0.08, spots.fine)
    edges = band(np.abs(t), street.lane - 0.03, street.lane + 0.12, spots.fine)
    side = stripes(t, 6.0, 0.5, spots.fine) * band(s, (a + b) / 2 - 0.08, (a + b) / 2 + 0.08, spots.coarse) * ~main
    stop = band(s, a - 5.6, a - 5.1, spots.coarse) * band(t, 0.1, street.lane, spots.fine)
    cover = np.maximum(clear * np.maximum(dashes, edges), zebra * stripes(t, 1.0, 0.55, spots.fine))
    mix(spots, np.clip(np.maximum(cover, np.maximum(side, stop)), 0, 1), white)
    if look.detail * look.texture > 0:
        worn = noise(t * 4 + 31, s * 0.3, 0.06, spots.fine)  # tracks of wheels, along the street
        patch = scatter(np.floor(t / 1.7 + 0.3), np.floor(s / 5.1), 0 * s) < 0.12
        spots.albedo *= 1 + look.texture * (0.07 * worn - 0.13 * patch)


def paving(spots: Spots, look: Look, street: Street) -> None:
    joints = np.maximum(1 - stripes(spots.u, 0.8, 0.94, spots.fine), 1 - stripes(spots.v, 0.8, 0.94, spots.coarse))
    darken(spots, joints, 0.35 * look.detail)


def facade(spots: Spots, look: Look, street: Street) -> None:
    u, v, key = spots.u, spots.v, spots.key
    bay = 2.1 + 1.3 * (rest(key * 7))
    wide, high = 0.36 + 0.25 * (rest(key * 13)), 0.45 + 0.15 * (rest(key * 17))
    ribbons = rest(key * 23) > 0.82  # office bands
    wide = np.where(ribbons, 0.94, wide)
    upper = v > STOREY
    fu, fv = spots.coarse, spots.fine
    across, up = phase(u, bay, fu), phase(v, STOREY, fv)
    frame = bars(across, wide + 0.1) * bars(up, high + 0.08)
    glass = bars(across, wide) * bars(up, high)
    shop = (rest(key * 29) > 0.5) & ~upper
    door = (scatter(np.floor(u / bay), 0 * u, key) < 0.3) & ~upper & ~shop
    frame = np.where(shop, band(v, 0.4, 2.7, fv), np.where(door, bars(across, 0.5) * band(v, -1, 2.4, fv), frame))
    pane = bars(across, 0.86) * band(v, 0.6, 2.5, fv)
    glass = np.where(shop, pane, np.where(door, 0, glass))
    if look.detail > 0:
        course = band(v, STOREY - 0.12, STOREY + 0.12, fv)
        mix(spots, course * look.detail, spots.trim)
    mix(spots, frame, np.where(door, 0.25 * spots.trim, 0.8 * spots.trim))
    mix(spots, glass, (0.045, 0.065, 0.09))
    awning = band(v, 2.7, 3.15, fv) * shop
    hue = 6.28 * (rest(key * 31))
    mix(spots, awning, 0.3 + 0.25 * np.stack([np.cos(hue), np.cos(hue + 2.1), np.cos(hue + 4.2)]))
    spots.gloss = np.maximum(spots.gloss, 0.6 * glass)
    lit = scatter(np.floor(u / bay), np.floor(v / STOREY), key) < np.where(shop, 0.75, 0.3)
    spots.glow = spots.glow + glass * lit * (6.0 + 8.0 * (rest(key * 37)))


def tiles(spots: Spots, look: Look, street: Street) -> None:
    darken(spots, 1 - stripes(spots.v, 0.4, 0.75, spots.coarse), 0.3 * look.detail)


def brick(spots: Spots, look: Look, street: Street) -> None:
    row = np.floor(spots.v / 0.24)
    joints = np.maximum(1 - stripes(spots.v, 0.24, 0.85, spots.fine),
                        1 - stripes(spots.u + 0.25 * (2 * rest(row / 2)), 0.5, 0.92, spots.coarse))  # fmt: skip
    shade = scatter(np.floor((spots.u + 0.25 * (2 * rest(row / 2))) / 0.5), row, spots.key) - 0.5
    spots.albedo *= 1 + look.detail * 0.4 * shade * (spots.fine < 0.2)
    mix(spots, joints * 0.5 * look.detail, 0.7 * spots.trim)


def planks(spots: Spots, look: Look, street: Street) -> None:
    board = scatter(np.floor(spots.u / 0.3), 0 * spots.u, spots.key) - 0.5
    spots.albedo *= 1 + look.detail * 0.5 * board * (spots.coarse < 0.3)
    darken(spots, 1 - stripes(spots.u, 0.3, 0.82, spots.coarse), 0.75)


def lettering(spots: Spots, look: Look, street: Street) -> None:
    lines = stripes(spots.v + 0.05, 0.36, 0.45, spots.fine) * stripes(spots.u, 1.1, 0.8, spots.fine)
    mix(spots, lines, spots.trim)


def leaves(spots: Spots, look: Look, street: Street) -> None:
    if look.texture > 0:
        clump = noise(spots.u + 7 * spots.key, spots.v, 0.05, spots.coarse)
        darken(spots, np.clip(clump, 0, 1), 0.45 * min(look.texture, 1.0))


def cloth(spots: Spots, look: Look, street: Street) -> None:
    striped = (rest(spots.key * 41) > 0.8) & (spots.v > 0.9)
    darken(spots, striped * stripes(spots.v, 0.18, 0.5, spots.fine), 0.5 * look.detail)


DRAW: dict[str, Callable[[Spots, Look, Street], None]] = {
    "asphalt": asphalt, "paving": paving, "facade": facade, "tiles": tiles, "brick": brick, "planks": planks,
    "leaves": leaves, "cloth": cloth, "text": lettering, "forest": leaves,
}  # fmt: skip


def decorate(spots: Spots, pattern: Ints, look: Look, street: Street) -> None:
    """Draw every pattern on its own points (`pattern`: M indices into PATTERNS, sorted), then noise on all."""
    starts = np.searchsorted(pattern, np.arange(len(PATTERNS) + 1, dtype=pattern.dtype)).tolist()
    for name, start, stop in zip(PATTERNS, starts[:-1], starts[1:], strict=True):
        if name in DRAW and start < stop:
            rows = slice(start, stop)
            part = spots.part(rows)
            DRAW[name](part, look, street)
            spots.put(rows, part)
    if look.texture > 0:
        rough = (0.10 * look.texture * np.array([ROUGHNESS[name] for name in PATTERNS])).astype(np.float32)[pattern]
        shift = 97 * spots.key
        grain = noise(spots.u + shift, spots.v + 3 * shift, 0.025, spots.fine)
        stains = noise(spots.u + 5 * shift, spots.v + shift, 0.25, spots.coarse)
        spots.albedo *= np.clip(1 + rough * (grain + stains), 0.2, 2.0)
