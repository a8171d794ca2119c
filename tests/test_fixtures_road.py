"""The trees of the other data sets of the road are right: a second library reads what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datasets.trees.gta5 import PALETTE
from datasets.trees.mat import mat
from tests import fixtures_road

cv2 = pytest.importorskip("cv2", reason="opencv is the second library that reads what the fixtures wrote")


def stored(path: Path) -> np.ndarray:
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert found is not None, path
    return np.asarray(found)


def test_gta5s_labels_have_cityscapes_colours_of_which_two_are_equal(tmp_path: Path) -> None:
    fixtures_road.gta5(tmp_path)
    colours = cv2.imread(str(tmp_path / "labels/00001.png"), cv2.IMREAD_COLOR)[..., ::-1]
    row = colours[5, :35].tolist()
    assert (row[7], row[24], row[33]) == ([128, 64, 128], [220, 20, 60], [119, 11, 32])
    assert row[26] == row[34] == [0, 0, 142]
    assert (tmp_path / "labels/00001.png").read_bytes()[24:26] == bytes([8, 3])  # 8 bits, palette
    assert stored(tmp_path / "images/00001.png").shape == (64, 96, 3)


def test_cityscapes_colours_are_its_own() -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    own = {label.id: label.color for label in labels}
    found = PALETTE.tolist()
    assert [tuple(colour) for colour in found[7:34]] == [own[i] for i in range(7, 34)]
    assert tuple(found[34]) == own[-1]


def test_a_mat_file_holds_its_lists(tmp_path: Path) -> None:
    loadmat = pytest.importorskip("scipy.io", reason="scipy is the second library that reads .mat files").loadmat
    for deflated in (False, True):
        table = np.arange(6).reshape(2, 3)
        mat(tmp_path / "a.mat", deflated=deflated, ids=np.array([3, 1]), few=np.array([7]), about="ABC", table=table)
        found = loadmat(tmp_path / "a.mat")
        assert found["ids"].tolist() == [[3], [1]] and found["few"].tolist() == [[7]]
        assert found["table"].tolist() == table.tolist()
        assert found["about"].tolist() == ["ABC"]


def test_virtual_kittis_pictures_are_as_the_specification_says(tmp_path: Path) -> None:
    fixtures_road.vkitti2(tmp_path)
    frames = tmp_path / "Scene01/15-deg-left/frames"
    classes = stored(frames / "classSegmentation/Camera_0/classgt_00000.png")
    depth = stored(frames / "depth/Camera_0/depth_00000.png")
    assert (classes.shape, classes.dtype) == ((375, 1242, 3), np.uint8)
    assert (depth.shape, depth.dtype, depth.max()) == ((375, 1242), np.uint16, 65535)
    assert classes[5, 0, ::-1].tolist() == [210, 0, 200] and classes[5, 13, ::-1].tolist() == [0, 139, 139]
    assert len(np.unique(classes[5, :15], axis=0)) == 15
    assert stored(frames / "rgb/Camera_0/rgb_00000.jpg").shape == (375, 1242, 3)


def test_kittis_pictures_are_as_the_specification_says(tmp_path: Path) -> None:
    fixtures_road.kitti(tmp_path)
    training = tmp_path / "training"
    for number, size in fixtures_road.KITTI_FRAMES.items():
        ids, instances = stored(training / f"semantic/{number}_10.png"), stored(training / f"instance/{number}_10.png")
        p = stored(training / f"disp_occ_0/{number}_10.png")
        assert ids.shape == p.shape == size[::-1]
        assert (ids.dtype, instances.dtype, p.dtype) == (np.uint8, np.uint16, np.uint16)
        assert (instances // 256 == ids).all()
        assert 0.1 < (p > 0).mean() < 0.34
    assert set(range(34)) <= set(np.unique(stored(training / "semantic/000000_10.png")))


@pytest.mark.parametrize("older", [False, True])
def test_bdd100ks_pictures_are_as_the_specification_says(tmp_path: Path, older: bool) -> None:
    truths = fixtures_road.bdd100k(tmp_path, older=older)
    stem = "0000f77c-6257be58"
    image = f"seg/images/train/{stem}.jpg" if older else f"images/10k/train/{stem}.jpg"
    mask = f"seg/labels/train/{stem}_train_id.png" if older else f"labels/sem_seg/masks/train/{stem}.png"
    colours = stored(tmp_path / image)[..., ::-1].astype(int)
    assert np.abs(colours - truths[stem].image).mean() < 3
    assert (stored(tmp_path / mask) == truths[stem].semseg).all()
    assert set(np.unique(truths[stem].semseg)) == {*range(19), 255}
