"""ACDC: four conditions, together and each by itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import acdc
from tests import fixtures, fixtures_weather

BOTH = ("image", "semseg")
FIRST = "fog/train/GOPR0475/GOPR0475_frame_000041"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fixtures_weather.acdc(tmp_path / "rgb_anon fog.d")
    return tmp_path / "rgb_anon fog.d"


def fault(root: Path, part: str = "train") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in acdc.index(root, part):
            acdc.read(item, BOTH)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_image_is_of_the_group_of_its_condition(root: Path) -> None:
    items = acdc.index(root, "train")
    assert [acdc.group(item.stem) for item in items] == [item.files["image"].parts[-4] for item in items]


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("apart", [False, True], ids=["archives in one folder", "each archive in its own"])
def test_scenes_come_back_as_written(tmp_path: Path, part: str, apart: bool) -> None:
    truths = fixtures_weather.acdc(tmp_path, part, apart=apart)
    items = acdc.index(tmp_path, part)
    assert [item.stem for item in items] == list(truths)
    for item in items:
        found = acdc.read(item, BOTH)
        assert (found["image"] == truths[item.stem].image).all()
        assert (found["semseg"] == truths[item.stem].semseg).all()
        assert found["image"].dtype == found["semseg"].dtype == np.uint8
        assert found["camera"] is None


def test_the_files_hold_cs19_ids_and_void(root: Path) -> None:
    assert acdc.read(acdc.index(root, "train")[0], BOTH)["semseg"][5, :20].tolist() == [*range(19), 255]
    assert acdc.CLASSES.name == "cs19"


def test_each_condition_is_a_part_and_the_whole_is_all_of_them(root: Path) -> None:
    whole = [item.stem for item in acdc.index(root, "train")]
    parts = [[item.stem for item in acdc.index(root, f"{word}-train")] for word in ("fog", "night", "rain", "snow")]
    assert [len(part) for part in parts] == [2, 2, 2, 2]
    assert sum(parts, []) == whole
    assert all(stem.startswith("night_") for stem in parts[1])


def test_the_same_places_in_fair_weather_are_left_out(root: Path) -> None:
    files = [str(item.files["image"]) for item in acdc.index(root, "train")]
    assert not [path for path in files if "_ref" in path]


def test_a_condition_that_is_missing_is_no_smaller_part(root: Path) -> None:
    shutil.rmtree(root / "rgb_anon/rain")
    line = "acdc: rain/train is missing; it is in rgb_anon_trainvaltest.zip; each condition is a part of its own: "
    assert fault(root) == f"{line}rain-train and others"
    assert len(acdc.index(root, "snow-train")) == 2


def test_a_copy_that_mixes_the_conditions_is_told_from_the_official_one(root: Path) -> None:
    (root / "rgb_anon/train").mkdir()
    assert len(acdc.index(root, "train")) == 8
    shutil.rmtree(root / "rgb_anon/fog")
    line = "acdc: rgb_anon/train/ mixes the conditions, as a copy for other programs does; "
    assert fault(root) == line + "expected rgb_anon/fog/train/ as in rgb_anon_trainvaltest.zip"


def test_labels_in_cityscapes_label_ids_are_not_taken_for_train_ids(root: Path) -> None:
    fixtures.png(root / f"gt/{FIRST}_gt_labelTrainIds.png", np.full((54, 96), 33, np.uint8))
    line = "GOPR0475/GOPR0475_frame_000041_gt_labelTrainIds.png: id 33 on 5184 pixels, known ids 0-18; "
    assert fault(root) == f"train/{line}first at row 0, column 0"


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    fixtures.png(root / f"gt/{FIRST}_gt_labelTrainIds.png", np.zeros((27, 48), np.uint8))
    assert fault(root).endswith("_gt_labelTrainIds.png: 48x27, image 96x54; expected equal sizes")


def test_a_colour_picture_is_no_label(root: Path) -> None:
    fixtures.png(root / f"gt/{FIRST}_gt_labelTrainIds.png", np.zeros((54, 96, 3), np.uint8))
    assert fault(root).endswith("_gt_labelTrainIds.png: 8-bit RGB, expected 8-bit grey; indices are lost")
