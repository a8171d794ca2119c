"""The embedded world: street scenes ray-cast from a seed, with exact labels; nothing to download.

Domains of one generator: `render` (flat colours at noon, one fixed camera), `camera` (textures, sun and shade, haze and
a real camera's faults; another mount, other streets), `night` (camera's kind of streets by lamps), `overcast` (a grey
day in another town, a low and wide camera).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.data.geometry import Camera
from bench.data.labels import LabelSpace
from bench.data.pack import Item
from datasets.city.layout import Layout
from datasets.city.look import Look
from datasets.city.materials import NAMES
from datasets.city.palette import Palette
from datasets.city.render import World, render
from datasets.city.view import Rig
from datasets.files import known_part, only
from datasets.spaces import CS19

NEEDS_ROOT = False
TASKS = ("semseg", "depth", "normals")
CLASSES = LabelSpace("minicity", NAMES, tuple(CS19.palette[CS19.id(name)] for name in NAMES))
SIZE = (256, 128)  # width, height when nobody asks for another

PARTS = {  # images; the part's name is in the seed, so no two parts share a scene
    "render-train": 600, "render-val": 100,
    "camera-train": 600, "camera-test": 200,
    "night-train": 600, "night-test": 200,
    "overcast-train": 600, "overcast-test": 200,
}  # fmt: skip

_RENDER = World(
    layout=Layout(),
    palette=Palette(
        spread=0.15,
        road=((0.27, 0.27, 0.29),),
        paving=((0.58, 0.45, 0.47),),
        kerb=((0.66, 0.62, 0.60),),
        grass=((0.30, 0.50, 0.14),),
        forest=((0.10, 0.27, 0.09),),
        facades=((0.52, 0.22, 0.17), (0.60, 0.46, 0.30), (0.46, 0.40, 0.36), (0.64, 0.58, 0.48), (0.34, 0.30, 0.38)),
        trims=((0.80, 0.78, 0.74), (0.62, 0.60, 0.58)),
        roofs=((0.42, 0.15, 0.10), (0.22, 0.21, 0.24)),
        walls=((0.48, 0.42, 0.40), (0.56, 0.53, 0.48)),
        fences=((0.42, 0.25, 0.12), (0.50, 0.33, 0.18)),
        leaves=((0.08, 0.30, 0.07), (0.14, 0.36, 0.08), (0.05, 0.23, 0.10)),
        barks=((0.20, 0.13, 0.08),),
        masts=((0.46, 0.48, 0.50),),
        housings=((0.05, 0.05, 0.05),),
        cars=((0.06, 0.14, 0.50), (0.55, 0.05, 0.06), (0.08, 0.09, 0.14), (0.72, 0.74, 0.78), (0.10, 0.35, 0.45)),
        trucks=((0.75, 0.76, 0.78), (0.15, 0.30, 0.60)),
        buses=((0.80, 0.55, 0.04),),
        shirts=((0.70, 0.10, 0.30), (0.10, 0.25, 0.60), (0.75, 0.65, 0.15), (0.80, 0.80, 0.80), (0.45, 0.15, 0.55)),
        trousers=((0.08, 0.10, 0.22), (0.12, 0.11, 0.11), (0.35, 0.28, 0.20)),
        helmets=((0.85, 0.10, 0.08), (0.85, 0.85, 0.85), (0.90, 0.60, 0.05)),
        skins=((0.75, 0.50, 0.38), (0.45, 0.28, 0.19), (0.85, 0.62, 0.50)),
        hairs=((0.08, 0.05, 0.03), (0.35, 0.22, 0.10), (0.50, 0.48, 0.45)),
        bicycles=((0.05, 0.45, 0.25), (0.60, 0.08, 0.35), (0.10, 0.12, 0.15)),
    ),
    rig=Rig(height=(1.5, 1.5), pitch=(2.0, 2.0), yaw=(0.0, 0.0), roll=(0.0, 0.0), fov=(70.0, 70.0), offset=(0.0, 0.0)),
    look=Look(
        sun_elevation=(62, 68), sun=(0.55, 0.55), ambient=(0.75, 0.75), sun_colour=(1.0, 1.0, 0.98),
        zenith=(0.30, 0.52, 0.92), horizon=(0.62, 0.78, 0.96), gamma=1.25,
    ),
)  # fmt: skip

_CAMERA = World(
    layout=replace(
        Layout(), lane=(3.2, 3.9), parking=0.35, pavement=(2.4, 4.0), verge=(0.0, 2.5), bend=0.009, hill=4.5,
        built=0.33, garden=0.3, storeys=(2, 6), trees=0.6, people=11.0, vehicle_gap=(5.0, 20.0),
    ),
    palette=replace(
        _RENDER.palette,
        spread=0.225,
        road=((0.24, 0.24, 0.24), (0.26, 0.26, 0.26)),
        paving=((0.48, 0.41, 0.41), (0.51, 0.43, 0.41)),
        kerb=((0.57, 0.54, 0.53),),
        grass=((0.26, 0.40, 0.12), (0.30, 0.40, 0.14)),
        forest=((0.10, 0.22, 0.08),),
        facades=((0.50, 0.32, 0.25), (0.57, 0.48, 0.36), (0.43, 0.32, 0.27), (0.49, 0.46, 0.41), (0.42, 0.34, 0.30)),
        roofs=((0.35, 0.14, 0.10), (0.18, 0.17, 0.20)),
        leaves=((0.08, 0.24, 0.06), (0.15, 0.29, 0.07), (0.06, 0.18, 0.08), (0.16, 0.26, 0.07)),
        masts=((0.40, 0.41, 0.42), (0.33, 0.35, 0.36)),
        cars=((0.05, 0.10, 0.29), (0.55, 0.31, 0.32), (0.41, 0.42, 0.44), (0.51, 0.39, 0.41), (0.08, 0.22, 0.35)),
        trucks=((0.72, 0.73, 0.73), (0.30, 0.20, 0.34)),
        buses=((0.75, 0.50, 0.05), (0.70, 0.32, 0.05)),
        shirts=((0.40, 0.11, 0.22), (0.22, 0.17, 0.34), (0.43, 0.43, 0.26), (0.68, 0.67, 0.65), (0.38, 0.22, 0.36)),
        trousers=((0.07, 0.09, 0.17), (0.10, 0.09, 0.09), (0.30, 0.24, 0.18)),
    ),
    rig=Rig(height=(1.65, 2.0), pitch=(0.0, 4.0), yaw=(-3.0, 3.0), roll=(-1.0, 1.0), fov=(58.0, 66.0),
            offset=(-0.3, 0.3)),
    look=Look(
        sun_elevation=(30, 60), sun=(0.8, 1.2), ambient=(0.55, 0.8), sun_colour=(1.0, 0.88, 0.70),
        zenith=(0.42, 0.54, 0.74), horizon=(0.78, 0.80, 0.82), clouds=0.35, shadows=0.75,
        texture=0.4, detail=1.0, mirror=0.8, haze=(0.0005, 0.003),
        exposure=(-0.2, 0.3), cast=0.04, gamma=1.5, contrast=1.05, saturation=0.92,
        blur=(0.2, 0.5), bloom=0.05, vignette=0.2, shot_noise=0.02, read_noise=0.005,
    ),
)  # fmt: skip

_NIGHT = replace(
    _CAMERA,
    look=replace(
        _CAMERA.look, sun=(0.0, 0.0), ambient=(0.04, 0.09), zenith=(0.02, 0.03, 0.06), horizon=(0.06, 0.06, 0.09),
        clouds=0.0, shadows=0.0, lamps=1.0, haze=(0.002, 0.006), exposure=(-0.2, 0.4), gamma=1.7, saturation=0.9,
        blur=(0.4, 0.8), bloom=0.15, shot_noise=0.05, read_noise=0.015,
    ),
)  # fmt: skip

_OVERCAST = World(
    layout=replace(
        Layout(), lane=(2.9, 3.5), parking=0.5, pavement=(2.0, 3.2), verge=(0.5, 2.0), bend=0.006, hill=2.5,
        built=0.5, garden=0.2, storeys=(3, 7), trees=0.4, people=8.0, vehicle_gap=(6.0, 24.0),
    ),
    palette=replace(
        _RENDER.palette,
        spread=0.2,
        road=((0.18, 0.19, 0.21), (0.33, 0.33, 0.34)),
        paving=((0.42, 0.42, 0.44), (0.55, 0.50, 0.44)),
        grass=((0.20, 0.33, 0.16),),
        facades=((0.62, 0.58, 0.50), (0.38, 0.36, 0.36), (0.55, 0.36, 0.30), (0.48, 0.50, 0.52)),
        roofs=((0.25, 0.22, 0.22), (0.38, 0.22, 0.18)),
        leaves=((0.12, 0.27, 0.12), (0.22, 0.28, 0.08)),
        cars=((0.12, 0.12, 0.13), (0.62, 0.62, 0.60), (0.35, 0.10, 0.10), (0.16, 0.20, 0.30)),
        shirts=((0.15, 0.15, 0.18), (0.45, 0.36, 0.26), (0.30, 0.32, 0.40), (0.60, 0.22, 0.16)),
    ),
    rig=Rig(height=(1.2, 1.4), pitch=(1.0, 5.0), yaw=(-4.0, 4.0), roll=(-1.5, 1.5), fov=(74.0, 82.0),
            offset=(-0.5, 0.5)),
    look=Look(
        sun_elevation=(35, 65), sun=(0.05, 0.25), ambient=(0.8, 1.1), sun_colour=(0.95, 0.97, 1.0),
        zenith=(0.60, 0.64, 0.70), horizon=(0.74, 0.77, 0.80), clouds=0.9, shadows=0.2,
        texture=0.5, detail=1.0, mirror=0.5, haze=(0.002, 0.008),
        exposure=(-0.4, 0.2), cast=0.06, gamma=1.4, contrast=0.95, saturation=0.8,
        blur=(0.3, 0.7), bloom=0.03, vignette=0.3, shot_noise=0.03, read_noise=0.008,
    ),
)  # fmt: skip

WORLDS = {"render": _RENDER, "camera": _CAMERA, "night": _NIGHT, "overcast": _OVERCAST}
_STEM = re.compile(rf"({'|'.join(WORLDS)})-[a-z]+-\d{{5}}")


def index(root: Path | None, part: str) -> list[Item]:
    """The images of a part; they exist when they are read. `root` does not matter."""
    known_part("minicity", part, tuple(PARTS))
    return [Item(f"{part}-{number:05d}") for number in range(PARTS[part])]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """Render the maps named in `what` at a size (width, height); depth in metres, sky 0; always with the camera."""
    only("minicity", what, ("image", *TASKS))
    match = _STEM.fullmatch(item.stem)
    if match is None:
        raise ValueError(f"minicity: no image {item.stem!r}; expected one like 'camera-train-00017'")
    maps, view = render(item.stem, WORLDS[match[1]], what, size or SIZE)
    return {**maps, "camera": Camera(view.focal, view.focal, *view.centre)}
