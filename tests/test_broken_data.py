"""Each broken thing that the verifier is there to find, one test a line of the specification's table."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import cityscapes, survey, verify
from tests import fixtures

RAND = "0000001"
AACHEN = "train/aachen/aachen_000000_000019"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cityscapes' tiny copy is not of its size."""
    monkeypatch.setattr(cityscapes, "FACTS", dataclasses.replace(cityscapes.FACTS, sizes=((128, 64),)))


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trees")
    fixtures.synthia(folder / "synthia")
    fixtures.camvid(folder / "camvid")
    for part in ("train", "val"):
        fixtures.cityscapes(folder / "cityscapes", part)
    return folder


@pytest.fixture
def rand(trees: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trees / "synthia", tmp_path / "RGB GT")


@pytest.fixture
def city(trees: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trees / "cityscapes", tmp_path / "leftImg8bit train.d")


@pytest.fixture
def drive(trees: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trees / "camvid", tmp_path / "train images.d")


def said(name: str, root: Path, level: str = "error") -> list[str]:
    """The lines of a level."""
    found = verify.looked(name, root, whole=True, workers=1, show=False)[1]
    assert all("\n" not in one.line for one in found.findings)
    return [one.line for one in found.findings if one.level == level]


def test_a_missing_root_cannot_be_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert verify.main(["synthia", str(tmp_path / "none")]) == 2
    assert f"synthia: no folder {tmp_path}/none; expected RGB/, GT/LABELS/, Depth/Depth/" in capsys.readouterr().err
    assert verify.main(["synthia", str(tmp_path)]) == 2
    line = f"synthia: no folder RAND_CITYSCAPES at {tmp_path}; expected RGB/, GT/LABELS/, Depth/Depth/ there. "
    assert f"{line}Had at synthia-dataset.net. split=minicity needs no data" in capsys.readouterr().err


def test_an_unknown_data_set_comes_with_the_nearest_known_one(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert verify.main(["cityscape", str(tmp_path)]) == 2
    assert 'no data set "cityscape"; did you mean cityscapes? known: ' in capsys.readouterr().err


def test_a_missing_sub_folder_is_one_line_with_its_archive(city: Path) -> None:
    shutil.rmtree(city / "disparity/val")
    line = "disparity/val is missing; it is in disparity_trainvaltest.zip; without it run with "
    assert said("cityscapes", city) == [f"cityscapes: {line}split.tasks=[semseg] split.scored=[semseg]"]


def test_a_missing_part_is_one_line_with_its_archive(city: Path) -> None:
    shutil.rmtree(city / "leftImg8bit/val")
    assert said("cityscapes", city) == ["cityscapes: leftImg8bit/val is missing; it is in leftImg8bit_trainvaltest.zip"]


def test_a_near_miss_in_a_name_is_told(rand: Path) -> None:
    (rand / "Depth/Depth").rename(rand / "Depth/depth")
    assert said("synthia", rand) == ["synthia: found depth, expected Depth"]


def test_an_empty_folder_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "RGB").mkdir()
    assert said("synthia", tmp_path) == ["synthia: RGB/ has 0 files matching NNNNNNN.png, expected 9400"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_truncated_file_is_found_by_its_header_alone(
    rand: Path, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "SAMPLE", 1)
    os.truncate(rand / f"GT/LABELS/{RAND}.png", 8192)
    found = verify.looked("synthia", rand, whole, 1, show=False)[1].findings
    line = f"GT/LABELS/{RAND}.png: truncated at byte 8192 of an image of 1280x760; copy it again"
    assert [one.line for one in found if one.level == "error"] == [line]


def test_an_empty_file_is_truncated_at_its_beginning(rand: Path) -> None:
    (rand / f"Depth/Depth/{RAND}.png").write_bytes(b"")
    assert said("synthia", rand) == [f"Depth/Depth/{RAND}.png: truncated at byte 0, before the image; copy it again"]


def test_8_bits_where_16_are_right_are_told(rand: Path) -> None:
    fixtures.png(rand / f"GT/LABELS/{RAND}.png", np.zeros((760, 1280, 3), np.uint8))
    line = "8-bit RGB, expected 16-bit RGB (R = class); was it saved again by an 8-bit tool?"
    assert said("synthia", rand) == [f"GT/LABELS/{RAND}.png: {line}"]


def test_an_rgb_label_has_lost_its_indices(city: Path) -> None:
    fixtures.png(city / f"gtFine/{AACHEN}_gtFine_labelIds.png", np.zeros((64, 128, 3), np.uint8))
    line = "8-bit RGB, expected 8-bit grey; indices are lost"
    assert said("cityscapes", city) == [f"{AACHEN}_gtFine_labelIds.png: {line}"]


def test_an_unknown_id_is_counted_and_placed(drive: Path) -> None:
    ids = np.zeros((360, 480), np.uint8)
    ids[12:23, 40:52] = 77
    fixtures.png(drive / "trainannot/0016E5_00390.png", ids)
    line = "id 77 on 132 pixels, known ids 0-11; first at row 12, column 40"
    assert said("camvid", drive) == [f"{drive.name}/trainannot/0016E5_00390.png: {line}"]


def test_a_pair_of_unequal_sizes_is_told(city: Path) -> None:
    fixtures.png(city / f"gtFine/{AACHEN}_gtFine_labelIds.png", np.zeros((32, 64), np.uint8))
    assert said("cityscapes", city) == [f"{AACHEN}_gtFine_labelIds.png: 64x32, image 128x64; expected equal sizes"]


def test_another_size_than_the_data_sets_is_told(drive: Path) -> None:
    fixtures.png(drive / "train/0016E5_00390.png", np.zeros((180, 240, 3), np.uint8))
    fixtures.png(drive / "trainannot/0016E5_00390.png", np.zeros((180, 240), np.uint8))
    assert said("camvid", drive) == [f"{drive.name}/train/0016E5_00390.png: 240x180, expected 480x360"]


def test_a_missing_depth_is_named_with_those_who_are_there(rand: Path) -> None:
    (rand / f"Depth/Depth/{RAND}.png").unlink()
    assert said("synthia", rand) == [f"Depth/Depth/{RAND}.png: missing; RGB and GT/LABELS have it"]


def test_a_label_without_an_image_is_told(rand: Path) -> None:
    shutil.copy(rand / f"GT/LABELS/{RAND}.png", rand / "GT/LABELS/0000007.png")
    assert said("synthia", rand) == ["GT/LABELS/0000007.png: there is no image RGB GT/RGB/0000007.png"]


@pytest.mark.parametrize(
    ("rig", "line"),
    [
        (b"<html>", "not json; expected extrinsic.baseline, intrinsic.fx and others"),
        (b'{"intrinsic": {}}', "no extrinsic.baseline; expected metres, about 0.209 or 0.222"),
        (b'{"extrinsic": {"baseline": -1.0}}', "baseline -1.0, expected 0.1..1 m"),
        (b'{"extrinsic": {"baseline": 0.2}, "intrinsic": {}}', "no intrinsic.fx; expected pixels"),
        (b'{"extrinsic": {"baseline": 0.2}, "intrinsic": {"fx": 0}}', "fx 0, expected 1..10000 px"),
    ],
)
def test_a_wrong_camera_is_told_of_every_frame(
    city: Path, rig: bytes, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "SAMPLE", 1)
    path = "camera/val/hamburg/hamburg_000000_000042_camera.json"
    (city / path).write_bytes(rig)
    for whole in (False, True):  # once, also by those who read its depth
        found = verify.looked("cityscapes", city, whole, 1, show=False)[1].findings
        assert [one.line for one in found if one.level == "error"] == [f"{path.partition('/')[2]}: {line}"]


def test_a_wrong_unit_shows_as_a_factor(rand: Path) -> None:
    metres = np.full((760, 1280, 3), 12, np.uint16)
    fixtures.png(rand / f"Depth/Depth/{RAND}.png", metres)
    line = "median 0.12 m if centimetres; expected 3-60; factor 100: stored in metres?"
    assert f"Depth/Depth/{RAND}.png: {line}" in said("synthia", rand, "warning")
    fixtures.png(rand / f"Depth/Depth/{RAND}.png", 1000 * metres)  # 12 m in mm
    line = "median 120 m if centimetres; expected 3-60; factor 10: stored in millimetres?"
    assert f"Depth/Depth/{RAND}.png: {line}" in said("synthia", rand, "warning")


def test_depth_without_one_valid_pixel_is_told(city: Path, rand: Path) -> None:
    fixtures.png(city / f"disparity/{AACHEN}_disparity.png", np.zeros((64, 128), np.uint16))
    assert said("cityscapes", city) == [f"{AACHEN}_disparity.png: no valid pixel (all 0)"]
    fixtures.png(city / f"disparity/{AACHEN}_disparity.png", np.ones((64, 128), np.uint16))
    assert said("cityscapes", city) == [f"{AACHEN}_disparity.png: no valid pixel (all 0 or 1)"]
    fixtures.png(rand / f"Depth/Depth/{RAND}.png", np.zeros((760, 1280, 3), np.uint16))
    assert said("synthia", rand) == [f"Depth/Depth/{RAND}.png: no valid pixel (all 0)"]


def test_unusual_disparity_is_a_warning(city: Path) -> None:
    p = np.full((64, 128), 257, np.uint16)
    p[0, 0] = 45000
    fixtures.png(city / f"disparity/{AACHEN}_disparity.png", p)
    found = said("cityscapes", city, "warning")
    assert f"{AACHEN}_disparity.png: 0% of its pixels are 0, expected 5-40 %" in found
    assert f"{AACHEN}_disparity.png: greatest value 45000, expected below 40000" in found


def test_two_layouts_at_once_are_a_note(rand: Path) -> None:
    (rand / "parsed_LABELS").mkdir()
    assert "synthia: both GT/LABELS and parsed_LABELS exist: using GT/LABELS" in said("synthia", rand, "note")


def test_hidden_and_foreign_files_are_a_note_with_their_number(rand: Path) -> None:
    fixtures.strange(rand / "GT/LABELS/.DS_Store", rand / "GT/LABELS/notes.txt")
    found = said("synthia", rand, "note")
    assert any(line.endswith("RGB GT/RGB: 2 hidden or foreign files ignored") for line in found)
    assert "2 hidden or foreign files beside those of semseg, left alone" in found


def test_a_broken_link_is_told(rand: Path) -> None:
    (rand / f"RGB/{RAND}.png").unlink()
    (rand / f"RGB/{RAND}.png").symlink_to(rand / "gone.png")
    assert said("synthia", rand) == [f"RGB GT/RGB/{RAND}.png: broken link"]


def test_a_file_that_may_not_be_read_is_told(drive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = Path.open

    def guarded(path: Path, *rest: str, **more: str) -> object:
        if path.name == "0016E5_00390.png" and path.parent.name == "train":
            raise PermissionError(13, "Permission denied")
        return real_open(path, *rest, **more)

    monkeypatch.setattr(Path, "open", guarded)
    assert said("camvid", drive) == [f"{drive.name}/train/0016E5_00390.png: permission denied"]


def test_another_data_set_under_the_name_is_told(tmp_path: Path) -> None:
    fixtures.png(tmp_path / "RGB/0000000.png", np.zeros((720, 960, 3), np.uint8))
    line = "RGB is 960x720, not 1280x760: this is SYNTHIA-RAND (13 classes), not SYNTHIA-RAND-CITYSCAPES"
    assert said("synthia", tmp_path) == [f"synthia: {line}"]
