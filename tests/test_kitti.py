"""KITTI's 200 frames come back from disk as they were written, and a fault in them is one line."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data.geometry import Camera, normals_from_depth
from datasets import kitti
from tests import fixtures, fixtures_road

Tree = tuple[Path, dict[str, fixtures.Truth]]
STEMS = ["000000_10", "000001_10", "000003_10", "000199_10"]
ALL = ("image", "semseg", "depth")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("kitti")
    return folder, fixtures_road.kitti(folder)


@pytest.fixture
def root(tree: Tree, tmp_path: Path) -> Path:
    """A copy to break, under a name with words that a careless loader would replace."""
    return shutil.copytree(tree[0], tmp_path / "image_2 training.d")


def read(root: Path, what: tuple[str, ...] = ALL, position: int = 0) -> dict[str, np.ndarray]:
    return kitti.read(kitti.index(root, "train")[position], what)


def fault(root: Path | None, what: tuple[str, ...] = ALL, part: str = "train") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in kitti.index(root, part):
            kitti.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("nested", [False, True], ids=["archives in one folder", "each archive in its own"])
def test_frames_come_back_as_written_each_in_its_native_size(tmp_path: Path, nested: bool) -> None:
    truths = fixtures_road.kitti(tmp_path, nested=nested)
    items = kitti.index(tmp_path, "train")
    assert [item.stem for item in items] == list(truths) == STEMS
    for item in items:
        truth, found = truths[item.stem], kitti.read(item, ALL, size=(64, 32))
        assert (found["image"] == truth.image).all()
        assert (found["semseg"] == truth.semseg).all()
        assert found["camera"] == Camera(*truth.camera)
        assert (found["image"].dtype, found["semseg"].dtype, found["depth"].dtype) == (np.uint8, np.uint8, np.float32)
    assert {kitti.read(item, ["image"])["image"].shape for item in items} == {(375, 1242, 3), (370, 1224, 3)}


def test_depth_is_right_to_the_disparitys_step_with_each_days_own_camera(tree: Tree) -> None:
    folder, truths = tree
    for item in kitti.index(folder, "train"):
        found, truth = kitti.read(item, ["depth"])["depth"], truths[item.stem]
        valid = truth.depth > 0
        fx, _, _, baseline = fixtures_road.KITTI_RIGS[truth.depth.shape[::-1]]
        step = truth.depth[valid] ** 2 / (256 * baseline * fx)  # metres of 1 / 256 pixel
        assert (np.abs(found[valid] - truth.depth[valid]) <= 0.51 * step + 1e-4).all()
        assert not found[~valid].any()


def test_normals_follow_from_depth_though_it_is_sparse(tree: Tree) -> None:
    folder, truths = tree
    for item in kitti.index(folder, "train"):
        found, truth = kitti.read(item, ("depth",)), truths[item.stem]
        normals = normals_from_depth(found["depth"], found["camera"])
        measured, there = found["depth"] > 0, normals.any(-1)
        assert measured.mean() < 0.34 and not there[~measured].any()
        assert there[measured].mean() > 0.9
        degrees = np.degrees(np.arccos(np.clip((normals * truth.normals).sum(-1), -1, 1)))[there]
        assert degrees.mean() < 2


def test_a_zero_disparity_is_no_depth_and_nothing_is_divided_by_zero(root: Path) -> None:
    p = np.full((375, 1242), 256, np.uint16)  # a disparity of 1 pixel
    p[0], p[1] = 0, 1  # 1 is a disparity here, of 1 / 256 pixel, and not Cityscapes' 0
    fixtures.png(root / "training/disp_occ_0/000000_10.png", p)
    with np.errstate(all="raise"):
        depth = read(root, ("depth",))["depth"]
    assert not depth[0].any()
    assert np.allclose(depth[1], 256 * 721.5377 * 0.5327254)
    assert np.allclose(depth[2:], 721.5377 * 0.5327254)


@pytest.mark.parametrize(
    ("size", "fx", "product"),  # width_to_focal of Monodepth's evaluation; fx times baseline from P_rect_02 - P_rect_03
    [
        ((1242, 375), 721.5377, 44.85728 + 339.5242),
        ((1224, 370), 707.0493, 45.75831 + 334.1081),
        ((1238, 374), 718.3351, 44.50382 + 336.3147),
        ((1226, 370), 707.0912, 46.88783 + 333.4597),
        ((1241, 376), 718.856, 45.38225 + 337.2877),
    ],
)
def test_the_size_of_a_picture_says_its_day_and_so_its_camera(
    root: Path, size: tuple[int, int], fx: float, product: float
) -> None:
    fixtures.png(root / "training/image_2/000000_10.png", np.zeros((*size[::-1], 3), np.uint8))
    fixtures.png(root / "training/disp_occ_0/000000_10.png", np.full(size[::-1], 2560, np.uint16))
    found = read(root, ("image", "depth"))
    assert (found["camera"].fx, found["camera"].fy) == (fx, fx)
    assert np.allclose(found["depth"], product / 10, rtol=2e-6)
    assert read(root, ("image", "camera"))["camera"] == found["camera"]


def test_a_size_of_no_day_is_refused_where_the_camera_is_asked_for(root: Path) -> None:
    fixtures.png(root / "training/image_2/000000_10.png", np.zeros((188, 621, 3), np.uint8))
    fixtures.png(root / "training/disp_occ_0/000000_10.png", np.ones((188, 621), np.uint16))
    known = "1242x375, 1224x370, 1238x374, 1226x370, 1241x376"
    line = f"621x188, expected {known}: was it resized?"
    assert fault(root, ("camera",)) == f"training/image_2/000000_10.png: {line}"
    assert fault(root, ("depth",)) == f"training/disp_occ_0/000000_10.png: {line}"
    assert read(root, ("image",))["image"].shape == (188, 621, 3)


def test_label_ids_go_to_cs19_as_in_cityscapes_own_scripts(tree: Tree) -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    expected = {label.id: label.trainId for label in labels if label.id >= 0}
    assert read(tree[0])["semseg"][5, :34].tolist() == [expected[i] for i in range(34)]


def test_label_ids_are_had_from_instance_ids_too(root: Path) -> None:
    expected = read(root, ("semseg",), 3)["semseg"]
    shutil.rmtree(root / "training/semantic")
    assert len(np.unique(expected)) > 2
    assert (read(root, ("semseg",), 3)["semseg"] == expected).all()


def test_a_license_plate_as_an_unsigned_byte_is_void(root: Path) -> None:
    fixtures.png(root / "training/semantic/000000_10.png", np.full((375, 1242), np.array(-1).astype(np.uint8)))
    assert (read(root)["semseg"] == 255).all()


def test_the_frame_after_each_and_foreign_files_are_left_alone(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert [item.stem for item in kitti.index(tree[0], "train")] == STEMS
    assert "training/image_2: 5 hidden or foreign files ignored" in caplog.text


def test_a_partial_copy_is_a_warning(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    kitti.index(tree[0], "train")
    assert caplog.messages == ["kitti: 4 images, 200 expected"]


def test_opened_without_tasks_it_touches_no_label(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("semantic", "instance", "disp_occ_0"):
        shutil.rmtree(root / "training" / folder)
    touched = fixtures.watched(monkeypatch)
    assert len(kitti.index(root, "train")) == 4
    assert set(read(root, ("image",))) == {"image", "camera"}
    inside = [Path(path).relative_to(root).as_posix() for path in touched if Path(path).is_relative_to(root)]
    assert "training/image_2/000000_10.png" in inside
    assert not [path for path in inside if path.endswith(".png") and "image_2" not in path]


def test_normals_are_refused_because_they_are_made_from_depth(tree: Tree) -> None:
    with pytest.raises(ValueError, match="^kitti: no normals in this data set; it has image semseg depth camera$"):
        read(tree[0], ("normals",))


def test_nothing_is_written_under_the_root(tree: Tree) -> None:
    before = fixtures.snapshot(tree[0])
    read(tree[0])
    assert fixtures.snapshot(tree[0]) == before


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    line = f"kitti: no folder training/image_2 at {tmp_path}; expected training/image_2/, training/semantic/, "
    assert fault(tmp_path).startswith(line)
    assert fault(tmp_path).endswith("Had at cvlibs.net, after registration. split=minicity needs no data")
    assert fault(None).startswith("kitti: no folder was given; ")


def test_an_empty_folder_is_not_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "training/image_2").mkdir(parents=True)
    assert fault(tmp_path) == "kitti: training/image_2/ has 0 files matching NNNNNN_10.png, expected 200"


def test_an_unknown_part_comes_with_the_known_ones(root: Path) -> None:
    assert fault(root, part="test") == 'kitti: no part "test"; did you mean train? known: train'


def test_a_missing_sub_folder_names_its_archive(root: Path) -> None:
    shutil.rmtree(root / "training/semantic")
    shutil.rmtree(root / "training/instance")
    assert fault(root) == "kitti: training/semantic is missing; it is in data_semantics.zip"


def test_a_missing_folder_of_depth_says_how_to_do_without(root: Path) -> None:
    shutil.rmtree(root / "training/disp_occ_0")
    line = "kitti: training/disp_occ_0 is missing; it is in data_scene_flow.zip; without it run with "
    assert fault(root) == line + "split.tasks=[semseg] split.scored=[semseg]"


def test_a_missing_file_is_named_beside_what_is_there(root: Path) -> None:
    (root / "training/disp_occ_0/000003_10.png").unlink()
    assert fault(root) == "training/disp_occ_0/000003_10.png: missing; image_2 and semantic have it"


def test_an_unknown_id_is_counted_and_placed(root: Path) -> None:
    ids = np.zeros((375, 1242), np.uint8)
    ids[12:23, 40:52] = 77
    fixtures.png(root / "training/semantic/000000_10.png", ids)
    line = "id 77 on 132 pixels, known ids 0-33; first at row 12, column 40"
    assert fault(root) == f"training/semantic/000000_10.png: {line}"


def test_disparity_of_8_bits_is_refused(root: Path) -> None:
    fixtures.png(root / "training/disp_occ_0/000000_10.png", np.ones((375, 1242), np.uint8))
    line = "8-bit grey, expected 16-bit grey (256 disparity); was it saved again by an 8-bit tool?"
    assert fault(root) == f"training/disp_occ_0/000000_10.png: {line}"


def test_disparity_without_one_valid_pixel_is_refused(root: Path) -> None:
    fixtures.png(root / "training/disp_occ_0/000000_10.png", np.zeros((375, 1242), np.uint16))
    assert fault(root) == "training/disp_occ_0/000000_10.png: no valid pixel (all 0)"


def test_labels_in_colours_are_refused(root: Path) -> None:
    fixtures.png(root / "training/semantic/000000_10.png", np.zeros((375, 1242, 3), np.uint8))
    assert fault(root) == "training/semantic/000000_10.png: 8-bit RGB, expected 8-bit grey; indices are lost"


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    fixtures.png(root / "training/disp_occ_0/000000_10.png", np.ones((370, 1224), np.uint16))
    assert fault(root) == "training/disp_occ_0/000000_10.png: 1224x370, image 1242x375; expected equal sizes"


def test_a_truncated_file_is_refused(root: Path) -> None:
    path = root / "training/disp_occ_0/000000_10.png"
    path.write_bytes(path.read_bytes()[:1000])
    line = "truncated at byte 1000 of an image of 1242x375; copy it again"
    assert fault(root) == f"training/disp_occ_0/000000_10.png: {line}"


def test_what_is_known_of_it() -> None:
    assert kitti.FACTS.counts == {"train": 200}
    assert len(kitti.FACTS.sizes) == 5 and (1242, 375) in kitti.FACTS.sizes
    assert set(kitti.FACTS.forms) == {"image", *kitti.TASKS}
