"""KITTI's 200 frames with both classes and depth (Alhaija et al. 2018; Menze and Geiger, CVPR 2015), about 1242x375.

ROOT/training/{image_2,semantic}/%06d_10.png of data_semantics.zip and ROOT/training/disp_occ_0/%06d_10.png of
data_scene_flow.zip, unpacked in one folder or each in its own. Depth is sparse: from LiDAR, and car models fitted.
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
from datasets.facts import Facts
from datasets.files import absent, known_part, listing, log, only, renamed, require, same_size, short
from datasets.pictures import picture, picture_size, samples
from datasets.spaces import CITYSCAPES_IDS, CS19

NEEDS_ROOT = True
HELP = (
    "expected training/image_2/, training/semantic/, training/disp_occ_0/ there, "
    "or data_semantics/ and data_scene_flow/. Had at cvlibs.net, after registration"
)
TASKS = ("semseg", "depth")
CLASSES = CS19

# The left colour camera and its baseline in metres, calibrated anew on each day of driving. A picture does not say its
# day, but its size does: rectification left another one each day. Projections P_rect_02 and P_rect_03 of
# calib_cam_to_cam.txt: fx, cx, cy, and the baseline as the difference of their offsets over fx.
_RIGS: dict[Size, tuple[Camera, float]] = {
    (1242, 375): (Camera(721.5377, 721.5377, 609.5593, 172.854), 0.532725),  # 2011_09_26
    (1224, 370): (Camera(707.0493, 707.0493, 604.0814, 180.5066), 0.537256),  # 2011_09_28
    (1238, 374): (Camera(718.3351, 718.3351, 600.3891, 181.5122), 0.530140),  # 2011_09_29
    (1226, 370): (Camera(707.0912, 707.0912, 601.8873, 183.1104), 0.537904),  # 2011_09_30
    (1241, 376): (Camera(718.856, 718.856, 607.1928, 185.2157), 0.532332),  # 2011_10_03
}
FACTS = Facts(
    counts={"train": 200},
    sizes=tuple(_RIGS),
    forms={"image": ("8-bit RGB",), "semseg": ("8-bit grey", "16-bit grey"), "depth": ("16-bit grey",)},
    median_depth=(3.0, 60.0),
)

_VOID = (*range(7), 9, 10, 14, 15, 16, 18, 29, 30, 255)  # 255: license plate, -1 as a byte
_FILES = {  # field: archive, folder
    "image": ("data_semantics", "image_2"),
    "semseg": ("data_semantics", "semantic"),
    "depth": ("data_scene_flow", "disp_occ_0"),
}
_LAYOUTS = ("training", "{0}/training")  # the archives unpacked in one folder, or each in its own
_NAME = re.compile(r"\d{6}_10\.png")  # NNNNNN_11 is the frame after it, without a label


def index(root: Path | None, part: str) -> list[Item]:
    """The frames by number. Looks at images only."""
    known_part("kitti", part, FACTS.counts)
    layout = next((words for words in _LAYOUTS if root and _place(root, words, "image").is_dir()), None)
    if root is None or layout is None:
        raise absent("kitti", root, "training/image_2", HELP)
    folders = {field: _place(root, layout, field) for field in _FILES}
    names = listing(folders["image"], _NAME)
    expected = FACTS.counts[part]
    if not names:
        raise FileNotFoundError(f"kitti: training/image_2/ has 0 files matching NNNNNN_10.png, expected {expected}")
    if len(names) != expected:
        log.warning("kitti: %d images, %d expected", len(names), expected)
    if not folders["semseg"].is_dir() and (instances := folders["semseg"].with_name("instance")).is_dir():
        folders["semseg"] = instances
    return [Item(name[:-4], {field: place / name for field, place in folders.items()}) for name in names]


def read(item: Item, what: Collection[str], size: Size | None = None) -> dict[str, Any]:
    """What is asked for of a frame, as stored: cs19 ids, planar depth in metres (0 where nothing was measured)."""
    only("kitti", what, (*_FILES, "camera"))
    for field, (archive, folder) in _FILES.items():
        if field in what and not item.files[field].parent.is_dir():
            remedy = "; without it run with split.tasks=[semseg] split.scored=[semseg]" if field == "depth" else ""
            raise FileNotFoundError(f"kitti: training/{folder} is missing; it is in {archive}.zip{remedy}")
    require(item.files, {*what, "image"} if "camera" in what else what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        fields["semseg"] = _classes(item.files["semseg"])
    camera = _rig(picture_size(item.files["image"]), item.files["image"])[0] if "camera" in what else None
    if "depth" in what:
        fields["depth"], camera = _metres(item.files["depth"])
    same_size(fields, item.files)
    return fields | {"camera": camera}


def _place(root: Path, layout: str, field: str) -> Path:
    archive, folder = _FILES[field]
    return root / layout.format(archive) / folder


def _rig(size: Size, path: Path) -> tuple[Camera, float]:
    """Camera and baseline of the day whose pictures have this size."""
    if size not in _RIGS:
        known = ", ".join(f"{width}x{height}" for width, height in _RIGS)
        raise ValueError(f"{short(path)}: {size[0]}x{size[1]}, expected {known}: was it resized?")
    return _RIGS[size]


def _classes(path: Path) -> NDArray[np.uint8]:
    """Label ids, or what they are in the other form of the labels, 256 label id + instance."""
    if path.parent.name == "instance":
        ids = samples(path, "16-bit grey", meaning="256 label id + instance") // 256
    else:
        ids = samples(path, "8-bit grey")
    return renamed(ids, CITYSCAPES_IDS, _VOID, path)


def _metres(path: Path) -> tuple[NDArray[np.float32], Camera]:
    """z = fx baseline / d with d = p / 256 pixels; p = 0 is no measurement."""
    p = samples(path, "16-bit grey", meaning="256 disparity")
    camera, baseline = _rig((p.shape[1], p.shape[0]), path)
    valid = p > 0
    if not valid.any():
        raise ValueError(f"{short(path)}: no valid pixel (all 0)")
    z = np.zeros(p.shape, np.float32)
    z[valid] = camera.fx * baseline * 256 / p[valid]
    return z, camera
