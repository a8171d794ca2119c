"""Arrays of numbers in MATLAB's files of version 5, which lists of official splits come in.

MathWorks, MAT-File Format: Level 5. A file is a header of 128 bytes and elements of (type, number of bytes, data);
an element may be deflated, and one of at most four bytes may share a word with its tag.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.files import short

_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATRIX, _DEFLATED = 14, 15
_NUMERIC = range(6, 16)  # classes of arrays: double, single, and integers of 8 to 64 bits


def numbers(path: Path, *names: str) -> list[NDArray[Any]]:
    """The arrays of these names, in their shape. ValueError, in one line: no such file or no such array in it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise type(error)(f"{short(path)}: {str(error.strerror).lower()}") from None
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or data.startswith(b"MATLAB 7.3"):
        raise ValueError(f"{short(path)}: not a MAT-file of version 5")
    try:
        found = dict(_arrays(data[128:], order))
    except (ValueError, IndexError, KeyError, zlib.error):
        raise ValueError(f"{short(path)}: damaged or truncated ({len(data)} bytes); copy it again") from None
    for name in names:
        if name not in found:
            raise ValueError(f"{short(path)}: no array {name}; it has {' '.join(sorted(found)) or 'none'}")
    return [found[name] for name in names]


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and data of each element."""
    start = 0
    while start < len(data):
        kind, count = (int(word) for word in np.frombuffer(data, order + "u4", 2, start))
        if kind >> 16:  # both halves of a word, then up to four bytes of data
            kind, count, begin, end = kind & 0xFFFF, kind >> 16, start + 4, start + 8
        else:
            begin = start + 8
            end = begin + count if kind == _DEFLATED else begin + -(-count // 8) * 8
        if begin + count > len(data):
            raise ValueError("an element ends behind its file")
        yield kind, data[begin : begin + count]
        start = end


def _arrays(data: bytes, order: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Name and values of each numeric array; cells, structures and texts are passed over."""
    for kind, content in _elements(data, order):
        if kind == _DEFLATED:
            yield from _arrays(zlib.decompress(content), order)
        elif kind == _MATRIX:
            flags, shape, name, *values = _elements(content, order)
            if np.frombuffer(flags[1], order + "u4")[0] & 0xFF in _NUMERIC:
                (stored, real), sizes = values[0], np.frombuffer(shape[1], order + "i4")
                yield name[1].decode("ascii"), np.frombuffer(real, order + _KINDS[stored]).reshape(sizes, order="F")
