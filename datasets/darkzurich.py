"""Dark Zurich (Sakaridis et al., ICCV 2019): 2416 images of a city at night without labels, 50 with; 1920x1080.

ROOT/rgb_anon/{train/{night,twilight,day},val/night}/SEQUENCE/*_rgb_anon.png, ROOT/gt/val/night/SEQUENCE/
*_gt_labelTrainIds.png, or each archive in its own folder. The day of val (val_ref) is not read.
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
    "expected rgb_anon/, gt/ there, or Dark_Zurich_train_anon/, Dark_Zurich_val_anon/. "
    "Had at data.vision.ee.ethz.ch/csakarid/shared/GCMA_UIoU, without registration"
)
TASKS = ("semseg",)
CLASSES = CS19

_PARTS = {
    "night-train": "train/night",
    "twilight-train": "train/twilight",
    "day-train": "train/day",
    "val": "val/night",
}
FACTS = Facts(
    counts={"night-train": 2416, "twilight-train": 2920, "day-train": 3041, "val": 50},
    firm=False,
    sizes=((1920, 1080),),
    forms={"image": ("8-bit RGB",), "semseg": ("8-bit grey",)},
)

_NAME = re.compile(r"(\w+)_rgb_anon\.png")


def index(root: Path | None, part: str) -> list[Item]:
    """The images of a part, by sequence and number. Looks at images only."""
    known_part("darkzurich", part, _PARTS)
    folder = _PARTS[part]
    archive = f"Dark_Zurich_{folder.partition('/')[0]}_anon"
    root, layout = located("darkzurich", root, ("rgb_anon", "Dark_Zurich_train_anon", "Dark_Zurich_val_anon"), HELP)
    above = root if layout == "rgb_anon" else root / archive
    images, labels = above / "rgb_anon" / folder, above / "gt" / folder
    unpacked("darkzurich", images, f"{archive}.zip")
    found = [(Path(sequence), match[1]) for sequence, match in nested(images, _NAME)]
    counted("darkzurich", part, len(found), FACTS.counts[part], f"rgb_anon/{folder}", "SEQUENCE/*_rgb_anon.png")
    return [
        Item(
            name,
            {"image": images / sequence / f"{name}_rgb_anon.png"}
            | ({"semseg": labels / sequence / f"{name}_gt_labelTrainIds.png"} if part == "val" else {}),
        )
        for sequence, name in found
    ]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The image and the cs19 ids of a scene, as stored. ValueError if ids are asked for of a training image."""
    if "semseg" in what and "semseg" not in item.files:
        raise ValueError(f"darkzurich: {item.stem} has no labels; only those of val have")
    return pair("darkzurich", item, what)
