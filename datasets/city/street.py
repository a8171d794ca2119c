"""The street over the ground: coordinates s (metres along it) and t (metres to its right), and its surfaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from datasets.city.materials import MATERIAL, Colour
from datasets.city.meshes import Floats, Ints, Mesh

REACH = 240.0  # metres of street ahead
FAR = 330.0  # metres to the hills that close the view
ARC = np.concatenate([np.arange(-8.0, 40.0, 4.0), np.arange(40.0, REACH + 1, 10.0)])  # s of surfaces' corners
KERB = 0.14  # metres of pavement above road
SUNK = 0.06  # metres of lawn below road: the lawn lies under everything


class Thing(NamedTuple):
    """An object on the street: a mesh by name, its class, place, direction and paints."""

    mesh: str
    label: str
    s: float  # metres along the street
    t: float  # metres to the right of its middle
    turn: float = 0.0  # radians against the street's direction, counter-clockwise seen from above
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    lift: float = 0.0  # metres above the ground
    paints: tuple[Colour, ...] = ()  # up to 4


class Surface(NamedTuple):
    """A piece of ground made of quadrilaterals with corners (s, t, h), which are also what its pattern is drawn in."""

    label: str
    corners: Floats  # Q 4 3
    material: Ints  # Q
    paints: tuple[Colour, ...]


@dataclass(frozen=True, eq=False)
class Street:
    """A course with one bend and one hill, and what is painted on its road."""

    bend: float  # curvature in 1/m from `bend_start` on
    bend_start: float  # metres
    hill: float  # metres up (or down) over `slope` metres
    slope: float
    lane: float  # width of a lane, metres; one lane a direction
    half: float  # half the road's width, parking included
    pavement: float  # width of a pavement
    crossing: tuple[float, float] | None  # the side street, s from..to
    strip: float = 0.0  # width of the lawn between kerb and pavement
    zebras: tuple[float, ...] = ()  # s of the middles of zebra crossings
    course: Floats = field(init=False)  # P 4: s, x, y, heading

    def __post_init__(self) -> None:
        s = np.arange(-40.0, REACH + 60, 1.0)
        # The curvature fades, so that the street never turns by more than about 50 degrees.
        run = np.maximum(s - self.bend_start, 0)
        heading = self.bend * 45 * (1 - np.exp(-run / 45))
        x, y = np.cumsum(-np.sin(heading)), np.cumsum(np.cos(heading))
        origin = int(np.searchsorted(s, 0.0))
        object.__setattr__(self, "course", np.stack([s, x - x[origin], y - y[origin], heading], axis=1))

    def height(self, y: Floats) -> Floats:
        """The ground's height above the camera's foot, metres; y is straight ahead in the world."""
        share = np.clip((y - 12.0) / self.slope, 0, 1)
        height: Floats = self.hill * (0.5 - 0.5 * np.cos(np.pi * share))
        return height

    def place(self, s: Floats, t: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """World x, y, z in metres and the heading in radians of points of the street."""
        at, x, y, heading = self.course.T
        theta = np.interp(s, at, heading)
        x, y = np.interp(s, at, x) + t * np.cos(theta), np.interp(s, at, y) + t * np.sin(theta)
        return x, y, self.height(y), theta


def ribbon(arc: Floats, left: tuple[float, float], right: tuple[float, float]) -> Floats:
    """Quadrilaterals between two lines along the street, each given as (t, h)."""
    quads = np.empty((len(arc) - 1, 4, 3))
    quads[:, :2, 0], quads[:, 2:, 0] = arc[:-1, None], arc[1:, None]
    quads[:, 0, 1:] = quads[:, 3, 1:] = left
    quads[:, 1, 1:] = quads[:, 2, 1:] = right
    return quads


def kerbed(arc: Floats, side: int, inner: float, outer: float, paints: tuple[Colour, ...]) -> Surface:
    """A pavement with its kerbs."""
    top = ribbon(arc, (side * inner, KERB), (side * outer, KERB))
    near = ribbon(arc, (side * inner, 0.0), (side * inner, KERB))
    back = ribbon(arc, (side * outer, -0.3), (side * outer, KERB))
    profile = np.array(
        [[0.0, side * inner, KERB], [0.0, side * outer, KERB], [0.0, side * outer, -0.1], [0.0, side * inner, -0.1]]
    )
    ends = np.stack([profile + [s, 0, 0] for s in (arc[0], arc[-1])])
    material = np.repeat([MATERIAL["paving"], MATERIAL["kerb"]], [len(top), len(near) + len(back) + len(ends)])
    return Surface("sidewalk", np.concatenate([top, near, back, ends]), material, paints)


def surfaces(street: Street, road: Colour, paving: Colour, kerb: Colour, grass: Colour) -> list[Surface]:
    """Road, pavements and side street."""
    half, outer = street.half, street.half + street.pavement
    quads = [ribbon(ARC, (-half, 0.0), (half, 0.0))]
    spans = [ARC]
    if street.crossing:
        a, b = street.crossing
        cuts = np.concatenate([ARC, [a, b]])
        spans = [np.unique(cuts[cuts <= a]), np.unique(cuts[cuts >= b])]
        for side in (-1, 1):
            reach = np.concatenate([[half], np.arange(half + 4, 76, 8.0)]) * side
            for t0, t1 in zip(reach[:-1], reach[1:], strict=True):
                quads.append(ribbon(np.array([a, (a + b) / 2, b]), (t0, 0.0), (t1, 0.0)))
    corners = np.concatenate(quads)
    found = [Surface("road", corners, np.full(len(corners), MATERIAL["road"]), (road,))]
    found += [kerbed(span, side, half, outer, (paving, kerb)) for span in spans for side in (-1, 1)]
    if street.strip > 0:
        high = KERB + 0.02
        lawns = [ribbon(span, (side * (half + 0.2), high), (side * (half + street.strip), high))
                 for span in spans for side in (-1, 1)]  # fmt: skip
        lawn = np.concatenate(lawns)
        found.append(Surface("terrain", lawn, np.full(len(lawn), MATERIAL["grass"]), (grass,)))
    if street.crossing:
        for side in (-1, 1):
            for s, width in ((street.crossing[0], -2.0), (street.crossing[1], 2.0)):
                t = np.array([outer, *np.arange(outer + 6, 70, 10.0)]) * side
                low, high = min(s, s + width), max(s, s + width)
                tops = np.concatenate([ribbon(np.array([low, high]), (a, KERB), (b, KERB))
                                       for a, b in zip(t[:-1], t[1:], strict=True)])  # fmt: skip
                sides = np.concatenate([ribbon(np.array([s, s + 1e-4]), (a, 0.0), (a, KERB)) for a in t])
                edge = tops[:, [0, 1, 1, 0] if s == low else [3, 2, 2, 3]].copy()
                edge[:, 2:, 2] = -0.1
                both = np.concatenate([tops, edge, sides])
                material = np.repeat([MATERIAL["paving"], MATERIAL["kerb"]], [len(tops), len(edge) + len(sides)])
                found.append(Surface("sidewalk", both, material, (paving, kerb)))
    return found


def land(street: Street) -> tuple[Mesh, Mesh]:
    """The lawn under everything and the wooded hills around, in world coordinates."""
    y = np.concatenate([np.arange(-40.0, 130, 6.0), [160.0, 200.0, 260.0, FAR + 20]])
    z = street.height(y) - SUNK
    x = np.array([-FAR, FAR])
    grid = np.stack([np.tile(x, len(y)), np.repeat(y, 2), np.repeat(z, 2)], axis=1)
    start = 2 * np.arange(len(y) - 1)[:, None]
    faces = np.concatenate([start + [0, 1, 3], start + [0, 3, 2]])
    lawn = Mesh(grid, faces, np.full(len(faces), MATERIAL["grass"]))
    angle = np.linspace(-np.pi * 0.6, np.pi * 0.6, 40)
    crest = street.hill + 16 + 7 * np.sin(3 * angle + street.slope) + 5 * np.sin(7.3 * angle + street.hill)
    rim = np.stack([0.93 * FAR * np.sin(angle), 0.93 * FAR * np.cos(angle)], axis=1)
    foot, top = np.c_[rim, np.full(40, min(street.hill, 0.0) - 5)], np.c_[rim * 1.06, crest]
    start = np.arange(39)[:, None]
    faces = np.concatenate([start + [0, 1, 41], start + [0, 41, 40]])
    return lawn, Mesh(np.concatenate([foot, top]), faces, np.full(len(faces), MATERIAL["forest"]))
