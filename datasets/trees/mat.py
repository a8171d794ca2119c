"""A writer of MATLAB's files of version 5, in which lists of official splits come."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def mat(path: Path, *, deflated: bool = True, **values: NDArray[Any] | str) -> None:
    """Write arrays of whole numbers (a vector is a column), in uint16 as MATLAB stores small doubles, and texts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    path.write_bytes(header + b"".join(_variable(name, value, deflated) for name, value in values.items()))


def _variable(name: str, value: NDArray[Any] | str, deflated: bool) -> bytes:
    text = isinstance(value, str)
    array = np.array([[ord(letter) for letter in value]]) if isinstance(value, str) else value
    array = array[:, None] if array.ndim == 1 else array
    parts = (
        (6, struct.pack("<II", 4 if text else 6, 0)),
        (5, struct.pack("<ii", *array.shape)),
        (1, name.encode()),
        (4, array.astype("<u2").tobytes(order="F")),
    )
    whole = _element(14, b"".join(_element(*part) for part in parts))
    packed = zlib.compress(whole)
    return struct.pack("<II", 15, len(packed)) + packed if deflated else whole


def _element(kind: int, data: bytes) -> bytes:
    if len(data) <= 4:
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)
