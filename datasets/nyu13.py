"""NYU Depth v2 as MTAN (Liu et al., CVPR 2019) and later papers have it: .npy files of 384x288, 13 classes.

ROOT/{train,val}/{image,label,depth,normal}/%d.npy; the test frames of the official split are in val/.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, Size
from bench.data.pack import Item
from datasets.arrays import npy
from datasets.axes import num_facing, towards_camera
from datasets.facts import Facts
from datasets.files import counted, home, known_part, listing, only, require, same_size, short
from datasets.spaces import NYU13

NEEDS_ROOT = True
HELP = (
    "expected train/image/, train/label/, train/depth/, train/normal/ and the like in val/ there. "
    "Had at github.com/lorenmt/mtan, a link in its README"
)
TASKS = ("semseg", "depth", "normals")
CLASSES = NYU13

SIZE = (384, 288)
CAMERA = Camera(518.85790117, 519.46961112, 324.58244941, 252.73616633).resized((640, 480), SIZE)  # the whole frame
AXES = ((1, 0, 0), (0, 0, -1), (0, 1, 0))  # stored (right, forward, up), as their origin, Eigen's and Fergus's
_FLOATS = ("float32", "float64")
FACTS = Facts(
    counts={"train": 795, "val": 654},
    sizes=(SIZE,),
    forms={"image": _FLOATS, "semseg": (*_FLOATS, "int8", "int16", "int32", "int64"), "depth": _FLOATS,
           "normals": _FLOATS},
    median_depth=(0.7, 10.0),
    depth_unit=1.0,
)  # fmt: skip

_FOLDERS = {"image": "image", "semseg": "label", "depth": "depth", "normals": "normal"}
_SHAPES = {"image": (288, 384, 3), "semseg": (288, 384), "depth": (288, 384, 1), "normals": (288, 384, 3)}
_NAME = re.compile(r"\d+\.npy")


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part by number. Looks at images only."""
    known_part("nyu13", part, FACTS.counts)
    folder = home("nyu13", root, ("", "nyuv2"), f"{part}/image", HELP) / part
    numbers = sorted(int(name[:-4]) for name in listing(folder / "image", _NAME))
    counted("nyu13", part, len(numbers), FACTS.counts[part], f"{part}/image", "N.npy")
    return [
        Item(f"{number:04d}", {field: folder / place / f"{number}.npy" for field, place in _FOLDERS.items()})
        for number in numbers
    ]


def read(item: Item, what: Collection[str], size: Size | None = None) -> dict[str, Any]:
    """What is asked for of a frame, as stored: nyu13 ids, planar depth in metres (0: none), normals (0: none)."""
    only("nyu13", what, ("image", *TASKS, "camera"))
    require(item.files, what)
    stored = {field: _array(item.files[field], shape) for field, shape in _SHAPES.items() if field in what}
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = _bytes(stored["image"], item.files["image"])
    if "semseg" in what:
        fields["semseg"] = _classes(stored["semseg"], item.files["semseg"])
    if "depth" in what:
        fields["depth"] = _metres(stored["depth"], item.files["depth"])
    if "normals" in what:
        fields["normals"] = towards_camera(stored["normals"], AXES, CAMERA, item.files["normals"])
    same_size(fields, item.files)
    return fields | {"camera": CAMERA}


def facing(item: Item) -> tuple[int, int]:
    """How many stored normals face the camera, and how many there are, for the verifier: `read` drops the others."""
    return num_facing(_array(item.files["normals"], _SHAPES["normals"]), AXES, CAMERA)


def _array(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    array = npy(path)
    if array.shape != shape:
        got, right = (" ".join(map(str, sizes)) for sizes in (array.shape, shape))
        raise ValueError(f"{short(path)}: {got}, expected {right}")
    return array


def _bytes(values: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"{short(path)}: values {values.min():g}..{values.max():g}, expected 0..1")
    return np.round(values * 255).astype(np.uint8)


def _classes(values: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    """-1 is void; as an unsigned byte it would become a class, if void were another number."""
    if not (values.min() >= -1 and values.max() <= 12) or (values % 1).any():
        raise ValueError(f"{short(path)}: values {values.min():g}..{values.max():g}, expected -1..12")
    return np.where(values < 0, 255, values).astype(np.uint8)


def _metres(values: NDArray[Any], path: Path) -> NDArray[np.float32]:
    depth = values[..., 0].astype(np.float32)
    if bad := int(np.sum(~np.isfinite(depth))):
        raise ValueError(f"{short(path)}: {bad} NaN, expected 0 for invalid")
    return depth
