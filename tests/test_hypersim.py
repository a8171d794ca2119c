"""Hypersim comes back from disk as it was written, in a pinhole's depth and axes, and a fault in it is one line."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from datasets import hypersim
from datasets.axes import SAME, best_axes
from tests import fixtures
from tests import fixtures_indoor as indoor

Tree = tuple[Path, dict[str, fixtures.Truth]]
ALL = ("image", "semseg", "depth", "normals")
STEMS = ["ai_001_001_cam_00_0000", "ai_001_001_cam_01_0003", "ai_052_010_cam_00_0012"]
FIRST = "ai_001_001/images/scene_cam_00_geometry_hdf5/frame.0000"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("hypersim") / "ai images.v1"
    return folder, indoor.hypersim(folder)


@pytest.fixture
def root(tree: Tree, tmp_path: Path) -> Path:
    """A copy to break."""
    return shutil.copytree(tree[0], tmp_path / "ai images.v1")


def read(root: Path, what: tuple[str, ...] = ALL, position: int = 0) -> dict[str, np.ndarray]:
    return hypersim.read(hypersim.index(root, "train")[position], what)


def fault(root: Path | None, what: tuple[str, ...] = ALL, part: str = "train") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in hypersim.index(root, part):
            hypersim.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rewrite(path: Path, array: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        file["dataset"] = array


def degrees(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def test_views_come_back_as_written_also_through_a_tilted_lens(tree: Tree) -> None:
    folder, truths = tree
    for item in hypersim.index(folder, "train"):
        truth, found = truths[item.stem], hypersim.read(item, ALL, size=(64, 48))
        assert np.array_equal(found["image"], truth.image)
        assert np.array_equal(found["semseg"], truth.semseg)
        assert np.allclose(found["depth"], truth.depth, rtol=2**-10)  # float16
        there = truth.normals.any(-1)
        assert np.array_equal(found["normals"].any(-1), there)
        assert degrees(found["normals"], truth.normals)[there].max() < 1
        assert np.allclose(np.linalg.norm(found["normals"][there], axis=-1), 1, atol=1e-6)
        camera = found["camera"]
        assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx(truth.camera, rel=1e-9)
        assert [found[name].dtype for name in ALL] == [np.uint8, np.uint8, np.float32, np.float32]


def test_the_camera_of_a_full_picture_is_the_devkits() -> None:
    camera, turn = hypersim._pinhole(None, (1024, 768))
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((886.81, 886.81, 511.5, 383.5), abs=1e-3)
    assert np.allclose(turn, np.eye(3))


def test_the_distance_along_the_ray_becomes_depth_along_the_axis(root: Path) -> None:
    camera = hypersim._pinhole(None, (96, 72))[0]
    wall = np.linalg.norm(camera.rays((96, 72)), axis=-1)  # 1 metre away
    assert wall.max() > 1.2
    rewrite(root / f"{FIRST}.depth_meters.hdf5", wall.astype(np.float16))
    assert np.allclose(read(root, ("depth",))["depth"], 1, rtol=2**-10)


def test_nan_and_infinity_are_the_background_without_depth_or_normal(root: Path) -> None:
    for name, shape in (("depth_meters", (72, 96)), ("normal_cam", (72, 96, 3))):
        with h5py.File(root / f"{FIRST}.{name}.hdf5", "r+") as file:
            assert np.isnan(file["dataset"][:]).any() and file["dataset"].shape == shape
            file["dataset"][60] = np.inf
    found = read(root, ("depth", "normals"))
    assert not found["depth"][60].any() and not found["normals"][60].any()
    assert not found["depth"][9:18, 16:32].any() and not found["normals"][9:18, 16:32].any()
    assert np.isfinite(found["depth"]).all() and np.isfinite(found["normals"]).all()


@pytest.mark.parametrize("position", range(3))
def test_the_literal_of_the_normals_axes_is_proved_by_the_depth(tree: Tree, position: int) -> None:
    found = read(tree[0], ("depth", "normals"), position)
    axes, cosine = best_axes(found["normals"], found["depth"], found["camera"])
    assert axes == SAME and cosine > 0.98


def test_normals_in_other_axes_are_refused(root: Path) -> None:
    with h5py.File(root / f"{FIRST}.normal_cam.hdf5", "r+") as file:
        file["dataset"][:] = file["dataset"][:] @ indoor.OPENGL
    line = "point away from the camera; are the axes others?"
    assert fault(root).startswith("images/scene_cam_00_geometry_hdf5/frame.0000.normal_cam.hdf5: ")
    assert fault(root).endswith(line)


def test_minus_1_is_void_and_the_40_numbers_are_classes(tree: Tree) -> None:
    assert read(tree[0])["semseg"][5, 10:51].tolist() == [255, *range(40)]


def test_minus_1_read_as_unsigned_does_not_become_a_class(root: Path) -> None:
    with h5py.File(root / f"{FIRST}.semantic.hdf5", "r") as file:
        semantic = file["dataset"][:]
    rewrite(root / f"{FIRST}.semantic.hdf5", semantic.astype(np.uint16))
    line = "scene_cam_00_geometry_hdf5/frame.0000.semantic.hdf5: id 65535 on "
    assert fault(root, ("semseg",)).startswith(f"images/{line}")


def test_an_unknown_id_is_counted_and_placed(root: Path) -> None:
    semantic = np.full((72, 96), -1, np.int16)
    semantic[12:23, 40:52] = 77
    rewrite(root / f"{FIRST}.semantic.hdf5", semantic)
    line = "frame.0000.semantic.hdf5: id 77 on 132 pixels, known ids -1-40; first at row 12, column 40"
    assert fault(root, ("semseg",)) == f"images/scene_cam_00_geometry_hdf5/{line}"


def test_frames_that_are_not_on_the_disk_are_left_out_and_counted(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert [item.stem for item in hypersim.index(tree[0], "train")] == STEMS
    assert "hypersim: train: 1 of 4 frames left out" in caplog.messages
    assert "ai_001_001/images/scene_cam_00_final_preview: 1 hidden or foreign files ignored" in caplog.messages


def test_frames_that_were_not_published_are_in_no_part(root: Path) -> None:
    folder = root / "ai_001_001/images/scene_cam_00_final_preview"
    shutil.copy(folder / "frame.0000.tonemap.jpg", folder / "frame.0002.tonemap.jpg")
    assert [item.stem for item in hypersim.index(root, "train")] == STEMS


def test_a_part_of_which_nothing_is_there_is_an_error(root: Path) -> None:
    line = "hypersim: none of the 1 frames that metadata_images_split_scene_v1.csv lists for val is there"
    assert fault(root, part="val") == line


def test_without_the_list_of_cameras_a_plain_one_is_used_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    truths = indoor.hypersim(tmp_path, cameras=False)
    for item in hypersim.index(tmp_path, "train"):
        found = hypersim.read(item, ("depth",))
        assert found["camera"].fx == pytest.approx(48 * 3**0.5)
        assert np.allclose(found["depth"], truths[item.stem].depth, rtol=2**-10)
    line = "no metadata_camera_parameters.csv: one camera for all scenes, wrong where a lens is tilted or shifted"
    assert f"hypersim: {line}" in caplog.messages


def test_a_scene_that_no_pinhole_shows_is_left_out(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    matrix = np.array([[0.5, 0.02, 0], [0.02, 0.4, 0], [0, 0, -1]])
    indoor.hypersim_cameras(root, {"ai_001_001": matrix})
    assert [item.stem for item in hypersim.index(root, "train")] == STEMS[2:]
    assert "hypersim: no pinhole shows ai_001_001, tilted both ways" in caplog.messages


def test_a_list_of_cameras_without_numbers_is_refused(root: Path) -> None:
    path = root / indoor.HYPERSIM_CAMERAS
    path.write_text(path.read_text().replace("0.0", "none", 1))
    assert fault(root).endswith("metadata_camera_parameters.csv: could not convert string to float: 'none'; "
                                "expected numbers")  # fmt: skip


@pytest.mark.parametrize("name", [indoor.HYPERSIM_SPLIT, indoor.HYPERSIM_CAMERAS])
def test_another_csv_file_under_the_name_is_refused(root: Path, name: str) -> None:
    (root / name).write_text("scene_name,frame\na,b\n")
    assert f"{name}: no column " in fault(root) and fault(root).endswith("; is it another csv file?")


def test_opened_without_tasks_it_touches_no_label(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in root.glob("*/images/*geometry*"):
        shutil.rmtree(folder)
    touched = fixtures.watched(monkeypatch)
    assert set(read(root, ("image",))) == {"image", "camera"}
    assert not [path for path in touched if path.endswith(".hdf5")]


def test_the_camera_alone_can_be_asked_for(tree: Tree) -> None:
    assert set(read(tree[0], ("camera",))) == {"camera"}


def test_nothing_is_written_under_the_root(tree: Tree) -> None:
    before = fixtures.snapshot(tree[0])
    read(tree[0])
    assert fixtures.snapshot(tree[0]) == before


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    line = (
        f"hypersim: no folder ai_001_001 at {tmp_path}; expected ai_VVV_NNN/images/ and {indoor.HYPERSIM_SPLIT} there"
    )
    assert fault(tmp_path).startswith(line)
    assert fault(None).startswith("hypersim: no folder was given; ")


def test_a_missing_split_says_where_it_is_had(root: Path) -> None:
    (root / indoor.HYPERSIM_SPLIT).unlink()
    line = "is missing; it is in github.com/apple/ml-hypersim, evermotion_dataset/analysis"
    assert fault(root) == f"hypersim: {indoor.HYPERSIM_SPLIT} {line}"


def test_an_unknown_part_comes_with_the_nearest_known_one(tree: Tree) -> None:
    assert fault(tree[0], part="tests") == 'hypersim: no part "tests"; did you mean test? known: train val test'


def test_a_missing_label_is_named_beside_what_is_there(root: Path) -> None:
    (root / f"{FIRST}.semantic.hdf5").unlink()
    line = "scene_cam_00_geometry_hdf5/frame.0000.semantic.hdf5: missing; scene_cam_00_final_preview has it"
    assert fault(root, ("image", "semseg")) == f"images/{line}"


def test_a_truncated_file_is_refused(root: Path) -> None:
    path = root / f"{FIRST}.depth_meters.hdf5"
    path.write_bytes(path.read_bytes()[:8192])
    assert fault(root).endswith("frame.0000.depth_meters.hdf5: truncated at byte 8192; copy it again")


def test_a_file_without_the_key_is_refused(root: Path) -> None:
    with h5py.File(root / f"{FIRST}.depth_meters.hdf5", "w") as file:
        file["depth"] = np.ones((72, 96))
    assert fault(root).endswith("frame.0000.depth_meters.hdf5: no data set dataset; it has depth")


def test_depth_without_one_valid_pixel_is_refused(root: Path) -> None:
    rewrite(root / f"{FIRST}.depth_meters.hdf5", np.full((72, 96), np.nan, np.float16))
    assert fault(root).endswith("frame.0000.depth_meters.hdf5: no valid pixel (all NaN or 0)")


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    Image.new("RGB", (48, 36)).save(root / "ai_001_001/images/scene_cam_00_final_preview/frame.0000.tonemap.jpg")
    assert fault(root).endswith("frame.0000.semantic.hdf5: 96x72, image 48x36; expected equal sizes")
