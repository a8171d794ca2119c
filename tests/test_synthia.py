"""SYNTHIA-RAND-CITYSCAPES comes back from disk as it was written, and a fault in it is one line."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data.geometry import normals_from_depth
from datasets import synthia
from datasets.spaces import CAMVID11, CS7, CS16, CS19, SYNTHIA20, mapping
from tests import fixtures

Tree = tuple[Path, dict[str, fixtures.Truth]]
STEMS = ["0000000", "0000001", "0000003", "0009399"]
ALL = ("image", "semseg", "depth")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("synthia") / "RGB GT"
    return folder, fixtures.synthia(folder)


@pytest.fixture
def root(tree: Tree, tmp_path: Path) -> Path:
    """A copy to break, under a name with words that a careless loader would replace."""
    return shutil.copytree(tree[0], tmp_path / "RGB GT")


def read(root: Path, what: tuple[str, ...] = ALL, position: int = 0) -> dict[str, np.ndarray]:
    return synthia.read(synthia.index(root, "all")[position], what)


def fault(root: Path | None, what: tuple[str, ...] = ALL) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in synthia.index(root, "all"):
            synthia.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_images_come_back_as_written_in_their_native_size(tree: Tree) -> None:
    folder, truths = tree
    for item in synthia.index(folder, "all"):
        truth, found = truths[item.stem], synthia.read(item, ALL, size=(64, 32))
        assert (found["image"] == truth.image).all()
        assert (found["semseg"] == truth.semseg).all()
        assert np.abs(found["depth"] - np.minimum(truth.depth, 655.35)).max() <= 0.00501
        assert (found["image"].dtype, found["semseg"].dtype, found["depth"].dtype) == (np.uint8, np.uint8, np.float32)
        camera = found["camera"]
        assert (camera.fx, camera.fy, camera.cx, camera.cy) == truth.camera


def test_the_class_is_in_the_red_channel_and_is_cs19s_or_a_lane_marking(tree: Tree) -> None:
    names = (
        "sky building road sidewalk fence vegetation pole car traffic_sign person bicycle motorcycle - - traffic_light"
    )
    names += " terrain rider truck bus train wall -"
    expected = [255] + [CS19.id(name.replace("_", " ")) if name != "-" else 255 for name in names.split()]
    assert read(tree[0])["semseg"][5, :23].tolist() == [*expected[:-1], SYNTHIA20.id("lane marking")]
    assert SYNTHIA20.classes[:19] == CS19.classes
    assert mapping(synthia.CLASSES, CS19)[read(tree[0])["semseg"][5, :23]].tolist() == expected


def test_a_lane_marking_is_road_in_camvids_classes_and_void_in_cityscapes(tree: Tree) -> None:
    lane = read(tree[0])["semseg"][5, 22]
    assert CAMVID11.classes[mapping(synthia.CLASSES, CAMVID11)[lane]] == "road"
    assert mapping(synthia.CLASSES, CS19)[lane] == mapping(synthia.CLASSES, CS16)[lane] == 255


def test_the_7_classes_of_dada_and_ctrl_by_id(tree: Tree) -> None:
    to7 = [255, 4, 1, 0, 0, 1, 3, 2, 6, 2, 5, 6, 255, 255, 255, 2, 255, 255, 255, 255, 255, 255, 0]
    assert mapping(synthia.CLASSES, CS7)[read(tree[0])["semseg"][5, :23]].tolist() == to7


def test_the_split_has_16_classes_of_them(tree: Tree) -> None:
    to16 = [255, 9, 2, 0, 1, 4, 8, 5, 12, 7, 10, 15, 14, 255, 255, 6, 255, 11, 255, 13, 255, 3, 255]
    assert mapping(synthia.CLASSES, CS16)[read(tree[0])["semseg"][5, :23]].tolist() == to16


def test_depth_is_in_metres_and_the_sky_ends_at_the_formats_far_limit(root: Path) -> None:
    centimetres = np.full((760, 1280, 3), 100, np.uint16)
    centimetres[0] = 65535
    fixtures.png(root / "Depth/Depth/0000000.png", centimetres)
    depth = read(root, ("depth",))["depth"]
    assert (depth[1:] == 1.0).all()
    assert (depth[0] == np.float32(655.35)).all()


def test_only_what_is_asked_for_is_read(root: Path) -> None:
    shutil.rmtree(root / "GT")
    shutil.rmtree(root / "Depth")
    assert set(read(root, ("image",))) - {"camera"} == {"image"}


def test_opened_without_tasks_it_touches_no_label_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touched = fixtures.watched(monkeypatch)
    read(root, ("image",))
    inside = [Path(path).relative_to(root).as_posix() for path in touched if Path(path).is_relative_to(root)]
    assert "RGB/0000000.png" in inside
    assert not [path for path in inside if path.startswith(("GT/LABELS/", "Depth/"))]


def test_the_colours_which_two_classes_share_are_never_opened(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (tree[0] / "GT/COLOR/0000000.png").is_file()
    touched = fixtures.watched(monkeypatch)
    read(tree[0])
    assert touched and not [path for path in touched if "/GT/COLOR" in path]


def test_the_index_is_sorted_and_leaves_foreign_files_alone(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert [item.stem for item in synthia.index(tree[0], "all")] == STEMS
    assert "RGB GT/RGB: 2 hidden or foreign files ignored" in caplog.text


def test_an_unregistered_count_is_a_warning(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    synthia.index(tree[0], "all")
    assert caplog.messages == ["synthia: 4 images, 9400 expected; missing 0000002"]


def test_depth_and_camera_fit_together_so_that_normals_follow(tree: Tree) -> None:
    folder, truths = tree
    item = synthia.index(folder, "all")[1]
    found, truth = synthia.read(item, ("depth",)), truths[item.stem]
    solid = (truth.depth > 5) & np.isfinite(truth.depth)  # nearer, a centimetre is more than a pixel's step
    normals = normals_from_depth(found["depth"], found["camera"])
    solid &= normals.any(-1)
    degrees = np.degrees(np.arccos(np.clip((normals * truth.normals).sum(-1), -1, 1)))[solid]
    assert solid.mean() > 0.2
    assert np.percentile(degrees, 90) < 0.5


def test_normals_are_refused_because_they_are_made_from_depth(root: Path) -> None:
    with pytest.raises(ValueError, match="^synthia: no normals in this data set; it has image semseg depth camera$"):
        read(root, ("normals",))


def test_nothing_is_written_under_the_root(tree: Tree) -> None:
    before = fixtures.snapshot(tree[0])
    read(tree[0])
    assert fixtures.snapshot(tree[0]) == before


def test_a_root_above_the_folder_will_do(root: Path) -> None:
    root.rename(root.parent / "RAND_CITYSCAPES")
    assert len(synthia.index(root.parent, "all")) == 4


@pytest.mark.parametrize("folder", ["parsed_LABELS", "synthia_mapped_to_cityscapes"])
def test_a_repack_of_the_labels_in_one_channel_has_the_same_ids(tree: Tree, root: Path, folder: str) -> None:
    shutil.rmtree(root / "GT")
    for stem in STEMS:
        fixtures.png(root / folder / f"{stem}.png", np.full((760, 1280), 3, np.uint8))
    assert (read(root)["semseg"] == CS19.id("road")).all()


def test_of_two_layouts_at_once_the_official_one_is_read(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (root / "parsed_LABELS").mkdir()
    assert len(np.unique(read(root)["semseg"])) > 4
    assert "both GT/LABELS and parsed_LABELS exist: using GT/LABELS" in caplog.text


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    line = f"synthia: no folder RAND_CITYSCAPES at {tmp_path}; expected RGB/, GT/LABELS/, Depth/Depth/ there. "
    assert fault(tmp_path) == line + "Had at synthia-dataset.net. split=minicity needs no data"
    assert fault(None).startswith("synthia: no folder was given; expected RGB/, ")


def test_an_empty_folder_is_not_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "RGB").mkdir()
    assert fault(tmp_path) == "synthia: RGB/ has 0 files matching NNNNNNN.png, expected 9400"


def test_another_synthia_is_refused(root: Path) -> None:
    fixtures.png(root / "RGB/0000000.png", np.zeros((720, 960, 3), np.uint8))
    line = "synthia: RGB is 960x720, not 1280x760: this is SYNTHIA-RAND (13 classes), not SYNTHIA-RAND-CITYSCAPES"
    assert fault(root) == line


def test_a_resized_copy_is_refused(root: Path) -> None:
    fixtures.png(root / "RGB/0000000.png", np.zeros((380, 640, 3), np.uint8))
    assert fault(root) == "synthia: RGB is 640x380, not 1280x760: was it resized?"


def test_an_unknown_part_comes_with_the_known_ones(tree: Tree) -> None:
    with pytest.raises(ValueError, match='^synthia: no part "train"; did you mean all\\? known: all$'):
        synthia.index(tree[0], "train")


def test_missing_depth_is_named_beside_what_is_there(root: Path) -> None:
    (root / "Depth/Depth/0000003.png").unlink()
    assert fault(root) == "Depth/Depth/0000003.png: missing; RGB and GT/LABELS have it"


def test_a_broken_link_is_a_missing_file(root: Path) -> None:
    (root / "GT/LABELS/0000003.png").unlink()
    (root / "GT/LABELS/0000003.png").symlink_to(root / "nowhere.png")
    assert fault(root, ("semseg",)) == "GT/LABELS/0000003.png: missing"


def test_labels_of_8_bits_are_refused(root: Path) -> None:
    fixtures.png(root / "GT/LABELS/0000000.png", np.zeros((760, 1280, 3), np.uint8))
    line = "8-bit RGB, expected 16-bit RGB (R = class); was it saved again by an 8-bit tool?"
    assert fault(root) == f"GT/LABELS/0000000.png: {line}"


def test_depth_of_8_bits_is_refused(root: Path) -> None:
    fixtures.png(root / "Depth/Depth/0000000.png", np.zeros((760, 1280, 3), np.uint8))
    assert fault(root).startswith("Depth/Depth/0000000.png: 8-bit RGB, expected 16-bit RGB (centimetres, three times)")


def test_depth_whose_channels_differ_is_refused(root: Path) -> None:
    fixtures.png(root / "Depth/Depth/0000000.png", np.arange(760 * 1280 * 3).reshape(760, 1280, 3).astype(np.uint16))
    assert fault(root) == "Depth/Depth/0000000.png: its three channels differ, expected centimetres three times"


def test_a_truncated_label_is_refused(root: Path) -> None:
    path = root / "GT/LABELS/0000000.png"
    path.write_bytes(path.read_bytes()[:8192])
    assert fault(root) == "GT/LABELS/0000000.png: truncated at byte 8192 of an image of 1280x760; copy it again"


def test_an_unknown_id_is_counted_and_placed(root: Path) -> None:
    labels = np.zeros((760, 1280, 3), np.uint16)
    labels[12:23, 40:52, 0] = 77
    fixtures.png(root / "GT/LABELS/0000000.png", labels)
    line = "id 77 on 132 pixels, known ids 0-22; first at row 12, column 40"
    assert fault(root) == f"GT/LABELS/0000000.png: {line}"


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    fixtures.png(root / "GT/LABELS/0000000.png", np.zeros((380, 640, 3), np.uint16))
    assert fault(root) == "GT/LABELS/0000000.png: 640x380, image 1280x760; expected equal sizes"
