"""Virtual KITTI 2 (Cabon et al. 2020): 21260 rendered frames of five KITTI drives, 1242x375, with classes and depth.

ROOT/SceneNN/VARIANT/frames/rgb/Camera_0/rgb_%05d.jpg, .../depth/.../depth_%05d.png (16 bit, centimetres),
.../classSegmentation/.../classgt_%05d.png (colours); or each below the name of its archive. The right camera is left
out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera
from bench.data.pack import Item
from bench.problem import VOID
from datasets.facts import Facts
from datasets.files import absent, known_part, listing, log, only, require, same_size, short
from datasets.pictures import picture, samples
from datasets.spaces import VK14

NEEDS_ROOT = True
HELP = (
    "expected Scene01/15-deg-left/frames/{rgb,depth,classSegmentation}/ and the like there, "
    "or vkitti_2.0.3_rgb/ and the like. Had at europe.naverlabs.com, without registration"
)
TASKS = ("semseg", "depth")
CLASSES = VK14

SIZE = (1242, 375)
CAMERA = Camera(fx=725.0087, fy=725.0087, cx=620.5, cy=187.0)  # of every scene and variant
SCENES = {"Scene01": 447, "Scene02": 233, "Scene06": 270, "Scene18": 339, "Scene20": 837}  # frames of a variant
VARIANTS = tuple("clone fog morning overcast rain sunset 15-deg-left 15-deg-right 30-deg-left 30-deg-right".split())
FACTS = Facts(
    counts={variant: 2126 for variant in VARIANTS} | {"all": 21260},
    spare=VARIANTS,
    sizes=(SIZE,),
    forms={"image": ("JPEG",), "semseg": ("8-bit RGB",), "depth": ("16-bit grey",)},
    median_depth=(5.0, 60.0),
    depth_unit=0.01,
    groups={f"{scene}/{variant}/": count for scene, count in SCENES.items() for variant in VARIANTS},
)

_FILES = {  # field: folder, beginning and end of a file's name
    "image": ("rgb", "rgb", "jpg"),
    "semseg": ("classSegmentation", "classgt", "png"),  # the official text writes classsegmentation
    "depth": ("depth", "depth", "png"),
}
_LAYOUTS = ("", "vkitti_2.0.3_{0}")  # the archives unpacked in one folder, or each in its own
_ID_OF = {red << 16 | green << 8 | blue: i for i, (red, green, blue) in enumerate(VK14.palette)} | {0: VOID}
_CODES = np.array(sorted(_ID_OF), np.int32)  # the colours, as numbers, rising
_IDS = np.array([_ID_OF[code] for code in sorted(_ID_OF)], np.uint8)
_NAME = re.compile(r"rgb_\d{5}\.jpg")


def index(root: Path | None, part: str) -> list[Item]:
    """The left camera's frames of a variant, or of all, by scene, variant and number. Looks at images only."""
    known_part("vkitti2", part, FACTS.counts)
    layout = next((words for words in _LAYOUTS if root and _unpacked(root / words.format("rgb"))), None)
    if root is None or layout is None:
        raise absent("vkitti2", root, "Scene01", HELP)
    items: list[Item] = []
    short_of = ""
    for scene, expected in SCENES.items():
        for variant in VARIANTS if part == "all" else (part,):
            folders = {
                field: root / layout.format(folder) / scene / variant / "frames" / folder / "Camera_0"
                for field, (folder, _, _) in _FILES.items()
            }
            _spelled(folders)
            names = listing(folders["image"], _NAME) if folders["image"].is_dir() else []
            items += [_item(f"{scene}_{variant}", folders, name[4:-4]) for name in names]
            if len(names) < expected and not short_of:
                short_of = f"{scene}/{variant} has {len(names)} of {expected}"
    total = FACTS.counts[part]
    if not items:
        where = f"Scene*/{'*' if part == 'all' else part}/frames/rgb/Camera_0/"
        raise FileNotFoundError(f"vkitti2: {where} has 0 files matching rgb_NNNNN.jpg, expected {total}")
    if short_of:
        log.warning("vkitti2: %s has %d images, %d expected; %s", part, len(items), total, short_of)
    return items


def read(item: Item, what: Collection[str], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """What is asked for of a frame, as stored: vk14 ids, planar depth in metres (sky at 655.35)."""
    only("vkitti2", what, (*_FILES, "camera"))
    for field in _FILES:
        if field in what and not item.files[field].parent.is_dir():
            raise FileNotFoundError(_packed(item.files[field], field))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        path = item.files["semseg"]
        fields["semseg"] = _classes(samples(path, "8-bit RGB", meaning="colours of classes"), path)
    if "depth" in what:
        fields["depth"] = samples(item.files["depth"], "16-bit grey", meaning="centimetres") / np.float32(100)
    same_size(fields, item.files)
    for field, array in fields.items():
        if array.shape[:2] != SIZE[::-1]:
            found = f"{array.shape[1]}x{array.shape[0]}"
            raise ValueError(f"{short(item.files[field])}: {found}, not {SIZE[0]}x{SIZE[1]}: was it resized?")
    return fields | {"camera": CAMERA}


def _unpacked(folder: Path) -> bool:
    return any((folder / scene).is_dir() for scene in SCENES)


def _item(stem: str, folders: dict[str, Path], number: str) -> Item:
    files = {field: folders[field] / f"{begin}_{number}.{end}" for field, (_, begin, end) in _FILES.items()}
    return Item(f"{stem}_{number}", files)


def _spelled(folders: dict[str, Path]) -> None:
    """Refuse a folder whose name is right but for capitals: its files would be missing without a reason."""
    for camera in folders.values():
        right, above = camera.parent.name, camera.parents[1]
        names = os.listdir(above) if above.is_dir() else []
        wrong = [name for name in sorted(names) if name != right and name.lower() == right.lower()]
        if wrong and right not in names:
            raise FileNotFoundError(f"vkitti2: found {wrong[0]}, expected {right}")


def _packed(path: Path, field: str) -> str:
    """Which archive brings a folder that is not there."""
    scene, variant, frames, package = path.parts[-6:-2]
    line = f"vkitti2: {scene}/{variant}/{frames}/{package} is missing; it is in vkitti_2.0.3_{package}.tar"
    remedy = "; without it run with split.tasks=[semseg] split.scored=[semseg]" if field == "depth" else ""
    return line + remedy


def _classes(colours: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    """Colours to ids, by exact match; black is undefined."""
    found = colours.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    place = np.minimum(np.searchsorted(_CODES, found), len(_CODES) - 1)
    strange = found[_CODES[place] != found]
    if strange.size:
        colour = ",".join(str(strange[0] >> shift & 255) for shift in (16, 8, 0))
        line = f"colour {colour} on {np.sum(found == strange[0])} pixels is not in VKITTI2's table"
        raise ValueError(f"{short(path)}: {line}; was it resized with interpolation?")
    mapped: NDArray[np.uint8] = _IDS[place]
    return mapped
