"""NYU Depth v2 comes back from its .mat as it was written, and a fault in it is one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import scipy.io

from bench.data.geometry import Camera
from bench.domains import Domains
from bench.split import Domain
from datasets import nyuv2
from datasets.axes import SAME, best_axes
from datasets.spaces import NYU13, NYU40, mapping
from tests import fixtures
from tests import fixtures_indoor as indoor

Tree = tuple[Path, dict[str, fixtures.Truth]]
ALL = ("image", "semseg", "depth", "normals")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("nyu") / "images and.mat"
    return folder, indoor.nyuv2(folder)


@pytest.fixture
def root(tree: Tree, tmp_path: Path) -> Path:
    """A copy to break."""
    return shutil.copytree(tree[0], tmp_path / "images and.mat")


def read(root: Path, what: tuple[str, ...] = ALL, position: int = 0, part: str = "train") -> dict[str, np.ndarray]:
    return nyuv2.read(nyuv2.index(root, part)[position], what)


def fault(root: Path | None, what: tuple[str, ...] = ALL, part: str = "train") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in nyuv2.index(root, part):
            nyuv2.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{root.parent.name}/{root.name}/" if root else "", "")


def degrees(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


@pytest.mark.parametrize("part", ["train", "test"])
def test_frames_come_back_as_written_transposed_and_not_rotated(tree: Tree, part: str) -> None:
    folder, truths = tree
    for item in nyuv2.index(folder, part):
        truth, found = truths[item.stem], nyuv2.read(item, ALL, size=(64, 48))
        assert np.array_equal(found["image"], truth.image)
        assert np.array_equal(found["semseg"], truth.semseg)
        assert np.array_equal(found["depth"], truth.depth.astype(np.float32))
        assert np.array_equal(found["normals"].any(-1), truth.normals.any(-1))
        assert degrees(found["normals"], truth.normals)[truth.normals.any(-1)].max() < 0.5
        assert found["camera"] == Camera(*truth.camera)
        assert [found[name].dtype for name in ALL] == [np.uint8, np.uint8, np.float32, np.float32]


def test_the_numbers_of_splits_are_1_based(tree: Tree) -> None:
    assert [item.stem for item in nyuv2.index(tree[0], "train")] == ["0002", "0003", "0006"]
    assert [item.stem for item in nyuv2.index(tree[0], "test")] == ["0001", "0004", "0005"]


def test_the_normals_of_a_frame_are_numbered_from_0(tree: Tree) -> None:
    assert nyuv2.index(tree[0], "train")[0].files["normals"].name == "0001.png"


def test_the_camera_is_matlabs_less_1() -> None:
    assert (nyuv2.CAMERA.cx, nyuv2.CAMERA.cy) == pytest.approx((325.58244941 - 1, 253.73616633 - 1))


def test_otherprop_is_apart_from_void_and_typed_names_go_to_40(tree: Tree) -> None:
    row = read(tree[0])["semseg"][5, 10:51].tolist()
    assert row == [255, *range(40)]
    assert NYU40.classes[row[40]] == "otherprop"


def test_13_classes_are_a_map_of_the_40(tree: Tree) -> None:
    row = read(tree[0])["semseg"][5, 10:51]
    names = [NYU13.classes[number] for number in mapping(NYU40, NYU13)[row][1:]]
    assert names == [NYU13.classes[number - 1] for number in indoor.NYU13_OF_40[1:]]
    assert mapping(NYU40, NYU13)[row][0] == 255


def test_a_frame_without_its_white_border_is_unusual(root: Path) -> None:
    item = nyuv2.index(root, "train")[0]
    assert list(nyuv2.check(item)) == []
    with h5py.File(root / indoor.NYU_MAT, "r+") as file:
        file["images"][int(item.stem) - 1, :, 0, 100] = 9  # column 0
    (line,) = nyuv2.check(item)
    where = f"frame {int(item.stem)} has no white border at the left"
    assert line.endswith(f"nyu_depth_v2_labeled.mat: {where}; mirrored or rotated?")


def test_a_plane_1_metre_away_is_1_metre_away(root: Path) -> None:
    with h5py.File(root / indoor.NYU_MAT, "r+") as file:
        file["depths"][1] = 1
    assert (read(root, ("depth",))["depth"] == 1).all()


def test_the_literal_of_the_normals_axes_is_proved_by_the_depth(tree: Tree) -> None:
    found = read(tree[0], ("depth", "normals"))
    axes, cosine = best_axes(found["normals"], found["depth"], found["camera"])
    assert axes == SAME and cosine > 0.99


def test_normals_in_other_axes_are_refused(root: Path) -> None:
    for path in (root / "normals_gt" / "normals").iterdir():
        codes = np.full((480, 640, 3), 127, np.uint8)
        codes[..., 1] = 254  # forward, away from the camera
        fixtures.png(path, codes)
    line = "normals_gt/normals/0001.png: 100 % of the normals point away from the camera; are the axes others?"
    assert fault(root) == line


def test_127_is_no_normal(root: Path) -> None:
    fixtures.png(root / "normals_gt" / "normals" / "0001.png", np.full((480, 640, 3), 127, np.uint8))
    assert not read(root, ("normals",))["normals"].any()


def test_without_the_normals_files_there_are_classes_and_depth(root: Path) -> None:
    shutil.rmtree(root / "normals_gt")
    assert set(read(root, ("image", "semseg", "depth"))) == {"image", "semseg", "depth", "camera"}
    line = "nyuv2: normals_gt/ is missing beside nyu_depth_v2_labeled.mat; it is in normals_gt.tgz; "
    assert fault(root) == line + "without it run with split.tasks=[semseg,depth] split.scored=[semseg,depth]"
    assert set(nyuv2.index(root, "test")[0].files) == {"image", "semseg", "depth"}


def test_a_mask_that_is_missing_is_named(root: Path) -> None:
    (root / "normals_gt" / "masks" / "0002.png").unlink()
    assert fault(root) == "normals_gt/masks/0002.png: missing; normals has it"


def test_opened_without_tasks_it_reads_images_alone(root: Path) -> None:
    shutil.rmtree(root / "normals_gt")
    (root / "classMapping40.mat").unlink()
    with h5py.File(root / indoor.NYU_MAT, "r+") as file:
        for name in ("labels", "depths", "rawDepths"):
            del file[name]
    assert set(read(root, ("image",))) == {"image", "camera"}


def test_nothing_is_written_under_the_root(tree: Tree) -> None:
    before = fixtures.snapshot(tree[0])
    read(tree[0])
    assert fixtures.snapshot(tree[0]) == before


def test_the_size_of_a_test_image_is_known_though_no_picture_file_has_it(tree: Tree) -> None:
    domain = Domain(dataset="nyuv2", part="test", size=(320, 240))
    domains = Domains(SimpleNamespace(test=domain, protocol="city-v1"), {"nyuv2": tree[0]}, Path("store"))
    assert domains.test_sizes() == [(640, 480)] * 3


def test_other_counts_than_the_official_ones_are_a_warning(tree: Tree, caplog: pytest.LogCaptureFixture) -> None:
    nyuv2.index(tree[0], "train")
    assert caplog.messages == ["nyuv2: train has 3 frames, 795 expected"]


def test_a_missing_root_says_what_is_looked_for_and_where_it_is_had(tmp_path: Path) -> None:
    assert fault(tmp_path).startswith(f"nyuv2: no nyu_depth_v2_labeled.mat at {tmp_path}; expected nyu_depth_v2_")
    assert fault(tmp_path).endswith("without registration. split=minicity needs no data")
    assert fault(None).startswith("nyuv2: no folder was given; ")


def test_an_unknown_part_comes_with_the_nearest_known_one(tree: Tree) -> None:
    assert fault(tree[0], part="tests") == 'nyuv2: no part "tests"; did you mean test? known: train test'


def test_a_mirrored_repack_is_refused(tmp_path: Path) -> None:
    indoor.nyuv2(tmp_path, normals=False, mirrored=True)
    line = "nyu_depth_v2_labeled.mat: frame 1 looks mirrored (white border on the other side); transpose, do not rotate"
    assert fault(tmp_path) == line


def test_frames_upside_down_are_refused(root: Path) -> None:
    with h5py.File(root / indoor.NYU_MAT, "r+") as file:
        file["images"][:] = file["images"][:][..., ::-1]
    assert "looks mirrored" in fault(root)


def test_a_repack_with_other_axes_is_refused(root: Path) -> None:
    with h5py.File(root / indoor.NYU_MAT, "r+") as file:
        images = file["images"][:].transpose(0, 3, 2, 1)
        del file["images"]
        file["images"] = images
    line = "a frame of images is 480 640 3 of uint8, expected 3 640 480 of uint8; is this a repack?"
    assert fault(root) == f"nyu_depth_v2_labeled.mat: {line}"


def test_0_based_splits_are_refused(root: Path) -> None:
    indoor.nyu_lists(root, first=0)
    assert fault(root) == "splits.mat: 795/654 expected with values 1..6, got minimum 0"


@pytest.mark.parametrize(("test", "got"), [((1, 4, 9), "6 of 1..9"), ((1, 2, 4), "6 of 1..6")])
def test_foreign_splits_are_refused(root: Path, test: tuple[int, ...], got: str) -> None:
    scipy.io.savemat(root / "splits.mat", {"trainNdxs": np.array([[2], [3], [6]]), "testNdxs": np.array([test]).T})
    assert fault(root) == f"splits.mat: 795/654 expected with values 1..6, got {got}"


def test_a_missing_list_is_named(root: Path) -> None:
    (root / "classMapping40.mat").unlink()
    assert fault(root) == "classMapping40.mat: no such file or directory"
    (root / "splits.mat").unlink()
    assert fault(root) == "splits.mat: no such file or directory"


@pytest.mark.parametrize(("to40", "got"), [(np.ones(40), "40 from 1 to 1"), (np.full(894, 41), "894 from 41 to 41")])
def test_a_foreign_mapping_is_refused(root: Path, to40: np.ndarray, got: str) -> None:
    scipy.io.savemat(root / "classMapping40.mat", {"mapClass": to40})
    assert fault(root) == f"classMapping40.mat: mapClass has {got}, expected 894 from 0 to 40"


def test_an_unknown_label_is_placed(root: Path) -> None:
    with h5py.File(root / indoor.NYU_MAT, "r+") as file:
        file["labels"][2, 40, 12] = 900  # axes in reverse: column 40, row 12
    line = "nyu_depth_v2_labeled.mat: id 900, known ids 0-894; first in frame 3 at row 12, column 40"
    assert fault(root, ("semseg",)) == line


def test_nan_in_the_depth_is_refused(root: Path) -> None:
    with h5py.File(root / indoor.NYU_MAT, "r+") as file:
        file["depths"][1, :17, 0] = np.nan
    assert fault(root) == "nyu_depth_v2_labeled.mat: 17 NaN in frame 2 of depths, expected 0 for invalid"


def test_a_truncated_mat_is_refused(root: Path) -> None:
    data = (root / indoor.NYU_MAT).read_bytes()
    (root / indoor.NYU_MAT).write_bytes(data[:8192])
    assert fault(root) == "nyu_depth_v2_labeled.mat: truncated at byte 8192; copy it again"


def test_a_mat_without_labels_is_refused(root: Path) -> None:
    with h5py.File(root / indoor.NYU_MAT, "r+") as file:
        del file["labels"]
    assert fault(root) == "nyu_depth_v2_labeled.mat: no data set labels; it has depths images rawDepths"


def test_normals_of_another_size_are_refused(root: Path) -> None:
    fixtures.png(root / "normals_gt" / "masks" / "0001.png", np.ones((60, 80), np.uint8))
    assert fault(root) == "normals_gt/masks/0001.png: 80x60, normals 640x480; expected equal sizes"
