"""Virtual KITTI 2 comes back from disk as it was written, and a fault in it is one line."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data.geometry import Camera, normals_from_depth
from datasets import vkitti2
from datasets.spaces import VK8, VK14, mapping
from tests import fixtures, fixtures_road

Tree = tuple[Path, dict[str, fixtures.Truth]]
PART = "15-deg-left"
FRAMES = f"Scene01/{PART}/frames"
STEMS = [f"Scene01_{PART}_00000", f"Scene01_{PART}_00001", f"Scene01_{PART}_00446", f"Scene20_{PART}_00836"]
ALL = ("image", "semseg", "depth")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("vkitti2")
    return folder, fixtures_road.vkitti2(folder)


@pytest.fixture
def root(tree: Tree, tmp_path: Path) -> Path:
    """A copy to break, under a name with words that a careless loader would replace."""
    return shutil.copytree(tree[0], tmp_path / "rgb depth.d")


def stems(root: Path, part: str = PART) -> list[str]:
    return [item.stem for item in vkitti2.index(root, part)]


def read(root: Path, what: tuple[str, ...] = ALL, position: int = 0) -> dict[str, np.ndarray]:
    return vkitti2.read(vkitti2.index(root, PART)[position], what)


def fault(root: Path | None, what: tuple[str, ...] = ALL, part: str = PART) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in vkitti2.index(root, part):
            vkitti2.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("nested", [False, True], ids=["archives in one folder", "each archive in its own"])
def test_frames_come_back_as_written_in_their_native_size(tmp_path: Path, nested: bool) -> None:
    truths = fixtures_road.vkitti2(tmp_path, nested=nested)
    assert stems(tmp_path) == list(truths) == STEMS
    for item in vkitti2.index(tmp_path, PART):
        truth, found = truths[item.stem], vkitti2.read(item, ALL, size=(64, 32))
        assert np.abs(found["image"].astype(int) - truth.image).mean() < 3  # a JPEG
        assert (found["semseg"] == truth.semseg).all()
        assert np.abs(found["depth"] - np.minimum(truth.depth, 655.35)).max() <= 0.00501
        assert found["camera"] == Camera(*truth.camera)
        assert (found["image"].dtype, found["semseg"].dtype, found["depth"].dtype) == (np.uint8, np.uint8, np.float32)


def test_depth_is_in_metres_and_the_sky_ends_at_the_formats_far_limit(root: Path) -> None:
    centimetres = np.full((375, 1242), 100, np.uint16)
    centimetres[0] = 65535
    fixtures.png(root / f"{FRAMES}/depth/Camera_0/depth_00000.png", centimetres)
    depth = read(root, ("depth",))["depth"]
    assert (depth[1:] == 1.0).all()
    assert (depth[0] == np.float32(655.35)).all()


def test_colours_are_classes_by_exact_match(tree: Tree) -> None:
    row = read(tree[0], ("semseg",))["semseg"][5, :15].tolist()
    names = "Terrain Sky Tree Vegetation Building Road GuardRail TrafficSign TrafficLight Pole Misc Truck Car Van"
    assert [VK14.classes[i].replace(" ", "") for i in row[:14]] == names.lower().split()
    assert row[14] == 255


def test_the_split_has_8_classes_of_them(tree: Tree) -> None:
    row = mapping(vkitti2.CLASSES, VK8)[read(tree[0], ("semseg",))["semseg"][5, :15]]
    assert row.tolist() == [255, 6, 5, 5, 1, 0, 255, 4, 3, 2, 255, 7, 7, 7, 255]


def test_an_unknown_colour_is_an_error_that_suspects_interpolation(root: Path) -> None:
    colours = np.full((375, 1242, 3), (100, 60, 100), np.uint8)
    colours[7, 3:12] = 1, 2, 3
    fixtures.png(root / f"{FRAMES}/classSegmentation/Camera_0/classgt_00001.png", colours)
    line = "colour 1,2,3 on 9 pixels is not in VKITTI2's table; was it resized with interpolation?"
    assert fault(root) == f"classSegmentation/Camera_0/classgt_00001.png: {line}"


@pytest.mark.parametrize("colour", [(210, 0, 201), (209, 0, 200), (0, 0, 1), (255, 255, 255), (200, 0, 210)])
def test_a_colour_next_to_a_known_one_or_with_its_channels_swapped_is_unknown(root: Path, colour: tuple) -> None:
    colours = np.zeros((375, 1242, 3), np.uint8)
    colours[374, 1241] = colour
    fixtures.png(root / f"{FRAMES}/classSegmentation/Camera_0/classgt_00000.png", colours)
    named = ",".join(map(str, colour))
    assert f"classgt_00000.png: colour {named} on 1 pixels is not in VKITTI2's table" in fault(root)


@pytest.mark.parametrize("wrong", ["classsegmentation", "ClassSegmentation"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_near_miss_in_the_folders_name_is_named(tmp_path: Path, wrong: str, nested: bool) -> None:
    fixtures_road.vkitti2(tmp_path, nested=nested)
    frames = tmp_path / "vkitti_2.0.3_classSegmentation" / FRAMES if nested else tmp_path / FRAMES
    (frames / "classSegmentation").rename(frames / wrong)
    assert fault(tmp_path) == f"vkitti2: found {wrong}, expected classSegmentation"


def test_the_right_camera_and_other_variants_are_left_out(tree: Tree) -> None:
    assert (tree[0] / FRAMES / "rgb/Camera_1/rgb_00000.jpg").is_file()
    assert stems(tree[0]) == STEMS
    assert stems(tree[0], "fog") == ["Scene01_fog_00000"]


def test_all_variants_are_a_part_sorted_by_scene_variant_and_number(tree: Tree) -> None:
    assert stems(tree[0], "all") == ["Scene01_fog_00000", *STEMS]


def test_every_variant_is_a_part(tree: Tree) -> None:
    names = "clone fog morning overcast rain sunset 15-deg-left 15-deg-right 30-deg-left 30-deg-right".split()
    assert list(vkitti2.FACTS.counts) == [*names, "all"]
    assert fault(tree[0], part="rain") == (
        "vkitti2: Scene*/rain/frames/rgb/Camera_0/ has 0 files matching rgb_NNNNN.jpg, expected 2126"
    )


def test_the_index_leaves_foreign_files_alone(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stems(tree[0])
    assert "frames/rgb/Camera_0: 3 hidden or foreign files ignored" in caplog.text


def test_a_partial_copy_is_a_warning_that_names_a_scene(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    vkitti2.index(tree[0], PART)
    line = f"vkitti2: {PART} has 4 images, 2126 expected; Scene01/{PART} has 3 of 447"
    assert caplog.messages == [line]


def test_opened_without_tasks_it_touches_no_label(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for scene in ("Scene01", "Scene20"):
        shutil.rmtree(root / scene / PART / "frames/classSegmentation")
        shutil.rmtree(root / scene / PART / "frames/depth")
    touched = fixtures.watched(monkeypatch)
    assert stems(root) == STEMS
    read(root, ("image",))
    inside = [Path(path).relative_to(root).as_posix() for path in touched if Path(path).is_relative_to(root)]
    assert f"{FRAMES}/rgb/Camera_0/rgb_00000.jpg" in inside
    assert not [path for path in inside if path.endswith(".png")]


def test_depth_and_camera_fit_together_so_that_normals_follow(tree: Tree) -> None:
    folder, truths = tree
    item = vkitti2.index(folder, PART)[1]
    found, truth = vkitti2.read(item, ("depth",)), truths[item.stem]
    solid = (truth.depth > 8) & np.isfinite(truth.depth)  # nearer, a centimetre is more than a pixel's step
    normals = normals_from_depth(found["depth"], found["camera"])
    solid &= normals.any(-1)
    degrees = np.degrees(np.arccos(np.clip((normals * truth.normals).sum(-1), -1, 1)))[solid]
    assert solid.mean() > 0.2
    assert np.percentile(degrees, 90) < 0.5


def test_normals_are_refused_because_they_are_made_from_depth(tree: Tree) -> None:
    with pytest.raises(ValueError, match="^vkitti2: no normals in this data set; it has image semseg depth camera$"):
        read(tree[0], ("normals",))


def test_nothing_is_written_under_the_root(tree: Tree) -> None:
    before = fixtures.snapshot(tree[0])
    read(tree[0])
    assert fixtures.snapshot(tree[0]) == before


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    assert fault(tmp_path).startswith(f"vkitti2: no folder Scene01 at {tmp_path}; expected Scene01/15-deg-left/frames/")
    assert fault(tmp_path).endswith("without registration. split=minicity needs no data")
    assert fault(None).startswith("vkitti2: no folder was given; ")


def test_an_unknown_part_comes_with_the_nearest_known_one(tree: Tree) -> None:
    assert fault(tree[0], part="15-deg-lefts").startswith(
        'vkitti2: no part "15-deg-lefts"; did you mean 15-deg-left? known: clone fog '
    )


def test_a_missing_sub_folder_names_its_archive(root: Path) -> None:
    shutil.rmtree(root / FRAMES / "classSegmentation")
    line = f"vkitti2: {FRAMES}/classSegmentation is missing; it is in vkitti_2.0.3_classSegmentation.tar"
    assert fault(root) == line


def test_a_missing_folder_of_depth_says_how_to_do_without(root: Path) -> None:
    shutil.rmtree(root / FRAMES / "depth")
    line = f"vkitti2: {FRAMES}/depth is missing; it is in vkitti_2.0.3_depth.tar; without it run with "
    assert fault(root) == line + "split.tasks=[semseg] split.scored=[semseg]"


def test_a_missing_file_is_named_beside_what_is_there(root: Path) -> None:
    (root / FRAMES / "depth/Camera_0/depth_00001.png").unlink()
    line = "depth/Camera_0/depth_00001.png: missing; rgb/Camera_0 and classSegmentation/Camera_0 have it"
    assert fault(root) == line


def test_depth_of_8_bits_is_refused(root: Path) -> None:
    fixtures.png(root / FRAMES / "depth/Camera_0/depth_00000.png", np.ones((375, 1242), np.uint8))
    line = "8-bit grey, expected 16-bit grey (centimetres); was it saved again by an 8-bit tool?"
    assert fault(root) == f"depth/Camera_0/depth_00000.png: {line}"


def test_classes_as_ids_instead_of_colours_are_refused(root: Path) -> None:
    fixtures.png(root / FRAMES / "classSegmentation/Camera_0/classgt_00000.png", np.ones((375, 1242), np.uint8))
    line = "8-bit grey, expected 8-bit RGB (colours of classes)"
    assert fault(root) == f"classSegmentation/Camera_0/classgt_00000.png: {line}"


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    fixtures.png(root / FRAMES / "depth/Camera_0/depth_00000.png", np.ones((187, 621), np.uint16))
    assert fault(root) == "depth/Camera_0/depth_00000.png: 621x187, image 1242x375; expected equal sizes"


@pytest.mark.parametrize("what", [("depth",), ("depth", "camera")])
def test_a_resized_copy_is_refused_because_the_camera_is_that_of_the_native_size(root: Path, what: tuple) -> None:
    fixtures.png(root / FRAMES / "depth/Camera_0/depth_00000.png", np.ones((187, 621), np.uint16))
    assert fault(root, what) == "depth/Camera_0/depth_00000.png: 621x187, not 1242x375: was it resized?"


def test_a_truncated_file_is_refused(root: Path) -> None:
    path = root / FRAMES / "depth/Camera_0/depth_00000.png"
    path.write_bytes(path.read_bytes()[:1000])
    line = "truncated at byte 1000 of an image of 1242x375; copy it again"
    assert fault(root) == f"depth/Camera_0/depth_00000.png: {line}"


def test_what_is_known_of_it() -> None:
    assert vkitti2.FACTS.counts[PART] == sum(vkitti2.SCENES.values()) == 2126
    assert vkitti2.FACTS.counts["all"] == 21260
    assert set(vkitti2.FACTS.forms) == {"image", *vkitti2.TASKS}
    assert vkitti2.FACTS.median_depth == (5, 60)
