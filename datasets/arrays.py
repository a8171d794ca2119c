"""Files of NumPy arrays to exact arrays, or to one line that says why there is none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.files import short

_MAGIC = b"\x93NUMPY"


def array(path: Path) -> NDArray[Any]:
    """The array of an .npy file. ValueError if it is cut short, or holds objects or something else altogether."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise type(error)(f"{short(path)}: {str(error.strerror).lower()}") from None
    if data and not data.startswith(_MAGIC[: len(data)]):
        raise ValueError(f"{short(path)}: not an .npy file")
    try:
        found: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        reason = "Python objects, expected numbers" if "bject arrays" in str(error) else _ends(len(data))
        raise ValueError(f"{short(path)}: {reason}") from None
    return found


def _ends(count: int) -> str:
    return f"truncated at byte {count} of an array; copy it again"
