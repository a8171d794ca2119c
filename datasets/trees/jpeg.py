"""JPEG files of the fixtures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image


def jpeg(path: Path, image: NDArray[Any], quality: int = 95) -> None:
    """Write a JPEG that keeps the colours but for some levels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, quality=quality, subsampling=0)
