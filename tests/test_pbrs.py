"""PBRS comes back from disk as it was written, and a fault in it is one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data.geometry import Camera
from datasets import pbrs
from datasets.axes import SAME, best_axes
from tests import fixtures
from tests import fixtures_indoor as indoor

Tree = tuple[Path, dict[str, fixtures.Truth]]
ALL = ("image", "semseg", "depth", "normals")
HOUSES = ("0004d52d1aeeb8ae6de39d6bd993e992", "0004dd3cb11e50530676f77b55262d38")
FIRST = f"projects_render/{HOUSES[0]}/000000"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("pbrs") / "projects_render depth"
    return folder, indoor.pbrs(folder)


@pytest.fixture
def root(tree: Tree, tmp_path: Path) -> Path:
    """A copy to break."""
    return shutil.copytree(tree[0], tmp_path / "projects_render depth")


def read(root: Path, what: tuple[str, ...] = ALL, position: int = 0) -> dict[str, np.ndarray]:
    return pbrs.read(pbrs.index(root, "all")[position], what)


def fault(root: Path | None, what: tuple[str, ...] = ALL) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in pbrs.index(root, "all"):
            pbrs.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def degrees(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


def test_views_come_back_as_written(tree: Tree) -> None:
    folder, truths = tree
    for item in pbrs.index(folder, "all"):
        truth, found = truths[item.stem], pbrs.read(item, ALL, size=(64, 48))
        assert np.array_equal(found["image"], truth.image)
        assert np.array_equal(found["semseg"], truth.semseg)
        assert np.abs(found["depth"] - truth.depth).max() <= 0.000501
        there = truth.normals.any(-1)
        assert np.array_equal(found["normals"].any(-1), there)
        assert degrees(found["normals"], truth.normals)[there].max() < 0.5
        assert found["camera"] == Camera(517.97, 517.97, 320, 240)
        assert [found[name].dtype for name in ALL] == [np.uint8, np.uint8, np.float32, np.float32]


def test_millimetres_become_metres_and_depth_is_planar_already(root: Path) -> None:
    fixtures.png(root / f"{FIRST}_depth.png", np.full((480, 640), 1000, np.uint16))
    assert (read(root, ("depth",))["depth"] == 1).all()


def test_normals_along_the_worlds_axes_are_turned_into_each_cameras(tree: Tree) -> None:
    for position in range(4):
        found = read(tree[0], ("depth", "normals"), position)
        axes, cosine = best_axes(found["normals"], found["depth"], found["camera"])
        assert axes == SAME and cosine > 0.99


def test_normals_turned_by_another_camera_are_noticed(root: Path) -> None:
    path = root / f"projects_camera/{HOUSES[0]}/room_camera.txt"
    numbers = [row.split() for row in path.read_text().splitlines()]
    numbers[0][3:9] = [str(-float(number)) for number in numbers[0][3:9]]
    path.write_text("\n".join(" ".join(row) for row in numbers))
    try:
        axes = best_axes(**{name: read(root)[name] for name in ("normals", "depth", "camera")})[0]
    except ValueError as error:
        assert "point away from the camera" in str(error)
    else:
        assert axes != SAME


def test_a_normal_that_is_not_of_unit_length_is_none(root: Path) -> None:
    for axis in "xyz":
        fixtures.png(root / f"{FIRST}_{axis}normal.png", np.full((480, 640), 32768, np.uint16))
    assert not read(root, ("normals",))["normals"].any()


def test_nodes_go_to_nyu40_by_their_models(tree: Tree) -> None:
    semseg = read(tree[0])["semseg"]
    named = {name: pbrs.CLASSES.id(name) for name in ("wall", "floor", "ceiling", "chair", "otherprop")}
    assert set(np.unique(semseg)) == {*named.values(), 255}
    assert semseg[305, 210] == named["chair"] and semseg[305, 410] == named["otherprop"]


def test_what_is_no_node_or_has_no_surface_is_void(tree: Tree) -> None:
    assert (read(tree[0])["semseg"][0, :4] == 255).all()


def test_nodes_may_be_of_8_bits(root: Path) -> None:
    fixtures.png(root / f"{FIRST}_node.png", np.full((480, 640), 4, np.uint8))
    assert (read(root, ("semseg",))["semseg"] == pbrs.CLASSES.id("floor")).all()


def test_the_index_is_sorted_by_house_and_number(tree: Tree) -> None:
    stems = [f"{HOUSES[0]}_000000", f"{HOUSES[0]}_000001", f"{HOUSES[0]}_000003", f"{HOUSES[1]}_000000"]
    assert [item.stem for item in pbrs.index(tree[0], "all")] == stems


def test_a_root_with_the_authors_folder_rendering_will_do(root: Path) -> None:
    before = read(root)
    (root / "rendering").mkdir()
    for name in ("projects_render", "projects_camera"):
        (root / name).rename(root / "rendering" / name)
    after = read(root)
    assert all(np.array_equal(before[name], after[name]) for name in ALL)


def test_opened_without_tasks_it_touches_no_label(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(root / "projects_camera")
    for path in root.glob("projects_render/*/*"):
        if not path.name.endswith("_mlt.png"):
            path.unlink()
    touched = fixtures.watched(monkeypatch)
    assert set(read(root, ("image",))) == {"image", "camera"}
    assert not [path for path in touched if path.endswith((".txt", ".csv", "node.png", "depth.png", "normal.png"))]


def test_nothing_is_written_under_the_root(tree: Tree) -> None:
    before = fixtures.snapshot(tree[0])
    read(tree[0])
    assert fixtures.snapshot(tree[0]) == before


def test_a_missing_root_says_that_it_is_not_to_be_had(tmp_path: Path) -> None:
    line = f"pbrs: no folder rendering at {tmp_path}; expected projects_render/ and projects_camera/ there. Withdrawn "
    assert fault(tmp_path).startswith(line)
    assert fault(None).startswith("pbrs: no folder was given; ")


def test_an_empty_folder_is_not_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "projects_render").mkdir()
    assert fault(tmp_path) == "pbrs: projects_render/ has 0 files matching HOUSE/NNNNNN_mlt.png"


def test_depth_of_8_bits_is_refused(root: Path) -> None:
    fixtures.png(root / f"{FIRST}_depth.png", np.ones((480, 640), np.uint8))
    line = "8-bit grey, expected 16-bit grey (millimetres); was it saved again by an 8-bit tool?"
    assert fault(root).endswith(f"000000_depth.png: {line}")


def test_depth_without_one_valid_pixel_is_refused(root: Path) -> None:
    fixtures.png(root / f"{FIRST}_depth.png", np.zeros((480, 640), np.uint16))
    assert fault(root).endswith("000000_depth.png: no valid pixel (all 0)")


def test_a_resized_copy_is_refused(root: Path) -> None:
    fixtures.png(root / f"{FIRST}_depth.png", np.ones((240, 320), np.uint16))
    assert fault(root).endswith("000000_depth.png: 320x240, expected 640x480: was it resized?")


def test_a_missing_coordinate_of_the_normals_is_named(root: Path) -> None:
    (root / f"{FIRST}_ynormal.png").unlink()
    assert "000000_ynormal.png: missing" in fault(root)


def test_a_node_that_is_in_no_list_is_refused(root: Path) -> None:
    fixtures.png(root / f"{FIRST}_node.png", np.full((480, 640), 999, np.uint16))
    assert fault(root).endswith("000000_node.png: node 999 is not in room_camera_node.txt")


def test_a_model_that_the_mapping_does_not_list_is_refused(root: Path) -> None:
    path = root / f"projects_camera/{HOUSES[0]}/room_camera_node.txt"
    path.write_text(path.read_text().replace("Model#142", "Model#143"))
    line = "node 300 is model 143, which ModelCategoryMappingNewActive.csv does not list"
    assert fault(root).endswith(f"000000_node.png: {line}")


def test_a_node_of_an_unknown_kind_is_refused(root: Path) -> None:
    path = root / f"projects_camera/{HOUSES[0]}/room_camera_node.txt"
    path.write_text("1 Garden#7\n")
    line = 'room_camera_node.txt: line 1 is "1 Garden#7", expected one like "83 Model#150"'
    assert fault(root).endswith(line)


def test_a_class_that_nyu40_does_not_have_is_refused(root: Path) -> None:
    path = root / "util_data/ModelCategoryMappingNewActive.csv"
    path.write_text(path.read_text().replace(",night_stand,", ",nightstand,"))
    line = 'ModelCategoryMappingNewActive.csv: model 99 is "nightstand", which is no class of nyu40'
    assert fault(root).endswith(line)


@pytest.mark.parametrize("name", ["room_camera.txt", "room_camera_node.txt"])
def test_a_missing_list_of_a_house_is_named(root: Path, name: str) -> None:
    (root / f"projects_camera/{HOUSES[0]}/{name}").unlink()
    assert f"{HOUSES[0]}/{name}: missing" in fault(root)


def test_a_picture_without_a_camera_is_refused(root: Path) -> None:
    path = root / f"projects_camera/{HOUSES[0]}/room_camera.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    assert fault(root).endswith("room_camera.txt: 3 cameras, none for picture 000003")


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("1 2 3", "line 1 is no camera, expected 12 numbers"),
        ("0 0 0  0 0 2  0 1 0  1 1 1", "line 1: direction and up are not unit and perpendicular"),
    ],
)
def test_a_row_that_is_no_camera_is_refused(root: Path, row: str, line: str) -> None:
    (root / f"projects_camera/{HOUSES[0]}/room_camera.txt").write_text(f"{row}\n" * 4)
    assert fault(root).endswith(f"room_camera.txt: {line}")
