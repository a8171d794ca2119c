"""BDD100K comes back from disk as it was written, and a fault in it is one line."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import bdd100k
from tests import fixtures, fixtures_road

STEMS = ["0000f77c-6257be58", "0004a4c0-d4dff0ad", "00067cfb-5443fe39", "ffffe33e-8d3a1b2c"]
MASK = f"labels/sem_seg/masks/train/{STEMS[0]}.png"
BOTH = ("image", "semseg")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root whose name has words that a careless loader would replace."""
    fixtures_road.bdd100k(tmp_path / "images 10k.jpg")
    return tmp_path / "images 10k.jpg"


def stems(root: Path, part: str) -> list[str]:
    return [item.stem for item in bdd100k.index(root, part)]


def fault(root: Path | None, part: str = "train", what: tuple[str, ...] = BOTH) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in bdd100k.index(root, part):
            bdd100k.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("older", [False, True], ids=["the release of today", "the older release"])
def test_frames_come_back_as_written_in_their_native_size(tmp_path: Path, older: bool) -> None:
    truths = fixtures_road.bdd100k(tmp_path, older=older)
    assert (stems(tmp_path, "train"), stems(tmp_path, "val")) == (STEMS[:2], STEMS[2:])
    for part in ("train", "val"):
        for item in bdd100k.index(tmp_path, part):
            truth, found = truths[item.stem], bdd100k.read(item, BOTH, size=(32, 32))
            assert np.abs(found["image"].astype(int) - truth.image).mean() < 3  # a JPEG
            assert (found["semseg"] == truth.semseg).all()
            assert found["image"].dtype == found["semseg"].dtype == np.uint8
            assert found["camera"] is None


def test_the_masks_are_in_train_ids_already(root: Path) -> None:
    found = bdd100k.read(bdd100k.index(root, "train")[0], ["semseg"])["semseg"]
    assert found[5, :20].tolist() == [*range(19), 255]
    assert bdd100k.CLASSES.name == "cs19"


def test_ids_of_bdds_own_table_are_refused(root: Path) -> None:
    ids = np.zeros((64, 96), np.uint8)
    ids[12:23, 40:52] = 33
    fixtures.png(root / MASK, ids)
    line = "id 33 on 132 pixels, known ids 0-18; first at row 12, column 40"
    assert fault(root) == f"masks/train/{STEMS[0]}.png: {line}"


def test_of_two_releases_at_once_the_one_of_today_is_read(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fixtures_road.bdd100k(root, older=True)
    assert bdd100k.index(root, "train")[0].files["image"].parent == root / "images/10k/train"
    assert "bdd100k: both images/10k and seg/images exist: using images/10k" in caplog.messages


def test_a_root_above_the_folder_will_do(root: Path) -> None:
    root.rename(root.parent / "bdd100k")
    assert stems(root.parent, "val") == STEMS[2:]


def test_the_index_is_sorted_and_leaves_foreign_files_alone(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert stems(root, "train") == STEMS[:2]
    assert "images/10k/train: 3 hidden or foreign files ignored" in caplog.text


def test_a_partial_copy_is_a_warning(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    bdd100k.index(root, "val")
    assert caplog.messages == ["bdd100k: val has 2 images, 1000 expected"]


def test_opened_without_tasks_it_touches_no_label(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(root / "labels")
    touched = fixtures.watched(monkeypatch)
    item = bdd100k.index(root, "train")[0]
    assert set(bdd100k.read(item, ("image",))) == {"image", "camera"}
    inside = [Path(path).relative_to(root).as_posix() for path in touched if Path(path).is_relative_to(root)]
    assert f"images/10k/train/{STEMS[0]}.jpg" in inside
    assert not [path for path in inside if path.startswith("labels")]


@pytest.mark.parametrize("field", ["depth", "normals"])
def test_what_it_does_not_have_is_refused(root: Path, field: str) -> None:
    assert fault(root, what=(field,)) == f"bdd100k: no {field} in this data set; it has image semseg"


def test_nothing_is_written_under_the_root(root: Path) -> None:
    before = fixtures.snapshot(root)
    bdd100k.read(bdd100k.index(root, "train")[0], BOTH)
    assert fixtures.snapshot(root) == before


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    line = f"bdd100k: no folder images/10k at {tmp_path}; expected images/10k/, labels/sem_seg/masks/ there, "
    assert fault(tmp_path).startswith(line)
    assert fault(tmp_path).endswith("Had at bdd-data.berkeley.edu, after registration. split=minicity needs no data")
    assert fault(None).startswith("bdd100k: no folder was given; ")


def test_a_missing_sub_folder_is_named(root: Path) -> None:
    shutil.rmtree(root / "images/10k/val")
    line = "images/10k/val is missing; expected it beside the other parts in images/10k/"
    assert fault(root, "val") == f"bdd100k: {line}"


def test_an_empty_folder_is_not_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "seg/images/train").mkdir(parents=True)
    line = "seg/images/train/ has 0 files matching HHHHHHHH-HHHHHHHH.jpg, expected 7000"
    assert fault(tmp_path) == f"bdd100k: {line}"


def test_an_unknown_part_comes_with_the_nearest_known_one(root: Path) -> None:
    assert fault(root, "valid") == 'bdd100k: no part "valid"; did you mean val? known: train val'


def test_a_missing_mask_is_named_beside_what_is_there(root: Path) -> None:
    (root / MASK).unlink()
    assert fault(root) == f"masks/train/{STEMS[0]}.png: missing; images/10k/train has it"


def test_a_mask_in_colours_is_refused(root: Path) -> None:
    fixtures.png(root / MASK, np.zeros((64, 96, 3), np.uint8))
    assert fault(root) == f"masks/train/{STEMS[0]}.png: 8-bit RGB, expected 8-bit grey; indices are lost"


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    fixtures.png(root / MASK, np.zeros((32, 48), np.uint8))
    assert fault(root) == f"masks/train/{STEMS[0]}.png: 48x32, image 96x64; expected equal sizes"


def test_a_truncated_image_is_refused(root: Path) -> None:
    path = root / f"images/10k/train/{STEMS[0]}.jpg"
    path.write_bytes(path.read_bytes()[:-500])
    assert fault(root).startswith(f"10k/train/{STEMS[0]}.jpg: damaged: ")


def test_what_is_known_of_it() -> None:
    assert bdd100k.FACTS.counts == {"train": 7000, "val": 1000}
    assert not bdd100k.FACTS.firm  # recalled, not counted
    assert set(bdd100k.FACTS.forms) == {"image", *bdd100k.TASKS}
