"""Hypersim (Roberts et al., ICCV 2021): 74619 rendered views of 457 rooms, 1024x768, with 40 classes, depth, normals.

ROOT/ai_VVV_NNN/images/scene_cam_XX_{final_preview/frame.IIII.tonemap.jpg, geometry_hdf5/frame.IIII.*.hdf5},
ROOT/metadata_images_split_scene_v1.csv, and ROOT/metadata_camera_parameters.csv for scenes with tilted lenses.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, Size, planar_depth
from bench.data.pack import Item
from datasets.arrays import hdf5, needs
from datasets.axes import num_facing, towards_camera
from datasets.facts import Facts
from datasets.files import absent, known_part, listing, log, only, renamed, require, same_size, short
from datasets.pictures import picture
from datasets.spaces import NYU40

NEEDS_ROOT = True
HELP = (
    "expected ai_VVV_NNN/images/ and metadata_images_split_scene_v1.csv there. "
    "Had at github.com/apple/ml-hypersim, without registration"
)
TASKS = ("semseg", "depth", "normals")
CLASSES = NYU40

AXES = ((1, 0, 0), (0, -1, 0), (0, 0, -1))  # stored in OpenGL's: x right, y up, z backward
FACTS = Facts(
    counts={"train": 59543, "val": 7386, "test": 7690},
    spare=("train", "val", "test"),  # a download is seldom whole
    sizes=((1024, 768),),
    forms={
        "image": ("JPEG",),
        "semseg": ("int16 dataset",),
        "depth": ("float16 dataset",),
        "normals": ("float16 dataset",),
    },
    median_depth=(0.3, 50.0),
    depth_unit=1.0,
)

_IDS = {number: number - 1 for number in range(1, 41)}
_VOID = (-1,)
_SPLIT = "metadata_images_split_scene_v1.csv"  # scene, camera, frame and part of each
_CAMERAS = "metadata_camera_parameters.csv"
_VIEW = 60.0  # degrees from left to right, of scenes without a row there
_FILES = {  # field: end of the folder, end of the file
    "image": ("final_preview", "tonemap.jpg"),
    "semseg": ("geometry_hdf5", "semantic.hdf5"),
    "depth": ("geometry_hdf5", "depth_meters.hdf5"),
    "normals": ("geometry_hdf5", "normal_cam.hdf5"),
}
_NAME = re.compile(r"frame\.\d{4}\..+")
_OBLIQUE = 1e-3  # the sine of the angle by which a picture's axes may fail to be perpendicular


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part that are on the disk, by scene, camera and number. Looks at images and lists only."""
    known_part("hypersim", part, FACTS.counts)
    needs("hypersim", "h5py")
    if root is None or not any(root.glob("ai_*")):
        raise absent("hypersim", root, "ai_001_001", HELP)
    if not (root / _SPLIT).is_file():
        where = "it is in github.com/apple/ml-hypersim, evermotion_dataset/analysis"
        raise FileNotFoundError(f"hypersim: {_SPLIT} is missing; {where}")
    listed = sorted(_listed(root / _SPLIT, part))
    matrices = _matrices(root)
    if not matrices:
        log.warning("hypersim: no %s: one camera for all scenes, wrong where a lens is tilted or shifted", _CAMERAS)
    oblique = {scene for scene, matrix in matrices.items() if not _perpendicular(matrix)}
    there = {folder: _frames(folder) for folder in sorted({_place(root, *names[:2], "image") for names in listed})}
    beside = {"image": (root / _CAMERAS,) if matrices else ()}  # whatever is read comes with its camera
    items = [
        Item(f"{scene}_{camera}_{frame:04d}", _files(root, scene, camera, frame), beside)
        for scene, camera, frame in listed
        if scene not in oblique and f"frame.{frame:04d}.tonemap.jpg" in there[_place(root, scene, camera, "image")]
    ]
    if len(items) < len(listed):
        log.warning("hypersim: %s: %d of %d frames left out", part, len(listed) - len(items), len(listed))
    if oblique:
        log.warning("hypersim: no pinhole shows %s, tilted both ways", " ".join(sorted(oblique)))
    if not items:
        raise FileNotFoundError(f"hypersim: none of the {len(listed)} frames that {_SPLIT} lists for {part} is there")
    return items


def read(item: Item, what: Collection[str], size: Size | None = None) -> dict[str, Any]:
    """What is asked for of a view: nyu40 ids, planar depth in metres (0: background), normals (0: background).

    Through a tilted lens they are those of the camera that looks along the picture's axis: a pinhole's.
    """
    only("hypersim", what, (*_FILES, "camera"))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        path = item.files["semseg"]
        fields["semseg"] = renamed(hdf5(path, "dataset"), _IDS, _VOID, path)
    if "depth" in what:
        fields["depth"] = hdf5(item.files["depth"], "dataset")
    if "normals" in what:
        fields["normals"] = hdf5(item.files["normals"], "dataset")
    same_size(fields, item.files)
    height, width = (list(fields.values()) or [picture(item.files["image"])])[0].shape[:2]
    camera, turn = _pinhole(_matrix(item), (width, height))
    if "depth" in fields:
        fields["depth"] = _metres(fields["depth"], camera, item.files["depth"])
    if "normals" in fields:
        fields["normals"] = towards_camera(fields["normals"], turn @ AXES, camera, item.files["normals"])
    return fields | {"camera": camera}


def facing(item: Item) -> tuple[int, int]:
    """How many stored normals face the camera, and how many there are, for the verifier: `read` drops the others."""
    stored = hdf5(item.files["normals"], "dataset")
    camera, turn = _pinhole(_matrix(item), (stored.shape[1], stored.shape[0]))
    return num_facing(stored, turn @ AXES, camera)


def _place(root: Path, scene: str, camera: str, field: str) -> Path:
    return root / scene / "images" / f"scene_{camera}_{_FILES[field][0]}"


def _files(root: Path, scene: str, camera: str, frame: int) -> dict[str, Path]:
    return {field: _place(root, scene, camera, field) / f"frame.{frame:04d}.{_FILES[field][1]}" for field in _FILES}


def _frames(folder: Path) -> frozenset[str]:
    """The files of a camera; a download is seldom whole."""
    return frozenset(listing(folder, _NAME)) if folder.is_dir() else frozenset()


def _rows(path: Path, *columns: str) -> Iterator[list[str]]:
    """These columns of a csv file, row by row."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        for column in columns:
            if column not in (rows.fieldnames or ()):
                raise ValueError(f"{short(path)}: no column {column}; is it another csv file?")
        for row in rows:
            yield [row[column] or "" for column in columns]


def _listed(path: Path, part: str) -> Iterator[tuple[str, str, int]]:
    """Scene, camera and number of each frame of a part; a frame that was not published is in none."""
    for scene, camera, frame, partition in _rows(path, "scene_name", "camera_name", "frame_id", "split_partition_name"):
        if partition == part:
            yield scene, camera, int(frame)


def _matrices(root: Path) -> dict[str, NDArray[np.float64]]:
    """{scene: M_cam_from_uv}, empty where the root has no list of them."""
    path = root / _CAMERAS
    return _parsed(path, path.stat().st_mtime_ns) if path.exists() else {}


@lru_cache(maxsize=4)
def _parsed(path: Path, changed: int) -> dict[str, NDArray[np.float64]]:
    entries = [f"M_cam_from_uv_{row}{column}" for row in range(3) for column in range(3)]
    rows = list(_rows(path, "scene_name", *entries))
    try:
        return {scene: np.array(numbers, np.float64).reshape(3, 3) for scene, *numbers in rows if all(numbers)}
    except ValueError as error:
        raise ValueError(f"{short(path)}: {error}; expected numbers") from None


def _matrix(item: Item) -> NDArray[np.float64] | None:
    folder = item.files["image"].parents[2]
    return _matrices(folder.parent).get(folder.name)


def _perpendicular(matrix: NDArray[np.float64]) -> bool:
    across, up = matrix[:, 0], matrix[:, 1]
    return abs(float(across @ up)) <= _OBLIQUE * float(np.linalg.norm(across) * np.linalg.norm(up))


def _pinhole(matrix: NDArray[np.float64] | None, size: Size) -> tuple[Camera, NDArray[np.float64]]:
    """The camera of a picture, and the rotation from the scene's camera axes to its own.

    matrix: from (u, v, 1), u right and v up in -1..1 from border to border, to rays in OpenGL's axes. A tilted lens is
    a pinhole that looks another way: matrix = rotation x triangle, and the triangle holds the intrinsics.
    """
    width, height = size
    if matrix is None:
        half = np.tan(np.radians(_VIEW / 2))
        matrix = np.diag([half, half * height / width, -1.0])
    uv = np.array([[2 / width, 0, 1 / width - 1], [0, -2 / height, 1 - 1 / height], [0, 0, 1]])  # of a pixel's centre
    rotation, triangle = np.linalg.qr(np.array(AXES) @ matrix @ uv)
    signs = np.sign(np.diag(triangle))
    rotation, triangle = rotation * signs, signs[:, None] * triangle / abs(triangle[2, 2])
    fx, fy = 1 / triangle[0, 0], 1 / triangle[1, 1]
    camera = Camera(float(fx), float(fy), float(-triangle[0, 2] * fx), float(-triangle[1, 2] * fy))
    return camera, rotation.T


def _metres(distance: NDArray[Any], camera: Camera, path: Path) -> NDArray[np.float32]:
    """Distances to the camera -> depth along its axis; NaN is the background."""
    valid = np.isfinite(distance) & (distance > 0)
    if not valid.any():
        raise ValueError(f"{short(path)}: no valid pixel (all NaN or 0)")
    return planar_depth(np.where(valid, distance, 0).astype(np.float32), camera)
