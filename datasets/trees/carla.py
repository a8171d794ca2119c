"""Depth as CARLA writes it, for the fixtures of the data sets made with it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def in_24_bits(metres: NDArray[Any]) -> NDArray[np.uint8]:  # H W 3
    """The low byte first; 1000 m and farther are all ones."""
    steps = np.round(np.minimum(metres, 1000) / 1000 * 16777215).astype(np.int64)
    return np.stack([steps % 256, steps // 256 % 256, steps // 65536], -1).astype(np.uint8)
