"""A fixture of CamVid in the SegNet form: its folders, lists, names and encodings around rendered streets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.scenes import scene

SIZE, FOCAL = (480, 360), 500.0
DRIVES = {  # part: drives with a first frame, and the world that they show
    "train": (("0001TP", "_", 6690, "night"), ("0006R0", "_f", 930, "camera"), ("0016E5", "_", 390, "camera")),
    "val": (("0016E5", "_", 7959, "camera"),),
    "test": (("0001TP", "_", 8550, "night"), ("Seq05VD", "_f", 0, "camera")),
}
NUMBERS = {
    "sky": 0, "building": 1, "wall": 1, "pole": 2, "road": 3, "sidewalk": 4, "vegetation": 5, "terrain": 5,
    "traffic sign": 6, "traffic light": 6, "fence": 7, "car": 8, "truck": 8, "bus": 8, "person": 9, "rider": 10,
    "bicycle": 10, "motorcycle": 10,
}  # fmt: skip
VOID, BORDER = 11, 6  # columns at the left that nobody labelled


def frames(count: int) -> list[str]:
    """PART/NAME of the frames, `count` in each part and at least one of each drive."""
    return list(_worlds(count))


def write(root: Path, frame: str) -> None:
    """A frame's picture and its ids."""
    drive = frame.split("/")[1].split("_")[0]
    world = next(world for start, _, _, world in DRIVES[frame.split("/")[0]] if start == drive)
    shown = scene(f"camvid {frame}", world, SIZE, FOCAL)
    ids = shown.ids(NUMBERS)
    ids[:, :BORDER] = VOID
    put(root, frame, shown.image, ids)


def put(root: Path, frame: str, image: NDArray[np.uint8], ids: NDArray[np.uint8]) -> None:
    """frame: PART/NAME."""
    part, name = frame.split("/")
    png(root / part / f"{name}.png", image)
    png(root / f"{part}annot" / f"{name}.png", ids)


def lists(root: Path, written: list[str]) -> None:
    """The parts' lists, with the authors' own paths."""
    for part in DRIVES:
        names = [frame.split("/")[1] for frame in written if frame.startswith(f"{part}/")]
        lines = [f"/SegNet/CamVid/{part}/{name}.png /SegNet/CamVid/{part}annot/{name}.png\n" for name in names]
        (root / f"{part}.txt").write_text("".join(lines))


def _worlds(count: int) -> Iterator[str]:
    for part, drives in DRIVES.items():
        for place, (drive, mark, first, _) in enumerate(drives):
            for number in range(place, max(count, len(drives)), len(drives)):
                digits = 6 if drive == "0001TP" else 5
                yield f"{part}/{drive}{mark}{first + 30 * number:0{digits}d}"
