"""A fixture of IDD: its folders, names and encodings around rendered streets of both sizes; labels as they are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.ids import TRAIN
from datasets.trees.scenes import scene

SIZES = ((1920, 1080), (1280, 720))
DRIVES = {"train": ("0", "377"), "val": ("119", "201")}


def frames(count: int) -> list[str]:
    """PART/DRIVE/NAME of the frames, `count` in each part; the drives have names in common."""
    return [f"{part}/{drives[i % 2]}/frame{29 + i // 2:04d}" for part, drives in DRIVES.items() for i in range(count)]


def write(root: Path, frame: str) -> None:
    """A scene's picture and its train ids."""
    part, drive, name = frame.split("/")
    size = SIZES[DRIVES[part].index(drive)]
    street = scene(f"idd {frame}", "camera", size, 0.6 * size[0])
    png(root / "leftImg8bit" / part / drive / f"{name}_leftImg8bit.png", street.image)
    put_labels(root, part, drive, name, street.ids(TRAIN))


def put_labels(root: Path, part: str, drive: str, name: str, ids: NDArray[Any]) -> None:
    """What the authors' program makes of their polygons."""
    png(root / "gtFine" / part / drive / f"{name}_gtFine_labelcsTrainIds.png", ids.astype(np.uint8))
