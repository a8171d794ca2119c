"""People, trees, street furniture, enclosures and buildings as meshes. What faces the traffic faces -y."""

from __future__ import annotations

import numpy as np

from datasets.city.materials import MATERIAL
from datasets.city.meshes import Mesh, Point, blob, box, loft, merge, polygon, slab, tube

SKIN, HAIR, SHIRT, TROUSERS, SHOES = (MATERIAL[n] for n in ("skin", "hair", "shirt", "trousers", "shoes"))
LEAVES, BARK, MAST, LANTERN, HOUSING = (MATERIAL[n] for n in ("leaves", "bark", "mast", "lantern", "housing"))
PLATE, SYMBOL, LETTERING, BACK = (MATERIAL[n] for n in ("plate", "symbol", "lettering", "plate back"))
FACADE, TRIM, ROOF, BRICK, COPING = (MATERIAL[n] for n in ("facade", "trim", "roof", "brick", "coping"))
PLANKS, POSTS, GLASS = (MATERIAL[n] for n in ("planks", "posts", "glass"))


def figure(
    hips: Point, shoulders: Point, feet: tuple[Point, Point], knees: tuple[Point, Point], hands: tuple[Point, Point]
) -> Mesh:
    """A person by joints: hips and shoulders are middles, the pairs are left and right."""
    parts = []
    for side, foot, knee, hand in zip((-1, 1), feet, knees, hands, strict=True):
        hip = (hips[0] + side * 0.1, hips[1], hips[2])
        shoulder = (shoulders[0] + side * 0.24, shoulders[1], shoulders[2] - 0.03)
        parts += [tube(knee, hip, 0.085, TROUSERS, taper=1.25), tube(foot, knee, 0.07, TROUSERS, taper=1.15)]
        parts += [
            box(foot[0] - 0.06, foot[0] + 0.06, foot[1] - 0.08, foot[1] + 0.2, foot[2] - 0.08, foot[2] + 0.02, SHOES)
        ]
        parts += [tube(hand, shoulder, 0.055, SHIRT, taper=1.2)]
    lean = shoulders[1]
    low = np.array(
        [
            [0.19, hips[1] + 0.13, hips[2] - 0.05],
            [-0.19, hips[1] + 0.13, hips[2] - 0.05],
            [-0.19, hips[1] - 0.13, hips[2] - 0.05],
            [0.19, hips[1] - 0.13, hips[2] - 0.05],
        ]
    )
    high = np.array(
        [
            [0.24, lean + 0.13, shoulders[2] + 0.05],
            [-0.24, lean + 0.13, shoulders[2] + 0.05],
            [-0.24, lean - 0.13, shoulders[2] + 0.05],
            [0.24, lean - 0.13, shoulders[2] + 0.05],
        ]
    )
    head = (0.0, lean + 0.03, shoulders[2] + 0.25)
    return merge(
        *parts,
        loft(low, high, [SHIRT], SHIRT),
        blob(head, (0.12, 0.13, 0.16), SKIN, subdivisions=0),
        blob((0.0, lean - 0.01, shoulders[2] + 0.31), (0.14, 0.15, 0.13), HAIR, subdivisions=0),
    )


def far_figure(stride: float) -> Mesh:
    """A person of few triangles; `stride` is the distance from foot to foot."""
    limbs = []
    for side in (-1, 1):
        limbs += [tube((0.1 * side, side * stride / 2, 0.04), (0.1 * side, 0, 0.88), 0.08, TROUSERS, taper=1.25)]
        limbs += [tube((0.3 * side, -side * stride / 3, 0.86), (0.24 * side, 0.03, 1.37), 0.06, SHIRT, sides=3)]
    return merge(
        *limbs,
        slab((-0.19, 0.19, -0.13, 0.13), 0.83, 1.45, SHIRT, top=(-0.24, 0.24, -0.11, 0.15)),
        slab((-0.09, 0.09, -0.05, 0.14), 1.5, 1.76, SKIN),
        slab((-0.11, 0.11, -0.11, 0.1), 1.62, 1.82, HAIR),
    )


def far_lamp() -> Mesh:
    return merge(
        tube((0, 0, 0), (0, 0, 6.6), 0.14, MAST, taper=0.65), tube((0, 0, 6.5), (-1.9, 0, 6.9), 0.07, MAST, sides=3),
        slab((-2.5, -1.7, -0.16, 0.16), 6.82, 6.98, MAST), slab((-2.4, -1.8, -0.12, 0.12), 6.76, 6.82, LANTERN,
        floor=True),
    )  # fmt: skip


def tree(trunk: float, radius: float, *crowns: Mesh) -> Mesh:
    return merge(tube((0, 0, -0.1), (0, 0, trunk), radius, BARK, taper=0.7, sides=5), *crowns)


def lamp() -> Mesh:
    return merge(
        tube((0, 0, 0), (0, 0, 6.6), 0.13, MAST, taper=0.65, sides=6),
        tube((0, 0, 6.5), (-1.9, 0, 6.9), 0.07, MAST),
        slab((-2.5, -1.7, -0.16, 0.16), 6.82, 6.98, MAST, floor=True),
        box(-2.4, -1.8, -0.12, 0.12, 6.76, 6.82, LANTERN, floor=True),
        tube((0, 0, 0), (0, 0, 0.9), 0.18, MAST, sides=6),
    )


def signal_head(x: float, z: float) -> Mesh:
    """Three lamps on a dark plate, the middle at height z."""
    lamps = [polygon(0.15, 8, -0.2, z + dz, MATERIAL[name]).moved(x=x)
             for dz, name in ((0.36, "lamp red"), (0.0, "lamp amber"), (-0.36, "lamp green"))]  # fmt: skip
    return merge(box(x - 0.25, x + 0.25, -0.18, 0.12, z - 0.6, z + 0.6, HOUSING, floor=True), *lamps)


def plate(z: float, radius: float, sides: int, phase: float, inner: float, material: int = SYMBOL) -> Mesh:
    """A road sign: a rim in the first paint, a symbol in the second, a grey back."""
    back = polygon(radius, sides, 0.0, z, BACK, phase=phase)
    return merge(
        polygon(radius, sides, -0.10, z, PLATE, phase=phase), polygon(inner, sides, -0.115, z, material, phase=phase),
        Mesh(back.vertices, back.faces[:, ::-1], back.material),
    )  # fmt: skip


def board(width: float, z0: float, z1: float, x: float = 0.0) -> Mesh:
    """A direction board with lines of lettering."""
    half = width / 2
    return merge(
        slab((x - half, x + half, -0.14, -0.06), z0, z1, (BACK, PLATE, PLATE, PLATE), floor=True),
        slab((x - half + 0.08, x + half - 0.08, -0.15, -0.13), z0 + 0.08, z1 - 0.08, LETTERING),
    )


def house(*, gable: bool) -> Mesh:
    """A unit building: x and y in -0.5..0.5, the eaves at z = 1."""
    walls = slab((-0.5, 0.5, -0.5, 0.5), -0.1, 1.0, FACADE, cap=ROOF)
    if not gable:
        rim = slab((-0.52, 0.52, -0.52, 0.52), 0.985, 1.03, TRIM, floor=True)
        return merge(walls, rim, slab((-0.3, 0.1, -0.2, 0.2), 1.03, 1.13, TRIM))
    eaves = np.array([[0.54, 0.54, 0.99], [-0.54, 0.54, 0.99], [-0.54, -0.54, 0.99], [0.54, -0.54, 0.99]])
    ridge = np.array([[0.0, 0.45, 1.32], [0.0, 0.45, 1.32], [0.0, -0.45, 1.32], [0.0, -0.45, 1.32]])
    return merge(
        walls,
        loft(eaves, ridge + np.array([[1e-3], [-1e-3], [-1e-3], [1e-3]]) * [1, 0, 0], [ROOF], None, floor=True),
        box(0.12, 0.22, 0.15, 0.25, 1.0, 1.38, TRIM),
    )


def balconied() -> Mesh:
    """A block with balconies on the street side (-x and +x alike) and a set-back top floor."""
    shelves = [
        slab((-0.56, 0.56, y - 0.09, y + 0.09), z, z + 0.06, TRIM, floor=True)
        for z in (0.3, 0.5, 0.7)
        for y in (-0.25, 0.25)
    ]
    return merge(
        slab((-0.5, 0.5, -0.5, 0.5), -0.1, 0.9, FACADE, cap=ROOF),
        *shelves,
        slab((-0.4, 0.4, -0.42, 0.42), 0.9, 1.05, FACADE, cap=ROOF),
    )


def tower() -> Mesh:
    return merge(
        slab((-0.5, 0.5, -0.5, 0.5), -0.1, 0.45, FACADE, cap=ROOF),
        slab((-0.53, 0.53, -0.53, 0.53), 0.44, 0.46, TRIM, floor=True),
        slab((-0.38, 0.38, -0.4, 0.4), 0.45, 1.2, FACADE, cap=ROOF),
        slab((-0.1, 0.2, -0.2, 0.1), 1.2, 1.28, TRIM),
    )


def railing() -> Mesh:
    """A unit of open fence along y: posts and three broad rails."""
    rails = [box(-0.03, 0.03, -0.5, 0.5, z, z + 0.2, PLANKS) for z in (0.15, 0.55, 0.95)]
    return merge(*rails, *(box(-0.06, 0.06, y - 0.03, y + 0.03, 0.0, 1.25, POSTS) for y in (-0.47, 0.0, 0.47)))


PROPS = {
    "standing": figure(
        (0, 0, 0.88),
        (0, 0, 1.4),
        ((-0.1, 0, 0.08), (0.1, 0, 0.08)),
        ((-0.1, 0.02, 0.47), (0.1, 0.02, 0.47)),
        ((-0.3, 0.05, 0.82), (0.3, 0.05, 0.82)),
    ),
    "walking": figure(
        (0, 0, 0.88),
        (0, 0.03, 1.4),
        ((-0.1, -0.36, 0.16), (0.1, 0.3, 0.08)),
        ((-0.1, -0.05, 0.48), (0.1, 0.2, 0.5)),
        ((-0.3, 0.28, 0.9), (0.3, -0.24, 0.86)),
    ),
    "riding": figure(
        (0, -0.15, 1.0),
        (0, 0.08, 1.52),
        ((-0.13, -0.1, 0.3), (0.13, 0.0, 0.55)),
        ((-0.13, 0.15, 0.65), (0.13, 0.25, 0.9)),
        ((-0.28, 0.4, 1.1), (0.28, 0.4, 1.1)),
    ),
    "round tree": tree(2.6, 0.2, blob((0, 0, 4.2), (2.0, 2.0, 1.9), LEAVES, rough=0.13, seed=1)),
    "lobed tree": tree(
        2.8,
        0.24,
        blob((0.7, 0.2, 3.9), (1.5, 1.5, 1.3), LEAVES, rough=0.15, seed=2),
        blob((-0.8, -0.2, 4.3), (1.6, 1.5, 1.4), LEAVES, rough=0.15, seed=3),
        blob((0.1, 0.1, 5.4), (1.4, 1.4, 1.2), LEAVES, rough=0.15, seed=4),
    ),
    "far tree": tree(2.2, 0.2, blob((0, 0, 4.0), (2.0, 2.0, 2.0), LEAVES, rough=0.1, subdivisions=0, seed=7)),
    "far conifer": tree(1.0, 0.2, tube((0, 0, 0.9), (0, 0, 6.5), 1.9, LEAVES, taper=0.05, sides=6, floor=True)),
    "poplar": tree(1.6, 0.2, blob((0, 0, 5.0), (1.15, 1.15, 3.8), LEAVES, rough=0.12, seed=5)),
    "conifer": tree(
        1.2,
        0.2,
        tube((0, 0, 0.9), (0, 0, 4.2), 1.9, LEAVES, taper=0.25, sides=8, floor=True),
        tube((0, 0, 3.0), (0, 0, 7.0), 1.4, LEAVES, taper=0.03, sides=8, floor=True),
    ),
    "bush": blob((0, 0, 0.5), (0.9, 0.9, 0.75), LEAVES, rough=0.2, seed=6),
    "hedge": slab((-0.45, 0.45, -0.5, 0.5), 0.0, 1.3, LEAVES, top=(-0.38, 0.38, -0.5, 0.5)),
    "lamp": lamp(),
    "mast": tube((0, 0, 0), (0, 0, 3.6), 0.09, MAST, sides=6),
    "bollard": tube((0, 0, 0), (0, 0, 1.0), 0.11, MAST, sides=6),
    "signal mast": tube((0, 0, 0), (0, 0, 3.7), 0.11, MAST, sides=6),
    "signal arm": merge(
        tube((0, 0, 0), (0, 0, 5.9), 0.14, MAST, sides=6), tube((0, 0, 5.7), (-4.4, 0, 5.9), 0.09, MAST)
    ),
    "signal": signal_head(0.0, 3.0),
    "signal over": merge(signal_head(0.0, 3.0), signal_head(-4.2, 5.3)),
    "round sign": plate(3.1, 0.5, 10, 0.5, 0.34),
    "stop sign": plate(3.1, 0.52, 8, 0.5, 0.2),
    "warning sign": plate(3.0, 0.62, 3, 0.5, 0.36),
    "square sign": plate(3.1, 0.6, 4, 0.5, 0.36),
    "diamond sign": plate(3.1, 0.58, 4, 0.0, 0.4),
    "board": board(2.2, 2.4, 3.6),
    "wall": merge(box(-0.15, 0.15, -0.5, 0.5, -0.1, 1.7, BRICK), box(-0.21, 0.21, -0.5, 0.5, 1.7, 1.82, COPING)),
    "boards": merge(box(-0.04, 0.04, -0.5, 0.5, 0.05, 1.5, PLANKS), box(-0.1, 0.1, 0.44, 0.5, 0.0, 1.65, POSTS)),
    "railing": railing(),
    "gabled house": house(gable=True),
    "block": house(gable=False),
    "balconied block": balconied(),
    "tower": tower(),
}
FAR_PROPS = {  # what stands for them far away
    "standing": far_figure(0.0),
    "walking": far_figure(0.64),
    "bush": blob((0, 0, 0.5), (0.95, 0.95, 0.8), LEAVES, rough=0.15, subdivisions=0, seed=6),
    "lamp": far_lamp(),
}
