"""The trees that prove the indoor loaders right are themselves right: read a second way, byte by byte."""

from __future__ import annotations

import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from datasets.spaces import NYU13, NYU40
from tests import fixtures_indoor as indoor

cv2 = pytest.importorskip("cv2", reason="opencv is the second library that reads what the fixtures wrote")


@pytest.mark.parametrize("pitch", [8.0, -6.0])
def test_a_room_is_seen_from_inside_along_the_rays(pitch: float) -> None:
    truth = indoor.room((96, 72), (60.0, 62.0, 50.0, 30.0), 1, pitch)
    v, u = np.mgrid[:72, :96]
    rays = np.stack([(u - 50) / 60, (v - 30) / 62, np.ones(u.shape)], -1)
    seen = np.isfinite(truth.depth)
    assert 0.8 < seen.mean() < 1 and ((truth.normals * rays).sum(-1)[seen] < 0).all()
    assert not truth.normals[~seen].any()
    distances = -(rays[seen] * truth.depth[seen][:, None] * truth.normals[seen]).sum(-1)  # of each side from the camera
    assert set(np.round(distances, 9)) <= {1.4, 1.1, 1.3, 2.3, 3.1, 1.0} and len(np.unique(np.round(distances, 9))) > 3


def test_a_room_is_not_its_mirror_picture() -> None:
    truth = indoor.room((96, 72), (60.0, 62.0, 50.0, 30.0), 0)
    for way in (np.s_[:, ::-1], np.s_[::-1], np.s_[::-1, ::-1]):
        assert (truth.image[way] != truth.image).any(-1).mean() > 0.9
        assert (truth.semseg[way] != truth.semseg).mean() > 0.05


def test_the_mat_has_a_user_block_and_its_axes_in_reverse(tmp_path: Path) -> None:
    truths = indoor.nyuv2(tmp_path, normals=False)
    data = (tmp_path / indoor.NYU_MAT).read_bytes()
    assert data.startswith(b"MATLAB 7.3 MAT-file") and data[512:520] == b"\x89HDF\r\n\x1a\n"
    with h5py.File(tmp_path / indoor.NYU_MAT) as file:
        _, packed = file["images"].id.read_direct_chunk((1, 0, 0, 0))
        _, labels = file["labels"].id.read_direct_chunk((1, 0, 0))
        assert file["labels"].dtype == np.uint16 and file["depths"].shape == (6, 640, 480)
    image = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(3, 640, 480)  # C order: rows of a column together
    assert all(np.array_equal(image[:, x, 11], truths["0002"].image[11, x]) for x in range(0, 640, 7))
    typed = np.frombuffer(zlib.decompress(labels), np.uint16).reshape(640, 480)
    assert typed.max() > 255 and typed[10, 5] == 0
    assert indoor.TO40[typed[11:51, 5] - 1].tolist() == list(range(1, 41))


def test_the_normals_of_nyu_are_pictures_of_right_forward_and_up(tmp_path: Path) -> None:
    truths = indoor.nyuv2(tmp_path)
    codes = cv2.imread(str(tmp_path / "normals_gt/normals/0002.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    mask = cv2.imread(str(tmp_path / "normals_gt/masks/0002.png"), cv2.IMREAD_UNCHANGED)
    assert codes.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}
    right, forward, up = np.moveaxis(codes[mask > 0] / 127 - 1, -1, 0)
    truth = truths["0003"].normals[mask > 0]
    assert np.allclose(np.stack([right, -up, forward], -1), truth, atol=0.005)


def test_the_table_of_40_to_13_is_the_suites_and_the_specifications() -> None:
    from datasets.spaces import mapping

    found = mapping(NYU40, NYU13)[:40] + 1
    assert found.tolist() == list(indoor.NYU13_OF_40[1:])


def test_hypersims_rays_are_those_of_its_matrices(tmp_path: Path) -> None:
    """Points from the distances, by the devkit's recipe, are in the tilted camera's axes where the truth has them."""
    truths = indoor.hypersim(tmp_path)
    lines = (tmp_path / indoor.HYPERSIM_CAMERAS).read_text().splitlines()
    matrix = np.array(lines[2].split(",")[2:], float).reshape(3, 3)
    u, v = np.meshgrid((np.arange(96) + 0.5) / 48 - 1, 1 - (np.arange(72) + 0.5) / 36)
    rays = np.stack([u, v, np.ones(u.shape)], -1) @ matrix.T  # OpenGL's axes
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    with h5py.File(tmp_path / "ai_052_010/images/scene_cam_00_geometry_hdf5/frame.0012.depth_meters.hdf5") as file:
        distance = file["dataset"][:].astype(float)
    with h5py.File(tmp_path / "ai_052_010/images/scene_cam_00_geometry_hdf5/frame.0012.normal_cam.hdf5") as file:
        normals = file["dataset"][:].astype(float)
    truth = truths["ai_052_010_cam_00_0012"]
    there = np.isfinite(distance)
    points = (rays * distance[..., None])[there] @ np.diag([1, -1, -1]) @ indoor.HYPERSIM_TILT.T
    assert np.allclose(points[:, 2], truth.depth[there], rtol=1e-3)
    assert ((normals * rays).sum(-1)[there] < 0).all()
    assert np.allclose(normals[there] @ np.diag([1, -1, -1]) @ indoor.HYPERSIM_TILT.T, truth.normals[there], atol=2e-3)


def test_the_pictures_of_scenenet_and_pbrs_are_of_16_bits(tmp_path: Path) -> None:
    indoor.scenenet(tmp_path / "a")
    indoor.pbrs(tmp_path / "b")
    house = tmp_path / "b/projects_render/0004d52d1aeeb8ae6de39d6bd993e992"
    names = ("000000_depth.png", "000000_xnormal.png", "000000_node.png")
    for path in (
        tmp_path / "a/val/0/9/depth/0.png",
        tmp_path / "a/val/0/9/instance/0.png",
        *(house / n for n in names),
    ):
        array = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert array.dtype == np.uint16 and array.ndim == 2 and array.max() > 255
