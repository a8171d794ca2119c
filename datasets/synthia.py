"""SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016): 9400 rendered street scenes, 1280x760, with classes and depth.

ROOT/RGB/%07d.png, ROOT/GT/LABELS/%07d.png (16-bit RGB, R = class), ROOT/Depth/Depth/%07d.png (16-bit RGB, centimetres).
Not SYNTHIA-SEQS and not SYNTHIA-RAND, which number their classes otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera
from bench.data.pack import Item
from datasets.facts import Facts
from datasets.files import home, known_part, listing, log, only, renamed, require, same_size, short
from datasets.pictures import picture, picture_size, samples
from datasets.spaces import SYNTHIA20

NEEDS_ROOT = True
HELP = "expected RGB/, GT/LABELS/, Depth/Depth/ there. Had at synthia-dataset.net"
TASKS = ("semseg", "depth")
CLASSES = SYNTHIA20

COUNT = 9400
SIZE = (1280, 760)
FACTS = Facts(
    counts={"all": COUNT},
    sizes=(SIZE,),
    forms={
        "image": ("8-bit RGB",),
        "semseg": ("16-bit RGB", "8-bit grey", "16-bit grey"),  # the last two: repacks with the same ids
        "depth": ("16-bit RGB",),
    },
    median_depth=(3.0, 60.0),
    depth_unit=0.01,
    never=("terrain", "truck", "train"),
)
CAMERA = Camera(fx=532.740352, fy=532.740352, cx=640.0, cy=380.0)  # of SYNTHIA-SEQS: this set comes without

_IDS = {  # id in the R channel -> synthia20, whose first 19 are cs19's
    1: 10,  # sky
    2: 2,  # building
    3: 0,  # road
    4: 1,  # sidewalk
    5: 4,  # fence
    6: 8,  # vegetation
    7: 5,  # pole
    8: 13,  # car
    9: 7,  # traffic sign
    10: 11,  # pedestrian
    11: 18,  # bicycle
    12: 17,  # motorcycle
    15: 6,  # traffic light
    16: 9,  # terrain; like truck and train it does not occur
    17: 12,  # rider
    18: 14,  # truck
    19: 15,  # bus
    20: 16,  # train
    21: 3,  # wall
    22: 19,  # lanemarking: void in cs19, road in camvid11; its colour in GT/COLOR is the wall's
}
_VOID = (0, 13, 14)  # void, parking-slot, road-work
_NAME = re.compile(r"\d{7}\.png")
_LABELS = ("GT/LABELS", "parsed_LABELS", "synthia_mapped_to_cityscapes")  # official; one channel with the same ids


def index(root: Path | None, part: str) -> list[Item]:
    """All images, by number. Looks at images only."""
    known_part("synthia", part, ("all",))
    folder = home("synthia", root, ("", "RAND_CITYSCAPES"), "RGB", HELP)
    names = listing(folder / "RGB", _NAME)
    if not names:
        raise FileNotFoundError(f"synthia: RGB/ has 0 files matching NNNNNNN.png, expected {COUNT}")
    width, height = found = picture_size(folder / "RGB" / names[0])
    if found != SIZE:
        rand = "this is SYNTHIA-RAND (13 classes), not SYNTHIA-RAND-CITYSCAPES"
        why = rand if found == (960, 720) else "was it resized?"
        raise ValueError(f"synthia: RGB is {width}x{height}, not {SIZE[0]}x{SIZE[1]}: {why}")
    if len(names) < COUNT:
        missing = min({f"{i:07d}" for i in range(COUNT)} - {name[:-4] for name in names})
        log.warning("synthia: %d images, %d expected; missing %s", len(names), COUNT, missing)
    folders = {"image": folder / "RGB", "semseg": _labels(folder), "depth": folder / "Depth" / "Depth"}
    return [Item(name[:-4], {field: place / name for field, place in folders.items()}) for name in names]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """What is asked for of an image, as stored: synthia20 ids, planar depth in metres (sky at 655.35)."""
    only("synthia", what, ("image", *TASKS, "camera"))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        fields["semseg"] = _classes(item.files["semseg"])
    if "depth" in what:
        fields["depth"] = _metres(item.files["depth"])
    same_size(fields, item.files)
    return fields | {"camera": CAMERA}


def _labels(folder: Path) -> Path:
    """The folder of the labels: the official one, or else a known repack."""
    there = [words for words in _LABELS if (folder / words).is_dir()]
    if len(there) > 1:
        log.info("synthia: both %s and %s exist: using %s", there[0], there[1], there[0])
    return folder / (there or _LABELS)[0]


def _classes(path: Path) -> NDArray[np.uint8]:
    if path.parent.name == "LABELS":
        ids = samples(path, "16-bit RGB", meaning="R = class")[..., 0]
    else:
        ids = samples(path, "8-bit grey", "16-bit grey")
    return renamed(ids, _IDS, _VOID, path)


def _metres(path: Path) -> NDArray[np.float32]:
    centimetres = samples(path, "16-bit RGB", meaning="centimetres, three times")
    if (centimetres != centimetres[..., :1]).any():
        raise ValueError(f"{short(path)}: its three channels differ, expected centimetres three times")
    return centimetres[..., 0].astype(np.float32) / np.float32(100)
