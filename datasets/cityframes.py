"""The frames of Cityscapes, for every data set that shows its scenes: label ids, stereo disparity, cameras.

ROOT/{PACKAGE,gtFine,disparity,camera}/{train,val}/CITY/CITY_SEQ_FRAME_..., or each below the name of its archive.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from re import Pattern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera
from bench.data.pack import Item
from datasets.files import located, naming, nested, only, renamed, require, same_size, short, unpacked
from datasets.pictures import picture, samples
from datasets.spaces import CITYSCAPES_IDS

_VOID = (*range(7), 9, 10, 14, 15, 16, 18, 29, 30, 255)  # 255: license plate, -1 as a byte
NAMES = naming(CITYSCAPES_IDS, _VOID)  # what the ids of a label file are
FORMS: Mapping[str, tuple[str, ...]] = {
    "image": ("8-bit RGB",),
    "semseg": ("8-bit grey", "16-bit grey"),  # label ids, or those of instances
    "depth": ("16-bit grey",),
    "camera": ("JSON",),
}
_LABELS = {  # field: package, end of the file's name
    "semseg": ("gtFine", "gtFine_labelIds.png"),
    "depth": ("disparity", "disparity.png"),
    "camera": ("camera", "camera.json"),
}
_ALONE = "; without it run with split.tasks=[semseg] split.scored=[semseg]"
_INSTANCES = "gtFine_instanceIds.png"  # what a copy may have in the place of label ids


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Where a data set has its pictures of the scenes, and what it calls itself in an error.

    name: of a picture's file; its group is the frame, CITY_SEQ_FRAME.
    """

    dataset: str
    package: str
    name: Pattern[str]
    hint: str

    def index(self, root: Path | None, part: str, end: str) -> list[Item]:
        """The frames of train or val whose picture's name has this end, by city, sequence and number.

        Looks at pictures, and at the names of label files. FileNotFoundError if there is no picture.
        """
        together, apart = self.package, f"{archive(self.package)}/{self.package}"  # as the archives were unpacked
        root, images = located(self.dataset, root, (together, apart), self.hint)

        def place(package: str) -> Path:
            return (root if images == together else root / archive(package)) / package / part

        unpacked(self.dataset, place(self.package), f"{archive(self.package)}.zip")
        found = [(c, match[1]) for c, match in nested(place(self.package), self.name) if match[0].endswith(f"_{end}")]
        packages = {"image": (self.package, end)} | _LABELS
        if _instances_alone(place("gtFine") / city for city in dict.fromkeys(city for city, _ in found)):
            packages["semseg"] = ("gtFine", _INSTANCES)
        return [
            Item(stem, {field: place(package) / city / f"{stem}_{last}" for field, (package, last) in packages.items()})
            for city, stem in found
        ]

    def read(self, item: Item, what: Collection[str]) -> dict[str, Any]:
        """What is asked for, as stored: cs19 ids, planar depth in metres (0 where the stereo found none).

        "ids", instead of "semseg": the label file's own, for whoever names them by NAMES.
        """
        only(self.dataset, {*what} - {"ids"}, ("image", *_LABELS))
        wanted = {*what, "camera"} if "depth" in what else {*what}
        wanted |= {"semseg"} if "ids" in what else set()
        for field, path in item.files.items():
            if field in wanted:
                package = path.parts[-4]
                remedy = _ALONE if field in ("depth", "camera") else ""
                unpacked(self.dataset, path.parents[1], f"{archive(package)}.zip", remedy)
        require(item.files, wanted)
        fields: dict[str, Any] = {}
        if "image" in wanted:
            fields["image"] = picture(item.files["image"])
        if "semseg" in wanted:
            path = item.files["semseg"]
            ids = _ids(path)
            fields["semseg"] = ids if "ids" in what else renamed(ids, CITYSCAPES_IDS, _VOID, path)
        baseline, camera = _rig(item.files["camera"]) if "camera" in wanted else (0.0, None)
        if "depth" in wanted and camera:
            fields["depth"] = _metres(item.files["depth"], baseline * camera.fx)
        same_size(fields, item.files)
        if "ids" in what:
            fields["ids"] = fields.pop("semseg")
        return fields | {"camera": camera}

    def check(self, item: Item) -> Iterator[str]:
        """What is unusual about a frame's disparity: such files are most often saved in another scale."""
        path = item.files["depth"]
        if path.exists():
            p = samples(path, "16-bit grey")
            if not 0.05 <= (unmatched := float(np.mean(p == 0))) <= 0.4:
                yield f"{short(path)}: {unmatched:.0%} of its pixels are 0, expected 5-40 %"
            if p.max() >= 40000:
                yield f"{short(path)}: greatest value {p.max()}, expected below 40000"


def archive(package: str) -> str:
    """leftImg8bit -> leftImg8bit_trainvaltest, leftImg8bit_foggy -> leftImg8bit_trainvaltest_foggy"""
    what, _, kind = package.partition("_")
    return f"{what}_trainvaltest" + (f"_{kind}" if kind else "")


def _instances_alone(cities: Iterable[Path]) -> bool:
    """Whether these folders have instance ids, and no label ids. Opens no file."""
    found = False
    for city in cities:
        try:
            names = os.listdir(city)
        except OSError:  # whoever asks for a label is told
            continue
        if any(name.endswith(_LABELS["semseg"][1]) for name in names):
            return False
        found |= any(name.endswith(_INSTANCES) for name in names)
    return found


def _ids(path: Path) -> NDArray[np.uint8]:
    """Label ids, or what they are in the other form of the labels: a label id, or 1000 label id + instance."""
    if not path.name.endswith(_INSTANCES):
        return samples(path, "8-bit grey")
    v = samples(path, "16-bit grey", meaning="label id, or 1000 label id + instance")
    ids = np.where(v < 1000, v, v // 1000)
    renamed(ids, CITYSCAPES_IDS, _VOID, path)  # refuses an unknown id, before a byte makes another of it
    return ids.astype(np.uint8)


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
