"""Mapillary Vistas: indices of a palette, sizes of all sorts, and where terrain goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datasets import mapillary
from datasets.spaces import CS7, CS19, MAPILLARY65, mapping
from tests import fixtures, fixtures_weather

BOTH = ("image", "semseg")
FIRST = "training/labels/-Ymmd_z.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fixtures_weather.mapillary(tmp_path / "labels images.d")
    return tmp_path / "labels images.d"


def fault(root: Path) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in mapillary.index(root, "train"):
            mapillary.read(item, BOTH)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("labels", ["labels", "v1.2/labels"], ids=["old package", "newer package"])
def test_scenes_of_all_sizes_come_back_as_written(tmp_path: Path, labels: str) -> None:
    truths = fixtures_weather.mapillary(tmp_path, labels)
    items = mapillary.index(tmp_path, "train")
    assert len({truth.semseg.shape for truth in truths.values()}) == len(items) == 4
    for item in items:
        found, truth = mapillary.read(item, BOTH), truths[item.stem]
        assert (found["semseg"] == truth.semseg).all()
        assert np.abs(found["image"].astype(int) - truth.image).mean() < 3  # a JPEG
        assert found["image"].dtype == found["semseg"].dtype == np.uint8


def test_unlabeled_which_is_65_in_the_file_is_255(root: Path) -> None:
    assert mapillary.read(mapillary.index(root, "train")[0], BOTH)["semseg"][5, :66].tolist() == [*range(65), 255]
    assert len(mapillary.CLASSES) == 65


def test_its_classes_go_to_cs19_as_the_specification_says() -> None:
    bold = {2: 1, 3: 4, 6: 3, 13: 0, 15: 1, 17: 2, 19: 11, 20: 12, 21: 12, 22: 12, 24: 0, 27: 10, 29: 9, 30: 8, 41: 0}
    bold |= {45: 5, 47: 5, 48: 6, 50: 7, 52: 18, 54: 15, 55: 13, 57: 17, 58: 16, 61: 14}
    found = mapping(MAPILLARY65, CS19)
    assert {i: int(found[i]) for i in range(256) if found[i] != 255} == bold


def test_in_seven_classes_terrain_is_flat_and_the_loader_says_so() -> None:
    to_cs7 = mapping(MAPILLARY65, CS7)
    assert CS7.classes[to_cs7[MAPILLARY65.id("terrain")]] == "flat"
    assert CS7.classes[mapping(CS19, CS7)[CS19.id("terrain")]] == "nature"  # the known inconsistency
    assert mapillary.__doc__ and "There terrain is *flat*" in mapillary.__doc__


def test_in_seven_classes_the_rest_agrees_with_cityscapes_categories_but_the_kerb() -> None:
    direct, through = mapping(MAPILLARY65, CS7), mapping(CS19, CS7)[mapping(MAPILLARY65, CS19)[:65]]
    both = [i for i in range(65) if direct[i] != 255 and through[i] != 255]
    differ = {MAPILLARY65.classes[i] for i in both if direct[i] != through[i]}
    assert len(both) == 24 and differ == {"terrain", "curb"}
    assert set(direct[:65].tolist()) == {*range(7), 255}


def test_labels_of_the_second_version_are_refused(tmp_path: Path) -> None:
    fixtures_weather.mapillary(tmp_path, "v2.0/labels")
    line = "mapillary: training/v2.0/labels has 124 classes, expected training/v1.2/labels with 66"
    assert fault(tmp_path) == f"{line}; both are in the newer package"
    assert mapillary.read(mapillary.index(tmp_path, "train")[0], ["image"])["image"].any()


def test_an_id_of_the_second_version_is_unknown(root: Path) -> None:
    ids = np.zeros((64, 96), np.uint8)
    ids[12:23, 40:52] = 123
    fixtures.png(root / FIRST, ids, np.zeros((124, 3), np.uint8))
    assert fault(root) == f"{FIRST}: id 123 on 132 pixels, known ids 0-65; first at row 12, column 40"


def test_an_rgb_label_has_lost_its_indices(root: Path) -> None:
    fixtures.png(root / FIRST, np.zeros((64, 96, 3), np.uint8))
    assert fault(root) == f"{FIRST}: 8-bit RGB, expected 8-bit palette; indices are lost"


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    fixtures.png(root / FIRST, np.zeros((32, 48), np.uint8), np.zeros((66, 3), np.uint8))
    assert fault(root) == f"{FIRST}: 48x32, image 96x64; expected equal sizes"


def test_a_missing_sub_folder_is_named(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match="^mapillary: validation/images is missing; it is in the archive of "):
        mapillary.index(root, "val")
