"""What the simulator CARLA writes, for every data set made with it: depth in 24 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.pictures import samples

FAR = 1000.0  # metres that all 24 bits mean; the sky is there


def metres(path: Path) -> NDArray[np.float32]:  # H W
    """Planar depth: 1000 (R + 256 G + 65536 B) / (2^24 - 1)."""
    low, middle, high = np.moveaxis(samples(path, "8-bit RGB", "8-bit RGBA", meaning="24-bit depth")[..., :3], -1, 0)
    steps = low + (middle.astype(np.uint32) << 8) + (high.astype(np.uint32) << 16)
    depth: NDArray[np.float32] = (steps * (FAR / (2**24 - 1))).astype(np.float32)
    return depth
