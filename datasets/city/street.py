"""The street over the ground: coordinates s (metres along it) and t (metres to its right), and its surfaces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

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


def ribbons(arc: Floats, left: ArrayLike, right: ArrayLike) -> Floats:
    """Quadrilaterals (Q 4 3) between pairs of lines along the street, each line given as (t, h): K 2 twice."""
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    quads = np.empty((len(left), len(arc) - 1, 4, 3))
    quads[..., :2, 0], quads[..., 2:, 0] = arc[:-1, None], arc[1:, None]
    quads[..., ::3, 1:] = left[:, None, None]
    quads[..., 1:3, 1:] = right[:, None, None]
    return quads.reshape(-1, 4, 3)


def along(t: Floats, h: float) -> Floats:
    """Points (t, h) of one height."""
    return np.stack([t, np.full(len(t), h)], axis=1)


def kerbed(arc: Floats, side: int, inner: float, outer: float, paints: tuple[Colour, ...]) -> Surface:
    """A pavement with its kerbs."""
    inner, outer = side * inner, side * outer
    edges = ribbons(arc, [(inner, KERB), (inner, 0.0), (outer, -0.3)], [(outer, KERB), (inner, KERB), (outer, KERB)])
    profile = np.array([[0.0, inner, KERB], [0.0, outer, KERB], [0.0, outer, -0.1], [0.0, inner, -0.1]])
    ends = profile + np.array([[[arc[0], 0, 0]], [[arc[-1], 0, 0]]])
    top = len(arc) - 1
    material = np.repeat([MATERIAL["paving"], MATERIAL["kerb"]], [top, len(edges) - top + len(ends)])
    return Surface("sidewalk", np.concatenate([edges, ends]), material, paints)


def surfaces(street: Street, road: Colour, paving: Colour, kerb: Colour, grass: Colour) -> list[Surface]:
    """Road, pavements and side street."""
    half, outer = street.half, street.half + street.pavement
    quads = [ribbons(ARC, [(-half, 0.0)], [(half, 0.0)])]
    spans = [ARC]
    if street.crossing:
        a, b = street.crossing
        spans = [np.append(ARC[ARC < a], a), np.append(b, ARC[ARC > b])]
        reach = np.concatenate([[half], np.arange(half + 4, 76, 8.0)])
        for side in (-1, 1):
            line = along(side * reach, 0.0)
            quads.append(ribbons(np.array([a, (a + b) / 2, b]), line[:-1], line[1:]))
    corners = np.concatenate(quads)
    found = [Surface("road", corners, np.full(len(corners), MATERIAL["road"]), (road,))]
    found += [kerbed(span, side, half, outer, (paving, kerb)) for span in spans for side in (-1, 1)]
    if street.strip > 0:
        high = KERB + 0.02
        inside, outside = ([(side * t, high) for side in (-1, 1)] for t in (half + 0.2, half + street.strip))
        lawn = np.concatenate([ribbons(span, inside, outside) for span in spans])
        found.append(Surface("terrain", lawn, np.full(len(lawn), MATERIAL["grass"]), (grass,)))
    if street.crossing:
        for side in (-1, 1):
            t = np.array([outer, *np.arange(outer + 6, 70, 10.0)]) * side
            foot, brim = along(t, 0.0), along(t, KERB)
            for s, width in ((street.crossing[0], -2.0), (street.crossing[1], 2.0)):
                low, high = min(s, s + width), max(s, s + width)
                tops = ribbons(np.array([low, high]), brim[:-1], brim[1:])
                sides = ribbons(np.array([s, s + 1e-4]), foot, brim)
                edge = tops[:, [0, 1, 1, 0] if s == low else [3, 2, 2, 3]].copy()
                edge[:, 2:, 2] = -0.1
                both = np.concatenate([tops, edge, sides])
                material = np.repeat([MATERIAL["paving"], MATERIAL["kerb"]], [len(tops), len(edge) + len(sides)])
                found.append(Surface("sidewalk", both, material, (paving, kerb)))
    return found


# The lawn is a strip of rows; the hills stand on an arc.
LAWN_Y = np.concatenate([np.arange(-40.0, 130, 6.0), [160.0, 200.0, 260.0, FAR + 20]])
LAWN_XY = np.stack([np.tile([-FAR, FAR], len(LAWN_Y)), np.repeat(LAWN_Y, 2)], axis=1)
HILLS = np.linspace(-np.pi * 0.6, np.pi * 0.6, 40)
RIM = 0.93 * FAR * np.stack([np.sin(HILLS), np.cos(HILLS)], axis=1)


def land(street: Street) -> tuple[Mesh, Mesh]:
    """The lawn under everything and the wooded hills around, in world coordinates."""
    start = 2 * np.arange(len(LAWN_Y) - 1)[:, None]
    faces = np.concatenate([start + [0, 1, 3], start + [0, 3, 2]])
    grid = np.column_stack([LAWN_XY, np.repeat(street.height(LAWN_Y) - SUNK, 2)])
    lawn = Mesh(grid, faces, np.full(len(faces), MATERIAL["grass"]))
    crest = street.hill + 16 + 7 * np.sin(3 * HILLS + street.slope) + 5 * np.sin(7.3 * HILLS + street.hill)
    foot = np.column_stack([RIM, np.full(len(HILLS), min(street.hill, 0.0) - 5)])
    start = np.arange(len(HILLS) - 1)[:, None]
    faces = np.concatenate([start + [0, 1, 41], start + [0, 41, 40]])
    top = np.column_stack([RIM * 1.06, crest])
    return lawn, Mesh(np.concatenate([foot, top]), faces, np.full(len(faces), MATERIAL["forest"]))
