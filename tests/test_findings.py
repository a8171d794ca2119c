"""What is looked at in one image, on data sets made up for the purpose: depth, ids, normals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from bench.data.pack import Item
from datasets import axes, minicity, survey
from datasets.facts import Facts
from datasets.findings import Look, Seen, misspelt
from tests import fixtures


def look(tmp_path: Path, **maps: Any) -> Seen:
    """An image whose maps are these, in files that no picture reader opens."""
    files = {name: tmp_path / name / "a.bin" for name in maps if name != "camera"}
    fixtures.strange(*files.values())

    def read(item: Item, what: tuple[str, ...]) -> dict[str, Any]:
        return {name: value for name, value in maps.items() if name in what or name == "camera"}

    tasks = tuple(name for name in files if name != "image")
    return Look("toy", read, None, Facts(counts={}), tasks, 3)(Item("a", files), True)


def lines(seen: Seen) -> list[str]:
    return [f"{one.level}: {one.line.rpartition('/')[2]}" for one in seen.findings]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (np.nan, "error: a.bin: 3 NaN, expected 0 for invalid"),
        (-1.0, "error: a.bin: 3 negative depths, expected 0 for invalid"),
    ],
)
def test_what_is_no_depth_is_counted(tmp_path: Path, value: float, line: str) -> None:
    depth = np.ones((8, 8), np.float32)
    depth[0, :3] = value
    assert lines(look(tmp_path, image=np.zeros((8, 8, 3), np.uint8), depth=depth)) == [line]


def test_depth_is_measured_without_its_sky_and_its_holes(tmp_path: Path) -> None:
    depth = np.full((10, 10), 4.0, np.float32)
    depth[0], depth[1] = 0, 655.35
    seen = look(tmp_path, image=np.zeros((10, 10, 3), np.uint8), depth=depth)
    assert seen.depth == pytest.approx((4.0, 4.0, 655.35, 0.1, 0.1))


def test_an_id_that_the_label_space_does_not_have_is_an_error(tmp_path: Path) -> None:
    ids = np.array([[0, 2], [3, 255]], np.uint8)
    seen = look(tmp_path, image=np.zeros((2, 2, 3), np.uint8), semseg=ids)
    assert lines(seen) == ["error: a.bin: id 3 after its map, expected ids below 3 and 255"]


def test_arrays_of_unequal_sizes_are_told_though_no_header_says_so(tmp_path: Path) -> None:
    seen = look(tmp_path, image=np.zeros((8, 8, 3), np.uint8), depth=np.ones((4, 8), np.float32))
    assert lines(seen) == ["error: a.bin: 8x4, image 8x8; expected equal sizes"]


def test_an_array_of_another_type_than_the_data_sets_is_a_warning(tmp_path: Path) -> None:
    files = {"image": tmp_path / "x/image/0.npy", "depth": tmp_path / "x/depth/0.hdf5"}
    fixtures.strange(*files.values())
    np.save(files["image"], np.zeros((6, 8, 3)))
    with h5py.File(files["depth"], "w") as file:
        file["dataset"] = np.ones((6, 8), np.float32)
    facts = Facts(counts={}, forms={"image": ("float64",), "depth": ("float16 dataset",)})
    seen = Look("toy", lambda *_: {}, None, facts, ("depth",), 3)(Item("0", files), False)
    assert [one.line for one in seen.findings] == ["x/depth/0.hdf5: float32 dataset, expected float16 dataset"]
    assert seen.size == (8, 6) and seen.forms == {"image": "float64", "depth": "float32 dataset"}


def test_an_array_of_another_size_than_its_image_is_told_by_the_headers(tmp_path: Path) -> None:
    files = {"image": tmp_path / "x/image/0.npy", "depth": tmp_path / "x/depth/0.npy"}
    fixtures.strange(*files.values())
    np.save(files["image"], np.zeros((6, 8, 3)))
    np.save(files["depth"], np.ones((6, 7, 1)))
    seen = Look("toy", lambda *_: {}, None, Facts(counts={}), ("depth",), 3)(Item("0", files), False)
    assert [one.line for one in seen.findings] == ["x/depth/0.npy: 7x6, image 8x6; expected equal sizes"]


OTHERWISE = {axes.words(way): way for way in axes.SIGNED_PERMUTATIONS}


def rendered(tmp_path: Path, way: str) -> Seen:
    maps = minicity.read(minicity.index(None, "render-train")[0], ("image", "depth", "normals"), (96, 48))
    turned = (maps["normals"] @ np.array(OTHERWISE[way])).astype(np.float32)  # undone by `way`
    return look(tmp_path, **{**maps, "normals": turned})


def test_normals_in_our_axes_are_found_to_be_so(tmp_path: Path) -> None:
    seen = rendered(tmp_path, "x y z")
    assert lines(seen) == [] and list(survey._normals([seen])) == []
    assert seen.facing[0] == seen.facing[1] > 1000


@pytest.mark.parametrize("way", ["x -y -z", "y x z", "-x y z"])
def test_normals_in_other_axes_are_an_error_that_names_them(tmp_path: Path, way: str) -> None:
    found = [one.line for one in survey._normals([rendered(tmp_path, way)])]
    line = f"normals: as {way} they fit the depth better than as x y z; the loader's axes are wrong for these files"
    assert line in found


def test_normals_that_face_away_are_an_error(tmp_path: Path) -> None:
    found = [one.line for one in survey._normals([rendered(tmp_path, "-x -y -z")])]
    assert found[0] == "0% of the normals face the camera, expected 95 % or more (n . p < 0)"


def test_normals_that_are_not_of_length_one_are_counted(tmp_path: Path) -> None:
    normals = np.zeros((8, 8, 3), np.float32)
    normals[0, :3] = 1
    seen = look(tmp_path, image=np.zeros((8, 8, 3), np.uint8), normals=normals)
    assert lines(seen) == ["error: a.bin: 3 normals are not of length 1, expected 0,0,0 for invalid"]


def test_each_of_the_48_ways_has_words_of_its_own() -> None:
    assert len(OTHERWISE) == 48 and OTHERWISE["x y z"] == axes.SAME


@pytest.mark.parametrize(
    ("found", "line"), [("classsegmentation", "found classsegmentation, expected classSegmentation"), ("rgb", "")]
)
def test_only_another_spelling_of_the_name_is_a_near_miss(tmp_path: Path, found: str, line: str) -> None:
    (tmp_path / found).mkdir()
    assert misspelt(tmp_path / "classSegmentation" / "a.png") == line
