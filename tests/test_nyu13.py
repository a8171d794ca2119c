"""NYU in the MTAN form comes back from disk as it was written, and a fault in it is one line."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import nyu13, verify
from datasets.axes import SAME, best_axes
from tests import fixtures
from tests import fixtures_indoor as indoor

Tree = tuple[Path, dict[str, fixtures.Truth]]
ALL = ("image", "semseg", "depth", "normals")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("nyu13") / "train image.npy"
    return folder, indoor.nyu13(folder)


@pytest.fixture
def root(tree: Tree, tmp_path: Path) -> Path:
    """A copy to break."""
    return shutil.copytree(tree[0], tmp_path / "train image.npy")


def read(root: Path, what: tuple[str, ...] = ALL, position: int = 0) -> dict[str, np.ndarray]:
    return nyu13.read(nyu13.index(root, "train")[position], what)


def fault(root: Path | None, what: tuple[str, ...] = ALL, part: str = "train") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in nyu13.index(root, part):
            nyu13.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def broken(root: Path, name: str, change) -> None:
    array = np.load(root / "train" / name)
    np.save(root / "train" / name, change(array))


def test_frames_come_back_as_written(tree: Tree) -> None:
    folder, truths = tree
    for item in nyu13.index(folder, "train"):
        truth, found = truths[item.stem], nyu13.read(item, ALL, size=(64, 48))
        assert np.array_equal(found["image"], truth.image)
        assert np.array_equal(found["semseg"], truth.semseg)
        assert np.array_equal(found["depth"], truth.depth.astype(np.float32))
        assert np.allclose(found["normals"], truth.normals, atol=1e-6)
        camera = found["camera"]
        assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx(truth.camera)
        assert [found[name].dtype for name in ALL] == [np.uint8, np.uint8, np.float32, np.float32]


def test_the_index_is_in_the_order_of_numbers(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert [item.stem for item in nyu13.index(tree[0], "train")] == ["0000", "0002", "0010", "0101"]
    assert "train/image: 2 hidden or foreign files ignored" in caplog.text
    assert "nyu13: train has 4 images, 795 expected" in caplog.text


def test_minus_1_is_void_and_no_class(tree: Tree) -> None:
    semseg = read(tree[0])["semseg"]
    assert semseg[5, 10] == 255 and set(np.unique(semseg)) == {*range(13), 255}


def told(root: Path) -> list[str]:
    found = verify.looked("nyu13", root, whole=True, workers=1, show=False)[1]
    return [one.line for one in found.findings if one.level == "error" and one.kind == "normals"]


def test_normals_in_another_convention_are_told_though_the_loader_drops_those_that_point_away(root: Path) -> None:
    shutil.copytree(root / "train", root / "val")
    assert told(root) == []
    for path in root.glob("*/normal/*.npy"):
        normals = np.load(path)
        normals[..., 2] *= -1  # down instead of up: walls stay as they are
        np.save(path, normals)
    item = nyu13.index(root, "train")[0]
    facing, there = nyu13.facing(item)
    assert facing == nyu13.read(item, ("normals",))["normals"].any(-1).sum() and 0.5 * there < facing < 0.95 * there
    assert any(
        line.endswith("% of the normals face the camera, expected 95 % or more (n . p < 0)") for line in told(root)
    )


def test_labels_may_be_floats(root: Path) -> None:
    before = read(root)["semseg"]
    broken(root, "label/0.npy", lambda label: label.astype(np.float32))
    assert np.array_equal(read(root)["semseg"], before)


def test_a_plane_1_metre_away_is_1_metre_away(root: Path) -> None:
    broken(root, "depth/0.npy", np.ones_like)
    assert (read(root, ("depth",))["depth"] == 1).all()


def test_the_literal_of_the_normals_axes_is_proved_by_the_depth(tree: Tree) -> None:
    found = read(tree[0], ("depth", "normals"))
    axes, cosine = best_axes(found["normals"], found["depth"], found["camera"])
    assert axes == SAME and cosine > 0.99


def test_normals_in_other_axes_are_refused(root: Path) -> None:
    broken(root, "normal/0.npy", np.negative)
    line = "train/normal/0.npy: 100 % of the normals point away from the camera; are the axes others?"
    assert fault(root) == line


def test_opened_without_tasks_it_touches_no_label(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("label", "depth", "normal"):
        shutil.rmtree(root / "train" / name)
    touched = fixtures.watched(monkeypatch)
    assert set(read(root, ("image",))) == {"image", "camera"}
    assert not [path for path in touched if path.endswith(("label/0.npy", "depth/0.npy", "normal/0.npy"))]
    assert [path for path in touched if path.endswith("image/0.npy")]


def test_nothing_is_written_under_the_root(tree: Tree) -> None:
    before = fixtures.snapshot(tree[0])
    read(tree[0])
    assert fixtures.snapshot(tree[0]) == before


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    assert fault(tmp_path).startswith(f"nyu13: no folder nyuv2 at {tmp_path}; expected train/image/, ")
    assert fault(None).startswith("nyu13: no folder was given; ")


def test_an_empty_folder_is_not_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "val" / "image").mkdir(parents=True)
    assert fault(tmp_path, part="val") == "nyu13: val/image/ has 0 files matching N.npy, expected 654"


def test_an_unknown_part_comes_with_the_nearest_known_one(tree: Tree) -> None:
    assert fault(tree[0], part="vale") == 'nyu13: no part "vale"; did you mean val? known: train val'


def test_labels_whose_void_is_not_minus_1_are_refused(root: Path) -> None:
    broken(root, "label/2.npy", lambda label: label + 1)
    assert fault(root) == "train/label/2.npy: values 0..13, expected -1..12"


def test_labels_between_the_classes_are_refused(root: Path) -> None:
    broken(root, "label/2.npy", lambda label: label / 2)
    assert fault(root) == "train/label/2.npy: values -0.5..6, expected -1..12"


def test_nan_in_the_depth_is_refused(root: Path) -> None:
    def spoil(depth: np.ndarray) -> np.ndarray:
        depth[0, :17] = np.nan
        return depth

    broken(root, "depth/2.npy", spoil)
    assert fault(root) == "train/depth/2.npy: 17 NaN, expected 0 for invalid"


def test_an_image_of_bytes_is_refused(root: Path) -> None:
    broken(root, "image/2.npy", lambda image: np.round(image * 255))
    assert fault(root).startswith("train/image/2.npy: values 0..25")
    assert fault(root).endswith(", expected 0..1")


@pytest.mark.parametrize(("name", "got", "right"), [
    ("image", "3 288 384", "288 384 3"), ("label", "384 288", "288 384"), ("depth", "1 288 384", "288 384 1"),
    ("normal", "3 288 384", "288 384 3"),
])  # fmt: skip
def test_other_shapes_are_refused(root: Path, name: str, got: str, right: str) -> None:
    broken(root, f"{name}/2.npy", lambda array: np.moveaxis(array, -1, 0))
    assert fault(root) == f"train/{name}/2.npy: {got}, expected {right}"


def test_a_truncated_array_is_refused(root: Path) -> None:
    path = root / "train" / "depth" / "2.npy"
    path.write_bytes(path.read_bytes()[:8192])
    assert fault(root) == "train/depth/2.npy: truncated or damaged at byte 8192; copy it again"


def test_a_missing_label_is_named_beside_what_is_there(root: Path) -> None:
    (root / "train" / "label" / "10.npy").unlink()
    assert fault(root) == "train/label/10.npy: missing; image and depth and normal have it"
