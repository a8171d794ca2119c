"""ACDC (Sakaridis et al., ICCV 2021): 1600 + 406 street scenes in fog, night, rain and snow, 1920x1080, with classes.

ROOT/rgb_anon/{fog,night,rain,snow}/{train,val}/SEQUENCE/*_rgb_anon.png, ROOT/gt/... *_gt_labelTrainIds.png, or each
below the name of its archive. The same places in fair weather (train_ref, val_ref) and the test set, whose truth is on
a server, are not read.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.data.pack import Item
from datasets.facts import Facts
from datasets.files import counted, known_part, located, nested, unpacked
from datasets.pairs import pair
from datasets.spaces import CS19

NEEDS_ROOT = True
HELP = (
    "expected rgb_anon/, gt/ there, or rgb_anon_trainvaltest/, gt_trainval/. "
    "Had at acdc.vision.ee.ethz.ch, after registration"
)
TASKS = ("semseg",)
CLASSES = CS19

_CONDITIONS = ("fog", "night", "rain", "snow")
_PARTS = {  # part: folder, conditions
    "train": ("train", _CONDITIONS),
    "val": ("val", _CONDITIONS),
    **{f"{condition}-{half}": (half, (condition,)) for half in ("train", "val") for condition in _CONDITIONS},
}
FACTS = Facts(
    counts={
        "train": 1600,
        "val": 406,
        **{f"{condition}-train": 400 for condition in _CONDITIONS},
        **{f"{condition}-val": 106 if condition == "night" else 100 for condition in _CONDITIONS},
    },
    firm=False,
    sizes=((1920, 1080),),
    forms={"image": ("8-bit RGB",), "semseg": ("8-bit grey",)},
)

_LAYOUTS = {"rgb_anon": "gt", "rgb_anon_trainvaltest/rgb_anon": "gt_trainval/gt"}  # images: labels
_NAME = re.compile(r"(\w+)_rgb_anon\.png")


def index(root: Path | None, part: str) -> list[Item]:
    """The images of a part, by condition, sequence, number; a stem begins with its condition. Looks at images only."""
    known_part("acdc", part, _PARTS)
    half, conditions = _PARTS[part]
    root, layout = located("acdc", root, _LAYOUTS, HELP)
    images, labels = root / layout, root / _LAYOUTS[layout]
    found = [
        (Path(condition, half, sequence), f"{condition}_{match[1]}", match[1])
        for condition in conditions
        for sequence, match in nested(_folder(images, condition, half), _NAME)
    ]
    folder = "rgb_anon/" + (f"{conditions[0]}/" if len(conditions) == 1 else "*/") + half
    counted("acdc", part, len(found), FACTS.counts[part], folder, "SEQUENCE/*_rgb_anon.png")
    return [
        Item(
            stem,
            {
                "image": images / place / f"{name}_rgb_anon.png",
                "semseg": labels / place / f"{name}_gt_labelTrainIds.png",
            },
        )
        for place, stem, name in found
    ]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The image and the cs19 ids of a scene, as stored."""
    return pair("acdc", item, what)


def group(stem: str) -> str:
    """The condition: its test images are reported apart as well."""
    return stem.partition("_")[0]


def _folder(images: Path, condition: str, half: str) -> Path:
    """The sequences of a condition. A part that lacks one is refused: it would be another part."""
    folder = images / condition / half
    if (images / half).is_dir() and not folder.is_dir():
        got = f"rgb_anon/{half}/ mixes the conditions, as a copy for other programs does"
        raise FileNotFoundError(f"acdc: {got}; expected rgb_anon/{condition}/{half}/ as in rgb_anon_trainvaltest.zip")
    alone = f"; each condition is a part of its own: {condition}-{half} and others"
    unpacked("acdc", folder, "rgb_anon_trainvaltest.zip", alone)
    return folder
