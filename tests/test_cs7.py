"""Cityscapes in MTAN's form: seven classes, and an inverse depth that is returned as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import cs7
from datasets.trees.npy import npy
from tests import fixtures_weather

ALL = ("image", "semseg", "depth")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fixtures_weather.cs7(tmp_path / "train image.d")
    return tmp_path / "train image.d"


def read(root: Path, field: str) -> np.ndarray:
    return cs7.read(cs7.index(root, "train")[0], [field])[field]


def fault(root: Path, what: tuple[str, ...] = ALL) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in cs7.index(root, "train"):
            cs7.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("labels", ["label", "label_7"])
def test_frames_come_back_as_written(tmp_path: Path, labels: str) -> None:
    truths = fixtures_weather.cs7(tmp_path, labels)
    for item in cs7.index(tmp_path, "train"):
        found, truth = cs7.read(item, ALL), truths[item.stem]
        assert (found["image"] == truth.image).all()
        assert (found["semseg"] == truth.semseg).all()
        assert (found["depth"] == truth.depth.astype(np.float32)).all()
        assert (found["image"].dtype, found["semseg"].dtype, found["depth"].dtype) == (np.uint8, np.uint8, np.float32)
        assert found["camera"] is None


def test_frames_are_in_the_order_of_their_numbers(root: Path) -> None:
    npy(root / "train/image/2.npy", np.zeros((128, 256, 3)))
    assert [item.stem for item in cs7.index(root, "train")] == ["0", "1", "2", "10", "2974"]


def test_depth_stays_inverse_and_its_zeros_are_invalid(root: Path) -> None:
    depth = read(root, "depth")
    assert not depth[:, :12].any() and depth[:, 12:].all()
    near, far = depth[-1, 20:].mean(), depth[70, 20:].mean()
    assert near > 2 * far  # the road in front is greater than the road far away
    assert depth.max() < 0.4923
    assert cs7.__doc__ and "greater is nearer, and it has no metres" in cs7.__doc__


def test_void_which_is_minus_one_in_the_file_is_255(root: Path) -> None:
    assert read(root, "semseg")[5, :8].tolist() == [255, *range(7)]


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32])
def test_minus_one_becomes_no_class_whatever_the_files_type(root: Path, dtype: type) -> None:
    npy(root / "train/label/0.npy", np.full((128, 256), -1, dtype))
    assert (read(root, "semseg") == 255).all()


@pytest.mark.parametrize("void", [7, 255])
def test_a_void_that_is_not_minus_one_is_refused(root: Path, void: int) -> None:
    ids = np.zeros((128, 256))
    ids[0] = void
    npy(root / "train/label/0.npy", ids)
    assert fault(root) == f"train/label/0.npy: values 0..{void}, expected -1..6"


def test_labels_read_as_unsigned_are_refused(root: Path) -> None:
    npy(root / "train/label/0.npy", np.full((128, 256), 255, np.uint8))
    assert fault(root).startswith("train/label/0.npy: 128 x 256 of uint8, expected H x W of whole numbers, -1 for void")


def test_labels_between_whole_numbers_were_resized(root: Path) -> None:
    npy(root / "train/label/0.npy", np.full((128, 256), 0.5))
    line = "values between whole numbers; was it resized with interpolation?"
    assert fault(root) == f"train/label/0.npy: {line}"


def test_nan_in_depth_is_counted(root: Path) -> None:
    depth = np.full((128, 256, 1), 0.1)
    depth[0, :17] = np.nan
    npy(root / "train/depth/0.npy", depth)
    assert fault(root) == "train/depth/0.npy: 17 NaN, expected 0 for invalid"


@pytest.mark.parametrize(("value", "found"), [(-1, "-1..0.1"), (12.5, "0.1..12.5")])
def test_depth_that_is_no_disparity_over_65535_is_refused(root: Path, value: float, found: str) -> None:
    depth = np.full((128, 256, 1), 0.1)
    depth[0] = value
    npy(root / "train/depth/0.npy", depth)
    assert fault(root) == f"train/depth/0.npy: values {found}, expected 0..0.5 (disparity / 65535)"


def test_depth_without_one_valid_pixel_is_refused(root: Path) -> None:
    npy(root / "train/depth/0.npy", np.zeros((128, 256, 1)))
    assert fault(root) == "train/depth/0.npy: no valid pixel (all 0)"


def test_an_image_outside_its_range_or_shape_is_refused(root: Path) -> None:
    npy(root / "train/image/0.npy", np.full((128, 256, 3), 255.0))
    assert fault(root) == "train/image/0.npy: values 255..255, expected 0..1"
    npy(root / "train/image/0.npy", np.zeros((3, 128, 256)))
    assert fault(root) == "train/image/0.npy: 3 x 128 x 256 of float64, expected H x W x 3 of float"


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    npy(root / "train/label/0.npy", np.zeros((256, 512)))
    assert fault(root) == "train/label/0.npy: 512x256, image 256x128; expected equal sizes"


def test_a_missing_sub_folder_is_named(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match="^cs7: val/image is missing; it is in the archive of MTAN$"):
        cs7.index(root, "val")
    shutil.rmtree(root / "train/depth")
    assert fault(root) == "train/depth/0.npy: missing; image and label have it"


@pytest.mark.parametrize("size", [60, 200])
def test_a_truncated_array_says_where_it_ends(root: Path, size: int) -> None:
    path = root / "train/depth/0.npy"
    path.write_bytes(path.read_bytes()[:size])
    assert fault(root) == f"train/depth/0.npy: truncated or damaged at byte {size}; copy it again"


def test_an_array_of_objects_is_not_unpickled(root: Path) -> None:
    np.save(root / "train/label/0.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert fault(root).startswith("train/label/0.npy: truncated or damaged at byte ")
