"""A picture and its exact labels from a seed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.city.cast import Hits, Tracer, in_sight, seen
from datasets.city.layout import Layout, street_from
from datasets.city.lens import develop
from datasets.city.look import Look, Moment, moment_from
from datasets.city.materials import LABEL
from datasets.city.palette import Palette
from datasets.city.planner import Planner
from datasets.city.scene import Scene, assemble, places_of
from datasets.city.shade import Light
from datasets.city.street import surfaces
from datasets.city.view import Rig, View, view_from

ASIDE = 0.3  # pixels from the centre to the second ray of the pixels on an object's outline


@dataclass(frozen=True, kw_only=True)
class World:
    """A domain: what its streets are like, how they are looked at, how they look."""

    layout: Layout
    palette: Palette
    rig: Rig
    look: Look


def scene_from(seed: str, world: World, size: tuple[int, int], shadow: float = 0.0) -> tuple[Scene, View]:
    """The scene of a seed and the view of it; `size` (width, height in pixels) changes the view's sampling only.

    Things that cannot be seen are left out; they stay if their shadow, `shadow` times their height, may be seen.
    """
    random, palette = Random(f"scene {seed}"), world.palette
    street = street_from(random, world.layout)
    view = view_from(random, world.rig, street, size)
    planner = Planner(random, world.layout, palette, street)
    ground, land = surfaces(street, *planner.paint("road", "paving", "kerb", "grass")), planner.paint("grass", "forest")
    things = list(planner.things())
    key = np.random.default_rng(random.getrandbits(64)).random(len(things), np.float32)
    lanterns = [thing for thing in things if thing.mesh == "lamp"]
    places = places_of(street, things)
    chosen = in_sight(places, view, shadow)
    things = [things[i] for i in chosen.tolist()]
    return assemble(street, ground, things, places.at(chosen), key[chosen], (land[0], land[1]), lanterns), view


def outlines(identity: NDArray[Any]) -> NDArray[np.intp]:
    """Flat indices of pixels (H W) that have a neighbour on another object or material."""
    edge = np.zeros(identity.shape, bool)
    for axis in (0, 1):
        change = np.diff(identity, axis=axis) != 0
        first, second = (edge[:-1], edge[1:]) if axis == 0 else (edge[:, :-1], edge[:, 1:])
        first |= change
        second |= change
    return np.flatnonzero(edge)


def with_sky(table: NDArray[Any], value: float) -> NDArray[Any]:
    """A table of a tracer's triangles (... F) with a last row for the sky."""
    return np.concatenate([table, np.full((*table.shape[:-1], 1), value, table.dtype)], axis=-1)


def picture(seed: str, eye: Tracer, view: View, hits: Hits, look: Look, moment: Moment) -> NDArray[np.uint8]:
    """The image, H W 3 RGB, with the outlines of objects smoothed."""
    scene, (u, v) = eye.scene, view.pixels
    identity = with_sky(scene.owner[eye.chosen] * 64 + scene.material[eye.chosen], -1)[hits.piece]
    edge = outlines(identity.reshape(view.height, view.width))
    aside = ASIDE * (1 - 2 * ((u[edge] + v[edge]) % 2))  # to either side in turns, so that nothing shifts
    hits = hits.join(eye.cast(u[edge] + aside, v[edge] + ASIDE))
    colour = Light(eye, look, moment).radiance(hits)
    first, second = colour[:, : len(u)], colour[:, len(u) :]
    mean = 0.5 * (np.clip(first.take(edge, 1), 0, 2) + np.clip(second, 0, 2))
    for channel, values in zip(first, mean, strict=True):
        channel[edge] = values
    noise = np.random.default_rng(Random(f"sensor {seed}").getrandbits(64))
    return develop(first.reshape(3, view.height, view.width), look, moment, noise)


def render(
    seed: str, world: World, what: Collection[str], size: tuple[int, int]
) -> tuple[dict[str, NDArray[Any]], View]:
    """The maps named in `what` (image, semseg, depth, normals) and the view; labels alone cost no shading."""
    moment = moment_from(Random(f"look {seed}"), world.look)
    shaded = "image" in what and world.look.shadows > 0
    scene, view = scene_from(seed, world, size, moment.shadow if shaded else 0.0)
    eye = seen(scene, view)
    hits = eye.cast(*view.pixels)
    shape = view.height, view.width
    maps: dict[str, NDArray[Any]] = {}
    if "image" in what:
        maps["image"] = picture(seed, eye, view, hits, world.look, moment)
    if "semseg" in what:
        labels = with_sky(scene.label[scene.owner[eye.chosen]], LABEL["sky"])
        maps["semseg"] = labels.take(hits.piece, mode="wrap").reshape(shape)
    if "depth" in what:
        maps["depth"] = np.where(hits.piece < 0, 0, hits.depth).astype(np.float32).reshape(shape)
    if "normals" in what:
        normals = with_sky(eye.planes[0].astype(np.float32), 0)
        maps["normals"] = np.ascontiguousarray(normals.T).take(hits.piece, 0, mode="wrap").reshape(*shape, 3)
    return maps, view
