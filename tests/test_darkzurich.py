"""Dark Zurich: nights without labels to adapt to, fifty with labels to be scored on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import darkzurich
from tests import fixtures, fixtures_weather

BOTH = ("image", "semseg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fixtures_weather.darkzurich(tmp_path / "night gt.d")
    return tmp_path / "night gt.d"


@pytest.mark.parametrize("apart", [False, True], ids=["archives in one folder", "each archive in its own"])
def test_scenes_come_back_as_written(tmp_path: Path, apart: bool) -> None:
    truths = fixtures_weather.darkzurich(tmp_path, apart=apart)
    for part, what in (("night-train", ["image"]), ("val", BOTH)):
        items = darkzurich.index(tmp_path, part)
        assert len(items) == 4
        for item in items:
            found = darkzurich.read(item, what)
            assert all((found[field] == getattr(truths[item.stem], field)).all() for field in what)
            assert found["camera"] is None


def test_night_twilight_and_day_are_parts(root: Path) -> None:
    for part, folder in (
        ("night-train", "train/night"),
        ("twilight-train", "train/twilight"),
        ("day-train", "train/day"),
    ):
        stems = [item.stem for item in darkzurich.index(root, part)]
        assert stems == list(fixtures_weather.DARKZURICH_FRAMES[folder])


def test_the_labels_are_cs19_ids(root: Path) -> None:
    found = darkzurich.read(darkzurich.index(root, "val")[0], BOTH)["semseg"]
    assert found[5, :20].tolist() == [*range(19), 255] and darkzurich.CLASSES.name == "cs19"


def test_the_days_of_val_are_left_out(root: Path) -> None:
    assert {item.files["image"].parts[-3] for item in darkzurich.index(root, "val")} == {"night"}


def test_training_images_have_no_labels_and_say_so(root: Path) -> None:
    item = darkzurich.index(root, "night-train")[0]
    assert set(item.files) == {"image"}
    line = "^darkzurich: GOPR0351_frame_000159 has no labels; only those of val have$"
    with pytest.raises(ValueError, match=line):
        darkzurich.read(item, BOTH)


def test_a_missing_sub_folder_names_its_archive(root: Path) -> None:
    shutil.rmtree(root / "rgb_anon/train/night")
    with pytest.raises(
        FileNotFoundError, match="^darkzurich: train/night is missing; it is in Dark_Zurich_train_anon.zip$"
    ):
        darkzurich.index(root, "night-train")
    assert len(darkzurich.index(root, "val")) == 4


def test_one_archive_alone_is_said_to_lack_the_other(tmp_path: Path) -> None:
    fixtures_weather.darkzurich(tmp_path, apart=True)
    shutil.rmtree(tmp_path / "Dark_Zurich_train_anon")
    assert len(darkzurich.index(tmp_path, "val")) == 4
    with pytest.raises(
        FileNotFoundError, match="^darkzurich: train/night is missing; it is in Dark_Zurich_train_anon.zip$"
    ):
        darkzurich.index(tmp_path, "night-train")


def test_an_unknown_id_is_counted_and_placed(root: Path) -> None:
    ids = np.zeros((54, 96), np.uint8)
    ids[12:23, 40:52] = 19
    item = darkzurich.index(root, "val")[0]
    fixtures.png(item.files["semseg"], ids)
    with pytest.raises(ValueError, match=": id 19 on 132 pixels, known ids 0-18; first at row 12, column 40$"):
        darkzurich.read(item, BOTH)
