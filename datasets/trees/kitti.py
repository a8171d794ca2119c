"""A fixture of KITTI's frames with classes and depth: its folders, names, encodings around streets of two days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.ids import CITYSCAPES
from datasets.trees.scenes import scene

RIGS = {  # size: fx, cx, cy of the left camera, baseline in metres; each day has its own
    (1242, 375): (721.5377, 609.5593, 172.854, (44.85728 + 339.5242) / 721.5377),
    (1224, 370): (707.0493, 604.0814, 180.5066, (45.75831 + 334.1081) / 707.0493),
}


def frames(count: int) -> list[str]:
    """Numbers of the frames: the first ones, and the last one of the set."""
    return [f"{i:06d}" for i in (*range(count - 1), 199)]


def write(root: Path, frame: str) -> None:
    """The files of a frame."""
    size = list(RIGS)[int(frame) % 2]
    fx, cx, cy, _ = RIGS[size]
    street = scene(f"kitti {frame}", "camera", size, fx, (cx, cy))
    put(root, root, frame, street.image, street.ids(CITYSCAPES), street.depth)


def put(
    root: Path, stereo: Path, frame: str, image: NDArray[np.uint8], ids: NDArray[np.uint8], depth: NDArray[Any]
) -> NDArray[np.uint16]:  # H W
    """p = 256 disparity, of every third pixel of a row below the sky: it is sparse. `stereo`: that archive's root."""
    fx, _, _, baseline = RIGS[image.shape[1], image.shape[0]]
    p = np.round(256 * fx * baseline / depth).astype(np.uint16)  # 0 in the sky
    p[np.add.outer(np.arange(p.shape[0]), np.arange(p.shape[1])) % 3 > 0] = 0
    name = f"{frame}_10.png"
    png(root / "training" / "image_2" / name, image)
    png(root / "training" / "semantic" / name, ids)
    png(root / "training" / "instance" / name, ids * np.uint16(256) + np.uint16(1))
    png(stereo / "training" / "disp_occ_0" / name, p)
    return p
