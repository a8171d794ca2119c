"""Predictions on disk, what bench.predict writes and bench.score reads: a file an image and task, 16 bits a value.

FOLDER/semseg/STEM.png    8-bit class ids, at the label's size
FOLDER/depth/STEM.npy     uint16 h w, at the network's output size: ln metres, 1 mm to 1 km, relative error <= 1.1e-4
FOLDER/normals/STEM.npy   uint16 2 h w, at the network's output size: the octahedron unfolded, error <= 0.004 degrees

500 images with 1024x512 outputs of all three tasks take 1.6 GB.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import decoded, png, unfiltered

_NEAREST, _FARTHEST = 1e-3, 1e3  # metres
_TOP = 65535
_EVEN = 65534  # so that 0, and with it every axis, has a code of its own
_METRES = np.exp(np.linspace(math.log(_NEAREST), math.log(_FARTHEST), _TOP + 1)).astype(np.float32)
_SUFFIX = {"semseg": "png", "depth": "npy", "normals": "npy"}


def path(folder: Path, task: str, stem: str) -> Path:
    return folder / task / f"{stem}.{_SUFFIX[task]}"


def write(folder: Path, stem: str, maps: Mapping[str, NDArray[Any]]) -> None:
    """The maps of one image: semseg uint8 H W, depth float h w in metres, normals float h w 3."""
    for task, values in maps.items():
        file = path(folder, task, stem)
        file.parent.mkdir(parents=True, exist_ok=True)
        if task != "semseg" and not np.isfinite(values).all():
            raise ValueError(f"{task} of {stem}: the prediction is not finite")
        if task == "semseg":
            png(file, values.astype(np.uint8, casting="same_kind", copy=False))
        else:
            np.save(file, {"depth": depth_code, "normals": normals_code}[task](values))


def read(folder: Path, stem: str, task: str) -> NDArray[Any]:
    """One map as it was written, decoded. Raises ValueError, in one line, if it is missing or broken."""
    file = path(folder, task, stem)
    if not file.exists():
        raise ValueError(f"no {task} prediction for {stem}: looked for {file}")
    try:
        if task == "semseg":
            data = file.read_bytes()
            classes = decoded(data) if (ours := unfiltered(data)) is None else ours
            if classes.ndim != 2:
                raise ValueError("it has colours, expected 8-bit grey")
            return classes
        return {"depth": depth, "normals": normals}[task](np.load(file))
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{file} is no {task} prediction: {error}") from None


def depth_code(metres: NDArray[Any]) -> NDArray[np.uint16]:
    clamped = np.log(np.clip(metres.astype(np.float64), _NEAREST, _FARTHEST) / _NEAREST)
    return np.rint(clamped * (_TOP / math.log(_FARTHEST / _NEAREST))).astype(np.uint16)


def depth(code: NDArray[Any]) -> NDArray[np.float32]:
    if code.dtype != np.uint16 or code.ndim != 2:
        raise ValueError(f"it is {code.dtype} with {code.ndim} axes, not uint16 h w")
    metres: NDArray[np.float32] = _METRES[code]
    return metres


def normals_code(vectors: NDArray[Any]) -> NDArray[np.uint16]:
    """Directions h w 3 projected on |x| + |y| + |z| = 1, whose lower half is folded over the upper one's corners."""
    vectors = vectors.astype(np.float32)
    x, y, z = np.moveaxis(vectors / np.maximum(np.abs(vectors).sum(-1, keepdims=True), 1e-12), -1, 0)
    plane = np.where(z < 0, _folded(x, y), np.stack((x, y)))
    return np.rint((plane + 1) / 2 * _EVEN).astype(np.uint16)


def normals(code: NDArray[Any]) -> NDArray[np.float32]:
    if code.dtype != np.uint16 or code.ndim != 3 or len(code) != 2:
        raise ValueError(f"it is {code.dtype} of shape {code.shape}, not uint16 2 h w")
    x, y = code.astype(np.float32) / _EVEN * 2 - 1
    z = 1 - np.abs(x) - np.abs(y)
    x, y = np.where(z < 0, _folded(x, y), np.stack((x, y)))
    vectors: NDArray[np.float32] = np.stack((x, y, z), -1)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors


def _folded(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack(((1 - np.abs(y)) * np.where(x < 0, -1, 1), (1 - np.abs(x)) * np.where(y < 0, -1, 1)))
