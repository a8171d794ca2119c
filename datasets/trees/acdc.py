"""A fixture of ACDC: its folders, names and encodings around rendered streets.

Fog and night are shown; rain and snow are not rendered. The same places in fair weather are left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.ids import TRAIN
from datasets.trees.scenes import fogged, scene

SIZE, FOCAL = (1920, 1080), 1100.0
SEQUENCES = {"fog": "GOPR0475", "night": "GOPR0351", "rain": "GOPR0400", "snow": "GOPR0122"}
BETA = 0.02  # of the fog, per metre


def frames(count: int) -> list[str]:
    """CONDITION/PART/NAME of the frames, `count` in each part and at least one of each condition."""
    conditions = list(SEQUENCES)
    return [
        f"{(condition := conditions[i % 4])}/{part}/{SEQUENCES[condition]}_frame_{40 + i:06d}"
        for part in ("train", "val")
        for i in range(max(count, 4))
    ]


def write(root: Path, frame: str) -> None:
    """A scene's picture and its train ids."""
    condition, part, name = frame.split("/")
    street = scene(f"acdc {frame}", "night" if condition == "night" else "camera", SIZE, FOCAL)
    image = fogged(street, BETA) if condition == "fog" else street.image
    put(root, root, condition, part, name, image, street.ids(TRAIN))


def put(
    images: Path, labels: Path, condition: str, part: str, name: str, image: NDArray[np.uint8], ids: NDArray[Any]
) -> None:
    """Below the roots of the two archives."""
    place = Path(condition, part, name.partition("_")[0])
    png(images / "rgb_anon" / place / f"{name}_rgb_anon.png", image)
    png(labels / "gt" / place / f"{name}_gt_labelTrainIds.png", ids)
