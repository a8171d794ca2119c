"""Normals from the axes of their source to the camera's, and the proof that these axes were the right ones.

The camera's axes are OpenCV's (x right, y down, z forward), and a normal points towards the camera: n . p < 0 with p
the ray of its pixel. That is not n_z < 0: a floor seen by a camera that looks up has n_z > 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, normals_from_depth
from datasets.files import short

Axes = tuple[tuple[int, int, int], ...]  # 3 3: n = AXES @ stored

SAME: Axes = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
SIGNED_PERMUTATIONS: tuple[Axes, ...] = tuple(
    tuple((sign * row[0], sign * row[1], sign * row[2]) for sign, row in zip(signs, rows, strict=True))
    for rows in permutations(SAME)
    for signs in product((1, -1), repeat=3)
)


def towards_camera(
    stored: NDArray[Any], axes: NDArray[Any] | Sequence[Sequence[float]], camera: Camera, path: Path
) -> NDArray[np.float32]:  # H W 3
    """Unit normals in the camera's axes, zeros where there is none.

    stored: H W 3 in the axes of the source, zeros or NaN where invalid. axes: 3 3, one literal a source, or a
    rotation. A normal that points away from the camera (a surface seen from behind, or shaded round) is invalid.
    ValueError, naming the file, if most of them do: then the axes are other ones.
    """
    normals, valid, away = _turned(stored, axes, camera)
    if 2 * np.sum(away) > np.sum(valid):
        share = 100 * np.sum(away) / np.sum(valid)
        raise ValueError(
            f"{short(path)}: {share:.0f} % of the normals point away from the camera; are the axes others?"
        )
    normals[away] = 0
    return normals


def num_facing(stored: NDArray[Any], axes: NDArray[Any] | Sequence[Sequence[float]], camera: Camera) -> tuple[int, int]:
    """How many normals face the camera, and how many there are: `towards_camera` drops the others without a word."""
    _, valid, away = _turned(stored, axes, camera)
    return int(np.sum(valid & ~away)), int(np.sum(valid))


def _turned(
    stored: NDArray[Any], axes: NDArray[Any] | Sequence[Sequence[float]], camera: Camera
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:  # H W 3; H W; H W
    """Unit normals in the camera's axes; where there is one; where it points away."""
    valid = np.isfinite(stored).all(-1) & stored.any(-1)
    turned = stored[valid].astype(np.float32) @ np.asarray(axes, np.float32).T
    normals = np.zeros(stored.shape, np.float32)
    normals[valid] = turned / np.linalg.norm(turned, axis=-1, keepdims=True)
    away = valid & ((normals * camera.rays((stored.shape[1], stored.shape[0]))).sum(-1) >= 0)
    return normals, valid, away


def products(normals: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.float64]:  # 3 3
    """Sum of reference x normal over the pixels that have both: all that `best` has to know, and it adds up."""
    both = normals.any(-1) & reference.any(-1)
    return np.asarray(reference[both].astype(np.float64).T @ normals[both].astype(np.float64))


def best(total: NDArray[np.float64]) -> Axes:
    """Which of the 48 signed permutations brings the normals nearest to the reference: SAME if they are right.

    The sum of reference . (P normal) is linear in P, so one 3 3 matrix serves all of them.
    """
    return max(SIGNED_PERMUTATIONS, key=lambda axes: (float((total * axes).sum()), axes == SAME))


def best_axes(normals: NDArray[Any], depth: NDArray[Any], camera: Camera) -> tuple[Axes, float]:
    """`best` against the normals of a depth map, and its mean cosine.

    normals: H W 3 unit, invalid 0; depth: H W metres, planar, invalid 0. SAME is what a right loader gives. A picture
    of one wall does not tell: show at least three walls that are not parallel. ValueError if there is nothing to try.
    """
    seen = normals_from_depth(depth, camera)
    count = np.sum(seen.any(-1) & normals.any(-1))
    if not count:
        raise ValueError("best axes: no pixel has a normal and one from depth")
    total = products(normals, seen)
    found = best(total)
    return found, float((total * found).sum() / count)


def words(axes: Axes) -> str:
    """x -z y"""
    return " ".join(f"{'-' * (min(row) < 0)}{'xyz'[int(np.argmax(np.abs(row)))]}" for row in axes)
