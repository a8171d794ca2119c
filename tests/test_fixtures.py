"""The trees that prove the loaders right are themselves right: a second library reads what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import fixtures

cv2 = pytest.importorskip("cv2", reason="opencv is the second library that reads what the fixtures wrote")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3)])
def test_a_png_holds_the_array(tmp_path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    fixtures.png(tmp_path / "deep" / "a.png", array)
    found = cv2.imread(str(tmp_path / "deep" / "a.png"), cv2.IMREAD_UNCHANGED)
    assert found.dtype == dtype
    assert (found == (array[..., ::-1] if array.ndim == 3 else array)).all()


def test_a_palette_png_shows_the_colours_of_its_indices(tmp_path: Path) -> None:
    palette = np.random.default_rng(0).integers(0, 256, (35, 3), np.uint8)
    indices = np.arange(35, dtype=np.uint8).reshape(5, 7)
    fixtures.png(tmp_path / "a.png", indices, palette)
    assert (cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_COLOR)[..., ::-1] == palette[indices]).all()


def test_a_street_is_seen_from_the_front_of_its_surfaces() -> None:
    truth = fixtures.street((128, 64), (141.0, 142.0, 63.5, 31.5), 0)
    fx, fy, cx, cy = truth.camera
    v, u = np.mgrid[:64, :128]
    rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones(u.shape)], -1)
    solid = np.isfinite(truth.depth)
    assert 0 < solid.mean() < 1
    assert ((truth.normals * rays).sum(-1)[solid] < 0).all()
    assert not truth.normals[~solid].any()
    points = rays[solid] * truth.depth[solid][:, None]
    assert np.allclose(points[truth.semseg[solid] != 2][:, 1], 1.5)
    assert np.allclose(points[truth.semseg[solid] == 2][:, 2], 25)


def test_synthias_pictures_are_as_the_specification_says(tmp_path: Path) -> None:
    fixtures.synthia(tmp_path / "RGB GT")
    labels = cv2.imread(str(tmp_path / "RGB GT/GT/LABELS/0000000.png"), cv2.IMREAD_UNCHANGED)
    depth = cv2.imread(str(tmp_path / "RGB GT/Depth/Depth/0000000.png"), cv2.IMREAD_UNCHANGED)
    assert labels.shape == depth.shape == (760, 1280, 3)
    assert labels.dtype == depth.dtype == np.uint16
    assert set(np.unique(labels[..., 2])) == set(range(23))
    assert labels[..., 1].min() >= 300 and not labels[..., 0].any()
    assert (depth[..., :1] == depth).all() and depth.max() == 65535


def test_cityscapes_pictures_are_as_the_specification_says(tmp_path: Path) -> None:
    fixtures.cityscapes(tmp_path)
    stem = "aachen/aachen_000000_000019"
    ids = cv2.imread(str(tmp_path / f"gtFine/train/{stem}_gtFine_labelIds.png"), cv2.IMREAD_UNCHANGED)
    instances = cv2.imread(str(tmp_path / f"gtFine/train/{stem}_gtFine_instanceIds.png"), cv2.IMREAD_UNCHANGED)
    disparity = cv2.imread(str(tmp_path / f"disparity/train/{stem}_disparity.png"), cv2.IMREAD_UNCHANGED)
    assert (ids.dtype, instances.dtype, disparity.dtype) == (np.uint8, np.uint16, np.uint16)
    assert set(range(34)) == set(np.unique(ids))
    assert (np.where(instances < 1000, instances, instances // 1000) == ids).all()
    assert {0, 1} <= set(np.unique(disparity))
