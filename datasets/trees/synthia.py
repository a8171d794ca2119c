"""A fixture of SYNTHIA-RAND-CITYSCAPES: its folders, names and encodings around rendered streets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.scenes import scene

SIZE, FOCAL, CENTRE = (1280, 760), 532.740352, (640.0, 380.0)
NUMBERS = {
    "sky": 1, "building": 2, "road": 3, "sidewalk": 4, "fence": 5, "vegetation": 6, "pole": 7, "car": 8,
    "traffic sign": 9, "person": 10, "bicycle": 11, "motorcycle": 12, "traffic light": 15, "terrain": 6, "rider": 17,
    "truck": 8, "bus": 19, "wall": 21,
}  # fmt: skip  # terrain and truck do not occur there
MOVING = (8, 10, 11, 12, 17, 19)  # what has instance ids


def frames(count: int) -> list[str]:
    """Names of the frames: the first ones, and the last one of the set."""
    return [f"{i:07d}" for i in (*range(count - 1), 9399)]


def write(root: Path, frame: str) -> None:
    """The files of a frame."""
    street = scene(f"synthia {frame}", "render", SIZE, FOCAL, CENTRE)
    ids = street.ids(NUMBERS, np.uint16)
    put(root, frame, street.image, ids, np.where(np.isin(ids, MOVING), 300 + ids, 0), street.depth)


def put(
    root: Path, frame: str, image: NDArray[np.uint8], ids: NDArray[Any], instances: NDArray[Any], depth: NDArray[Any]
) -> None:
    """Class in R and instance in G of 16 bits; centimetres three times, the sky at 65535."""
    centimetres = np.minimum(np.round(depth * 100), 65535).astype(np.uint16)
    png(root / "RGB" / f"{frame}.png", image)
    png(root / "GT" / "LABELS" / f"{frame}.png", np.stack([ids, instances, 0 * ids], -1).astype(np.uint16))
    png(root / "Depth" / "Depth" / f"{frame}.png", np.stack([centimetres] * 3, -1))
