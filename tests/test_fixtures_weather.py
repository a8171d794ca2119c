"""These trees, too, are right: a second library reads what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datasets.trees.jpeg import jpeg
from datasets.trees.npy import npy
from tests import fixtures_weather as fixtures

cv2 = pytest.importorskip("cv2", reason="opencv is the second library that reads what the fixtures wrote")


def stored(path: Path) -> np.ndarray:
    assert path.is_file()
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (7, 5), (7, 5, 3)])
def test_an_npy_holds_the_array(tmp_path: Path, dtype: type, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).uniform(0, 200, shape).astype(dtype)
    npy(tmp_path / "deep/a.npy", array)
    found = np.load(tmp_path / "deep/a.npy")
    assert found.dtype == dtype and found.shape == shape and (found == array).all()


def test_a_jpeg_shows_the_picture(tmp_path: Path) -> None:
    image = fixtures.scene(0).image
    jpeg(tmp_path / "a.jpg", image)
    assert np.abs(stored(tmp_path / "a.jpg")[..., ::-1].astype(int) - image).mean() < 3


def test_acdc_and_darkzurich_are_as_the_specification_says(tmp_path: Path) -> None:
    truths = fixtures.acdc(tmp_path / "acdc")
    place = "train/GOPR0475/GOPR0475_frame_000041"
    assert (stored(tmp_path / f"acdc/gt/fog/{place}_gt_labelTrainIds.png")[5, :20] == [*range(19), 255]).all()
    image = stored(tmp_path / f"acdc/rgb_anon/fog/{place}_rgb_anon.png")[..., ::-1]
    assert (image == truths["fog_GOPR0475_frame_000041"].image).all()
    fixtures.darkzurich(tmp_path / "dark")
    assert {path.parts[-4] for path in (tmp_path / "dark/gt").rglob("*.png")} == {"val"}


def test_mapillary_is_as_the_specification_says(tmp_path: Path) -> None:
    fixtures.mapillary(tmp_path)
    path = tmp_path / "training/labels/-Ymmd_z.png"
    assert path.read_bytes()[25] == 3  # the colour type: a palette
    assert len({tuple(colour) for colour in stored(path)[5, :66].tolist()}) == 66
    shapes = {stored(file).shape for file in (tmp_path / "training/images").glob("*.jpg")}
    assert len(shapes) == 4


def test_foggy_is_as_the_specification_says(tmp_path: Path) -> None:
    fixtures.foggy(tmp_path)
    start = tmp_path / "leftImg8bit_foggy/train/aachen/aachen_000000_000019_leftImg8bit_foggy_beta_"
    spread = [stored(Path(f"{start}{beta}.png")).std() for beta in ("0.005", "0.01", "0.02")]
    assert spread[0] > 1.4 * spread[1] > 1.4 * 1.4 * spread[2]


def test_cs7_is_as_the_specification_says(tmp_path: Path) -> None:
    fixtures.cs7(tmp_path)
    image, label, depth = (np.load(tmp_path / f"train/{field}/0.npy") for field in ("image", "label", "depth"))
    assert image.shape == (128, 256, 3) and 0 <= image.min() and image.max() <= 1
    assert label.shape == (128, 256) and set(np.unique(label)) == set(range(-1, 7))
    assert depth.shape == (128, 256, 1) and 0 == depth.min() and 0.05 < depth.max() < 0.5


def test_carlas_depth_is_in_24_bits_the_low_byte_first(tmp_path: Path) -> None:
    truth = fixtures.selma(tmp_path)["Town01_Opt_ClearNight_9"]
    place = "Town01_Opt_ClearNight/{}_FRONT/Town01_Opt_ClearNight_9.png"
    blue, green, red = np.moveaxis(stored(tmp_path / place.format("DEPTHCAM")).astype(float), -1, 0)
    metres = 1000 * (red + 256 * green + 65536 * blue) / (256**3 - 1)
    assert np.abs(metres - np.minimum(truth.depth, 1000)).max() < 6e-5
    assert (metres == 1000).any()
    assert set(np.unique(stored(tmp_path / place.format("SEGCAM")))) <= {1, 7, 8, 13}


def test_shift_has_the_class_in_the_red_channel(tmp_path: Path) -> None:
    fixtures.shift(tmp_path)
    folder = tmp_path / "discrete/images/train/front/semseg/0aee-69fd"
    found = stored(folder / "00000490_semseg_front.png")
    assert found.shape == (800, 1280, 3) and set(np.unique(found[..., 2])) == set(range(23))
    assert not found[..., :2].any()
