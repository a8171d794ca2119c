"""A fixture of Virtual KITTI 2: its folders, names and encodings around rendered streets.

Every variant has the same frames: weather and turned cameras are not rendered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.jpeg import jpeg
from datasets.trees.scenes import scene

SIZE, FOCAL = (1242, 375), 725.0087
VARIANTS = "clone fog morning overcast rain sunset 15-deg-left 15-deg-right 30-deg-left 30-deg-right".split()
COLOURS = {  # the street's pavement is of grass, as most are there; bushes are not trees, and a bus is a van
    "sidewalk": (210, 0, 200), "sky": (90, 200, 255), "vegetation": (0, 199, 0), "terrain": (90, 240, 0),
    "building": (140, 140, 140), "wall": (140, 140, 140), "road": (100, 60, 100), "fence": (250, 100, 255),
    "traffic sign": (255, 255, 0), "traffic light": (200, 200, 0), "pole": (255, 130, 0), "person": (80, 80, 80),
    "rider": (80, 80, 80), "bicycle": (80, 80, 80), "motorcycle": (80, 80, 80), "truck": (160, 60, 60),
    "car": (255, 127, 80), "bus": (0, 139, 139),
}  # fmt: skip


def frames(count: int) -> list[str]:
    """SCENE/NUMBER of the frames: the first ones of the first scene, and the last one of the last."""
    return [*(f"Scene01/{i:05d}" for i in range(count - 1)), "Scene20/00836"]


def write(root: Path, frame: str) -> None:
    """The files of a frame, in every variant."""
    street = scene(f"vkitti2 {frame}", "render", SIZE, FOCAL)
    colours = np.array([COLOURS[name] for name in street.names], np.uint8)[street.classes]
    for variant in VARIANTS:
        put(root, frame, variant, street.image, colours, street.depth)


def put(
    root: Path,
    frame: str,
    variant: str,
    image: NDArray[np.uint8],
    colours: NDArray[np.uint8],
    depth: NDArray[Any],
    *,
    apart: bool = False,
) -> None:
    """Centimetres, the sky at 65535. apart: each kind of files below the name of its archive."""
    name, number = frame.split("/")

    def place(package: str, file: str) -> Path:
        above = root / f"vkitti_2.0.3_{package}" if apart else root
        return above / name / variant / "frames" / package / "Camera_0" / file

    centimetres = np.minimum(np.round(depth * 100), 65535).astype(np.uint16)
    jpeg(place("rgb", f"rgb_{number}.jpg"), image)
    png(place("classSegmentation", f"classgt_{number}.png"), colours)
    png(place("depth", f"depth_{number}.png"), centimetres)


def lists(root: Path, written: list[str]) -> None:
    """The cameras of each scene."""
    for name in sorted({frame.split("/")[0] for frame in written}):
        rows = [f"{int(frame.split('/')[1])} 0 725.0087 725.0087 620.5 187" for frame in written if name in frame]
        for variant in VARIANTS:
            text = root / name / variant / "intrinsic.txt"
            text.write_text("\n".join(["frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]", *rows]) + "\n")
