"""GTA5, Playing for Data (Richter et al., ECCV 2016): 24966 frames of a game, about 1914x1052, with classes; no depth.

ROOT/images/%05d.png, ROOT/labels/%05d.png (palette, its indices are Cityscapes' label ids); the authors' division into
train, val and test is in split.mat of read_mapping.zip. Adaptation trains on all.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Size, resize_nearest
from bench.data.pack import Item
from datasets.facts import Facts
from datasets.files import home, known_part, listing, log, only, renamed, require, short
from datasets.matlab import numbers
from datasets.pictures import picture, picture_size, samples
from datasets.spaces import CITYSCAPES_IDS, CS19

NEEDS_ROOT = True
HELP = "expected images/, labels/ there. Had at download.visinf.tu-darmstadt.de/data/from_games/, without registration"
TASKS = ("semseg",)
CLASSES = CS19

COUNT = 24966
FACTS = Facts(
    counts={"all": COUNT, "train": 12403, "val": 6382, "test": 6181},
    recalled=("train", "val", "test"),
    spare=("train", "val", "test"),  # which read_mapping.zip has
    forms={"image": ("8-bit RGB",), "semseg": ("8-bit palette",)},
)

_VOID = (*range(7), 9, 10, 14, 15, 16, 18, 29, 30, 34)  # 34: license plate
_NAME = re.compile(r"\d{5}\.png")
_LISTS = ("split.mat", "read_mapping/split.mat")


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part, by number. Looks at images and at the authors' list only."""
    known_part("gta5", part, FACTS.counts)
    folder = home("gta5", root, ("", "GTA5"), "images", HELP)
    names = listing(folder / "images", _NAME)
    if not names:
        raise FileNotFoundError(f"gta5: images/ has 0 files matching NNNNN.png, expected {COUNT}")
    whole = {f"{i + 1:05d}.png" for i in range(COUNT)} if part == "all" else _listed(folder, part)
    names = sorted(whole.intersection(names))
    if not names:
        raise FileNotFoundError(f"gta5: images/ has none of the {len(whole)} images of {part}")
    if missing := whole.difference(names):
        word = "" if part == "all" else f"{part} has "
        log.warning("gta5: %s%d images, %d expected; missing %s", word, len(names), len(whole), min(missing)[:-4])
    return [Item(name[:-4], {"image": folder / "images" / name, "semseg": folder / "labels" / name}) for name in names]


def read(item: Item, what: Collection[str], size: Size | None = None) -> dict[str, Any]:
    """The image, as stored, and its cs19 ids. A label is brought to its image's size, so it asks for the image too."""
    only("gta5", what, ("image", *TASKS))
    require(item.files, {*what, "image"})
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        fields["semseg"] = _fitted(_classes(item.files["semseg"]), picture_size(item.files["image"]), item)
    return fields | {"camera": None}


def _listed(folder: Path, part: str) -> set[str]:
    """The names of a part by the authors' list."""
    path = next((folder / words for words in _LISTS if (folder / words).is_file()), None)
    if path is None:
        remedy = 'it is in read_mapping.zip; without it there is the part "all"'
        raise FileNotFoundError(f"gta5: split.mat is missing; {remedy}")
    (ids,) = numbers(path, f"{part}Ids")
    if ids.size == 0 or ids.min() < 1 or ids.max() > COUNT:
        found = f"numbers from {ids.min():g} to {ids.max():g}" if ids.size else "no numbers"
        raise ValueError(f"{short(path)}: {part}Ids has {found}, expected 1 to {COUNT}")
    return {f"{int(i):05d}.png" for i in ids.ravel()}


def _classes(path: Path) -> NDArray[np.uint8]:
    return renamed(samples(path, "8-bit palette"), CITYSCAPES_IDS, _VOID, path)


def _fitted(label: NDArray[np.uint8], size: Size, item: Item) -> NDArray[np.uint8]:
    """The label in its image's size. Some pairs differ by a few rows: alike to 1 %, they show one view."""
    (height, width), path = label.shape, item.files["semseg"]
    if (width, height) == size:
        return label
    line = f"{short(path)}: {width}x{height}, image {size[0]}x{size[1]}"
    if abs(width * size[1] / (height * size[0]) - 1) > 0.01:
        raise ValueError(f"{line}; expected equal sizes")
    log.warning("%s; brought to the image's size by nearest neighbours", line)
    return resize_nearest(label, size)
