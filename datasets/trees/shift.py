"""A fixture of SHIFT: its folders, names and encodings around rendered streets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.carla import in_24_bits
from datasets.trees.jpeg import jpeg
from datasets.trees.scenes import scene

SIZE, FOCAL, CENTRE = (1280, 800), 640.0, (640.0, 400.0)
SEQUENCES = {"train": ("007b-4e72", "0aee-69fd"), "val": ("0f37-c22b", "1c1f-53a7")}
NUMBERS = {
    "building": 1, "fence": 2, "person": 4, "rider": 4, "pole": 5, "road": 7, "sidewalk": 8, "vegetation": 9,
    "car": 10, "truck": 10, "bus": 10, "motorcycle": 10, "bicycle": 10, "wall": 11, "traffic sign": 12, "sky": 13,
    "traffic light": 18, "terrain": 22,
}  # fmt: skip


def frames(count: int) -> list[str]:
    """PART/SEQUENCE/NUMBER of the frames, `count` in each part."""
    return [f"{part}/{names[i % 2]}/{10 * (i // 2):08d}" for part, names in SEQUENCES.items() for i in range(count)]


def write(root: Path, frame: str) -> None:
    """What the front camera sees; every other sequence is by night."""
    part, sequence, number = frame.split("/")
    world = ("camera", "night")[SEQUENCES[part].index(sequence)]
    street = scene(f"shift {frame}", world, SIZE, FOCAL, CENTRE)
    put(root, part, sequence, number, street.image, street.ids(NUMBERS), street.depth)


def put(
    root: Path,
    part: str,
    sequence: str,
    number: str,
    image: NDArray[np.uint8],
    ids: NDArray[Any],
    depth: NDArray[Any],
    *,
    together: bool = False,
) -> None:
    """The class is in the red channel. together: all kinds of files in one folder."""

    def place(kind: str, end: str) -> Path:
        front = root / "discrete" / "images" / part / "front"
        return front / ("" if together else kind) / sequence / f"{number}_{kind}_front.{end}"

    jpeg(place("img", "jpg"), image)
    png(place("semseg", "png"), np.stack([ids, 0 * ids, 0 * ids], -1))
    png(place("depth", "png"), in_24_bits(depth))
