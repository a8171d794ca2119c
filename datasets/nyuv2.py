"""NYU Depth v2 (Silberman et al., ECCV 2012): 1449 rooms seen by a Kinect, 640x480, with 40 classes, depth, normals.

ROOT/nyu_depth_v2_labeled.mat, splits.mat, classMapping40.mat and, for normals, those of Eigen and Fergus (ICCV 2015):
normals_gt/{normals,masks}/%04d.png. Without normals_gt/ the data set has classes and depth only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, Size
from bench.data.pack import Item
from datasets.arrays import hdf5, hdf5_header, needs
from datasets.axes import num_facing, towards_camera
from datasets.facts import Facts
from datasets.files import NotThere, known_part, log, only, renamed, require, same_size, short
from datasets.matlab import numbers
from datasets.pictures import picture
from datasets.spaces import NYU40

NEEDS_ROOT = True
HELP = (
    "expected nyu_depth_v2_labeled.mat, splits.mat, classMapping40.mat and, for normals, normals_gt/ there. "
    "Had at cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html, without registration"
)
TASKS = ("semseg", "depth", "normals")
CLASSES = NYU40

SIZE = (640, 480)
CAMERA = Camera(fx=518.85790117, fy=519.46961112, cx=324.58244941, cy=252.73616633)  # MATLAB's cx, cy less 1
AXES = ((1, 0, 0), (0, 0, -1), (0, 1, 0))  # normals_gt/ stores (right, forward, up)
FACTS = Facts(
    counts={"train": 795, "test": 654},
    sizes=(SIZE,),
    forms={
        "image": ("uint8 images",),
        "semseg": ("uint16 labels",),
        "depth": ("float32 depths",),
        "normals": ("8-bit RGB",),
    },
    median_depth=(0.7, 10.0),
    depth_unit=1.0,
    no_void="this repack merges class 40, otherprop, and void",
)

_MAT, _TO_40 = "nyu_depth_v2_labeled.mat", "classMapping40.mat"
_IDS = {number: number - 1 for number in range(1, 41)}  # classMapping40.mat's number -> nyu40; otherprop is 39
_VOID = (0,)
OPTIONAL = ("normals",)  # a download of its own: without it a test set is scored in the other tasks
_LABELS = 894  # classes as they were typed, which classMapping40.mat puts into 40
_PARTS = {"train": "trainNdxs", "test": "testNdxs"}


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part by number, 1-based as in splits.mat. Looks at images and lists only."""
    known_part("nyuv2", part, _PARTS)
    needs("nyuv2", "h5py")
    if root is None or not (root / _MAT).exists():
        place = f"no {_MAT} at {root}" if root is not None else "no folder was given"
        raise NotThere(f"nyuv2: {place}; {HELP}. split=minicity needs no data")
    mat = root / _MAT
    normals = root / "normals_gt" / "normals"
    files, beside = {"image": mat, "semseg": mat, "depth": mat}, {"semseg": (mat.with_name(_TO_40),)}
    items = []
    for frame in _frames(root / "splits.mat", part, _upright(mat)):
        path = normals / f"{frame - 1:04d}.png"
        own = (files | {"normals": path}, beside | {"normals": (_mask(path),)}) if normals.is_dir() else (files, beside)
        items.append(Item(f"{frame:04d}", *own))
    return items


def read(item: Item, what: Collection[str], size: Size | None = None) -> dict[str, Any]:
    """What is asked for of a frame, as stored: nyu40 ids, filled planar depth in metres, normals where measured."""
    only("nyuv2", what, ("image", *TASKS, "camera"))
    if "normals" in what and "normals" not in item.files:
        remedy = "without it run with split.tasks=[semseg,depth] split.scored=[semseg,depth]"
        raise FileNotFoundError(f"nyuv2: normals_gt/ is missing beside {_MAT}; it is in normals_gt.tgz; {remedy}")
    require(item.files, what)
    frame = int(item.stem) - 1
    fields: dict[str, Any] = {}
    if "image" in what:
        # MATLAB's arrays come with their axes in reverse: transposed, not rotated, or the picture is a mirror's
        fields["image"] = hdf5(item.files["image"], "images", frame).transpose(2, 1, 0)
    if "semseg" in what:
        fields["semseg"] = _classes(item.files["semseg"], frame)
    if "depth" in what:
        fields["depth"] = _metres(item.files["depth"], frame)
    if "normals" in what:
        path = item.files["normals"]
        fields["normals"] = towards_camera(_stored(path), AXES, CAMERA, path)
    same_size(fields, item.files)
    return fields | {"camera": CAMERA}


def facing(item: Item) -> tuple[int, int]:
    """How many stored normals face the camera, and how many there are, for the verifier: `read` drops the others."""
    return num_facing(_stored(item.files["normals"]), AXES, CAMERA)


def check(item: Item) -> Iterator[str]:
    """A frame without its white border: it was cut, mirrored or rotated."""
    image = hdf5(item.files["image"], "images", int(item.stem) - 1).transpose(2, 1, 0)
    sides = {"left": image[:, 0], "right": image[:, -1], "top": image[0], "bottom": image[-1]}
    if bare := [side for side, pixels in sides.items() if (pixels < 255).any()]:
        where = f"frame {int(item.stem)} has no white border at the {' and '.join(bare)}"
        yield f"{short(item.files['image'])}: {where}; mirrored or rotated?"


def _upright(mat: Path) -> int:
    """How many frames there are; refuse other axes than MATLAB's, and pictures that were rotated instead of transposed.

    Frames have a white border: 7 columns on the left and 8 on the right, 7 rows above and 6 below.
    """
    some = hdf5(mat, "images", np.s_[:8])
    if some.dtype != np.uint8 or some.shape[1:] != (3, *SIZE):
        got = f"{' '.join(map(str, some.shape[1:]))} of {some.dtype}"
        raise ValueError(f"{short(mat)}: a frame of images is {got}, expected 3 640 480 of uint8; is this a repack?")
    columns, rows = np.nonzero((some < 255).any((0, 1)))
    borders = (columns.min(), SIZE[0] - 1 - columns.max()), (rows.min(), SIZE[1] - 1 - rows.max())
    if borders[0] == (8, 7) or borders[1] == (6, 7):
        raise ValueError(
            f"{short(mat)}: frame 1 looks mirrored (white border on the other side); transpose, do not rotate"
        )
    return hdf5_header(mat, "images")[1][0]


def _frames(path: Path, part: str, count: int) -> list[int]:
    """The numbers of a part's frames, 1 .. count; no frame is in two parts."""
    lists = dict(
        zip(_PARTS, (array.ravel().astype(np.int64) for array in numbers(path, *_PARTS.values())), strict=True)
    )
    every = np.sort(np.concatenate(list(lists.values())))
    sizes = "/".join(str(number) for number in FACTS.counts.values())
    if not every.size or every[0] < 1 or every[-1] > count or len(np.unique(every)) < len(every):
        got = f"minimum {every[0]}" if every.size and every[0] < 1 else f"{len(every)} of 1..{max([0, *every])}"
        raise ValueError(f"{path.name}: {sizes} expected with values 1..{count}, got {got}")
    if len(lists[part]) != FACTS.counts[part]:
        log.warning("nyuv2: %s has %d frames, %d expected", part, len(lists[part]), FACTS.counts[part])
    return sorted(int(number) for number in lists[part])


def _classes(mat: Path, frame: int) -> NDArray[np.uint8]:
    path = mat.with_name(_TO_40)
    to40 = numbers(path, "mapClass")[0].ravel().astype(np.int64)
    least, most = min(to40.tolist(), default=0), max(to40.tolist(), default=0)
    if len(to40) != _LABELS or least < 0 or most > 40:
        got = f"{len(to40)} from {least} to {most}"
        raise ValueError(f"{short(path)}: mapClass has {got}, expected {_LABELS} from 0 to 40")
    labels = hdf5(mat, "labels", frame).T
    if labels.max() > _LABELS:
        row, column = np.argwhere(labels > _LABELS)[0]
        first = f"first in frame {frame + 1} at row {row}, column {column}"
        raise ValueError(f"{short(mat)}: id {labels[row, column]}, known ids 0-{_LABELS}; {first}")
    return renamed(np.concatenate([[0], to40]).astype(np.uint8)[labels], _IDS, _VOID, mat)


def _metres(mat: Path, frame: int) -> NDArray[np.float32]:
    depth = hdf5(mat, "depths", frame).T
    if bad := int(np.sum(~np.isfinite(depth))):
        raise ValueError(f"{short(mat)}: {bad} NaN in frame {frame + 1} of depths, expected 0 for invalid")
    return np.ascontiguousarray(depth, np.float32)


def _mask(path: Path) -> Path:
    return path.parents[1] / "masks" / path.name


def _stored(path: Path) -> NDArray[Any]:
    """n = p / 127 - 1, and none where p is 127 or the mask is 0."""
    mask = _mask(path)
    require({"normals": path, "masks": mask}, ("normals", "masks"))
    stored = picture(path).astype(np.float32) / 127 - 1
    inside = picture(mask)[..., 0] > 0
    same_size({"normals": stored, "mask": inside}, {"normals": path, "mask": mask})
    stored[~inside] = 0
    return stored
