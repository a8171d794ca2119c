"""A PNG writer of its own, so that no decoder is tested by its twin: zlib, and the format's own words."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def png(path: Path, array: NDArray[Any], palette: NDArray[np.uint8] | None = None) -> None:
    """Write a PNG of the array's shape and depth: grey (H W), RGB (H W 3) or, with colours (N 3), palette indices."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = array.shape[:2]
    colour = 3 if palette is not None else 2 if array.ndim == 3 else 0
    chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * array.itemsize, colour, 0, 0, 0))]
    if palette is not None:
        chunks.append(chunk(b"PLTE", palette.tobytes()))
    rows = b"".join(b"\0" + row.tobytes() for row in array.astype(array.dtype.newbyteorder(">")))
    chunks += [chunk(b"IDAT", zlib.compress(rows, 1)), chunk(b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
