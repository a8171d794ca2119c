"""The verifier over a whole data set: counts, classes, several processes, the report and what it is ready for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from bench import manifest
from datasets import camvid, cityscapes, survey, synthia, verify
from tests import fixtures
from tests.test_broken_data import AACHEN, RAND, _small, city, drive, rand, said, trees
from tests.test_camvid import REAL, real

__all__ = ["_small", "city", "drive", "rand", "trees"]  # fixtures


@pytest.mark.parametrize("name", ["synthia", "cityscapes", "camvid"])
def test_a_sound_copy_has_no_error_and_is_left_as_it_was(trees: Path, name: str, capsys: pytest.CaptureFixture) -> None:
    before = fixtures.snapshot(trees / name)
    assert verify.main([name, str(trees / name), "--full"]) == 0
    assert fixtures.snapshot(trees / name) == before
    assert "ready for: " in capsys.readouterr().out.splitlines()[-1]


def test_a_data_set_is_ready_for_the_splits_that_use_it(trees: Path, tmp_path: Path) -> None:
    assert verify.main(["camvid", str(trees / "camvid"), "--json", str(tmp_path / "report.json")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"camvid_day2dusk", "minicity2camvid"} <= set(report["ready_for"])
    assert report["parts"]["train"] == {"images": 4, "expected": 367}
    assert report["sizes"] == {"480x360": 12}
    assert report["shares"]["sky"] > 0 and sum(report["shares"].values()) - report["shares"]["void"] == pytest.approx(
        1, abs=1e-3
    )


def test_with_an_error_it_is_ready_for_nothing(rand: Path, capsys: pytest.CaptureFixture) -> None:
    (rand / f"Depth/Depth/{RAND}.png").unlink()
    assert verify.main(["synthia", str(rand)]) == 1
    out = capsys.readouterr().out
    assert "ready for" not in out and "1 error" in out and "not ready" in out


def test_what_is_rendered_has_no_files_to_look_at(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert verify.main(["minicity", str(tmp_path)]) == 2
    assert "minicity is rendered: it has no files to look at" in capsys.readouterr().err


def test_fewer_images_are_a_warning_and_more_an_error(trees: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "synthia: 4 images, 9400 expected; missing 0000002" in said("synthia", trees / "synthia", "warning")
    assert "camvid: val has 4 images, 101 expected" in said("camvid", trees / "camvid", "warning")
    few = dataclasses.replace(camvid.FACTS, counts={"val": 3})
    monkeypatch.setattr(camvid, "FACTS", few)
    assert said("camvid", trees / "camvid") == ["camvid: val has 4 images, 3 expected"]
    for soft in ({"firm": False}, {"recalled": ("val",)}):
        monkeypatch.setattr(camvid, "FACTS", dataclasses.replace(few, **soft))
        assert said("camvid", trees / "camvid") == []
        assert "camvid: val has 4 images, 3 expected" in said("camvid", trees / "camvid", "warning")


def test_two_images_of_one_name_are_an_error(trees: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = camvid.index
    monkeypatch.setattr(camvid, "index", lambda root, part: [*real(root, part), real(root, part)[0]])
    monkeypatch.setattr(camvid, "FACTS", dataclasses.replace(camvid.FACTS, counts={"val": 5}))
    assert said("camvid", trees / "camvid") == ["camvid: two images of val are called 0016E5_07959"]


def test_a_sample_with_other_bytes_than_those_measured_is_a_warning(
    drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = "trainannot/0016E5_00390.png"
    digest = hashlib.sha256((drive / end).read_bytes()).hexdigest()
    monkeypatch.setattr(camvid, "FACTS", dataclasses.replace(camvid.FACTS, samples={end: digest}))
    line = f"{end}: other bytes than the copy that was measured"
    assert line not in said("camvid", drive, "warning")
    fixtures.png(drive / end, np.ones((360, 480), np.uint8))
    assert line in said("camvid", drive, "warning")


def test_a_part_that_is_whole_is_counted_by_drive(trees: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = dataclasses.replace(camvid.FACTS, counts={"train": 4}, groups={"train/0016E5": 3, "train/0001TP": 1})
    monkeypatch.setattr(camvid, "FACTS", facts)
    assert "train/0016E5: 2 images, 3 expected" in said("camvid", trees / "camvid", "warning")
    assert not [line for line in said("camvid", trees / "camvid", "warning") if line.startswith("train/0001TP:")]


def test_a_class_that_never_shows_is_a_warning_unless_it_is_known_to_be_absent(
    drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in drive.glob("*annot/*.png"):
        fixtures.png(path, np.repeat(np.arange(9, dtype=np.uint8), 40)[:, None].repeat(480, 1))
    found = said("camvid", drive, "warning")
    assert "on no pixel of 12 images: pedestrian, bicyclist" in found
    monkeypatch.setattr(camvid, "FACTS", dataclasses.replace(camvid.FACTS, never=("bicyclist",)))
    assert not [line for line in said("camvid", drive, "warning") if "bicyclist" in line]


def test_classes_that_lie_upside_down_are_a_warning(drive: Path) -> None:
    for path in drive.glob("*annot/*.png"):
        ids = np.full((360, 480), 3, np.uint8)  # road
        ids[300:] = 0  # sky
        fixtures.png(path, ids)
    found = said("camvid", drive, "warning")
    assert "sky or ceiling is not above road or floor; mirrored or rotated?" in found
    assert "class shares are 1.06 (L1) off those measured, expected 0.2 at most, over 12 images" in found


@pytest.mark.parametrize("whole", [True, False])
def test_a_file_that_has_changed_since_it_was_prepared_is_a_warning(drive: Path, tmp_path: Path, whole: bool) -> None:
    parts = {part: camvid.index(drive, part) for part in camvid.FACTS.counts}
    kept = manifest.make("camvid", False, parts)
    found = verify.looked("camvid", drive, False, 1, show=False)[1]
    assert list(verify.changed(kept, found, whole)) == []
    fixtures.png(drive / "trainannot/0016E5_00390.png", np.ones((360, 480), np.uint8))
    (line,) = [one.line for one in verify.changed(kept, found, whole)]
    assert line.startswith(f"{drive.name}/trainannot/0016E5_00390.png: ") and line.endswith("when it was prepared")


def test_a_set_that_should_have_void_pixels_and_has_none_is_a_warning(
    drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = dataclasses.replace(camvid.FACTS, no_void="this repack merges class 40 and void")
    monkeypatch.setattr(camvid, "FACTS", facts)
    line = "labels: no void pixel in 12 images; this repack merges class 40 and void"
    assert line not in said("camvid", drive, "warning")
    for path in drive.glob("*annot/*.png"):
        fixtures.png(path, np.zeros((360, 480), np.uint8))
    assert line in said("camvid", drive, "warning")


def test_a_part_that_a_copy_may_be_without_is_a_warning_and_its_splits_are_not_ready(
    drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (drive / "test.txt").unlink()
    assert verify.main(["camvid", str(drive)]) == 1
    monkeypatch.setattr(camvid, "FACTS", dataclasses.replace(camvid.FACTS, spare=("test", "day", "dusk-test")))
    assert verify.main(["camvid", str(drive), "--json", str(tmp_path / "report.json")]) == 0
    assert json.loads((tmp_path / "report.json").read_text())["ready_for"] == []
    assert "camvid: test.txt is missing; it names the images of test/" in said("camvid", drive, "warning")


def test_a_copy_without_any_of_its_parts_is_an_error(drive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("train", "val", "test"):
        (drive / f"{part}.txt").unlink()
    monkeypatch.setattr(camvid, "FACTS", dataclasses.replace(camvid.FACTS, spare=tuple(camvid.FACTS.counts)))
    assert said("camvid", drive) == ["camvid: no part of it is there"]


def test_processes_find_the_same_in_the_same_order(city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixtures.png(city / f"gtFine/{AACHEN}_gtFine_labelIds.png", np.zeros((32, 64), np.uint8))
    (city / "disparity/val/hamburg/hamburg_000000_000042_disparity.png").unlink()
    alone = survey.survey("cityscapes", cityscapes, city)
    monkeypatch.setattr(survey, "ENOUGH", 2)
    told: list[int] = []
    several = survey.survey("cityscapes", cityscapes, city, workers=2, progress=lambda done, _: told.append(done))
    assert several.findings == alone.findings and len(alone.findings) > 2
    assert (several.counts == alone.counts).all() and alone.counts.any()
    assert told == list(range(1, 9))


def test_errors_come_first_and_twenty_of_a_kind_are_shown() -> None:
    findings = [{"level": level, "kind": "pair", "line": f"{i}"} for level in ("error", "note") for i in range(25)]
    shown = list(verify.lines(findings))
    assert shown[0] == "error: 0" and shown[20] == "error: ... and 5 more of this kind (pair)"
    assert shown[21] == "note: 0" and len(shown) == 42


@real
def test_the_real_camvid_is_sound_and_as_it_was_measured() -> None:
    found = verify.looked("camvid", REAL, whole=False, workers=2, show=False)[1]
    assert found.findings == []
    assert synthia.FACTS.shares == {}  # nobody here has measured SYNTHIA
