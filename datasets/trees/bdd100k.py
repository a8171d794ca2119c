"""A fixture of BDD100K: its folders, names and encodings around rendered streets."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.ids import TRAIN
from datasets.trees.jpeg import jpeg
from datasets.trees.scenes import scene

SIZE, FOCAL = (1280, 720), 950.0


def frames(count: int) -> list[str]:
    """PART/NAME of the frames, `count` in each part."""
    return [f"{part}/{_hash(f'{part} {i}')}-{_hash(f'{i} {part}')}" for part in ("train", "val") for i in range(count)]


def write(root: Path, frame: str) -> None:
    """A frame's picture and its train ids; every other street is by night."""
    part, name = frame.split("/")
    street = scene(f"bdd100k {frame}", ("camera", "night")[int(name[0], 16) % 2], SIZE, FOCAL)
    put(root, part, name, street.image, street.ids(TRAIN))


def put(root: Path, part: str, name: str, image: NDArray[np.uint8], ids: NDArray[Any], *, older: bool = False) -> None:
    """In the layout of today, or of the older release."""
    images, masks = ("seg/images", "seg/labels") if older else ("images/10k", "labels/sem_seg/masks")
    jpeg(root / images / part / f"{name}.jpg", image)
    png(root / masks / part / (f"{name}_train_id.png" if older else f"{name}.png"), ids)


def _hash(words: str) -> str:
    return f"{zlib.crc32(words.encode()):08x}"
