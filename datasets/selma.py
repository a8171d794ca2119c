"""SELMA (Testolina et al., 2022): eight towns of CARLA in 27 sorts of weather and light, 1280x640, classes and depth.

ROOT/TOWN_WEATHERTIME/{CAM,SEGCAM,DEPTHCAM}_{FRONT,DESK,...}/TOWN_WEATHERTIME_WAYPOINT.{jpg,png}, and beside these
folders, where a copy has it, calibrated_sensor.json.

A part is what was downloaded of `all`, of a town (Town01_Opt), of a weather and time of day (ClearNight) or of both
(Town01_Opt_ClearNight), seen by the front camera; all-DESK, ClearNight-LEFT are seen by another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.data.geometry import Camera
from bench.data.pack import Item
from datasets.carla import metres
from datasets.facts import Facts
from datasets.files import absent, counted, known_part, listing, only, renamed, require, same_size, short
from datasets.pictures import picture, samples
from datasets.spaces import CS19

NEEDS_ROOT = True
HELP = (
    "expected Town01_Opt_ClearNoon/CAM_FRONT/ and the like there. "
    "Had at scanlab.dei.unipd.it, after registration (CC BY-SA 4.0)"
)
TASKS = ("semseg", "depth")
CLASSES = CS19

CAMERA = Camera(fx=640.0, fy=640.0, cx=640.0, cy=320.0)  # all seven; a scene's json is believed first
FACTS = Facts(
    counts={"all": None},
    sizes=((1280, 640),),
    forms={"image": ("JPEG",), "semseg": ("8-bit grey",), "depth": ("8-bit RGB",), "camera": ("JSON",)},
    median_depth=(3, 200),
)

_IDS = {  # id in the file -> cs19
    1: 2,  # building
    2: 4,  # fence
    5: 5,  # pole
    6: 0,  # road line
    7: 0,  # road
    8: 1,  # sidewalk
    9: 8,  # vegetation
    11: 3,  # wall
    12: 7,  # traffic sign
    13: 10,  # sky
    18: 6,  # traffic light
    22: 9,  # terrain
    40: 11,  # person
    41: 12,  # rider
    100: 13,  # car
    101: 14,  # truck
    102: 15,  # bus
    103: 16,  # train
    104: 17,  # motorcycle
    105: 18,  # bicycle
}
_VOID = (0, 3, 4, 10, 14, 15, 16, 17, 19, 20, 21, 255)  # 10: the own car; 20, dynamic, is not in the authors' list
_CAMERAS = ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "LEFT", "RIGHT", "BACK", "DESK")
_SCENE = re.compile(r"(Town\w+_Opt)_([A-Za-z]+(?:Noon|Sunset|Night))")
_NAME = re.compile(r"(Town\w+_\d+)\.jpg")


def index(root: Path | None, part: str) -> list[Item]:
    """The images of a part, by scene and waypoint. Looks at images only."""
    place, _, view = part.partition("-")
    folder, scenes = _scenes(root)
    parts = {"all": scenes}
    for scene, (town, weather) in scenes.items():
        for name in (town, weather, scene):
            parts.setdefault(name, {})[scene] = scenes[scene]
    known_part("selma", place, parts if place in scenes else [name for name in parts if name not in scenes])
    known_part("selma", f"{place}-{view or 'FRONT'}", [f"{place}-{camera}" for camera in _CAMERAS])
    items = [item for scene in parts[place] for item in _seen(folder / scene, view or "FRONT")]
    counted("selma", part, len(items), None, f"CAM_{view or 'FRONT'}", "TOWN_WEATHERTIME_N.jpg")
    return items


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """What is asked for of a scene, as stored: cs19 ids, planar depth in metres (sky at 1000)."""
    only("selma", what, ("image", *TASKS, "camera"))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        path = item.files["semseg"]
        fields["semseg"] = renamed(samples(path, "8-bit grey"), _IDS, _VOID, path)
    if "depth" in what:
        fields["depth"] = metres(item.files["depth"])
    same_size(fields, item.files)
    camera = None if "camera" in item.files else CAMERA
    if "camera" in item.files and {"depth", "camera"} & set(what):
        camera = _camera(item.files["camera"], item.files["image"].parent.name)
    return fields | {"camera": camera}


def _scenes(root: Path | None) -> tuple[Path, dict[str, tuple[str, str]]]:
    """{scene: (town, weather and time of day)} of the folders there; the authors' program makes them below CV/."""
    for folder in (root, root / "CV") if root else ():
        names = listing(folder, _SCENE) if folder.is_dir() else []
        if names:
            return folder, {name: (match[1], match[2]) for name in names if (match := _SCENE.fullmatch(name))}
    raise absent("selma", root, "TOWN_WEATHERTIME", HELP)


def _seen(scene: Path, view: str) -> list[Item]:
    """What one camera saw of one scene."""
    if not (scene / f"CAM_{view}").is_dir():
        there = [name for name in _CAMERAS if (scene / f"CAM_{name}").is_dir()]
        other = f"; there is {' '.join(there)}: say it with part=all-{there[0]} and the like" if there else ""
        raise FileNotFoundError(f"selma: {scene.name}/CAM_{view} is missing{other}")
    rig = scene / "calibrated_sensor.json"
    return [
        Item(
            name[:-4],
            {
                "image": scene / f"CAM_{view}" / name,
                "semseg": scene / f"SEGCAM_{view}" / f"{name[:-4]}.png",
                "depth": scene / f"DEPTHCAM_{view}" / f"{name[:-4]}.png",
            }
            | ({"camera": rig} if rig.exists() else {}),
        )
        for name in listing(scene / f"CAM_{view}", _NAME)
    ]


def _camera(path: Path, sensor: str) -> Camera:
    """A camera's intrinsics. The matrix acts on CARLA's axes, x forward, y to the right, z up: u z = cx x + fx y."""
    expected = f"{sensor} with camera_intrinsic [[cx, fx, 0], [cy, 0, -fy], [1, 0, 0]]"
    try:
        matrix = {each["sensor_name"]: each["camera_intrinsic"] for each in json.loads(path.read_bytes())}[sensor]
        (cx, fx, _), (cy, _, minus_fy), last = matrix
        sound = min(fx, -minus_fy, cx, cy) > 0 and last == [1, 0, 0]
    except (ValueError, TypeError, KeyError):
        sound = False
    if not sound:
        raise ValueError(f"{short(path)}: not the json of a rig; expected {expected}")
    return Camera(fx=float(fx), fy=-float(minus_fy), cx=float(cx), cy=float(cy))
