"""Normals in the axes of any source are brought to the camera's, and a wrong literal is found out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.data.geometry import Camera, normals_from_depth
from bench.data.pack import Item
from datasets import minicity
from datasets.axes import SAME, SIGNED_PERMUTATIONS, Axes, best_axes, num_facing, towards_camera
from tests.fixtures_indoor import room

CAMERA = Camera(60.0, 62.0, 50.0, 30.0)
FILE = Path("a/b/normals.png")


def small_room(pitch: float = 8.0):
    return room((96, 72), (CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy), 0, pitch)


def degrees(a: NDArray, b: NDArray) -> NDArray:
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def inverse(axes: Axes) -> NDArray:
    return np.array(axes).T


def street() -> dict:
    """A rendered scene with many normals."""
    return minicity.read(Item("camera-train-00005"), ("depth", "normals"), (192, 96))


def test_there_are_48_different_signed_permutations() -> None:
    assert len(set(SIGNED_PERMUTATIONS)) == 48 and SAME in SIGNED_PERMUTATIONS
    assert all(abs(round(np.linalg.det(np.array(axes)))) == 1 for axes in SIGNED_PERMUTATIONS)


@pytest.mark.parametrize("source", SIGNED_PERMUTATIONS[::7], ids=str)
def test_the_axes_of_a_source_are_found_on_a_rendered_scene(source: Axes) -> None:
    scene = street()
    stored = scene["normals"] @ inverse(source).T  # n = source @ stored
    found, cosine = best_axes(stored, scene["depth"], scene["camera"])
    assert found == source and cosine > 0.9


def test_normals_that_a_right_loader_gives_need_no_other_axes() -> None:
    truth = small_room()
    found, cosine = best_axes(truth.normals, np.where(np.isfinite(truth.depth), truth.depth, 0), CAMERA)
    assert found == SAME and cosine > 0.99


def test_a_mirrored_picture_is_not_taken_for_other_axes() -> None:
    scene = street()
    _, cosine = best_axes(scene["normals"][:, ::-1], scene["depth"], scene["camera"])
    assert cosine < 0.9 * best_axes(scene["normals"], scene["depth"], scene["camera"])[1]


def test_without_a_common_pixel_there_is_nothing_to_try() -> None:
    with pytest.raises(ValueError, match="^best axes: no pixel has a normal and one from depth$"):
        best_axes(np.zeros((72, 96, 3)), np.ones((72, 96)), CAMERA)


@pytest.mark.parametrize("stem", ["render-train-00003", "camera-train-00005", "night-test-00007"])
def test_normals_from_depth_are_those_of_rendered_planes(stem: str) -> None:
    scene = minicity.read(Item(stem), ("depth", "normals"), (192, 96))
    windows = np.lib.stride_tricks.sliding_window_view(scene["normals"], (5, 5), axis=(0, 1))
    planar = (np.ptp(windows, (-2, -1)).max(-1) < 1e-3) & scene["normals"][2:-2, 2:-2].any(-1)
    found = normals_from_depth(scene["depth"], scene["camera"])[2:-2, 2:-2]
    both = planar & found.any(-1)
    assert planar.mean() > 0.2 and both.sum() > 0.9 * planar.sum()
    assert degrees(found, scene["normals"][2:-2, 2:-2])[both].mean() < 5


@pytest.mark.parametrize("pitch", [8.0, -6.0], ids=["looking down", "looking up"])
def test_normals_come_out_as_unit_vectors_towards_the_camera(pitch: float) -> None:
    truth = small_room(pitch)
    found = towards_camera(truth.normals * 0.97, SAME, CAMERA, FILE)
    there = truth.normals.any(-1)
    assert np.array_equal(found.any(-1), there) and found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found[there], axis=-1), 1, atol=1e-6)
    assert degrees(found, truth.normals)[there].max() < 0.1
    assert ((found * CAMERA.rays((96, 72))).sum(-1)[there] < 0).all()


def test_a_floor_that_a_camera_sees_while_looking_up_keeps_its_positive_z() -> None:
    truth = small_room(-6.0)
    floor = (truth.semseg == 2) & (np.arange(72)[:, None] > 36)
    assert floor.sum() > 100
    assert (towards_camera(truth.normals, SAME, CAMERA, FILE)[floor][:, 2] > 0.1).all()


@pytest.mark.parametrize("invalid", [0.0, np.nan])
def test_zeros_and_nan_are_no_normals(invalid: float) -> None:
    stored = small_room().normals.astype(np.float16)
    stored[30:40] = invalid
    assert not towards_camera(stored, SAME, CAMERA, FILE)[30:40].any()


def test_a_surface_seen_from_behind_has_no_normal() -> None:
    stored = small_room().normals.copy()
    stored[40:50] *= -1
    found = towards_camera(stored, SAME, CAMERA, FILE)
    assert not found[40:50].any() and found[50:].any(-1).all()
    facing, there = num_facing(stored, SAME, CAMERA)
    assert (facing, there) == (found.any(-1).sum(), stored.any(-1).sum()) and there - facing == 10 * 96


def test_normals_that_mostly_point_away_are_in_other_axes() -> None:
    line = r"^a/b/normals.png: 100 % of the normals point away from the camera; are the axes others\?$"
    with pytest.raises(ValueError, match=line):
        towards_camera(-small_room().normals, SAME, CAMERA, FILE)
