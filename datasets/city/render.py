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
from datasets.city.scene import Scene, assemble, lamp_heads
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
    chosen = in_sight(street, things, view, shadow)
    lamps = lamp_heads(street, things)
    return assemble(street, ground, [things[i] for i in chosen], key[chosen], (land[0], land[1]), lamps), view


def outlines(identity: NDArray[Any]) -> NDArray[np.intp]:
    """Flat indices of pixels (H W) that have a neighbour on another object or material."""
    edge = np.zeros(identity.shape, bool)
    for axis in (0, 1):
        change = np.diff(identity, axis=axis) != 0
        first, second = (edge[:-1], edge[1:]) if axis == 0 else (edge[:, :-1], edge[:, 1:])
        first |= change
        second |= change
    return np.flatnonzero(edge)


def picture(seed: str, eye: Tracer, view: View, hits: Hits, look: Look, moment: Moment) -> NDArray[np.uint8]:
    """The image, H W 3 RGB, with the outlines of objects smoothed."""
    scene, (u, v) = eye.scene, view.pixels
    identity = np.full(len(u), -1)
    identity[hits.where] = (scene.owner[eye.chosen] * 64 + scene.material[eye.chosen])[hits.piece]
    edge = outlines(identity.reshape(view.height, view.width))
    aside = ASIDE * (1 - 2 * ((u[edge] + v[edge]) % 2))  # to either side in turns, so that nothing shifts
    hits = hits.join(eye.cast(u[edge] + aside, v[edge] + ASIDE))
    colour = Light(scene, view, look, moment).radiance(hits)
    first, second = colour[:, : len(u)], colour[:, len(u) :]
    first[:, edge] = 0.5 * (np.clip(first.take(edge, 1), 0, 2) + np.clip(second, 0, 2))
    noise = np.random.default_rng(Random(f"sensor {seed}").getrandbits(64))
    return develop(first.reshape(3, view.height, view.width), look, moment, noise)


def image_map(view: View, where: NDArray[Any], values: NDArray[Any], fill: float, dtype: type) -> NDArray[Any]:
    """An H W (C) array of the values (M or M C) at flat indices `where`."""
    out = np.full((view.height * view.width, *values.shape[1:]), fill, dtype)
    out[where] = values
    return out.reshape(view.height, view.width, *values.shape[1:])


def render(
    seed: str, world: World, what: Collection[str], size: tuple[int, int]
) -> tuple[dict[str, NDArray[Any]], View]:
    """The maps named in `what` (image, semseg, depth, normals) and the view; labels alone cost no shading."""
    moment = moment_from(Random(f"look {seed}"), world.look)
    shaded = "image" in what and world.look.shadows > 0
    scene, view = scene_from(seed, world, size, moment.shadow if shaded else 0.0)
    eye = seen(scene, view)
    hits = eye.cast(*view.pixels)
    maps: dict[str, NDArray[Any]] = {}
    if "image" in what:
        maps["image"] = picture(seed, eye, view, hits, world.look, moment)
    if "semseg" in what:
        labels = scene.label[scene.owner[eye.chosen]][hits.piece]
        maps["semseg"] = image_map(view, hits.where, labels, LABEL["sky"], np.uint8)
    if "depth" in what:
        maps["depth"] = image_map(view, hits.where, hits.depth, 0.0, np.float32)
    if "normals" in what:
        own = eye.planes[0].T.astype(np.float32)[hits.piece]
        maps["normals"] = image_map(view, hits.where, own, 0.0, np.float32)
    return maps, view
