"""A fixture of NYU Depth v2 in MTAN's form: arrays of 384x288 around rendered scenes.

They are streets at a tenth of their size (see trees/scenes.py), with NYU's 13 classes for names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.trees.ids import NYU13
from datasets.trees.npy import npy
from datasets.trees.scenes import room

SIZE, FOCAL, CENTRE = (384, 288), 0.6 * 519.0, (0.6 * 325.08244941 - 0.5, 0.6 * 253.23616633 - 0.5)
FAR = 9.99  # metres; beyond, there is no depth
BORDER = 4  # columns at the left that nobody labelled


def frames(count: int) -> list[str]:
    """PART/NUMBER of the frames, `count` in each part."""
    return [f"{part}/{number}" for part in ("train", "val") for number in range(count)]


def write(root: Path, frame: str) -> None:
    """The arrays of a frame."""
    shown = room(f"nyu13 {frame}", "camera", SIZE, FOCAL, CENTRE)
    ids = shown.ids(NYU13, np.int64) - 1
    ids[:, :BORDER] = -1
    put(root, frame, shown.image, ids, np.where(shown.depth < FAR, shown.depth, 0), shown.normals)


def put(
    root: Path, frame: str, image: NDArray[np.uint8], ids: NDArray[Any], depth: NDArray[Any], normals: NDArray[Any]
) -> None:
    """Colours in 0..1; void -1; metres, 0 for none; normals as (right, forward, up), zeros for none."""
    part, number = frame.split("/")
    stored = np.stack([normals[..., 0], normals[..., 2], -normals[..., 1]], -1)
    arrays = {
        "image": image / 255,
        "label": ids,
        "depth": depth[..., None].astype(np.float32),
        "normal": stored.astype(np.float32),
    }
    for name, array in arrays.items():
        npy(root / part / name / f"{number}.npy", array)
