"""A fixture of Mapillary Vistas: its folders, names and encodings around rendered streets of several sizes."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.jpeg import jpeg
from datasets.trees.scenes import scene

SIZES = ((1024, 768), (1280, 720), (960, 1280))  # smaller than the real ones, which have 8 megapixels
NUMBERS = {
    "fence": 3, "wall": 6, "road": 13, "sidewalk": 15, "building": 17, "person": 19, "rider": 20, "sky": 27,
    "terrain": 29, "vegetation": 30, "pole": 45, "traffic light": 48, "traffic sign": 50, "bicycle": 52, "bus": 54,
    "car": 55, "motorcycle": 57, "truck": 61,
}  # fmt: skip
PALETTE = np.stack([37 * np.arange(66) % 256, 101 * np.arange(66) % 256, 3 * np.arange(66)], -1).astype(np.uint8)


def frames(count: int) -> list[str]:
    """FOLDER/NAME of the frames, `count` in each folder."""
    return [
        f"{folder}/-{zlib.crc32(f'{folder} {i}'.encode()):08x}_{i}"
        for folder in ("training", "validation")
        for i in range(count)
    ]


def write(root: Path, frame: str) -> None:
    """A frame's picture and its class ids."""
    folder, name = frame.split("/")
    size = SIZES[int(name.rpartition("_")[2]) % len(SIZES)]
    street = scene(f"mapillary {frame}", "camera", size, 0.8 * size[0])
    put(root, folder, name, street.image, street.ids(NUMBERS))


def put(
    root: Path, folder: str, name: str, image: NDArray[np.uint8], ids: NDArray[Any], labels: str = "labels"
) -> None:
    """Class ids and, beside them, those of instances; the palette's colours are not the real ones."""
    jpeg(root / folder / "images" / f"{name}.jpg", image)
    png(root / folder / labels / f"{name}.png", ids, PALETTE)
    png(root / folder / "instances" / f"{name}.png", ids.astype(np.uint16) * 256)
