"""A scene: one soup of triangles with class, material, paints and local coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasets.city.materials import LABEL, MATERIAL, Colour
from datasets.city.meshes import Booleans, Floats, Ints, Mesh
from datasets.city.props import FAR_PROPS, PROPS
from datasets.city.street import Street, Surface, Thing, land
from datasets.city.vehicles import FAR_VEHICLES, VEHICLES

MESHES: dict[str, Mesh] = PROPS | VEHICLES
FAR_FROM = {  # metres along the street from where a mesh is exchanged for a coarser one
    **dict.fromkeys(FAR_VEHICLES, 20.0), **dict.fromkeys(FAR_PROPS, 18.0), "lamp": 25.0,
}  # fmt: skip
SHADOWS = ~np.isin(np.arange(len(MATERIAL)), [MATERIAL[name] for name in (  # details throw none
    "lantern", "lamp red", "lamp amber", "lamp green", "symbol", "lettering", "shoes", "rim", "spokes", "headlight",
    "tail light", "number plate")])  # fmt: skip
RADIUS = {name: float(np.hypot(*mesh.vertices[:, :2].T).max()) for name, mesh in MESHES.items()}  # metres, from above
TALLNESS = {name: float(mesh.vertices[:, 2].max()) for name, mesh in MESHES.items()}


def form(thing: Thing) -> str:
    """The mesh that shows a thing; a coarse one where its details are smaller than a pixel."""
    return f"far {thing.mesh}" if thing.s > FAR_FROM.get(thing.mesh, 1e9) else thing.mesh


# All meshes in one array of triangles; a mesh is a run of them.
FORMS = MESHES | {f"far {name}": mesh for name, mesh in (FAR_PROPS | FAR_VEHICLES).items()}
CORNERS = np.concatenate([mesh.vertices[mesh.faces] for mesh in FORMS.values()]).astype(np.float32)
MATERIAL_OF = np.concatenate([mesh.material for mesh in FORMS.values()])
LENGTH = {name: len(mesh.faces) for name, mesh in FORMS.items()}
START = dict(zip(LENGTH, np.cumsum([0, *LENGTH.values()]).tolist(), strict=False))


@dataclass(frozen=True, eq=False)
class Scene:
    """Triangles in world coordinates (metres; x right, y ahead, z up) and the objects they belong to."""

    street: Street
    triangles: Floats  # F 3 3, float32: what is cast against
    local: Floats  # F 3 3, float32: the corners in their object's own metres; on the ground (t, s, h)
    material: Ints  # F
    owner: Ints  # F: the object
    solid: Booleans  # F: part of a closed surface, of which only the outside can be seen
    casts: Booleans  # F: throws a shadow
    label: Ints  # N objects, uint8
    paints: Floats  # N 4 3, float32, linear RGB
    key: Floats  # N, in [0, 1): a random number that tells objects of a kind apart
    lamps: Floats  # L 3, metres, world: the street lamps, the nearest first

    @cached_property
    def outward(self) -> Floats:
        """The direction that each triangle faces, as long as twice its area: 3 F, float32."""
        a, b, c = self.triangles.transpose(1, 2, 0)
        return cross(b - a, c - a)

    def planes(self, chosen: Ints) -> tuple[Floats, Floats]:
        """Unit normals (3 F) and offsets (F) of the planes of some triangles, float64."""
        a, b, c = np.ascontiguousarray(self.triangles[chosen].transpose(1, 2, 0), np.float64)
        normal = cross(b - a, c - a)
        normal /= np.maximum(np.sqrt((normal**2).sum(0)), 1e-12)
        return normal, (normal * a).sum(0)

    def flat(self, chosen: Ints) -> Floats:
        """Corners along the surface, 3 2 F: (across, along) on what lies, (level, upwards) on what stands."""
        corners = np.ascontiguousarray(self.local[chosen].transpose(1, 2, 0))
        axis = np.abs(cross(corners[1] - corners[0], corners[2] - corners[0])).argmax(axis=0)
        x, y, z = corners.transpose(1, 0, 2)
        return np.stack([np.where(axis == 0, y, x), np.where(axis == 2, y, z)], axis=1)


def cross(a: Floats, b: Floats) -> Floats:
    """The cross products of 3 F vectors; numpy's own is slower."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


class Assembly:
    """Collects the pieces of a scene."""

    def __init__(self) -> None:
        self.triangles: list[Floats] = []
        self.local: list[Floats] = []
        self.material: list[Ints] = []
        self.owner: list[Ints] = []
        self.label: list[int] = []
        self.paints: list[tuple[Colour, ...]] = []

    def enrol(self, label: str, paints: tuple[Colour, ...]) -> int:
        """A new object's number."""
        self.label.append(LABEL[label])
        self.paints.append((paints + ((0.5, 0.5, 0.5),) * 4)[:4])
        return len(self.label) - 1

    def add(self, triangles: Floats, local: Floats, material: Ints, owner: Ints) -> None:
        self.triangles.append(triangles.astype(np.float32, copy=False))
        self.local.append(local.astype(np.float32, copy=False))
        self.material.append(material)
        self.owner.append(owner)

    def add_land(self, mesh: Mesh, label: str, paint: Colour) -> None:
        corners, number = mesh.vertices[mesh.faces], self.enrol(label, (paint,))
        self.add(corners, corners, mesh.material, np.full(len(corners), number))

    def add_surfaces(self, street: Street, surfaces: Sequence[Surface]) -> None:
        numbers = [self.enrol(surface.label, surface.paints) for surface in surfaces]
        owner = np.repeat(numbers, [len(surface.corners) for surface in surfaces])
        corners = np.concatenate([surface.corners for surface in surfaces])
        material = np.concatenate([surface.material for surface in surfaces])
        s, t, h = corners.reshape(-1, 3).T
        x, y, z, _ = street.place(s, t)
        world, local = np.stack([x, y, z + h], axis=1).reshape(-1, 4, 3), corners[..., [1, 0, 2]]
        for pick in ((0, 1, 2), (0, 2, 3)):
            self.add(world[:, pick], local[:, pick], material, owner)

    def add_things(self, street: Street, things: Sequence[Thing]) -> None:
        numbers = np.array([self.enrol(thing.label, thing.paints) for thing in things])
        forms = [form(thing) for thing in things]
        lengths = np.array([LENGTH[name] for name in forms])
        # Row i of the new triangles shows triangle pick[i] of CORNERS, of thing which[i].
        which = np.repeat(np.arange(len(things)), lengths)
        shift = np.array([START[name] for name in forms]) - (np.cumsum(lengths) - lengths)
        pick = np.arange(len(which)) + shift[which]
        s, t, turn, lift, *scale = np.array([(m.s, m.t, m.turn, m.lift, *m.scale) for m in things]).T
        x, y, z, heading = street.place(s, t)
        cos, sin, x, y, z, *scale = (
            each.astype(np.float32)[which][:, None]
            for each in (np.cos(heading + turn), np.sin(heading + turn), x, y, z + lift, *scale)
        )
        local = CORNERS[pick]
        for axis in range(3):
            local[..., axis] *= scale[axis]
        right, ahead, up = np.moveaxis(local, -1, 0)
        world = np.empty_like(local)
        world[..., 0] = cos * right - sin * ahead + x
        world[..., 1] = sin * right + cos * ahead + y
        world[..., 2] = up + z
        self.add(world, local, MATERIAL_OF[pick], numbers[which])


def lamp_heads(street: Street, things: Sequence[Thing]) -> Floats:
    """Where the street lamps shine from, L 3, the nearest to the origin first."""
    s, t, turn, lift = np.array([(m.s, m.t, m.turn, m.lift) for m in things if m.mesh == "lamp"]).reshape(-1, 4).T
    x, y, z, _ = street.place(s, t - 2.1 * np.cos(turn))
    return np.stack([x, y, z + lift + 6.7], axis=1)[np.argsort(np.hypot(x, y), kind="stable")]


def assemble(
    street: Street,
    ground: Sequence[Surface],
    things: Sequence[Thing],
    key: Floats,
    paints: tuple[Colour, Colour],
    lamps: Floats,
) -> Scene:
    """Bring everything into the world. `key`: a random number per thing. `paints`: the lawn's and the hills'."""
    assembly = Assembly()
    for mesh, label, paint in zip(land(street), ("terrain", "vegetation"), paints, strict=True):
        assembly.add_land(mesh, label, paint)
    assembly.add_surfaces(street, ground)
    num_grounds, num_open = len(assembly.label), sum(map(len, assembly.triangles))
    assembly.add_things(street, things)
    triangles, material = np.concatenate(assembly.triangles), np.concatenate(assembly.material)
    owner, labels = np.concatenate(assembly.owner), np.array(assembly.label, np.uint8)
    solid = np.arange(len(triangles)) >= num_open
    under = (labels <= LABEL["bus"]) & (labels >= LABEL["car"])  # their wheels are in their bodies' shadows
    casts = solid & SHADOWS[material] & ~(under[owner] & (material == MATERIAL["tyre"]))
    return Scene(
        street, triangles, np.concatenate(assembly.local), material, owner, solid, casts, labels,
        np.array(assembly.paints, np.float32), np.concatenate([np.zeros(num_grounds, np.float32), key]), lamps,
    )  # fmt: skip
