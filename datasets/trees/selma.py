"""A fixture of SELMA: its folders, names and encodings around rendered streets, by day and by night."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.carla import in_24_bits
from datasets.trees.jpeg import jpeg
from datasets.trees.scenes import scene

SIZE, FOCAL, CENTRE = (1280, 640), 640.0, (640.0, 320.0)
WORLDS = {"Town01_Opt_ClearNoon": "render", "Town10HD_Opt_ClearNight": "night"}
NUMBERS = {
    "building": 1, "fence": 2, "pole": 5, "road": 7, "sidewalk": 8, "vegetation": 9, "wall": 11, "traffic sign": 12,
    "sky": 13, "traffic light": 18, "terrain": 22, "person": 40, "rider": 41, "car": 100, "truck": 101, "bus": 102,
    "motorcycle": 104, "bicycle": 105,
}  # fmt: skip


def frames(count: int) -> list[str]:
    """SCENE/WAYPOINT of the frames."""
    return [f"{list(WORLDS)[i % 2]}/{14825380774802470444 + i}" for i in range(count)]


def write(root: Path, frame: str) -> None:
    """What the front camera sees from a waypoint."""
    place, waypoint = frame.split("/")
    street = scene(f"selma {frame}", WORLDS[place], SIZE, FOCAL, CENTRE)
    put(root, place, waypoint, "FRONT", street.image, street.ids(NUMBERS), street.depth)


def put(
    root: Path, place: str, waypoint: str, view: str, image: NDArray[np.uint8], ids: NDArray[Any], depth: NDArray[Any]
) -> None:
    """What a camera sees from a waypoint of a scene; depth in metres."""
    name = f"{place}_{waypoint}"
    jpeg(root / place / f"CAM_{view}" / f"{name}.jpg", image)
    png(root / place / f"SEGCAM_{view}" / f"{name}.png", ids)
    png(root / place / f"DEPTHCAM_{view}" / f"{name}.png", in_24_bits(depth))


def lists(root: Path, written: list[str]) -> None:
    """The rig of each scene."""
    for place in sorted({frame.split("/")[0] for frame in written}):
        rig(root / place, (FOCAL, FOCAL, *CENTRE), "FRONT")


def rig(folder: Path, camera: tuple[float, float, float, float], *views: str) -> None:
    """Intrinsics on CARLA's axes, x forward, y right, z up, behind a sensor that has none."""
    fx, fy, cx, cy = camera
    matrix = [[cx, fx, 0], [cy, 0, -fy], [1, 0, 0]]
    sensors = [{"sensor_name": f"CAM_{view}", "camera_intrinsic": matrix} for view in views]
    lidar = {"sensor_name": "LIDAR_TOP", "camera_intrinsic": []}
    (folder / "calibrated_sensor.json").write_text(json.dumps([lidar, *sensors]))
