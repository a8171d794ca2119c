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

# All meshes in one array of triangles; a mesh, also called a form, is a run of them.
FORMS = MESHES | {f"far {name}": mesh for name, mesh in (FAR_PROPS | FAR_VEHICLES).items()}
FORM = {name: number for number, name in enumerate(FORMS)}
CORNERS = np.concatenate([mesh.vertices[mesh.faces] for mesh in FORMS.values()]).astype(np.float32)
CORNERS = np.ascontiguousarray(CORNERS.transpose(1, 2, 0))  # corner, axis, triangle
MATERIAL_OF = np.concatenate([mesh.material for mesh in FORMS.values()])
LENGTH = np.array([len(mesh.faces) for mesh in FORMS.values()])
START = np.cumsum(LENGTH) - LENGTH
# By form:
RADIUS = np.array([np.hypot(*mesh.vertices[:, :2].T).max() for mesh in FORMS.values()])  # metres, from above
TALLNESS = np.array([mesh.vertices[:, 2].max() for mesh in FORMS.values()])
COARSE = np.array([FORM.get(f"far {name}", number) for name, number in FORM.items()])
COARSE_FROM = np.array([FAR_FROM.get(name, np.inf) for name in FORMS])


@dataclass(frozen=True, eq=False)
class Places:
    """How N things stand in the world."""

    form: Ints  # N, index into FORMS
    position: Floats  # 3 N, metres
    heading: Floats  # N, radians, counter-clockwise seen from above
    scale: Floats  # 3 N

    def at(self, chosen: Ints) -> Places:
        return Places(*(getattr(self, name)[..., chosen] for name in self.__dataclass_fields__))


def places_of(street: Street, things: Sequence[Thing]) -> Places:
    """Where things stand; a far one's form is a coarse mesh, whose details are not smaller than a pixel."""
    form, s, t, turn, lift, *scale = np.array(
        [(FORM[m.mesh], m.s, m.t, m.turn, m.lift, *m.scale) for m in things], np.float64
    ).T
    near = form.astype(np.intp)
    x, y, z, heading = street.place(s, t)
    return Places(
        np.where(s > COARSE_FROM[near], COARSE[near], near), np.stack([x, y, z + lift]), heading + turn, np.stack(scale)
    )


@dataclass(frozen=True, eq=False)
class Scene:
    """Triangles in world coordinates (metres; x right, y ahead, z up) and the objects they belong to."""

    street: Street
    corners: Floats  # 3 3 F (corner, axis, triangle), float32: what is cast against
    local: Floats  # 3 3 F, float32: the corners in their object's own metres; on the ground (t, s, h)
    material: Ints  # F
    owner: Ints  # F: the object
    solid: Booleans  # F: part of a closed surface, of which only the outside can be seen
    label: Ints  # N objects, uint8
    colours: Sequence[tuple[Colour, ...]]  # N times up to 4, linear RGB
    key: Floats  # N, in [0, 1): a random number that tells objects of a kind apart
    lanterns: Sequence[Thing]  # all street lamps, in the scene or not

    @cached_property
    def outward(self) -> Floats:
        """The direction that each triangle faces, as long as twice its area: 3 F, float32."""
        a, b, c = self.corners
        return cross(b - a, c - a)

    @cached_property
    def casts(self) -> Booleans:
        """Which triangles throw a shadow, F."""
        under = (self.label <= LABEL["bus"]) & (self.label >= LABEL["car"])  # wheels are in their bodies' shadows
        return self.solid & SHADOWS[self.material] & ~(under[self.owner] & (self.material == MATERIAL["tyre"]))

    @cached_property
    def paints(self) -> Floats:
        """The objects' paints, N 4 3 float32."""
        spare = ((0.5, 0.5, 0.5),) * 4
        return np.array([(paints + spare)[:4] for paints in self.colours], np.float32)

    @cached_property
    def lamps(self) -> Floats:
        """Where the street lamps shine from, L 3, the nearest to the origin first."""
        s, t, turn, lift = np.array([(m.s, m.t, m.turn, m.lift) for m in self.lanterns]).reshape(-1, 4).T
        x, y, z, _ = self.street.place(s, t - 2.1 * np.cos(turn))
        return np.stack([x, y, z + lift + 6.7], axis=1)[np.argsort(np.hypot(x, y), kind="stable")]

    def planes(self, chosen: Ints) -> tuple[Floats, Floats]:
        """Unit normals (3 F) and offsets (F) of the planes of some triangles, float64."""
        a, b, c = self.corners.take(chosen, 2).astype(np.float64)
        normal = cross(b - a, c - a)
        normal /= np.maximum(np.sqrt((normal**2).sum(0)), 1e-12)
        return normal, (normal * a).sum(0)

    def flat(self, chosen: Ints) -> Floats:
        """Corners along the surface, 3 2 F: (across, along) on what lies, (level, upwards) on what stands."""
        corners = self.local.take(chosen, 2)
        axis = np.abs(cross(corners[1] - corners[0], corners[2] - corners[0])).argmax(axis=0)
        x, y, z = corners.swapaxes(0, 1)
        return np.stack([np.where(axis == 0, y, x), np.where(axis == 2, y, z)], axis=1)


def cross(a: Floats, b: Floats) -> Floats:
    """The cross products of 3 F vectors; numpy's own is slower."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


class Assembly:
    """Collects the pieces of a scene."""

    def __init__(self) -> None:
        self.corners: list[Floats] = []
        self.local: list[Floats] = []
        self.material: list[Ints] = []
        self.owner: list[Ints] = []
        self.label: list[int] = []
        self.colours: list[tuple[Colour, ...]] = []

    def enrol(self, label: str, paints: tuple[Colour, ...]) -> int:
        """A new object's number."""
        self.label.append(LABEL[label])
        self.colours.append(paints)
        return len(self.label) - 1

    def add(self, corners: Floats, local: Floats, material: Ints, owner: Ints) -> None:
        """Triangles: 3 3 F twice, F twice."""
        self.corners.append(corners.astype(np.float32, copy=False))
        self.local.append(local.astype(np.float32, copy=False))
        self.material.append(material)
        self.owner.append(owner)

    def add_land(self, mesh: Mesh, label: str, paint: Colour) -> None:
        corners, number = mesh.vertices[mesh.faces].transpose(1, 2, 0), self.enrol(label, (paint,))
        self.add(corners, corners, mesh.material, np.full(len(mesh.faces), number))

    def add_surfaces(self, street: Street, surfaces: Sequence[Surface]) -> None:
        numbers = [self.enrol(surface.label, surface.paints) for surface in surfaces]
        owner = np.repeat(numbers, [len(surface.corners) for surface in surfaces])
        material = np.concatenate([surface.material for surface in surfaces])
        s, t, h = np.concatenate([surface.corners for surface in surfaces]).transpose(2, 1, 0)  # 4 Q each
        x, y, z, _ = street.place(s, t)
        world, local = np.stack([x, y, z + h], axis=1), np.stack([t, s, h], axis=1)  # 4 3 Q
        for pick in ((0, 1, 2), (0, 2, 3)):
            self.add(world[pick, :], local[pick, :], material, owner)

    def add_things(self, things: Sequence[Thing], places: Places) -> None:
        numbers = np.array([self.enrol(thing.label, thing.paints) for thing in things])
        lengths = LENGTH[places.form]
        # New triangle i shows triangle pick[i] of CORNERS, of thing which[i].
        which = np.repeat(np.arange(len(things)), lengths)
        shift = START[places.form] - (np.cumsum(lengths) - lengths)
        pick = np.arange(len(which)) + shift[which]
        turned = np.stack([np.cos(places.heading), np.sin(places.heading), *places.position, *places.scale])
        cos, sin, x, y, z, *scale = turned.astype(np.float32).take(which, 1)
        local = CORNERS.take(pick, 2)
        local *= np.stack(scale)
        right, ahead, up = local.swapaxes(0, 1)
        world = np.stack([cos * right - sin * ahead + x, sin * right + cos * ahead + y, up + z], axis=1)
        self.add(world, local, MATERIAL_OF[pick], numbers[which])


def assemble(
    street: Street,
    ground: Sequence[Surface],
    things: Sequence[Thing],
    places: Places,
    key: Floats,
    paints: tuple[Colour, Colour],
    lanterns: Sequence[Thing],
) -> Scene:
    """Bring everything into the world. `key`: a random number per thing. `paints`: the lawn's and the hills'."""
    assembly = Assembly()
    for mesh, label, paint in zip(land(street), ("terrain", "vegetation"), paints, strict=True):
        assembly.add_land(mesh, label, paint)
    assembly.add_surfaces(street, ground)
    num_grounds, num_open = len(assembly.label), sum(map(len, assembly.material))
    assembly.add_things(things, places)
    material = np.concatenate(assembly.material)
    return Scene(
        street, np.concatenate(assembly.corners, axis=2), np.concatenate(assembly.local, axis=2), material,
        np.concatenate(assembly.owner), np.arange(len(material)) >= num_open, np.array(assembly.label, np.uint8),
        assembly.colours, np.concatenate([np.zeros(num_grounds, np.float32), key]), lanterns,
    )  # fmt: skip
