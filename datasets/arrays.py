"""Array files to exact arrays: .npy. A file is opened for one reading and closed again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.files import short


def npy(path: Path) -> NDArray[Any]:
    """The array of an .npy file. OSError or ValueError in one line: no file, or none that numpy wrote."""
    data = _bytes(path)
    if not data.startswith(b"\x93NUMPY"):
        raise ValueError(f"{short(path)}: not an npy file ({len(data)} bytes); copy it again")
    try:
        array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError):
        raise ValueError(f"{short(path)}: truncated or damaged at byte {len(data)}; copy it again") from None
    return array


def _bytes(path: Path, count: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise type(error)(f"{short(path)}: {str(error.strerror).lower()}") from None
