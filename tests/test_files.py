"""The questions that every data set asks of its folder have one-line answers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from datasets import files
from tests.fixtures import strange


def test_a_listing_is_sorted_whatever_the_file_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.listdir", lambda folder: ["10.png", "9.png", ".8.png", "2.png", "2.PNG"])
    assert files.listing(tmp_path, re.compile(r"\d+\.png")) == ["10.png", "2.png", "9.png"]


def test_a_folder_that_cannot_be_listed_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="/images/: no such file or directory$"):
        files.listing(tmp_path / "images", re.compile("a"))


def test_the_home_is_the_first_variant_that_holds_the_marker(tmp_path: Path) -> None:
    strange(tmp_path / "set" / "RGB" / "a")
    assert files.home("d", tmp_path, ("", "set"), "RGB", "expected RGB/") == tmp_path / "set"
    strange(tmp_path / "RGB" / "a")
    assert files.home("d", tmp_path, ("", "set"), "RGB", "expected RGB/") == tmp_path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ids_are_renamed_and_void_is_255_whatever_the_file_says(dtype: type) -> None:
    ids: np.ndarray = np.array([[3, 4], [250, 255]], dtype)
    found = files.renamed(ids, {3: 0, 4: 18}, (250, 255), Path("a.png"))
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, 18], [255, 255]]


def test_an_id_beyond_a_byte_is_unknown_and_not_cut_to_its_low_byte() -> None:
    with pytest.raises(ValueError, match="^a.png: id 259 on 1 pixels, known ids 3-4; first at row 0, column 1$"):
        files.renamed(np.array([[3, 259]], np.uint16), {3: 0, 4: 1}, (), Path("a.png"))


def test_what_is_there_is_said_in_the_right_number(tmp_path: Path) -> None:
    paths = {name: tmp_path / name / "1.png" for name in ("image", "semseg", "depth")}
    strange(paths["image"], paths["semseg"])
    with pytest.raises(FileNotFoundError, match="/depth/1.png: missing; image and semseg have it$"):
        files.require(paths, ("image", "semseg", "depth"))
    with pytest.raises(FileNotFoundError, match="/depth/1.png: missing; image has it$"):
        files.require(paths, ("image", "depth"))
    files.require(paths, ("image",))


def test_the_official_layout_comes_before_another(tmp_path: Path) -> None:
    strange(tmp_path / "other" / "a")
    assert files.located("d", tmp_path, ("images", "other"), "expected images/") == (tmp_path, "other")
    strange(tmp_path / "images" / "a")
    assert files.located("d", tmp_path, ("images", "other"), "expected images/") == (tmp_path, "images")
    with pytest.raises(FileNotFoundError, match="^d: no folder elsewhere at .*; expected images/. split=minicity "):
        files.located("d", tmp_path, ("elsewhere",), "expected images/")


def test_a_missing_folder_names_the_archive_that_brings_it(tmp_path: Path) -> None:
    strange(tmp_path / "gt" / "train" / "a")
    files.unpacked("d", tmp_path / "gt" / "train", "gt.zip")
    with pytest.raises(FileNotFoundError, match="^d: gt/val is missing; it is in gt.zip; or do without$"):
        files.unpacked("d", tmp_path / "gt" / "val", "gt.zip", "; or do without")


def test_nested_names_come_folder_by_folder(tmp_path: Path) -> None:
    names = ("b/2.png", "b/1.png", "a/9.png", "a/note.txt", ".hidden/3.png", "c", "x9/1.png")
    strange(*(tmp_path / name for name in names))
    found = [(folder, match[1]) for folder, match in files.nested(tmp_path, re.compile(r"(\d)\.png"))]
    assert found == [("a", "9"), ("b", "1"), ("b", "2"), ("x9", "1")]
    inside = files.nested(tmp_path, re.compile(r"(\d)\.png"), re.compile("[ab]"))
    assert [folder for folder, _ in inside] == ["a", "b", "b"]


def test_no_image_is_an_error_and_too_few_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(FileNotFoundError, match=r"^gta5: images/ has 0 files matching NNNNN.png, expected 24966$"):
        files.counted("gta5", "all", 0, 24966, "images", "NNNNN.png")
    files.counted("gta5", "all", 9, None, "images", "NNNNN.png")
    files.counted("gta5", "all", 9, 9, "images", "NNNNN.png")
    assert not caplog.messages
    files.counted("gta5", "all", 8, 9, "images", "NNNNN.png")
    assert caplog.messages == ["gta5: all has 8 images, 9 expected"]
