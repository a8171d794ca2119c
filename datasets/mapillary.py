"""Mapillary Vistas v1.2 (Neuhold et al., ICCV 2017): 18000 + 2000 street scenes of many sizes, 65 classes.

ROOT/{training,validation}/images/*.jpg, ROOT/{training,validation}/labels/*.png (newer package: v1.2/labels/): a class
is an index of the palette. v2.0, which has 124 classes, is refused.

In 7 classes (map to cs7) it is grouped as DADA and CTRL do, by names. There terrain is *flat*, while it is *nature* in
Cityscapes' own categories and in the suite's map from cs19: say so beside a table.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.data.pack import Item
from datasets.facts import Facts
from datasets.files import counted, known_part, listing, located, unpacked
from datasets.pairs import pair
from datasets.spaces import MAPILLARY65

NEEDS_ROOT = True
HELP = "expected training/, validation/ there. Had at mapillary.com/dataset/vistas, after registration"
TASKS = ("semseg",)
CLASSES = MAPILLARY65

FACTS = Facts(
    counts={"train": 18000, "val": 2000},
    forms={"image": ("JPEG",), "semseg": ("8-bit palette",)},
)

_FOLDERS = {"train": "training", "val": "validation"}
_IDS = {i: i for i in range(65)}
_VOID = (65,)  # unlabeled
_LABELS = ("labels", "v1.2/labels")  # of the old package and of the new one
_NAME = re.compile(r"([\w-]+)\.jpg")


def index(root: Path | None, part: str) -> list[Item]:
    """The images of a part, by name. Looks at images only."""
    known_part("mapillary", part, _FOLDERS)
    root, _ = located("mapillary", root, _FOLDERS.values(), HELP)
    folder = root / _FOLDERS[part]
    images = folder / "images"
    unpacked("mapillary", images, "the archive of Mapillary Vistas")
    names = listing(images, _NAME)
    counted("mapillary", part, len(names), FACTS.counts[part], f"{folder.name}/images", "*.jpg")
    labels = folder / next((words for words in _LABELS if (folder / words).is_dir()), _LABELS[0])
    return [Item(name[:-4], {"image": images / name, "semseg": labels / f"{name[:-4]}.png"}) for name in names]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The image and its class ids, as stored; unlabeled is 255."""
    if "semseg" in what:
        _first_version(item.files["image"].parents[1])
    return pair("mapillary", item, what, _IDS, _VOID, "8-bit palette")


def _first_version(folder: Path) -> None:
    """Refuse a package that has labels of the second version only."""
    if (folder / "v2.0").is_dir() and not any((folder / words).is_dir() for words in _LABELS):
        line = f"{folder.name}/v2.0/labels has 124 classes, expected {folder.name}/v1.2/labels with 66"
        raise FileNotFoundError(f"mapillary: {line}; both are in the newer package")
