"""Cityscapes as MTAN (Liu et al., CVPR 2019) hands it out: 2975 + 500 scenes at 256x128, 7 classes, inverse depth.

ROOT/{train,val}/{image,label,depth}/%d.npy (256x128), or with label_2, label_7, label_19 (512x256). The frames are in
random order. The depth is disparity / 65535, 0 where unknown, at most 0.4922: greater is nearer, and it has no metres.
It is returned as it is, so a split on it has depth_range and depth_output in these units, and augments without a zoom:
an enlarged image would have its depth divided, where this is to be multiplied.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.pack import Item
from bench.problem import VOID
from datasets.arrays import npy
from datasets.facts import Facts
from datasets.files import counted, known_part, listing, located, only, require, same_size, short, unpacked
from datasets.spaces import CS7

NEEDS_ROOT = True
HELP = (
    "expected train/{image,label,depth}/, val/... with 0.npy and so on there. "
    "Had at github.com/lorenmt/mtan, section Datasets, without registration"
)
TASKS = ("semseg", "depth")
CLASSES = CS7
INVERSE_DEPTH = True  # so bench.domains refuses a zoom

_FLOATS = ("float32", "float64")
FACTS = Facts(
    counts={"train": 2975, "val": 500},
    sizes=((256, 128), (512, 256)),
    forms={"image": _FLOATS, "semseg": (*_FLOATS, "int8", "int16", "int32", "int64"), "depth": _FLOATS},
)

_NAME = re.compile(r"\d+\.npy")
_LABELS = ("label", "label_7")


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part, by number. Looks at images only."""
    known_part("cs7", part, FACTS.counts)
    root, _ = located("cs7", root, ("train", "val"), HELP)
    half = root / part
    unpacked("cs7", half / "image", "the archive of MTAN")
    stems = sorted((name[:-4] for name in listing(half / "image", _NAME)), key=int)
    counted("cs7", part, len(stems), FACTS.counts[part], f"{part}/image", "N.npy")
    labels = next((words for words in _LABELS if (half / words).is_dir()), _LABELS[0])
    folders = {"image": half / "image", "semseg": half / labels, "depth": half / "depth"}
    return [Item(stem, {field: folder / f"{stem}.npy" for field, folder in folders.items()}) for stem in stems]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The image in bytes; cs7 ids; disparity / 65535, greater is nearer, 0 where unknown. There is no camera."""
    only("cs7", what, ("image", *TASKS))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = _colours(item.files["image"])
    if "semseg" in what:
        fields["semseg"] = _classes(item.files["semseg"])
    if "depth" in what:
        fields["depth"] = _inverse_depth(item.files["depth"])
    same_size(fields, item.files)
    return fields | {"camera": None}


def _colours(path: Path) -> NDArray[np.uint8]:  # H W 3
    """0..1 -> 0..255, to the nearest."""
    values = npy(path)
    if values.dtype.kind != "f" or values.ndim != 3 or values.shape[2] != 3:
        raise ValueError(f"{short(path)}: {_form(values)}, expected H x W x 3 of float")
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"{short(path)}: values {values.min():g}..{values.max():g}, expected 0..1")
    return np.round(values * 255).astype(np.uint8)


def _classes(path: Path) -> NDArray[np.uint8]:  # H W
    """-1 becomes 255 by name, before anything is read as unsigned."""
    values = npy(path)
    if values.dtype.kind not in "fi" or values.ndim != 2:
        raise ValueError(f"{short(path)}: {_form(values)}, expected H x W of whole numbers, -1 for void")
    low, high = values.min(), values.max()
    if not (low >= -1 and high < len(CLASSES)):
        raise ValueError(f"{short(path)}: values {low:g}..{high:g}, expected -1..{len(CLASSES) - 1}")
    ids = np.where(values == -1, VOID, values)
    if (ids != np.round(ids)).any():
        raise ValueError(f"{short(path)}: values between whole numbers; was it resized with interpolation?")
    return ids.astype(np.uint8)


def _inverse_depth(path: Path) -> NDArray[np.float32]:  # H W
    values = npy(path)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.dtype.kind != "f" or values.ndim != 2:
        raise ValueError(f"{short(path)}: {_form(values)}, expected H x W x 1 of float")
    if unknown := int(np.isnan(values).sum()):
        raise ValueError(f"{short(path)}: {unknown} NaN, expected 0 for invalid")
    low, high = values.min(), values.max()
    if low < 0 or high >= 1:
        raise ValueError(f"{short(path)}: values {low:g}..{high:g}, expected 0..0.5 (disparity / 65535)")
    if high == 0:
        raise ValueError(f"{short(path)}: no valid pixel (all 0)")
    return values.astype(np.float32)


def _form(values: NDArray[Any]) -> str:
    return f"{' x '.join(map(str, values.shape)) or 'one number'} of {values.dtype}"
