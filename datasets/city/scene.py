"""A scene: one soup of triangles with class, material, paints and local coordinates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from datasets.city.materials import LABEL, Colour
from datasets.city.meshes import Booleans, Floats, Ints, Mesh
from datasets.city.props import PROPS
from datasets.city.street import Street, Surface, Thing, land
from datasets.city.vehicles import VEHICLES

MESHES: dict[str, Mesh] = {
    name: Mesh(mesh.vertices.astype(np.float32), mesh.faces, mesh.material) for name, mesh in (PROPS | VEHICLES).items()
}
RADIUS = {name: float(np.hypot(*mesh.vertices[:, :2].T).max()) for name, mesh in MESHES.items()}  # metres, from above
TALLNESS = {name: float(mesh.vertices[:, 2].max()) for name, mesh in MESHES.items()}


@dataclass(frozen=True, eq=False)
class Scene:
    """Triangles in world coordinates (metres; x right, y ahead, z up) and the objects they belong to."""

    street: Street
    triangles: Floats  # F 3 3, float32: what is cast against
    local: Floats  # F 3 3, float32: the corners in their object's own metres; on the ground (t, s, h)
    material: Ints  # F
    owner: Ints  # F: the object
    solid: Booleans  # F: part of a closed surface, of which only the outside can be seen
    label: Ints  # N objects, uint8
    paints: Floats  # N 4 3, float32, linear RGB
    key: Floats  # N, in [0, 1): a random number that tells objects of a kind apart
    lamps: Floats  # L 3, metres, world: the street lamps, the nearest first

    @cached_property
    def planes(self) -> Floats:
        """Unit normal and offset of each triangle's plane, F 4, float64."""
        a, b, c = self.triangles.astype(np.float64).transpose(1, 2, 0)
        normal = cross(b - a, c - a)
        normal /= np.maximum(np.sqrt((normal**2).sum(0)), 1e-12)
        return np.concatenate([normal, (normal * a).sum(0, keepdims=True)]).T

    @cached_property
    def flat(self) -> Floats:
        """The corners along the surface, F 3 2: (across, along) on what lies, (level, upwards) on what stands."""
        a, b, c = self.local.transpose(1, 2, 0)
        axis = np.abs(cross(b - a, c - a)).argmax(axis=0)
        pair = np.array([[1, 2], [0, 2], [0, 1]])[axis]  # the two axes that the triangle does not face
        corners: Floats = np.take_along_axis(self.local, pair[:, None], axis=2)
        return corners


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
        self.solid: list[Booleans] = []
        self.label: list[int] = []
        self.paints: list[tuple[Colour, ...]] = []

    def enrol(self, label: str, paints: tuple[Colour, ...]) -> int:
        """A new object's number."""
        self.label.append(LABEL[label])
        self.paints.append((paints + ((0.5, 0.5, 0.5),) * 4)[:4])
        return len(self.label) - 1

    def add(self, triangles: Floats, local: Floats, material: Ints, owner: Ints, *, solid: bool) -> None:
        self.triangles.append(triangles.astype(np.float32))
        self.local.append(local.astype(np.float32))
        self.material.append(material)
        self.owner.append(owner)
        self.solid.append(np.full(len(triangles), solid))

    def add_land(self, mesh: Mesh, label: str, paint: Colour) -> None:
        corners, number = mesh.vertices[mesh.faces], self.enrol(label, (paint,))
        self.add(corners, corners, mesh.material, np.full(len(corners), number), solid=False)

    def add_surface(self, street: Street, surface: Surface) -> None:
        number = self.enrol(surface.label, surface.paints)
        s, t, h = surface.corners.reshape(-1, 3).T
        x, y, z, _ = street.place(s, t)
        world, local = np.stack([x, y, z + h], axis=1).reshape(-1, 4, 3), surface.corners[..., [1, 0, 2]]
        for pick in ((0, 1, 2), (0, 2, 3)):
            self.add(world[:, pick], local[:, pick], surface.material, np.full(len(world), number), solid=False)

    def add_things(self, street: Street, mesh: Mesh, things: Sequence[Thing]) -> None:
        """Things that share a mesh."""
        numbers = np.array([self.enrol(thing.label, thing.paints) for thing in things])
        s, t, turn, lift = np.array([(m.s, m.t, m.turn, m.lift) for m in things]).T
        x, y, z, heading = street.place(s, t)
        local = mesh.vertices * np.array([m.scale for m in things], np.float32)[:, None]  # K V 3
        cos, sin = np.cos(heading + turn)[:, None], np.sin(heading + turn)[:, None]
        world = np.stack([cos * local[..., 0] - sin * local[..., 1] + x[:, None],
                          sin * local[..., 0] + cos * local[..., 1] + y[:, None],
                          local[..., 2] + (z + lift)[:, None]], axis=-1).astype(np.float32)  # fmt: skip
        self.add(
            world[:, mesh.faces].reshape(-1, 3, 3),
            local[:, mesh.faces].reshape(-1, 3, 3),
            np.tile(mesh.material, len(things)),
            np.repeat(numbers, len(mesh.faces)),
            solid=True,
        )


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
    for surface in ground:
        assembly.add_surface(street, surface)
    num_grounds = len(assembly.label)
    kinds: dict[str, list[int]] = defaultdict(list)
    for number, thing in enumerate(things):
        kinds[thing.mesh].append(number)
    for name, numbers in kinds.items():
        assembly.add_things(street, MESHES[name], [things[number] for number in numbers])
    order = [number for numbers in kinds.values() for number in numbers]
    return Scene(
        street, np.concatenate(assembly.triangles), np.concatenate(assembly.local), np.concatenate(assembly.material),
        np.concatenate(assembly.owner), np.concatenate(assembly.solid), np.array(assembly.label, np.uint8),
        np.array(assembly.paints, np.float32), np.concatenate([np.zeros(num_grounds, np.float32), key[order]]), lamps,
    )  # fmt: skip
