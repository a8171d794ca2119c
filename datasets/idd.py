"""IDD (Varma et al., WACV 2019): about 7000 + 1000 street scenes of India, 1920x1080 and 1280x720, with classes.

ROOT/leftImg8bit/{train,val}/DRIVE/*_leftImg8bit.png, ROOT/gtFine/... *_gtFine_labelcsTrainIds.png, which the authors'
createLabels.py makes of the polygons: it counts as terrain what cannot be driven on. IDD's own 26 classes are not read.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.data.pack import Item
from datasets.facts import Facts
from datasets.files import counted, known_part, located, nested, short, unpacked
from datasets.pairs import pair
from datasets.spaces import CS19

NEEDS_ROOT = True
HELP = "expected leftImg8bit/, gtFine/ there. Had at idd.insaan.iiit.ac.in, after registration"
TASKS = ("semseg",)
CLASSES = CS19

FACTS = Facts(
    counts={"train": 6993, "val": 981},
    firm=False,
    sizes=((1920, 1080), (1280, 720)),
    forms={"image": ("8-bit RGB",), "semseg": ("8-bit grey",)},
)

_LAYOUTS = {"leftImg8bit": "gtFine", "IDD_Segmentation/leftImg8bit": "IDD_Segmentation/gtFine"}  # images: labels
_NAME = re.compile(r"(\w+)_leftImg8bit\.png")


def index(root: Path | None, part: str) -> list[Item]:
    """The images of a part, by drive and name; a stem begins with its drive. Looks at images only."""
    known_part("idd", part, FACTS.counts)
    root, layout = located("idd", root, _LAYOUTS, HELP)
    images, labels = root / layout / part, root / _LAYOUTS[layout] / part
    unpacked("idd", images, "the archive of IDD Segmentation")
    found = nested(images, _NAME)
    counted("idd", part, len(found), FACTS.counts[part], f"leftImg8bit/{part}", "DRIVE/*_leftImg8bit.png")
    return [
        Item(
            f"{drive}_{match[1]}",
            {
                "image": images / drive / match[0],
                "semseg": labels / drive / f"{match[1]}_gtFine_labelcsTrainIds.png",
            },
        )
        for drive, match in found
    ]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The image and the cs19 ids of a scene, as stored. FileNotFoundError if the ids were not made yet."""
    if "semseg" in what and not item.files["semseg"].exists():
        command = "python preperation/createLabels.py --datadir ROOT --id-type csTrainId"  # the folder is spelt so
        raise FileNotFoundError(f"{short(item.files['semseg'])}: missing; made by {command} of AutoNUE/public-code")
    return pair("idd", item, what)
