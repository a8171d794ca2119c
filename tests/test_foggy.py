"""Foggy Cityscapes: Cityscapes' labels, disparity and cameras behind pictures in three densities of fog."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data.geometry import Camera
from datasets import cityscapes, foggy
from tests import fixtures, fixtures_weather

ALL = ("image", "semseg", "depth")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fixtures_weather.foggy(tmp_path / "leftImg8bit foggy.d")
    return tmp_path / "leftImg8bit foggy.d"


def fault(root: Path, what: tuple[str, ...] = ALL, part: str = "train") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in foggy.index(root, part):
            foggy.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("apart", [False, True], ids=["archives in one folder", "each archive in its own"])
def test_frames_come_back_as_written_in_the_densest_fog(tmp_path: Path, apart: bool) -> None:
    truths = fixtures_weather.foggy(tmp_path, apart=apart)
    items = foggy.index(tmp_path, "train")
    assert [item.stem for item in items] == list(truths)
    for item in items:
        truth, found = truths[item.stem], foggy.read(item, ALL)
        assert (found["image"] == truth.image).all()
        assert (found["semseg"] == truth.semseg).all()
        assert found["camera"] == Camera(*truth.camera)


def test_labels_depth_and_camera_are_those_of_the_clear_frame(root: Path) -> None:
    for clear, item in zip(cityscapes.index(root, "train"), foggy.index(root, "train"), strict=True):
        one, other = cityscapes.read(clear, ALL), foggy.read(item, ALL)
        assert clear.stem == item.stem and one["camera"] == other["camera"]
        assert (one["semseg"] == other["semseg"]).all() and (one["depth"] == other["depth"]).all()
        assert (one["image"] != other["image"]).any()


def test_the_other_densities_are_parts_of_their_own(root: Path) -> None:
    spread = [
        foggy.read(foggy.index(root, part)[0], ["image"])["image"].std()
        for part in ("train-0.005", "train-0.01", "train")
    ]
    assert len(foggy.index(root, "train-0.01")) == 4
    assert spread[0] > 1.4 * spread[1] > 1.4 * 1.4 * spread[2]


def test_no_match_and_infinitely_far_are_invalid_and_nothing_is_divided_by_zero(root: Path) -> None:
    p = np.full((64, 128), 257, np.uint16)
    p[0], p[1] = 0, 1
    fixtures.png(root / "disparity/train/aachen/aachen_000000_000019_disparity.png", p)
    with np.errstate(all="raise"):
        depth = foggy.read(foggy.index(root, "train")[0], ["depth"])["depth"]
    assert not depth[:2].any()
    assert np.allclose(depth[2:], 0.209313 * 2262.52 / 16)


def test_without_the_clear_pictures_it_is_whole(root: Path) -> None:
    shutil.rmtree(root / "leftImg8bit")
    assert set(foggy.read(foggy.index(root, "train")[0], ALL)) == {*ALL, "camera"}


def test_a_missing_sub_folder_names_its_archive(root: Path) -> None:
    line = "is missing; it is in leftImg8bit_trainvaltest_foggy.zip"
    assert fault(root, part="val") == f"foggy: leftImg8bit_foggy/val {line}"
    shutil.rmtree(root / "disparity")
    remedy = "without it run with split.tasks=[semseg] split.scored=[semseg]"
    assert fault(root) == f"foggy: disparity/train is missing; it is in disparity_trainvaltest.zip; {remedy}"
    shutil.rmtree(root / "gtFine")
    assert fault(root) == "foggy: gtFine/train is missing; it is in gtFine_trainvaltest.zip"


def test_a_density_that_is_not_there_is_no_data_set(root: Path) -> None:
    for path in root.rglob("*_beta_0.02.png"):
        path.unlink()
    name = "CITY/CITY_NNNNNN_NNNNNN_leftImg8bit_foggy_beta_0.02.png"
    assert fault(root) == f"foggy: leftImg8bit_foggy/train/ has 0 files matching {name}, expected 2975"


def test_the_second_foggy_cityscapes_is_another_data_set(root: Path) -> None:
    (root / "leftImg8bit_foggy").rename(root / "leftImg8bit_foggyDBF")
    assert fault(root).startswith("foggy: no folder leftImg8bit_foggy at ")
