"""GTA5 comes back from disk as it was written, and a fault in it is one line."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import gta5, verify
from datasets.spaces import CS19
from datasets.trees.gta5 import PALETTE
from datasets.trees.mat import mat
from tests import fixtures, fixtures_road

Tree = tuple[Path, dict[str, fixtures.Truth]]
STEMS = ["00001", "00002", "00004", "24966"]
BOTH = ("image", "semseg")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("gta5") / "a"
    return folder, fixtures_road.gta5(folder)


@pytest.fixture
def root(tree: Tree, tmp_path: Path) -> Path:
    """A copy to break, under a name with words that a careless loader would replace."""
    return shutil.copytree(tree[0], tmp_path / "images labels.d")


def stems(root: Path, part: str) -> list[str]:
    return [item.stem for item in gta5.index(root, part)]


def read(root: Path, what: tuple[str, ...] = BOTH, position: int = 0) -> dict[str, np.ndarray]:
    return gta5.read(gta5.index(root, "all")[position], what)


def fault(root: Path | None, what: tuple[str, ...] = BOTH, part: str = "all") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in gta5.index(root, part):
            gta5.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix("images labels.d/")


def test_frames_come_back_as_written_in_their_native_size(tree: Tree) -> None:
    folder, truths = tree
    for item in gta5.index(folder, "all"):
        found = gta5.read(item, BOTH, size=(32, 32))
        assert (found["image"] == truths[item.stem].image).all()
        assert (found["semseg"] == truths[item.stem].semseg).all()
        assert found["image"].dtype == found["semseg"].dtype == np.uint8
        assert found["camera"] is None


def test_palette_indices_are_kept_where_two_colours_are_equal(tree: Tree) -> None:
    row = read(tree[0])["semseg"][5, :35]
    assert (PALETTE[26] == PALETTE[34]).all()
    assert (row[26], row[34]) == (CS19.id("car"), 255)


def test_label_ids_go_to_cs19_as_in_cityscapes_own_scripts(tree: Tree) -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    expected = {label.id: label.trainId for label in labels if label.id >= 0} | {34: 255}
    assert read(tree[0])["semseg"][5, :35].tolist() == [expected[i] for i in range(35)]


def test_a_pair_of_unequal_sizes_but_one_aspect_is_brought_to_the_images_size(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = np.repeat(np.array([7, 23], np.uint8), [500, 546])[:, None].repeat(1914, 1)
    fixtures.png(root / "labels/00001.png", rows, PALETTE)
    fixtures.png(root / "images/00001.png", np.zeros((1052, 1914, 3), np.uint8))
    for what in (BOTH, ("semseg",)):
        label = read(root, what)["semseg"]
        assert label.shape == (1052, 1914)
        assert set(np.unique(label)) == {CS19.id("road"), CS19.id("sky")}
        assert abs((label[:, 0] == CS19.id("road")).sum() - 500 * 1052 / 1046) <= 1  # scaled, not cropped
    line = "labels/00001.png: 1914x1046, image 1914x1052; brought to the image's size by nearest neighbours"
    assert line in caplog.text


def test_the_verifier_tells_a_pair_of_unequal_sizes(root: Path) -> None:
    fixtures.png(root / "labels/00001.png", np.full((1046, 1914), 7, np.uint8), PALETTE)
    fixtures.png(root / "images/00001.png", np.zeros((1052, 1914, 3), np.uint8))
    found = verify.looked("gta5", root, whole=False, workers=1, show=False)[1].findings
    line = "labels/00001.png: 1914x1046, image 1914x1052; expected equal sizes"
    assert [one.line.removeprefix("images labels.d/") for one in found if one.kind == "size"] == [line]


@pytest.mark.parametrize(("width", "height"), [(96, 62), (94, 64), (64, 96), (48, 31)])
def test_a_pair_of_unequal_aspects_is_refused(root: Path, width: int, height: int) -> None:
    fixtures.png(root / "labels/00001.png", np.zeros((height, width), np.uint8), PALETTE)
    line = f"labels/00001.png: {width}x{height}, image 96x64; expected equal sizes"
    assert fault(root) == fault(root, ("semseg",)) == line


def test_a_copy_at_half_the_size_has_the_same_aspect(root: Path) -> None:
    fixtures.png(root / "labels/00001.png", np.full((32, 48), 7, np.uint8), PALETTE)
    label = read(root, ("semseg",))["semseg"]
    assert label.shape == (64, 96) and (label == CS19.id("road")).all()


def test_the_index_is_sorted_and_leaves_foreign_files_alone(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert stems(tree[0], "all") == STEMS
    assert "a/images: 3 hidden or foreign files ignored" in caplog.text


def test_an_unregistered_count_is_a_warning_that_names_a_missing_image(
    tree: Tree, caplog: pytest.LogCaptureFixture
) -> None:
    gta5.index(tree[0], "all")
    assert caplog.messages == ["gta5: 4 images, 24966 expected; missing 00003"]


def test_the_official_lists_divide_the_frames(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    assert (stems(tree[0], "train"), stems(tree[0], "val"), stems(tree[0], "test")) == (
        ["00001", "00004"],
        ["00002"],
        ["24966"],
    )
    assert caplog.messages == ["gta5: train has 2 images, 3 expected; missing 24000"]


def test_the_official_lists_may_lie_in_the_folder_of_their_archive(root: Path) -> None:
    (root / "read_mapping").mkdir()
    (root / "split.mat").rename(root / "read_mapping/split.mat")
    assert stems(root, "val") == ["00002"]


def test_without_the_official_lists_all_frames_are_there_still(root: Path) -> None:
    (root / "split.mat").unlink()
    assert stems(root, "all") == STEMS
    line = 'gta5: split.mat is missing; it is in read_mapping.zip; without it there is the part "all"'
    assert fault(root, part="val") == line


def test_foreign_lists_are_refused(root: Path) -> None:
    mat(root / "split.mat", trainIds=np.array([0, 1]), valIds=np.array([24967]), testIds=np.array([]))
    assert fault(root, part="train").endswith("/split.mat: trainIds has numbers from 0 to 1, expected 1 to 24966")
    assert fault(root, part="val").endswith("/split.mat: valIds has numbers from 24967 to 24967, expected 1 to 24966")
    assert fault(root, part="test").endswith("/split.mat: testIds has no numbers, expected 1 to 24966")


def test_a_part_of_which_no_image_is_there_is_no_part(root: Path) -> None:
    mat(root / "split.mat", trainIds=np.array([7, 8]))
    assert fault(root, part="train") == "gta5: images/ has none of the 2 images of train"


def test_opened_without_tasks_it_touches_no_label(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(root / "labels")
    touched = fixtures.watched(monkeypatch)
    assert len(gta5.index(root, "all")) == 4
    assert set(read(root, ("image",))) == {"image", "camera"}
    inside = [Path(path).relative_to(root).as_posix() for path in touched if Path(path).is_relative_to(root)]
    assert "images/00001.png" in inside
    assert not [path for path in inside if path.startswith("labels")]


@pytest.mark.parametrize("field", ["depth", "normals"])
def test_what_it_does_not_have_is_refused(tree: Tree, field: str) -> None:
    with pytest.raises(ValueError, match=f"^gta5: no {field} in this data set; it has image semseg$"):
        read(tree[0], (field,))


def test_nothing_is_written_under_the_root(tree: Tree) -> None:
    before = fixtures.snapshot(tree[0])
    read(tree[0])
    assert fixtures.snapshot(tree[0]) == before


def test_a_root_above_the_folder_will_do(root: Path) -> None:
    root.rename(root.parent / "GTA5")
    assert stems(root.parent, "all") == STEMS


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    line = (
        f"gta5: no folder GTA5 at {tmp_path}; expected images/, labels/ there. Had at download.visinf.tu-darmstadt.de"
    )
    assert fault(tmp_path).startswith(line)
    assert fault(tmp_path).endswith("without registration. split=minicity needs no data")
    assert fault(None).startswith("gta5: no folder was given; ")


def test_an_empty_folder_is_not_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert fault(tmp_path) == "gta5: images/ has 0 files matching NNNNN.png, expected 24966"


def test_an_unknown_part_comes_with_the_nearest_known_one(root: Path) -> None:
    assert fault(root, part="trains") == 'gta5: no part "trains"; did you mean train? known: all train val test'


def test_an_rgb_label_instead_of_a_palette_is_refused(root: Path) -> None:
    fixtures.png(root / "labels/00001.png", np.zeros((64, 96, 3), np.uint8))
    assert fault(root) == "labels/00001.png: 8-bit RGB, expected 8-bit palette; indices are lost"


def test_an_unknown_id_is_counted_and_placed(root: Path) -> None:
    ids = np.zeros((64, 96), np.uint8)
    ids[12:23, 40:52] = 77
    fixtures.png(root / "labels/00004.png", ids, PALETTE)
    line = "labels/00004.png: id 77 on 132 pixels, known ids 0-34; first at row 12, column 40"
    assert fault(root) == line


def test_void_of_a_byte_is_no_id_of_the_game(root: Path) -> None:
    fixtures.png(root / "labels/00001.png", np.full((64, 96), 255, np.uint8), PALETTE)
    assert fault(root).startswith("labels/00001.png: id 255 on 6144 pixels, known ids 0-34; ")


def test_a_missing_file_is_named_beside_what_is_there(root: Path) -> None:
    (root / "labels/00002.png").unlink()
    assert fault(root) == "labels/00002.png: missing; images has it"


def test_a_truncated_label_is_refused(root: Path) -> None:
    path = root / "labels/00001.png"
    path.write_bytes(path.read_bytes()[:200])
    assert fault(root) == "labels/00001.png: truncated at byte 200 of an image of 96x64; copy it again"


def test_an_unreadable_image_says_why(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = gta5.index(root, "all")

    def denied(*args: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(PermissionError, match="images/00001.png: permission denied$"):
        gta5.read(items[0], ("image",))


def test_what_is_known_of_it() -> None:
    assert gta5.FACTS.counts == {"all": 24966, "train": 12403, "val": 6382, "test": 6181}
    assert sum(count or 0 for part, count in gta5.FACTS.counts.items() if part != "all") == 24966
    assert set(gta5.FACTS.forms) == {"image", *gta5.TASKS}
