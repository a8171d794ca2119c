"""Picture files come back to the bit, or fail with one line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.pictures import header, picture, picture_size, samples
from tests.fixtures import png

RANDOM = np.random.default_rng(0)
WIDE = RANDOM.integers(0, 65536, (12, 20, 3), np.uint16)
NARROW = RANDOM.integers(0, 256, (12, 20, 3), np.uint8)


@pytest.mark.parametrize(
    ("array", "form"),
    [(WIDE, "16-bit RGB"), (WIDE[..., 0], "16-bit grey"), (NARROW, "8-bit RGB"), (NARROW[..., 0], "8-bit grey")],
)
def test_samples_are_exact_in_every_form(tmp_path: Path, array: np.ndarray, form: str) -> None:
    png(tmp_path / "a.png", array)
    found = samples(tmp_path / "a.png", form)
    assert found.dtype == array.dtype and (found == array).all()


def test_a_16_bit_png_of_another_writer_is_exact_under_all_its_filters(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="opencv writes the filtered file")
    smooth = np.cumsum(np.cumsum(RANDOM.integers(0, 90, (64, 64, 3)), 0), 1).astype(np.uint16)
    for strategy in range(5):
        cv2.imwrite(str(tmp_path / "a.png"), smooth[..., ::-1], [cv2.IMWRITE_PNG_STRATEGY, strategy])
        assert (samples(tmp_path / "a.png", "16-bit RGB") == smooth).all()


def test_a_palette_picture_gives_its_indices_even_where_two_colours_are_equal(tmp_path: Path) -> None:
    palette = np.repeat(RANDOM.integers(0, 256, (18, 3), np.uint8), 2, 0)
    indices = np.arange(36, dtype=np.uint8).reshape(6, 6)
    png(tmp_path / "a.png", indices, palette)
    assert (samples(tmp_path / "a.png", "8-bit palette") == indices).all()


def test_a_picture_is_rgb_from_png_and_from_jpeg(tmp_path: Path) -> None:
    png(tmp_path / "a.png", NARROW)
    assert (picture(tmp_path / "a.png") == NARROW).all()
    red = np.zeros((16, 24, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(tmp_path / "a.jpg", quality=95)
    found = picture(tmp_path / "a.jpg")
    assert found.shape == (16, 24, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - red).max() < 5


def test_the_size_of_a_picture_is_width_then_height(tmp_path: Path) -> None:
    png(tmp_path / "a.png", NARROW)
    assert picture_size(tmp_path / "a.png") == (20, 12)


def test_what_was_read_may_be_written_to_and_no_file_stays_open(tmp_path: Path) -> None:
    png(tmp_path / "a.png", WIDE)
    png(tmp_path / "b.png", NARROW)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    samples(tmp_path / "a.png", "16-bit RGB")[:] = 0
    samples(tmp_path / "b.png", "8-bit RGB")[:] = 0
    picture(tmp_path / "b.png")[:] = 0
    assert not before or len(os.listdir("/proc/self/fd")) == before


def fault(path: Path, *forms: str, meaning: str = "") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        samples(path, *forms, meaning=meaning) if forms else picture(path)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_truncated_file_says_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "GT/LABELS/0001234.png"
    png(path, RANDOM.integers(0, 65536, (76, 128, 3), np.uint16))
    path.write_bytes(path.read_bytes()[:8192])
    line = "GT/LABELS/0001234.png: truncated at byte 8192 of an image of 128x76; copy it again"
    assert fault(path, "16-bit RGB") == line


@pytest.mark.parametrize("count", [0, 5, 20])
def test_a_file_without_even_a_header_says_so(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a/b/c.png"
    png(path, WIDE)
    path.write_bytes(path.read_bytes()[:count])
    assert fault(path, "16-bit RGB") == f"a/b/c.png: truncated at byte {count}, before the image; copy it again"
    assert fault(path).startswith("a/b/c.png: ")


def test_no_truncation_and_no_changed_bit_goes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "a/b/c.png"
    png(path, NARROW[:6, :6])
    data = path.read_bytes()
    for end in range(len(data)):
        path.write_bytes(data[:end])
        assert "truncated at byte" in fault(path, "8-bit RGB")
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        assert fault(path, "8-bit RGB").startswith("a/b/c.png: ")


def test_a_damaged_file_is_told_from_a_truncated_one(tmp_path: Path) -> None:
    path = tmp_path / "a/b/c.png"
    png(path, NARROW)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    line = f"a/b/c.png: damaged between bytes 33 and {len(data) - 12}; copy it again"
    assert fault(path, "8-bit RGB") == fault(path) == line


def test_a_truncated_jpeg_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    Image.fromarray(NARROW.repeat(9, 0)).save(tmp_path / "a/b/c.jpg")
    data = (tmp_path / "a/b/c.jpg").read_bytes()
    (tmp_path / "a/b/c.jpg").write_bytes(data[: len(data) // 2])
    assert fault(tmp_path / "a/b/c.jpg").startswith("a/b/c.jpg: damaged: image file is truncated")


def test_a_jpeg_is_whole_or_its_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    path = tmp_path / "a/b/c.jpg"
    Image.fromarray(NARROW.repeat(9, 0)).save(path)
    data, size = path.read_bytes(), (NARROW.shape[1], 9 * NARROW.shape[0])
    assert header(path) == ("JPEG", size)
    path.write_bytes(data + b"from the camera")
    assert header(path) == ("JPEG", size)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="^a/b/c.jpg: damaged: image file is truncated"):
        header(path)


def test_8_bit_where_16_is_right_suspects_the_tool(tmp_path: Path) -> None:
    path = tmp_path / "GT/LABELS/0000000.png"
    png(path, NARROW)
    line = "8-bit RGB, expected 16-bit RGB (R = class); was it saved again by an 8-bit tool?"
    assert fault(path, "16-bit RGB", meaning="R = class") == f"GT/LABELS/0000000.png: {line}"


def test_rgb_where_indices_are_right_says_that_they_are_lost(tmp_path: Path) -> None:
    png(tmp_path / "a/labels/00001.png", NARROW)
    line = "a/labels/00001.png: 8-bit RGB, expected 8-bit palette; indices are lost"
    assert fault(tmp_path / "a/labels/00001.png", "8-bit palette") == line


def test_a_16_bit_picture_is_no_photograph(tmp_path: Path) -> None:
    png(tmp_path / "a/b/c.png", WIDE)
    assert fault(tmp_path / "a/b/c.png") == "a/b/c.png: 16-bit RGB, expected an 8-bit picture"


def test_a_file_that_is_no_picture_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a/b/c.png"
    path.parent.mkdir(parents=True)
    path.write_text("<html>please log in</html>")
    assert fault(path, "8-bit grey") == "a/b/c.png: not a PNG file"
    assert fault(path) == "a/b/c.png: not a picture (26 bytes); copy it again"


def test_a_file_that_may_not_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*args: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert fault(tmp_path / "images/00010.png", "8-bit RGB").endswith("images/00010.png: permission denied")
