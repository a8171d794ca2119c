"""A fixture of Dark Zurich: its folders, names and encodings around rendered streets; twilight is a day there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.ids import TRAIN
from datasets.trees.scenes import scene

SIZE, FOCAL = (1920, 1080), 1100.0
SEQUENCES = {
    "train/night": "GOPR0351",
    "train/twilight": "GOPR0348",
    "train/day": "GOPR0345",
    "val/night": "GOPR0356",
}


def frames(count: int) -> list[str]:
    """FOLDER/NAME of the frames, `count` in each folder."""
    return [f"{part}/{sequence}_frame_{i + 1:06d}" for part, sequence in SEQUENCES.items() for i in range(count)]


def write(root: Path, frame: str) -> None:
    """A scene's picture and, of val alone, its train ids."""
    folder, _, name = frame.rpartition("/")
    street = scene(f"darkzurich {frame}", "night" if folder.endswith("night") else "camera", SIZE, FOCAL)
    put(root, folder, name, street.image, street.ids(TRAIN))


def put(root: Path, folder: str, name: str, image: NDArray[np.uint8], ids: NDArray[Any]) -> None:
    """folder: TRAIN_OR_VAL/TIME."""
    place = Path(folder, name.partition("_")[0])
    png(root / "rgb_anon" / place / f"{name}_rgb_anon.png", image)
    if folder.startswith("val"):
        png(root / "gt" / place / f"{name}_gt_labelTrainIds.png", ids)
