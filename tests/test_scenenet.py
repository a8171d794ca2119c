"""SceneNet RGB-D comes back from disk as it was written, and a fault in it is one line."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data.geometry import normals_from_depth
from datasets import scenenet
from datasets.spaces import NYU13
from datasets.trees.scenenet import trajectories
from tests import fixtures
from tests import fixtures_indoor as indoor

Tree = tuple[Path, dict[str, fixtures.Truth]]
ALL = ("image", "semseg", "depth")
STEMS = ["val_0_9_0000", "val_0_9_7475", "val_0_223_0025", "val_0_223_0100"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("scenenet") / "photo instance.d"
    return folder, indoor.scenenet(folder)


@pytest.fixture
def root(tree: Tree, tmp_path: Path) -> Path:
    """A copy to break."""
    return shutil.copytree(tree[0], tmp_path / "photo instance.d")


def read(root: Path, what: tuple[str, ...] = ALL, position: int = 0, part: str = "val") -> dict[str, np.ndarray]:
    return scenenet.read(scenenet.index(root, part)[position], what)


def fault(root: Path | None, what: tuple[str, ...] = ALL, part: str = "val") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in scenenet.index(root, part):
            scenenet.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{root.parent.name}/{root.name}/" if root else "", "")


def test_frames_come_back_as_written(tree: Tree) -> None:
    folder, truths = tree
    for item in scenenet.index(folder, "val"):
        truth, found = truths[item.stem], scenenet.read(item, ALL, size=(64, 48))
        assert np.array_equal(found["image"], truth.image)
        assert np.array_equal(found["semseg"], truth.semseg)
        assert np.abs(found["depth"] - truth.depth).max() <= 0.000501
        camera = found["camera"]
        assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx(truth.camera)
        assert [found[name].dtype for name in ALL] == [np.uint8, np.uint8, np.float32]


def test_the_camera_is_the_devkits() -> None:
    camera = scenenet.CAMERA
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((277.13, 289.71, 160, 120), abs=0.01)


def test_millimetres_along_the_ray_become_metres_along_the_axis(root: Path) -> None:
    wall = 1000 * np.linalg.norm(scenenet.CAMERA.rays((320, 240)), axis=-1)  # 1 metre away
    fixtures.png(root / "val/0/9/depth/0.png", np.round(wall).astype(np.uint16))
    assert np.allclose(read(root, ("depth",))["depth"], 1, atol=0.0006)


def test_instances_above_255_and_two_of_a_class_have_their_class(tree: Tree) -> None:
    semseg = read(tree[0])["semseg"]
    assert set(np.unique(semseg)) == {*(NYU13.id(name) for name in ("wall", "floor", "chair")), 255}


def test_the_background_is_void(tree: Tree) -> None:
    assert (read(tree[0])["semseg"][30:60, 55:100] == 255).all()


def test_depth_and_camera_fit_together_so_that_normals_follow(tree: Tree) -> None:
    folder, truths = tree
    found, truth = read(folder, ("depth",), 2), truths[STEMS[2]]
    normals = normals_from_depth(found["depth"], found["camera"])
    both = normals.any(-1) & truth.normals.any(-1)
    angles = np.degrees(np.arccos(np.clip((normals * truth.normals).sum(-1), -1, 1)))[both]
    assert both.mean() > 0.8 and np.median(angles) < 2


def test_the_training_set_has_a_list_for_each_folder(tmp_path: Path) -> None:
    truths = indoor.scenenet(tmp_path, "train")
    found = read(tmp_path, ("semseg",), part="train-0")["semseg"]
    assert np.array_equal(found, truths["train_0_9_0000"].semseg)
    (tmp_path / "train_protobufs/scenenet_rgbd_train_0.pb").rename(tmp_path / "scenenet_rgbd_train_0.pb")
    assert np.array_equal(read(tmp_path, ("semseg",), part="train")["semseg"], found)


def test_the_index_is_in_the_order_of_numbers(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert [item.stem for item in scenenet.index(tree[0], "val")] == STEMS
    assert "0/9/photo: 1 hidden or foreign files ignored" in caplog.messages
    assert "scenenet: val has 4 images, 300000 expected" in caplog.messages


def test_opened_without_tasks_it_touches_no_label(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in [*root.glob("val/0/*/depth"), *root.glob("val/0/*/instance")]:
        shutil.rmtree(folder)
    (root / "scenenet_rgbd_val.pb").unlink()
    touched = fixtures.watched(monkeypatch)
    assert set(read(root, ("image",))) == {"image", "camera"}
    assert not [path for path in touched if path.endswith((".png", ".pb"))]


def test_nothing_is_written_under_the_root(tree: Tree) -> None:
    before = fixtures.snapshot(tree[0])
    read(tree[0])
    assert fixtures.snapshot(tree[0]) == before


def test_without_the_authors_table_there_is_depth_only_and_that_is_said(root: Path) -> None:
    (root / "convert_instance2class.py").unlink()
    assert read(root, ("image", "depth"))["depth"].any()
    line = "scenenet: convert_instance2class.py is missing; it is at github.com/jmccormac/pySceneNetRGBD; "
    assert fault(root) == line + "without it run with split.tasks=[depth] split.scored=[depth]"


def test_without_the_list_of_instances_there_is_depth_only_and_that_is_said(root: Path) -> None:
    (root / "scenenet_rgbd_val.pb").unlink()
    line = "scenenet: scenenet_rgbd_val.pb is missing; it is at robotvault.bitbucket.io, protobufs of val; "
    assert fault(root).startswith(line)


@pytest.mark.parametrize(
    "program", ["", "NYU_WNID_TO_CLASS = {'1': 14}", "NYU_WNID_TO_CLASS = dict()", "NYU_WNID_TO_CLASS = [", "\0"]
)
def test_a_program_without_the_table_is_refused(root: Path, program: str) -> None:
    (root / "convert_instance2class.py").write_text(program)
    line = "convert_instance2class.py: no table NYU_WNID_TO_CLASS of numbers from 1 to 13"
    assert fault(root) == line


def test_a_word_that_the_table_does_not_list_is_refused(root: Path) -> None:
    (root / "convert_instance2class.py").write_text("NYU_WNID_TO_CLASS = {'04546855': 12, '03365592': 5}")
    line = "9/instance/0.png: instance 4 is 03001627, which convert_instance2class.py does not list"
    assert fault(root) == line


def test_an_instance_that_is_in_no_list_is_refused(root: Path) -> None:
    fixtures.png(root / "val/0/9/instance/0.png", np.full((240, 320), 65535, np.uint16))
    assert fault(root) == "9/instance/0.png: instance 65535 is not in scenenet_rgbd_val.pb"


def test_a_trajectory_that_is_in_no_list_is_refused(root: Path) -> None:
    (root / "scenenet_rgbd_val.pb").write_bytes(trajectories({"0/223": {}}))
    assert fault(root) == "scenenet_rgbd_val.pb: no trajectory 0/9"


def test_a_truncated_list_of_instances_is_refused(root: Path) -> None:
    path = root / "scenenet_rgbd_val.pb"
    path.write_bytes(path.read_bytes()[:8192])
    assert fault(root).startswith("scenenet_rgbd_val.pb: damaged or truncated (a field of ")
    assert fault(root).endswith("); copy it again")


def test_depth_of_8_bits_is_refused(root: Path) -> None:
    fixtures.png(root / "val/0/9/depth/0.png", np.ones((240, 320), np.uint8))
    line = "8-bit grey, expected 16-bit grey (millimetres along the ray); was it saved again by an 8-bit tool?"
    assert fault(root) == f"9/depth/0.png: {line}"


def test_depth_without_one_valid_pixel_is_refused(root: Path) -> None:
    fixtures.png(root / "val/0/9/depth/0.png", np.zeros((240, 320), np.uint16))
    assert fault(root) == "9/depth/0.png: no valid pixel (all 0)"


def test_a_resized_copy_is_refused(root: Path) -> None:
    fixtures.png(root / "val/0/9/depth/0.png", np.ones((480, 640), np.uint16))
    assert fault(root) == "9/depth/0.png: 640x480, expected 320x240: was it resized?"


def test_a_missing_label_is_named_beside_what_is_there(root: Path) -> None:
    (root / "val/0/9/instance/7475.png").unlink()
    assert fault(root) == "9/instance/7475.png: missing; photo and depth have it"


def test_normals_are_refused_because_they_are_made_from_depth(root: Path) -> None:
    assert fault(root, ("normals",)) == "scenenet: no normals in this data set; it has image semseg depth camera"


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    line = f"scenenet: no folder val at {tmp_path}; expected train/ or val/ there. Had at robotvault.bitbucket.io/"
    assert fault(tmp_path).startswith(line)
    assert fault(None).startswith("scenenet: no folder was given; ")


def test_an_empty_folder_is_not_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    line = "scenenet: train/3/ has 0 files matching N/photo/N.jpg, expected 300000"
    assert fault(tmp_path, part="train-3") == line


def test_an_unknown_part_comes_with_the_nearest_known_one(tree: Tree) -> None:
    assert fault(tree[0], part="train-17").startswith('scenenet: no part "train-17"; did you mean train-7? ')
