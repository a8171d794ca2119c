"""CamVid comes back from disk as it was written, and a fault in it is one line."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import camvid
from tests import fixtures

Tree = tuple[Path, dict[str, fixtures.Truth]]
BOTH = ("image", "semseg")
REAL = Path(os.environ.get("CAMVID_ROOT") or Path(__file__).parents[2] / "shared/data/CamVid")
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no CamVid at {REAL}; set CAMVID_ROOT")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("camvid")
    return folder, fixtures.camvid(folder)


@pytest.fixture
def root(tree: Tree, tmp_path: Path) -> Path:
    """A copy to break, under a name with words that a careless loader would replace."""
    return shutil.copytree(tree[0], tmp_path / "train images.d")


def stems(root: Path, part: str) -> list[str]:
    return [item.stem for item in camvid.index(root, part)]


def fault(root: Path, part: str = "train") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in camvid.index(root, part):
            camvid.read(item, BOTH)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_frames_come_back_as_written_in_their_native_size(tree: Tree) -> None:
    folder, truths = tree
    items = [item for part in ("train", "val", "test") for item in camvid.index(folder, part)]
    assert {item.stem for item in items} == set(truths)
    for item in items:
        found = camvid.read(item, BOTH, size=(64, 32))
        assert (found["image"] == truths[item.stem].image).all()
        assert (found["semseg"] == truths[item.stem].semseg).all()
        assert found["image"].dtype == found["semseg"].dtype == np.uint8


def test_the_files_void_is_255(root: Path) -> None:
    found = camvid.read(camvid.index(root, "train")[0], ["semseg"])["semseg"]
    assert found[5, :12].tolist() == [*range(11), 255]
    assert len(camvid.CLASSES) == 11


def test_the_index_is_sorted_and_leaves_foreign_files_alone(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for part, names in fixtures.CAMVID_FRAMES.items():
        assert stems(root, part) == sorted(names)
    assert "train images.d/train: 2 hidden or foreign files ignored" in caplog.text


def test_the_drives_are_told_by_the_names(root: Path) -> None:
    assert stems(root, "dusk-train") == ["0001TP_006690"]
    assert stems(root, "dusk-test") == ["0001TP_008550", "0001TP_010380"]
    day = stems(root, "day")
    assert day == sorted(day) and len(day) == 3 + 4 + 2
    assert {stem.split("_")[0] for stem in day} == {"0006R0", "0016E5", "Seq05VD"}


def test_opened_without_tasks_it_touches_no_label(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in root.glob("*annot/*"):
        path.unlink()
    touched = fixtures.watched(monkeypatch)
    for item in camvid.index(root, "train"):
        camvid.read(item, ["image"])
    assert any(path.endswith("train/0001TP_006690.png") for path in touched)
    assert not [path for path in touched if "annot" in path]


def test_nothing_is_written_under_the_root(root: Path) -> None:
    before = fixtures.snapshot(root)
    for item in camvid.index(root, "train"):
        camvid.read(item, BOTH)
    assert fixtures.snapshot(root) == before


def test_a_root_above_the_folder_will_do(root: Path) -> None:
    root.rename(root.parent / "CamVid")
    assert stems(root.parent, "val") == list(fixtures.CAMVID_FRAMES["val"])


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    line = f"camvid: no folder CamVid at {tmp_path}; expected train/, trainannot/, train.txt "
    assert fault(tmp_path).startswith(line)
    assert fault(tmp_path).endswith("split=minicity needs no data")
    with pytest.raises(FileNotFoundError, match="^camvid: no folder was given; expected train/"):
        camvid.index(None, "train")


def test_an_unknown_part_comes_with_the_nearest_known_one(root: Path) -> None:
    with pytest.raises(ValueError, match='^camvid: no part "dusk_test"; did you mean dusk-test\\? known: train val '):
        camvid.index(root, "dusk_test")


def test_depth_is_refused_because_there_is_none(root: Path) -> None:
    with pytest.raises(ValueError, match="^camvid: no depth in this data set; it has image semseg$"):
        camvid.read(camvid.index(root, "train")[0], ["depth"])


def test_a_missing_image_is_named_by_its_list(root: Path) -> None:
    (root / "train/0016E5_00390.png").unlink()
    assert fault(root) == "camvid: train/0016E5_00390.png: missing; train.txt names it"


def test_a_missing_label_is_named_when_it_is_asked_for(root: Path) -> None:
    (root / "trainannot/0016E5_00390.png").unlink()
    assert fault(root) == "train images.d/trainannot/0016E5_00390.png: missing; train has it"


def test_a_missing_list_is_named(root: Path) -> None:
    (root / "train.txt").unlink()
    assert fault(root) == "camvid: train.txt is missing; it names the images of train/"


def test_a_missing_sub_folder_is_named(root: Path) -> None:
    shutil.rmtree(root / "test")
    assert fault(root, "dusk-test").endswith("train images.d/test/: no such file or directory")


def test_an_unknown_id_is_counted_and_placed(root: Path) -> None:
    ids = np.zeros((360, 480), np.uint8)
    ids[12:23, 40:52] = 77
    fixtures.png(root / "trainannot/0001TP_006690.png", ids)
    line = "trainannot/0001TP_006690.png: id 77 on 132 pixels, known ids 0-11; first at row 12, column 40"
    assert fault(root).endswith(line)


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    fixtures.png(root / "trainannot/0001TP_006690.png", np.zeros((180, 240), np.uint8))
    assert fault(root).endswith("trainannot/0001TP_006690.png: 240x180, image 480x360; expected equal sizes")


def test_a_colour_picture_is_no_label(root: Path) -> None:
    fixtures.png(root / "trainannot/0001TP_006690.png", np.zeros((360, 480, 3), np.uint8))
    assert fault(root).endswith("trainannot/0001TP_006690.png: 8-bit RGB, expected 8-bit grey; indices are lost")


@real
@pytest.mark.parametrize(
    ("part", "count"),
    [("train", 367), ("val", 101), ("test", 233), ("day", 577), ("dusk-train", 62), ("dusk-test", 62)],
)
def test_the_real_parts_have_the_real_counts(part: str, count: int) -> None:
    assert len(camvid.index(REAL, part)) == count


@real
@pytest.mark.parametrize(
    ("part", "percent", "void"),
    [
        ("train", (16.85, 23.26, 0.98, 31.66, 4.49, 9.72, 1.17, 1.13, 5.87, 0.64, 0.29), 3.95),
        ("val", (9.18, 25.96, 0.56, 28.95, 8.72, 16.34, 0.89, 3.08, 1.75, 0.65, 2.22), 1.70),
        ("test", (17.07, 24.61, 1.18, 25.81, 9.27, 11.25, 1.01, 1.18, 3.97, 0.63, 0.19), 3.83),
    ],
)
def test_the_real_classes_have_their_measured_shares(part: str, percent: tuple[float, ...], void: float) -> None:
    counts = np.zeros(256, np.int64)
    for item in camvid.index(REAL, part):
        counts += np.bincount(camvid.read(item, ["semseg"])["semseg"].ravel(), minlength=256)
    shares = 100 * counts / counts.sum()
    assert np.abs(shares[:11] - percent).max() < 0.01
    assert abs(shares[255] - void) < 0.01
    assert counts[11:255].sum() == 0


@real
def test_a_real_frame_looks_as_it_should() -> None:
    found = camvid.read(camvid.index(REAL, "test")[0], BOTH)
    assert found["image"].shape == (360, 480, 3)
    sky, road = found["semseg"] == 0, found["semseg"] == 3
    rows = np.arange(360)[:, None] + np.zeros((1, 480))
    assert rows[sky].mean() < rows[road].mean()
