"""BDD100K (Yu et al., CVPR 2020): 7000 + 1000 frames of drives through American cities, 1280x720, with classes.

ROOT/images/10k/{train,val}/*.jpg, ROOT/labels/sem_seg/masks/{train,val}/*.png; or, in the older release,
ROOT/seg/images/{train,val}/*.jpg, ROOT/seg/labels/{train,val}/*_train_id.png. The masks are in cs19's ids. No depth.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.data.pack import Item
from datasets.facts import Facts
from datasets.files import absent, known_part, listing, log, only, renamed, require, same_size
from datasets.pictures import picture, samples
from datasets.spaces import CS19

NEEDS_ROOT = True
HELP = (
    "expected images/10k/, labels/sem_seg/masks/ there, or seg/images/, seg/labels/ of the older release. "
    "Had at bdd-data.berkeley.edu, after registration"
)
TASKS = ("semseg",)
CLASSES = CS19
FACTS = Facts(
    counts={"train": 7000, "val": 1000},
    firm=False,
    sizes=((1280, 720),),
    forms={"image": ("JPEG",), "semseg": ("8-bit grey",)},
)

_IDS = {i: i for i in range(19)}  # not those of BDD's own table, which has 41
_VOID = (255,)
_LAYOUTS = (  # of images, of masks, end of a mask's name
    ("images/10k", "labels/sem_seg/masks", ".png"),
    ("seg/images", "seg/labels", "_train_id.png"),
)
_HOMES = ("", "bdd100k")
_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}\.jpg")


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part, by name. Looks at images only."""
    known_part("bdd100k", part, FACTS.counts)
    there = [
        (root / words, layout)
        for words in _HOMES
        for layout in _LAYOUTS
        if root and (root / words / layout[0]).is_dir()
    ]
    if not there:
        raise absent("bdd100k", root, "images/10k", HELP)
    home, (images, masks, end) = there[0]
    if len(there) > 1:
        log.info("bdd100k: both %s and %s exist: using %s", images, there[1][1][0], images)
    folder = home / images / part
    if not folder.is_dir():
        raise FileNotFoundError(f"bdd100k: {images}/{part} is missing; expected it beside the other parts in {images}/")
    names = listing(folder, _NAME)
    expected = FACTS.counts[part]
    if not names:
        line = f"{images}/{part}/ has 0 files matching HHHHHHHH-HHHHHHHH.jpg"
        raise FileNotFoundError(f"bdd100k: {line}, expected {expected}")
    if len(names) != expected:
        log.warning("bdd100k: %s has %d images, %d expected", part, len(names), expected)
    return [
        Item(name[:-4], {"image": folder / name, "semseg": home / masks / part / f"{name[:-4]}{end}"}) for name in names
    ]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The image and the cs19 ids of a frame, as stored."""
    only("bdd100k", what, ("image", *TASKS))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        path = item.files["semseg"]
        fields["semseg"] = renamed(samples(path, "8-bit grey"), _IDS, _VOID, path)
    same_size(fields, item.files)
    return fields | {"camera": None}
