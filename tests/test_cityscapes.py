"""Cityscapes comes back from disk as it was written, and a fault in it is one line."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data.geometry import Camera, normals_from_depth
from datasets import cityscapes
from tests import fixtures

STEMS = ["aachen_000000_000019", "aachen_000002_000019", "hamburg_000000_000042", "hamburg_099902_106102"]
FIRST = "train/aachen/aachen_000000_000019"
ALL = ("image", "semseg", "depth")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root whose name has words that a careless loader would replace."""
    fixtures.cityscapes(tmp_path / "leftImg8bit train.d")
    return tmp_path / "leftImg8bit train.d"


def read(root: Path, what: tuple[str, ...] = ALL, position: int = 0) -> dict[str, np.ndarray]:
    return cityscapes.read(cityscapes.index(root, "train")[position], what)


def fault(root: Path | None, what: tuple[str, ...] = ALL, part: str = "train") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in cityscapes.index(root, part):
            cityscapes.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("nested", [False, True], ids=["archives in one folder", "each archive in its own"])
def test_frames_come_back_as_written_in_their_native_size(tmp_path: Path, nested: bool) -> None:
    truths = fixtures.cityscapes(tmp_path, nested=nested)
    for item in cityscapes.index(tmp_path, "train"):
        truth, found = truths[item.stem], cityscapes.read(item, ALL, size=(64, 32))
        assert (found["image"] == truth.image).all()
        assert (found["semseg"] == truth.semseg).all()
        assert found["camera"] == Camera(*truth.camera)
        assert (found["image"].dtype, found["semseg"].dtype, found["depth"].dtype) == (np.uint8, np.uint8, np.float32)


def test_depth_is_right_to_the_disparitys_step_with_each_citys_own_camera(tmp_path: Path) -> None:
    truths = fixtures.cityscapes(tmp_path)
    for item in cityscapes.index(tmp_path, "train"):
        found, truth = cityscapes.read(item, ["depth"])["depth"], truths[item.stem]
        valid = np.isfinite(truth.depth)
        valid[:, :6] = False
        baseline = 0.209313 if item.stem.startswith("aachen") else 0.222126
        step = truth.depth[valid] ** 2 / (256 * baseline * truth.camera[0])  # metres of 1 / 256 pixel
        assert (np.abs(found[valid] - truth.depth[valid]) <= 0.51 * step + 1e-4).all()
        assert not found[~valid].any()


def test_no_match_and_infinitely_far_are_invalid_and_nothing_is_divided_by_zero(root: Path) -> None:
    p = np.full((64, 128), 257, np.uint16)  # a disparity of 1 pixel
    p[0], p[1], p[2] = 0, 1, 2
    fixtures.png(root / f"disparity/{FIRST}_disparity.png", p)
    with np.errstate(all="raise"):
        depth = read(root, ("depth",))["depth"]
    product = 0.209313 * 2262.52 / 16  # metres x pixels, at the fixture's width
    assert not depth[:2].any()
    assert np.allclose(depth[2], 256 * product)
    assert np.allclose(depth[3:], product)


def test_label_ids_go_to_cs19_as_in_cityscapes_own_scripts(root: Path) -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    expected = {label.id: label.trainId for label in labels if label.id >= 0}
    assert read(root)["semseg"][5, :34].tolist() == [expected[i] for i in range(34)]


def test_labels_may_be_had_with_the_ids_of_their_file_and_what_these_are(root: Path) -> None:
    stored = read(root, ("ids", "depth"))
    assert stored.keys() == {"ids", "depth", "camera"} and stored["ids"][5, :34].tolist() == [*range(34)]
    assert (cityscapes.STORED[stored["ids"]] == read(root)["semseg"]).all()
    assert cityscapes.STORED[34] == -1


def test_label_ids_are_had_from_instance_ids_too(root: Path) -> None:
    expected = [read(root, ("semseg",), position)["semseg"] for position in range(4)]
    stored = read(root, ("ids",))["ids"]
    for path in root.glob("gtFine/*/*/*_labelIds.png"):
        path.unlink()
    assert all((read(root, ("semseg",), i)["semseg"] == expected[i]).all() for i in range(4))
    ids = read(root, ("ids",))["ids"]
    assert ids.dtype == np.uint8 and (ids == stored).all()


def test_an_instance_is_of_the_class_that_its_thousands_say(root: Path) -> None:
    for path in root.glob("gtFine/*/*/*_labelIds.png"):
        path.unlink()
    values = np.full((64, 128), 7, np.uint16)
    values[1], values[2], values[3] = 26, 26017, 33999  # a group of cars, a car, a bicycle
    fixtures.png(root / f"gtFine/{FIRST}_gtFine_instanceIds.png", values)
    assert read(root)["semseg"][:5, 9].tolist() == [0, 13, 13, 18, 0]
    values[4, :3] = 300
    fixtures.png(root / f"gtFine/{FIRST}_gtFine_instanceIds.png", values)
    line = f"{FIRST}_gtFine_instanceIds.png: id 300 on 3 pixels, known ids 0-33; first at row 4, column 0"
    assert fault(root) == fault(root, ("ids",)) == line


def test_one_missing_file_of_label_ids_is_not_made_up_for(root: Path) -> None:
    (root / f"gtFine/{FIRST}_gtFine_labelIds.png").unlink()
    assert "labelIds.png: missing" in fault(root)


def test_a_license_plate_as_an_unsigned_byte_is_void(root: Path) -> None:
    fixtures.png(root / f"gtFine/{FIRST}_gtFine_labelIds.png", np.full((64, 128), np.array(-1).astype(np.uint8)))
    assert (read(root)["semseg"] == 255).all()


def test_the_index_is_sorted_and_leaves_foreign_files_alone(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (root / "leftImg8bit/train/.trash").mkdir()
    (root / "leftImg8bit/train/notes.txt").write_text("not a city")
    assert [item.stem for item in cityscapes.index(root, "train")] == STEMS
    assert "leftImg8bit/train/aachen: 2 hidden or foreign files ignored" in caplog.text


def test_a_partial_copy_is_a_warning(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    cityscapes.index(root, "train")
    assert caplog.messages == ["cityscapes: train has 4 images, 2975 expected"]


def test_opened_without_tasks_it_touches_no_label(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("gtFine", "disparity", "camera"):
        shutil.rmtree(root / package)
    touched = fixtures.watched(monkeypatch)
    assert len(cityscapes.index(root, "train")) == 4
    read(root, ("image",))
    inside = [Path(path).relative_to(root).as_posix() for path in touched if Path(path).is_relative_to(root)]
    assert f"leftImg8bit/{FIRST}_leftImg8bit.png" in inside
    assert not [path for path in inside if path.endswith((".png", ".json")) and not path.startswith("leftImg8bit")]


def test_segmentation_alone_needs_neither_disparity_nor_camera(root: Path) -> None:
    shutil.rmtree(root / "disparity")
    shutil.rmtree(root / "camera")
    assert set(read(root, ("image", "semseg"))) >= {"image", "semseg"}


def test_depth_and_camera_fit_together_so_that_normals_follow(tmp_path: Path) -> None:
    truths = fixtures.cityscapes(tmp_path)
    item = cityscapes.index(tmp_path, "train")[2]
    found, truth = cityscapes.read(item, ("depth",)), truths[item.stem]
    solid = np.isfinite(truth.depth)
    normals = normals_from_depth(found["depth"], found["camera"])
    solid &= normals.any(-1)
    degrees = np.degrees(np.arccos(np.clip((normals * truth.normals).sum(-1), -1, 1)))[solid]
    assert solid.mean() > 0.2
    assert np.percentile(degrees, 90) < 0.5


def test_normals_are_refused_because_they_are_made_from_depth(root: Path) -> None:
    with pytest.raises(ValueError, match="^cityscapes: no normals in this data set; it has image semseg depth camera$"):
        read(root, ("normals",))


def test_nothing_is_written_under_the_root(root: Path) -> None:
    before = fixtures.snapshot(root)
    read(root)
    assert fixtures.snapshot(root) == before


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    line = f"cityscapes: no folder leftImg8bit at {tmp_path}; expected leftImg8bit/, gtFine/, disparity/, camera/ "
    assert fault(tmp_path).startswith(line)
    assert fault(tmp_path).endswith("Had at cityscapes-dataset.com, after registration. split=minicity needs no data")
    assert fault(None).startswith("cityscapes: no folder was given; ")


def test_an_empty_folder_is_not_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "leftImg8bit/train").mkdir(parents=True)
    line = "leftImg8bit/train/ has 0 files matching CITY/CITY_NNNNNN_NNNNNN_leftImg8bit.png, expected 2975"
    assert fault(tmp_path) == f"cityscapes: {line}"


def test_an_unknown_part_comes_with_the_nearest_known_one(root: Path) -> None:
    assert fault(root, part="valid") == 'cityscapes: no part "valid"; did you mean val? known: train val'


def test_a_missing_sub_folder_names_its_archive(root: Path) -> None:
    line = "is missing; it is in leftImg8bit_trainvaltest.zip"
    assert fault(root, part="val") == f"cityscapes: leftImg8bit/val {line}"
    shutil.rmtree(root / "gtFine")
    assert fault(root) == "cityscapes: gtFine/train is missing; it is in gtFine_trainvaltest.zip"


@pytest.mark.parametrize("package", ["disparity", "camera"])
def test_a_missing_sub_folder_of_depth_says_how_to_do_without(root: Path, package: str) -> None:
    shutil.rmtree(root / package)
    line = f"{package}/train is missing; it is in {package}_trainvaltest.zip; without it run with "
    assert fault(root) == f"cityscapes: {line}split.tasks=[semseg] split.scored=[semseg]"


def test_a_missing_file_is_named_beside_what_is_there(root: Path) -> None:
    (root / f"gtFine/{FIRST}_gtFine_labelIds.png").unlink()
    line = "aachen/aachen_000000_000019_gtFine_labelIds.png: missing; leftImg8bit/train/aachen has it"
    assert fault(root, ("image", "semseg")) == f"train/{line}"


def test_an_unknown_id_is_counted_and_placed(root: Path) -> None:
    ids = np.zeros((64, 128), np.uint8)
    ids[12:23, 40:52] = 77
    fixtures.png(root / f"gtFine/{FIRST}_gtFine_labelIds.png", ids)
    line = "_gtFine_labelIds.png: id 77 on 132 pixels, known ids 0-33; first at row 12, column 40"
    assert fault(root) == FIRST + line


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    fixtures.png(root / f"gtFine/{FIRST}_gtFine_labelIds.png", np.zeros((32, 64), np.uint8))
    assert fault(root) == f"{FIRST}_gtFine_labelIds.png: 64x32, image 128x64; expected equal sizes"


def test_disparity_of_8_bits_is_refused(root: Path) -> None:
    fixtures.png(root / f"disparity/{FIRST}_disparity.png", np.ones((64, 128), np.uint8))
    line = "8-bit grey, expected 16-bit grey (256 disparity + 1); was it saved again by an 8-bit tool?"
    assert fault(root) == f"{FIRST}_disparity.png: {line}"


@pytest.mark.parametrize(("p", "found"), [(0, "all 0"), (1, "all 0 or 1")])
def test_disparity_without_one_valid_pixel_is_refused(root: Path, p: int, found: str) -> None:
    fixtures.png(root / f"disparity/{FIRST}_disparity.png", np.full((64, 128), p, np.uint16))
    assert fault(root) == f"{FIRST}_disparity.png: no valid pixel ({found})"


@pytest.mark.parametrize("value", [-1.0, 0, 209.3, "0.2", None])
def test_an_impossible_baseline_is_refused(root: Path, value: object) -> None:
    path = root / f"camera/{FIRST}_camera.json"
    rig = json.loads(path.read_text())
    rig["extrinsic"]["baseline"] = value
    path.write_text(json.dumps(rig))
    wrong = f"baseline {value}, expected 0.1..1 m"
    absent = "no extrinsic.baseline; expected metres, about 0.209 or 0.222"
    assert fault(root) == f"{FIRST}_camera.json: {absent if value is None else wrong}"


@pytest.mark.parametrize("key", ["fx", "fy", "u0", "v0"])
def test_a_camera_without_one_of_its_numbers_is_refused(root: Path, key: str) -> None:
    path = root / f"camera/{FIRST}_camera.json"
    rig = json.loads(path.read_text())
    del rig["intrinsic"][key]
    path.write_text(json.dumps(rig))
    assert fault(root) == f"{FIRST}_camera.json: no intrinsic.{key}; expected pixels"


@pytest.mark.parametrize("text", ["<html>", ""])
def test_a_camera_that_is_not_json_is_refused(root: Path, text: str) -> None:
    (root / f"camera/{FIRST}_camera.json").write_text(text)
    line = "not json; expected extrinsic.baseline, intrinsic.fx and others"
    assert fault(root) == f"{FIRST}_camera.json: {line}"
    (root / f"camera/{FIRST}_camera.json").write_text("[1, 2]")
    assert fault(root).startswith(f"{FIRST}_camera.json: no extrinsic.baseline; ")
