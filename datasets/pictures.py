"""Picture files to exact arrays: the only place that chooses a decoder.

8-bit grey and RGB PNGs by bench.data.png. Pillow for all others: it gives palette and 16-bit grey files as they are
stored. A 16-bit RGB PNG it opens as 8-bit RGB without a word, so such a file is decoded twice, for the high and for the
low byte of every sample.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bench.data.png import SIGNATURE, decoded
from datasets.files import short

_BYTES = ("8-bit grey", "8-bit RGB")
_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}


def picture(path: Path) -> NDArray[np.uint8]:  # H W 3, RGB
    """The colours of an 8-bit PNG or a JPEG."""
    data = _bytes(path)
    form = _form(data, path) if data.startswith(SIGNATURE) else ""
    if form.startswith("16-bit"):
        raise ValueError(f"{short(path)}: {form}, expected an 8-bit picture")
    if form == "8-bit RGB":
        return _bytes_of(data, path)
    return np.array(_decoded(data, path).convert("RGB"))


def samples(path: Path, *forms: str, meaning: str = "") -> NDArray[Any]:  # H W or H W 3, uint8 or uint16
    """The stored numbers of a PNG that is in one of these forms: "16-bit RGB", "8-bit palette" (its indices) ..."""
    data = _bytes(path)
    form = _form(data, path)
    if form not in forms:
        remedy = ""
        if form.startswith("8-bit") and all(right.startswith("16-bit") for right in forms):
            remedy = "; was it saved again by an 8-bit tool?"
        elif "RGB" in form and not any("RGB" in right for right in forms):
            remedy = "; indices are lost"
        raise ValueError(f"{short(path)}: {form}, expected {' or '.join(forms)}{meaning and f' ({meaning})'}{remedy}")
    if form in _BYTES:
        return _bytes_of(data, path)
    if form == "16-bit RGB":
        high, low = (np.asarray(_decoded(data, path, unpack)) for unpack in ("RGB;16B", "RGB;16L"))
        return np.asarray(high.astype(np.uint16) << 8 | low)
    return np.array(_decoded(data, path))


def picture_size(path: Path) -> tuple[int, int]:  # width, height
    """The size of a PNG, from the first bytes of the file."""
    return _header(_bytes(path, 26), path)[:2]


def header(path: Path) -> tuple[str, tuple[int, int]]:
    """Form ("16-bit RGB", "JPEG") and width, height, from the first bytes of a picture, which has to be there whole."""
    first = _bytes(path, 26)
    if first.startswith(b"\xff\xd8"):
        try:
            with Image.open(path) as image:
                size = image.size
        except (OSError, SyntaxError, ValueError) as error:
            raise ValueError(f"{short(path)}: damaged: {error}; copy it again") from None
        if _bytes(path, start=-2) != b"\xff\xd9":  # perhaps only something behind its end
            picture(path)
        return "JPEG", size
    form, size = _form(first, path), _header(first, path)[:2]
    if _bytes(path, start=-8)[:4] != b"IEND":  # perhaps only something behind it
        _check(_bytes(path), path)
    return form, size


def _bytes(path: Path, count: int = -1, start: int = 0) -> bytes:
    """From `start`, or from so many bytes before the end."""
    try:
        with path.open("rb") as file:
            if start:
                file.seek(max(start, -os.fstat(file.fileno()).st_size), os.SEEK_END)
            return file.read(count)
    except OSError as error:
        raise type(error)(f"{short(path)}: {str(error.strerror).lower()}") from None


def _header(data: bytes, path: Path) -> tuple[int, int, int, int]:
    if data and not data.startswith(SIGNATURE[: len(data)]):
        raise ValueError(f"{short(path)}: not a PNG file")
    if len(data) < 26:
        raise ValueError(f"{short(path)}: truncated at byte {len(data)}, before the image; copy it again")
    return struct.unpack(">IIBB", data[16:26])  # width, height, bits a sample, colour type


def _form(data: bytes, path: Path) -> str:
    _, _, bits, colour = _header(data, path)
    return f"{bits}-bit {_COLOURS.get(colour, 'unknown')}"


def _check(data: bytes, path: Path) -> None:
    """Refuse a PNG that is cut short or of which a chunk's checksum is wrong: Pillow does not look at all of them."""
    width, height, _, _ = _header(data, path)
    view, start, kind = memoryview(data), len(SIGNATURE), b""
    while kind != b"IEND":
        end = start + 12 + int.from_bytes(view[start : start + 4])
        if end > len(data):
            size = f"an image of {width}x{height}"
            raise ValueError(f"{short(path)}: truncated at byte {len(data)} of {size}; copy it again")
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise ValueError(f"{short(path)}: damaged between bytes {start} and {end}; copy it again")
        start, kind = end, bytes(view[start + 4 : start + 8])


def _bytes_of(data: bytes, path: Path) -> NDArray[np.uint8]:
    _check(data, path)
    try:
        return decoded(data)
    except ValueError as error:
        raise ValueError(f"{short(path)}: damaged: {error} ({len(data)} bytes); copy it again") from None


def _decoded(data: bytes, path: Path, unpack: str = "") -> Image.Image:
    """The whole image, or one line that says why there is none. `unpack` is Pillow's word for the bytes it takes."""
    if data.startswith(SIGNATURE):
        _check(data, path)
    try:
        image = Image.open(io.BytesIO(data))
        if unpack:
            assert image.tile[0].args == "RGB;16B", image.tile[0]
            image.tile = [image.tile[0]._replace(args=unpack)]
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        reason = "not a picture" if isinstance(error, UnidentifiedImageError) else f"damaged: {error}"
        raise ValueError(f"{short(path)}: {reason} ({len(data)} bytes); copy it again") from None
    return image
