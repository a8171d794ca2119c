"""SHIFT: CARLA's ids in the red channel, and all vehicles in one class."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.geometry import Camera, normals_from_depth
from datasets import shift
from datasets.spaces import CS7, CS19, SHIFT21, mapping
from datasets.trees.carla import in_24_bits
from datasets.trees.jpeg import jpeg
from tests import fixtures, fixtures_weather

Tree = tuple[Path, dict[str, fixtures.Truth]]
ALL = ("image", "semseg", "depth")
FIRST = "007b-4e72/00000000"


@pytest.fixture(scope="module", params=[False, True], ids=["a folder each kind", "all kinds in one folder"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("shift")
    return folder, fixtures_weather.shift(folder, together=request.param)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Small, for what is broken needs no geometry."""
    front = tmp_path / "img front.d/discrete/images/train/front"
    jpeg(front / f"img/{FIRST}_img_front.jpg", np.zeros((32, 64, 3), np.uint8))
    fixtures.png(front / f"semseg/{FIRST}_semseg_front.png", np.zeros((32, 64, 3), np.uint8))
    fixtures.png(front / f"depth/{FIRST}_depth_front.png", in_24_bits(np.ones((32, 64))))
    return tmp_path / "img front.d"


def read(root: Path, field: str) -> np.ndarray:
    return shift.read(shift.index(root, "train")[0], [field])[field]


def fault(root: Path) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        shift.read(shift.index(root, "train")[0], ALL)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_frames_come_back_as_written(tree: Tree) -> None:
    folder, truths = tree
    items = shift.index(folder, "train")
    assert [item.stem for item in items] == list(truths)
    for item in items:
        found, truth = shift.read(item, ALL), truths[item.stem]
        assert (found["semseg"] == truth.semseg).all()
        assert np.abs(found["depth"] - np.minimum(truth.depth, 1000)).max() < 1e-4
        assert np.abs(found["image"].astype(int) - truth.image).mean() < 3  # a JPEG
        assert found["camera"] == Camera(*truth.camera)


def test_depth_and_camera_fit_together_so_that_normals_follow(tree: Tree) -> None:
    folder, truths = tree
    item = shift.index(folder, "train")[1]
    found, truth = shift.read(item, ["depth"]), truths[item.stem]
    normals = normals_from_depth(np.where(found["depth"] < 300, found["depth"], 0), found["camera"])
    solid = np.isfinite(truth.depth) & normals.any(-1)
    degrees = np.degrees(np.arccos(np.clip((normals * truth.normals).sum(-1), -1, 1)))[solid]
    assert solid.mean() > 0.2 and np.percentile(degrees, 90) < 0.5


def test_ids_go_to_classes_by_carlas_list(tree: Tree) -> None:
    names = (
        "-, building, fence, -, pedestrian, pole, road line, road, sidewalk, vegetation, vehicle, wall, traffic sign, "
        "sky, ground, bridge, rail track, guard rail, traffic light, static, dynamic, water, terrain"
    ).split(", ")
    expected = [SHIFT21.id(name) if name != "-" else 255 for name in names]
    assert read(tree[0], "semseg")[5, :23].tolist() == expected


def test_lane_markings_are_road_and_vehicles_have_no_class_in_cs19() -> None:
    found = mapping(SHIFT21, CS19)
    assert found[SHIFT21.id("road line")] == CS19.id("road")
    assert found[SHIFT21.id("vehicle")] == 255
    reached = {CS19.classes[i] for i in set(found.tolist()) - {255}}
    assert set(CS19.classes) - reached == {"rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"}


def test_it_reaches_the_whole_of_cs7_and_agrees_with_cs19_on_the_way() -> None:
    direct, through = mapping(SHIFT21, CS7), mapping(CS19, CS7)[mapping(SHIFT21, CS19)[:21]]
    assert set(direct[:21].tolist()) == {*range(7), 255}
    assert all(direct[i] == through[i] for i in range(21) if through[i] != 255)


def test_an_alpha_channel_changes_nothing(root: Path) -> None:
    pixels = np.full((32, 64, 4), 255, np.uint8)
    pixels[..., :3] = (7, 0, 0)
    front = root / "discrete/images/train/front"
    Image.fromarray(pixels).save(front / f"semseg/{FIRST}_semseg_front.png")
    assert (read(root, "semseg") == SHIFT21.id("road")).all()
    pixels[..., :3] = in_24_bits(np.full((32, 64), 12.5))
    Image.fromarray(pixels).save(front / f"depth/{FIRST}_depth_front.png")
    assert np.abs(read(root, "depth") - 12.5).max() < 1e-4


def test_a_plane_at_one_metre_comes_back_as_one(root: Path) -> None:
    assert np.abs(read(root, "depth") - 1).max() < 1e-4


def test_labels_of_one_channel_are_refused(root: Path) -> None:
    fixtures.png(root / f"discrete/images/train/front/semseg/{FIRST}_semseg_front.png", np.zeros((32, 64), np.uint8))
    assert fault(root).endswith("_semseg_front.png: 8-bit grey, expected 8-bit RGB or 8-bit RGBA (R = class)")


def test_an_unknown_id_is_counted_and_placed(root: Path) -> None:
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[12:23, 40:52, 0] = 23
    fixtures.png(root / f"discrete/images/train/front/semseg/{FIRST}_semseg_front.png", pixels)
    assert fault(root).endswith(": id 23 on 132 pixels, known ids 0-22; first at row 12, column 40")


def test_a_missing_sub_folder_is_named(root: Path) -> None:
    line = "^shift: val/front is missing; it is in img.zip of discrete, images, val, front$"
    with pytest.raises(FileNotFoundError, match=line):
        shift.index(root, "val")
    shutil.rmtree(root / "discrete/images/train/front/depth")
    assert fault(root).endswith(
        "007b-4e72/00000000_depth_front.png: missing; img/007b-4e72 and semseg/007b-4e72 have it"
    )
