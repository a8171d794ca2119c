"""A fixture of Cityscapes in MTAN's form: arrays of 256x128 around rendered streets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.trees.npy import npy
from datasets.trees.scenes import scene

SIZE = (256, 128)
BASELINE, FX = 0.209313, 2262.52  # metres, and pixels of the whole picture, which is eight times as wide
UNSEEN = 16  # columns at the left that the other camera does not see
NUMBERS = {
    "road": 0, "sidewalk": 0, "building": 1, "wall": 1, "fence": 1, "pole": 2, "traffic light": 2, "traffic sign": 2,
    "vegetation": 3, "terrain": 3, "sky": 4, "person": 5, "rider": 5, "car": 6, "truck": 6, "bus": 6, "motorcycle": 6,
    "bicycle": 6,
}  # fmt: skip


def frames(count: int) -> list[str]:
    """PART/NUMBER of the frames, `count` in each part."""
    return [f"{part}/{number}" for part in ("train", "val") for number in range(count)]


def write(root: Path, frame: str) -> None:
    """The arrays of a frame: its left is void, and without a depth."""
    street = scene(f"cs7 {frame}", "camera", SIZE, FX / 8)
    ids = street.ids(NUMBERS, np.float64)
    ids[:, :UNSEEN] = -1
    p = np.round(256 * BASELINE * FX / street.depth) + 1  # 1 in the sky
    p[:, :UNSEEN] = 0
    put(root, frame, street.image, ids, p)


def put(
    root: Path, frame: str, image: NDArray[np.uint8], ids: NDArray[Any], p: NDArray[Any], labels: str = "label"
) -> None:
    """p: as Cityscapes stores it, 256 disparity + 1, of which 65535 becomes 1."""
    part, number = frame.split("/")
    npy(root / part / "image" / f"{number}.npy", image / 255)
    npy(root / part / labels / f"{number}.npy", ids.astype(np.float64))
    npy(root / part / "depth" / f"{number}.npy", p[..., None] / 65535)
