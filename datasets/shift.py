"""SHIFT (Sun et al., CVPR 2022): drives through CARLA in every weather and light, 1280x800; 21 classes and depth.

ROOT/discrete/images/{train,val}/front/{img,semseg,depth}/SEQUENCE/FRAME_{img,semseg,depth}_front.{jpg,png}, or all
kinds in one front/SEQUENCE/: the front camera, one frame a second. The class is in the red channel. All vehicles are
one class there: the data set reaches the whole of cs7, and cs19 without its vehicles.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.data.geometry import Camera
from bench.data.pack import Item
from datasets.carla import metres
from datasets.facts import Facts
from datasets.files import counted, known_part, located, nested, only, renamed, require, same_size, unpacked
from datasets.pictures import picture, samples
from datasets.spaces import SHIFT21

NEEDS_ROOT = True
HELP = (
    "expected discrete/images/train/front/img/ and the like there, unzipped. Had at vis.xyz/shift, without registration"
)
TASKS = ("semseg", "depth")
CLASSES = SHIFT21

CAMERA = Camera(fx=640.0, fy=640.0, cx=640.0, cy=400.0)
FACTS = Facts(
    counts={"train": None, "val": None},
    spare=("train", "val"),
    sizes=((1280, 800),),
    forms={"image": ("JPEG",), "semseg": ("8-bit RGB", "8-bit RGBA"), "depth": ("8-bit RGB", "8-bit RGBA")},
    median_depth=(3, 200),
)

_FILE_IDS = (1, 2, *range(4, 23))  # of CARLA, in the order of the classes
_IDS = {of_file: i for i, of_file in enumerate(_FILE_IDS)}
_VOID = (0, 3)  # unlabeled, other
_SEQUENCE = re.compile(r"[0-9a-f]{4}-[0-9a-f]{4}")
_NAME = re.compile(r"(\d{8})_(img|semseg|depth)_front\.(?:jpg|png)")
_FILES = {"image": "img_front.jpg", "semseg": "semseg_front.png", "depth": "depth_front.png"}


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part, by sequence and number. Looks at images only."""
    known_part("shift", part, FACTS.counts)
    root, images = located("shift", root, ("discrete/images",), HELP)
    front = root / images / part / "front"
    unpacked("shift", front, f"img.zip of discrete, images, {part}, front")
    apart = (front / "img").is_dir()
    folders = {field: front / end.partition("_")[0] if apart else front for field, end in _FILES.items()}
    found = [(seq, match[1]) for seq, match in nested(folders["image"], _NAME, _SEQUENCE) if match[2] == "img"]
    pattern = "SEQUENCE/NNNNNNNN_img_front.jpg"
    counted("shift", part, len(found), FACTS.counts[part], f"{part}/front" + ("/img" if apart else ""), pattern)
    return [
        Item(f"{seq}_{frame}", {field: folders[field] / seq / f"{frame}_{end}" for field, end in _FILES.items()})
        for seq, frame in found
    ]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """What is asked for of a frame, as stored: its 21 classes, planar depth in metres (sky at 1000)."""
    only("shift", what, ("image", *TASKS, "camera"))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        path = item.files["semseg"]
        ids = samples(path, "8-bit RGB", "8-bit RGBA", meaning="R = class")[..., 0]
        fields["semseg"] = renamed(ids, _IDS, _VOID, path)
    if "depth" in what:
        fields["depth"] = metres(item.files["depth"])
    same_size(fields, item.files)
    return fields | {"camera": CAMERA}
