"""Cars, vans, lorries, buses, motorcycles and bicycles as meshes; their front looks along +y."""

from __future__ import annotations

import numpy as np

from datasets.city.materials import MATERIAL
from datasets.city.meshes import Mesh, box, loft, merge, pane, slab, tube, wheel

BODY, SECOND, GLASS, BUMPER = (MATERIAL[name] for name in ("body", "second body", "glass", "bumper"))
TYRE, RIM, FRAME, SPOKES = (MATERIAL[name] for name in ("tyre", "rim", "frame", "spokes"))
HEAD, TAIL, PLATE = (MATERIAL[name] for name in ("headlight", "tail light", "number plate"))


def lights(
    half: float, front: float, back: float, low: float, high: float, *, size: float = 0.3, far: bool = False
) -> Mesh:
    """Head and tail lights at both sides, and the number plate."""
    if far:
        parts = [pane(-0.26, 0.26, back - 0.03, low - 0.2, low - 0.08, PLATE, ahead=False)]
        for x0, x1 in ((-half + 0.06, -half + 0.06 + size), (half - 0.06 - size, half - 0.06)):
            parts += [pane(x0, x1, front + 0.03, low, high, HEAD, ahead=True)]
            parts += [pane(x0, x1, back - 0.03, low, high, TAIL, ahead=False)]
        return merge(*parts)
    parts = [box(-0.26, 0.26, back - 0.03, back, low - 0.2, low - 0.08, PLATE)]
    for x0, x1 in ((-half + 0.06, -half + 0.06 + size), (half - 0.06 - size, half - 0.06)):
        parts += [box(x0, x1, front, front + 0.03, low, high, HEAD), box(x0, x1, back - 0.03, back, low, high, TAIL)]
    return merge(*parts)


def far_wheel(radius: float, width: float, x: float, y: float, out: int) -> Mesh:
    """A six-sided wheel of which only the outer side is closed."""
    angle = 2 * np.pi * np.arange(6) / 6
    level, up = y + radius * np.cos(angle), radius + radius * np.sin(angle)
    inner, outer = (np.stack([np.full(6, x + side * width / 2), level, up], axis=1) for side in (-out, out))
    face = outer[::out]
    tread = loft(*((inner, outer) if out > 0 else (outer, inner)), [TYRE], None)
    hub = np.stack([np.full(4, x + out * (width / 2 + 0.01)), y + 0.62 * radius * np.array([1, 0, -1, 0]),
                    radius + 0.62 * radius * np.array([0, 1, 0, -1])], axis=1)[::out]  # fmt: skip
    fan = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 5]])
    return merge(tread, Mesh(face, fan, np.full(4, TYRE)), Mesh(hub, fan[:2], np.full(2, RIM)))


def wheels(half: float, axles: tuple[float, ...], radius: float, width: float = 0.24, *, far: bool = False) -> Mesh:
    if far:
        return merge(*(far_wheel(radius, width, x * (half - width / 2), y, x) for y in axles for x in (-1, 1)))
    return merge(*(wheel(radius, width, x * (half - width / 2), y, TYRE, RIM) for y in axles for x in (-1, 1)))


def car(
    length: float, width: float, waist: float, roof: float, bonnet: float, boot: float, *, far: bool = False
) -> Mesh:
    """A passenger car: `bonnet` and `boot` are the lengths before and behind the cabin, metres."""
    half, front, back = width / 2, length / 2, -length / 2
    cabin = (-half + 0.04, half - 0.04, back + boot, front - bonnet)
    top = (-half + 0.22, half - 0.22, back + boot + (0.5 if boot > 0.3 else 0.22), front - bonnet - 0.75)
    return merge(
        slab((-half, half, back + 0.05, front - 0.05), 0.2, 0.42, BUMPER),
        slab((-half, half, back, front), 0.42, waist, BODY, top=(-half + 0.05, half - 0.05, back + 0.08, front - 0.12)),
        slab(cabin, waist, roof - 0.07, GLASS, top=top),
        slab(top, roof - 0.07, roof, BODY, top=(top[0] + 0.05, top[1] - 0.05, top[2] + 0.1, top[3] - 0.1)),
        wheels(half + 0.02, (back + 0.8, front - 0.85), 0.33, far=far),
        lights(half, front - 0.03, back + 0.03, waist - 0.25, waist - 0.08, far=far),
    )


def van(*, far: bool = False) -> Mesh:
    half, front, back = 0.97, 2.5, -2.5
    return merge(
        slab((-half, half, back, front), 0.25, 1.15, BODY),
        slab(
            (-half, half, back, front - 0.7),
            1.15,
            2.2,
            (GLASS, BODY, BODY, BODY),
            top=(-half + 0.08, half - 0.08, back + 0.08, front - 1.35),
            cap=BODY,
        ),
        box(-half - 0.01, half + 0.01, 0.45, 1.25, 1.2, 1.85, GLASS),
        box(-0.75, 0.75, back - 0.02, back + 0.05, 1.3, 1.9, GLASS),
        wheels(half + 0.02, (back + 0.9, front - 0.9), 0.36, far=far),
        lights(half, front, back, 0.7, 0.95, size=0.25, far=far),
    )


def truck(*, far: bool = False) -> Mesh:
    half, front, back = 1.25, 4.0, -4.0
    return merge(
        box(-half + 0.15, half - 0.15, back, front - 0.3, 0.45, 0.95, BUMPER),
        slab((-half + 0.05, half - 0.05, front - 1.9, front), 0.5, 1.5, BODY),
        slab(
            (-half + 0.05, half - 0.05, front - 1.9, front),
            1.5,
            2.75,
            (GLASS, GLASS, BODY, GLASS),
            top=(-half + 0.12, half - 0.12, front - 1.9, front - 0.35),
            cap=BODY,
        ),
        box(-half, half, back, front - 2.1, 0.95, 3.5, SECOND),
        box(-half - 0.01, half + 0.01, back + 0.4, front - 2.6, 1.7, 2.3, BODY),
        box(-half + 0.05, half - 0.05, back - 0.05, back, 0.55, 0.75, BUMPER),
        wheels(half, (back + 1.0, back + 2.1, front - 1.1), 0.5, 0.3, far=far),
        lights(half, front, back - 0.05, 0.75, 0.98, far=far),
    )


def bus(*, far: bool = False) -> Mesh:
    half, front, back = 1.28, 5.5, -5.5
    pillars = [box(-half - 0.01, half + 0.01, y - 0.06, y + 0.06, 1.35, 2.5, BODY) for y in (-3.6, -1.8, 0.0, 1.8, 3.6)]
    return merge(
        slab((-half, half, back, front), 0.3, 1.35, BODY),
        slab((-half + 0.02, half - 0.02, back + 0.02, front - 0.02), 1.35, 2.5, GLASS),
        slab((-half, half, back, front), 2.5, 3.15, BODY),
        box(-half - 0.01, half + 0.01, back - 0.01, front + 0.01, 0.75, 1.0, SECOND),
        *pillars,
        wheels(half, (back + 2.2, front - 2.4), 0.5, 0.3, far=far),
        lights(half, front, back, 0.55, 0.72, far=far),
    )


def motorcycle() -> Mesh:
    return merge(
        wheel(0.34, 0.18, 0.0, -0.75, TYRE, RIM), wheel(0.34, 0.16, 0.0, 0.75, TYRE, RIM),
        slab((-0.2, 0.2, -0.35, 0.45), 0.3, 0.75, BUMPER, top=(-0.16, 0.16, -0.4, 0.5)),
        slab((-0.2, 0.2, -0.05, 0.55), 0.72, 1.02, BODY, top=(-0.14, 0.14, 0.0, 0.4)),
        slab((-0.18, 0.18, -0.95, 0.0), 0.72, 0.88, BUMPER, top=(-0.16, 0.16, -1.0, 0.0)),
        slab((-0.24, 0.24, 0.5, 0.85), 0.7, 1.25, BODY, top=(-0.12, 0.12, 0.45, 0.62)),
        tube((-0.42, 0.45, 1.1), (0.42, 0.45, 1.1), 0.04, BUMPER),
        box(-0.11, 0.11, 0.84, 0.88, 0.85, 1.0, HEAD), box(-0.12, 0.12, -1.04, -1.0, 0.74, 0.88, TAIL),
        tube((0.2, -0.9, 0.35), (0.2, 0.0, 0.35), 0.07, RIM),
    )  # fmt: skip


def bicycle() -> Mesh:
    bar = 0.045
    return merge(
        wheel(0.35, 0.07, 0.0, -0.52, TYRE, SPOKES), wheel(0.35, 0.07, 0.0, 0.52, TYRE, SPOKES),
        tube((0, -0.52, 0.35), (0, -0.1, 0.85), bar, FRAME), tube((0, -0.15, 0.3), (0, 0.38, 0.85), bar, FRAME),
        tube((0, -0.12, 0.8), (0, 0.4, 0.85), bar, FRAME), tube((0, -0.52, 0.35), (0, -0.05, 0.32), bar, FRAME),
        tube((0, 0.52, 0.35), (0, 0.36, 1.02), bar, FRAME), tube((-0.3, 0.34, 1.04), (0.3, 0.34, 1.04), 0.03, BUMPER),
        box(-0.09, 0.09, -0.28, 0.0, 0.92, 0.99, BUMPER), tube((0, -0.1, 0.8), (0, -0.14, 0.95), 0.03, BUMPER),
        slab((-0.13, 0.13, -0.85, -0.45), 0.72, 0.78, SPOKES), box(-0.06, 0.06, -0.88, -0.84, 0.55, 0.7, TAIL),
    )  # fmt: skip


CARS = {  # length, width, waist, roof, bonnet, boot
    "hatchback": (3.9, 1.75, 0.95, 1.50, 0.95, 0.12),
    "saloon": (4.6, 1.82, 0.92, 1.43, 1.15, 0.75),
    "estate": (4.7, 1.85, 1.05, 1.68, 1.05, 0.12),
}
VEHICLES = {
    **{name: car(*sizes) for name, sizes in CARS.items()},
    "van": van(), "truck": truck(), "bus": bus(), "motorcycle": motorcycle(), "bicycle": bicycle(),
}  # fmt: skip
FAR_VEHICLES = {
    **{name: car(*sizes, far=True) for name, sizes in CARS.items()},
    "van": van(far=True), "truck": truck(far=True), "bus": bus(far=True),
}  # fmt: skip
