"""IDD: its labels are there once the authors' program has made them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import idd
from tests import fixtures, fixtures_weather

BOTH = ("image", "semseg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fixtures_weather.idd(tmp_path / "gtFine.d")
    return tmp_path / "gtFine.d"


def fault(root: Path, what: tuple[str, ...] = BOTH) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in idd.index(root, "train"):
            idd.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_scenes_come_back_as_written(tmp_path: Path) -> None:
    truths = fixtures_weather.idd(tmp_path)
    for item in idd.index(tmp_path, "train"):
        found = idd.read(item, BOTH)
        assert (found["image"] == truths[item.stem].image).all()
        assert (found["semseg"] == truths[item.stem].semseg).all()
        assert found["camera"] is None


def test_two_drives_may_call_their_images_alike(root: Path) -> None:
    stems = [item.stem for item in idd.index(root, "train")]
    assert {"0_frame0029", "377_frame0029"} < set(stems) and len(set(stems)) == len(stems)


def test_the_labels_are_cs19_ids_and_255(root: Path) -> None:
    assert idd.read(idd.index(root, "train")[0], BOTH)["semseg"][5, :20].tolist() == [*range(19), 255]
    assert idd.CLASSES.name == "cs19"


def test_labels_that_were_not_made_name_the_command_that_makes_them(tmp_path: Path) -> None:
    fixtures_weather.idd(tmp_path, made=False)
    assert idd.read(idd.index(tmp_path, "train")[0], ["image"])["image"].shape == (54, 96, 3)
    command = "python preperation/createLabels.py --datadir ROOT --id-type csTrainId of AutoNUE/public-code"
    line = f"train/0/005506_gtFine_labelcsTrainIds.png: missing; made by {command}"
    assert fault(tmp_path) == line


def test_idds_own_26_classes_are_no_cs19_ids(root: Path) -> None:
    labels = root / "gtFine/train/0"
    (labels / "005506_gtFine_labellevel3Ids.png").replace(labels / "005506_gtFine_labelcsTrainIds.png")
    assert ": id 26 on 5184 pixels, known ids 0-18; " in fault(root)


def test_the_authors_folder_may_stand_above(root: Path) -> None:
    (root / "IDD_Segmentation").mkdir()
    for name in ("leftImg8bit", "gtFine"):
        (root / name).rename(root / "IDD_Segmentation" / name)
    items = idd.index(root, "train")
    assert len(items) == 4 and idd.read(items[0], BOTH)["semseg"].any()


def test_a_missing_sub_folder_is_named(root: Path) -> None:
    shutil.rmtree(root / "leftImg8bit/train")
    assert fault(root) == "idd: leftImg8bit/train is missing; it is in the archive of IDD Segmentation"


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    fixtures.png(root / "gtFine/train/0/005506_gtFine_labelcsTrainIds.png", np.zeros((72, 128), np.uint8))
    assert fault(root) == "train/0/005506_gtFine_labelcsTrainIds.png: 128x72, image 96x54; expected equal sizes"
