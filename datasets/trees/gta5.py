"""A fixture of GTA5: its folders, names, palette and lists around rendered streets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.ids import CITYSCAPES
from datasets.trees.mat import mat
from datasets.trees.scenes import scene

SIZE, FOCAL = (1914, 1052), 1150.0
PALETTE = np.array(
    [
        [int(number) for number in colour.split(",")]
        for colour in "0,0,0 0,0,0 0,0,0 0,0,0 0,0,0 111,74,0 81,0,81 128,64,128 244,35,232 250,170,160 230,150,140 "
        "70,70,70 102,102,156 190,153,153 180,165,180 150,100,100 150,120,90 153,153,153 153,153,153 250,170,30 "
        "220,220,0 107,142,35 152,251,152 70,130,180 220,20,60 255,0,0 0,0,142 0,0,70 0,60,100 0,0,90 0,0,110 "
        "0,80,100 0,0,230 119,11,32 0,0,142".split()
    ],
    np.uint8,
)  # of Cityscapes' label ids 0 to 33 and of the license plate, which has the car's


def frames(count: int) -> list[str]:
    """Names of the frames: the first ones, and the last one of the set; one at least for each of the official lists."""
    return [f"{i:05d}" for i in (*range(1, max(count, 3)), 24966)]


def write(root: Path, frame: str) -> None:
    """A frame's picture and its label ids."""
    street = scene(f"gta5 {frame}", "render", SIZE, FOCAL)
    put(root, frame, street.image, street.ids(CITYSCAPES))


def put(root: Path, frame: str, image: NDArray[np.uint8], ids: NDArray[Any]) -> None:
    """Label ids as indices of Cityscapes' colours."""
    png(root / "images" / f"{frame}.png", image)
    png(root / "labels" / f"{frame}.png", ids, PALETTE)


def lists(root: Path, written: list[str]) -> None:
    """The official lists, frame after frame in turns."""
    numbers = np.array([int(frame) for frame in written])
    mat(root / "split.mat", trainIds=numbers[::3], valIds=numbers[1::3], testIds=numbers[2::3])
