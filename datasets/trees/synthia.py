"""A fixture of SYNTHIA-RAND-CITYSCAPES: its folders, names and encodings around rendered streets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.trees.png import png
from datasets.trees.scenes import scene

SIZE, FOCAL = (1280, 760), 532.740352
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
    """The files of a frame: class in R and instance in G of 16 bits; centimetres three times, the sky at 65535."""
    shown = scene(f"synthia {frame}", "render", SIZE, FOCAL)
    ids = shown.ids(NUMBERS, np.uint16)
    instances = np.where(np.isin(ids, MOVING), 300 + ids, 0).astype(np.uint16)
    centimetres = np.minimum(np.round(shown.depth * 100), 65535).astype(np.uint16)
    png(root / "RGB" / f"{frame}.png", shown.image)
    png(root / "GT" / "LABELS" / f"{frame}.png", np.stack([ids, instances, 0 * ids], -1))
    png(root / "Depth" / "Depth" / f"{frame}.png", np.stack([centimetres] * 3, -1))
