"""Cityscapes (Cordts et al., CVPR 2016): 2975 + 500 street scenes, 2048x1024, with classes and stereo disparity.

ROOT/{leftImg8bit,gtFine,disparity,camera}/{train,val}/CITY/CITY_SEQ_FRAME_..., or each below the name of its archive.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from bench.data.pack import Item
from datasets.cityframes import FORMS, NAMES, Frames
from datasets.facts import Facts
from datasets.files import counted, known_part
from datasets.spaces import CS19

NEEDS_ROOT = True
HELP = (
    "expected leftImg8bit/, gtFine/, disparity/, camera/ there, or leftImg8bit_trainvaltest/ and the like. "
    "Had at cityscapes-dataset.com, after registration"
)
TASKS = ("semseg", "depth")
CLASSES = CS19
STORED = NAMES

COUNTS = {"train": 2975, "val": 500}
FACTS = Facts(
    counts=COUNTS,
    sizes=((2048, 1024),),
    forms=FORMS,
    median_depth=(1.0, 500.0),
    groups={"val/frankfurt": 267, "val/lindau": 59, "val/munster": 174},
)

_FRAMES = Frames(
    dataset="cityscapes",
    package="leftImg8bit",
    name=re.compile(r"([a-z-]+_\d{6}_\d{6})_leftImg8bit\.png"),
    hint=HELP,
)


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part, by city, sequence and number. Opens no file."""
    known_part("cityscapes", part, COUNTS)
    items = _FRAMES.index(root, part, "leftImg8bit.png")
    pattern = "CITY/CITY_NNNNNN_NNNNNN_leftImg8bit.png"
    counted("cityscapes", part, len(items), COUNTS[part], f"leftImg8bit/{part}", pattern)
    return items


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """What is asked for of a frame, as stored: cs19 ids, planar depth in metres (0 where the stereo found none)."""
    return _FRAMES.read(item, what)


def check(item: Item) -> Iterator[str]:
    """What is unusual about a frame's disparity."""
    yield from _FRAMES.check(item)
