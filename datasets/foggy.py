"""Foggy Cityscapes (Sakaridis et al., IJCV 2018): Cityscapes' 2975 + 500 scenes, 2048x1024, in rendered fog.

ROOT/leftImg8bit_foggy/{train,val}/CITY/CITY_SEQ_FRAME_leftImg8bit_foggy_beta_{0.005,0.01,0.02}.png, beside Cityscapes'
own gtFine/, disparity/, camera/, or each below the name of its archive. Visibility is about 600, 300 and 150 m; papers
use the densest. A source of Cityscapes shares its scenes with this target. Foggy Cityscapes-DBF is another data set.
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
    "expected leftImg8bit_foggy/ there, beside Cityscapes' gtFine/, disparity/, camera/. "
    "leftImg8bit_trainvaltest_foggy.zip is had at cityscapes-dataset.com, after registration"
)
TASKS = ("semseg", "depth")
CLASSES = CS19
STORED = NAMES

_PARTS = {  # part: folder, density of the fog
    "train": ("train", "0.02"),
    "val": ("val", "0.02"),
    "train-0.01": ("train", "0.01"),
    "val-0.01": ("val", "0.01"),
    "train-0.005": ("train", "0.005"),
    "val-0.005": ("val", "0.005"),
}
FACTS = Facts(
    counts={part: 2975 if half == "train" else 500 for part, (half, _) in _PARTS.items()},
    sizes=((2048, 1024),),
    forms=FORMS,
    median_depth=(1, 500),
)

_FRAMES = Frames(
    dataset="foggy",
    package="leftImg8bit_foggy",
    name=re.compile(r"([a-z-]+_\d{6}_\d{6})_leftImg8bit_foggy_beta_0\.(?:005|01|02)\.png"),
    hint=HELP,
)


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part, by city, sequence and number. Opens no file."""
    known_part("foggy", part, _PARTS)
    half, beta = _PARTS[part]
    items = _FRAMES.index(root, half, f"leftImg8bit_foggy_beta_{beta}.png")
    pattern = f"CITY/CITY_NNNNNN_NNNNNN_leftImg8bit_foggy_beta_{beta}.png"
    counted("foggy", part, len(items), FACTS.counts[part], f"leftImg8bit_foggy/{half}", pattern)
    return items


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """What is asked for of a frame, as stored: cs19 ids, planar depth in metres (0 where the stereo found none)."""
    return _FRAMES.read(item, what)


def check(item: Item) -> Iterator[str]:
    """What is unusual about a frame's disparity."""
    yield from _FRAMES.check(item)
