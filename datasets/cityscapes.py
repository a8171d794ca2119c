"""Cityscapes (Cordts et al., CVPR 2016): 2975 + 500 street scenes, 2048x1024, with classes and stereo disparity.

ROOT/{leftImg8bit,gtFine,disparity,camera}/{train,val}/CITY/CITY_SEQ_FRAME_..., or each below the name of its archive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera
from bench.data.pack import Item
from datasets.facts import Facts
from datasets.files import absent, known_part, listing, log, only, renamed, require, same_size, short
from datasets.pictures import picture, samples
from datasets.spaces import CS19

NEEDS_ROOT = True
HELP = (
    "expected leftImg8bit/, gtFine/, disparity/, camera/ there, or leftImg8bit_trainvaltest/ and the like. "
    "Had at cityscapes-dataset.com, after registration"
)
TASKS = ("semseg", "depth")
CLASSES = CS19

COUNTS = {"train": 2975, "val": 500}
FACTS = Facts(
    counts=COUNTS,
    sizes=((2048, 1024),),
    forms={"image": ("8-bit RGB",), "semseg": ("8-bit grey",), "depth": ("16-bit grey",), "camera": ("JSON",)},
    median_depth=(1.0, 500.0),
    groups={"val/frankfurt": 267, "val/lindau": 59, "val/munster": 174},
)

_IDS = {  # label id -> cs19
    7: 0,  # road
    8: 1,  # sidewalk
    11: 2,  # building
    12: 3,  # wall
    13: 4,  # fence
    17: 5,  # pole
    19: 6,  # traffic light
    20: 7,  # traffic sign
    21: 8,  # vegetation
    22: 9,  # terrain
    23: 10,  # sky
    24: 11,  # person
    25: 12,  # rider
    26: 13,  # car
    27: 14,  # truck
    28: 15,  # bus
    31: 16,  # train
    32: 17,  # motorcycle
    33: 18,  # bicycle
}
_VOID = (*range(7), 9, 10, 14, 15, 16, 18, 29, 30, 255)  # 255: license plate, -1 as a byte
_FILES = {  # field: package, end of the file's name
    "image": ("leftImg8bit", "leftImg8bit.png"),
    "semseg": ("gtFine", "gtFine_labelIds.png"),
    "depth": ("disparity", "disparity.png"),
    "camera": ("camera", "camera.json"),
}
_LAYOUTS = ("{0}", "{0}_trainvaltest/{0}")  # as the archives unpack in one folder, or each in its own
_NAME = re.compile(r"([a-z-]+_\d{6}_\d{6})_leftImg8bit\.png")


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part, by city, sequence and number. Looks at images only."""
    known_part("cityscapes", part, COUNTS)
    layout = next((words for words in _LAYOUTS if root and (root / words.format("leftImg8bit")).is_dir()), None)
    if root is None or layout is None:
        raise absent("cityscapes", root, "leftImg8bit", HELP)
    images = root / layout.format("leftImg8bit") / part
    _unpacked(images)
    found = [
        (city.name, match[1])
        for city in sorted(images.iterdir())
        if city.is_dir() and not city.name.startswith(".")
        for name in listing(city, _NAME)
        if (match := _NAME.fullmatch(name))
    ]
    if not found:
        line = f"leftImg8bit/{part}/ has 0 files matching CITY/CITY_NNNNNN_NNNNNN_leftImg8bit.png"
        raise FileNotFoundError(f"cityscapes: {line}, expected {COUNTS[part]}")
    if len(found) < COUNTS[part]:
        log.warning("cityscapes: %s has %d images, %d expected", part, len(found), COUNTS[part])
    return [
        Item(
            stem,
            {
                field: root / layout.format(package) / part / city / f"{stem}_{end}"
                for field, (package, end) in _FILES.items()
            },
        )
        for city, stem in found
    ]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """What is asked for of a frame, as stored: cs19 ids, planar depth in metres (0 where the stereo found none)."""
    only("cityscapes", what, _FILES)
    wanted = {*what, "camera"} if "depth" in what else {*what}
    for field in _FILES:
        if field in wanted:
            _unpacked(item.files[field].parents[1])
    require(item.files, wanted)
    fields: dict[str, Any] = {}
    if "image" in wanted:
        fields["image"] = picture(item.files["image"])
    if "semseg" in wanted:
        path = item.files["semseg"]
        fields["semseg"] = renamed(samples(path, "8-bit grey"), _IDS, _VOID, path)
    baseline, camera = _rig(item.files["camera"]) if "camera" in wanted else (0.0, None)
    if "depth" in wanted and camera:
        fields["depth"] = _metres(item.files["depth"], baseline * camera.fx)
    same_size(fields, item.files)
    return fields | {"camera": camera}


def check(item: Item) -> Iterator[str]:
    """What is unusual about a frame's disparity: of all others, such files are most often saved in another scale."""
    path = item.files["depth"]
    if path.exists():
        p = samples(path, "16-bit grey")
        if not 0.05 <= (unmatched := float(np.mean(p == 0))) <= 0.4:
            yield f"{short(path)}: {unmatched:.0%} of its pixels are 0, expected 5-40 %"
        if p.max() >= 40000:
            yield f"{short(path)}: greatest value {p.max()}, expected below 40000"


def _unpacked(folder: Path) -> None:
    """Refuse a folder that is not there, and name the archive that brings it."""
    if not folder.is_dir():
        package, part = folder.parts[-2:]
        line = f"cityscapes: {package}/{part} is missing; it is in {package}_trainvaltest.zip"
        remedy = "; without it run with split.scored=[semseg]" if package in ("disparity", "camera") else ""
        raise FileNotFoundError(line + remedy)


def _metres(path: Path, baseline_times_fx: float) -> NDArray[np.float32]:
    """z = baseline fx / d with d = (p - 1) / 256 pixels; p = 0 is no match, p = 1 is infinitely far: both invalid."""
    p = samples(path, "16-bit grey", meaning="256 disparity + 1")
    valid = p > 1
    if not valid.any():
        raise ValueError(f"{short(path)}: no valid pixel (all {'0 or 1' if p.any() else '0'})")
    z = np.zeros(p.shape, np.float32)
    z[valid] = baseline_times_fx * 256 / (p[valid] - 1.0)
    return z


def _rig(path: Path) -> tuple[float, Camera]:
    """Stereo baseline in metres and the intrinsics of a frame: two cameras were used, so every frame has its own."""
    try:
        rig = json.loads(path.read_bytes())
    except ValueError:
        raise ValueError(f"{short(path)}: not json; expected extrinsic.baseline, intrinsic.fx and others") from None

    def number(group: str, key: str, expected: str, low: float, high: float, unit: str) -> float:
        value = rig[group].get(key) if isinstance(rig, dict) and isinstance(rig.get(group), dict) else None
        if value is None:
            raise ValueError(f"{short(path)}: no {group}.{key}; expected {expected}")
        if not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{short(path)}: {key} {value}, expected {low:g}..{high:g} {unit}")
        return float(value)

    baseline = number("extrinsic", "baseline", "metres, about 0.209 or 0.222", 0.1, 1, "m")
    fx, fy, cx, cy = (number("intrinsic", key, "pixels", 1, 10000, "px") for key in ("fx", "fy", "u0", "v0"))
    return baseline, Camera(fx=fx, fy=fy, cx=cx, cy=cy)
