"""A fixture of Cityscapes: its folders, names and encodings around rendered streets; two cities a part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.ids import CITYSCAPES
from datasets.trees.scenes import Scene, scene

SIZE = (2048, 1024)
RIGS = {  # city: part, baseline in metres, fx in pixels; the set was taken with two cameras
    "aachen": ("train", 0.209313, 2262.52),
    "hamburg": ("train", 0.222126, 2268.36),
    "frankfurt": ("val", 0.209313, 2262.52),
    "munster": ("val", 0.222126, 2268.36),
}
NEAREST = 32257  # the greatest p of the real files: what is nearer has no match
UNSEEN = 128  # columns at the left that the other camera of the pair does not see


def frames(count: int) -> list[str]:
    """Names of the frames, `count` in each part."""
    return [
        f"{city}_{number:06d}_000019"
        for part in ("train", "val")
        for place, city in enumerate(city for city, rig in RIGS.items() if rig[0] == part)
        for number in range(place, count, 2)
    ]


def shown(frame: str) -> Scene:
    """What a frame shows."""
    return scene(f"cityscapes {frame}", "camera", SIZE, RIGS[frame.split("_")[0]][2])


def write(root: Path, frame: str) -> None:
    """The files of a frame."""
    street = shown(frame)
    city = frame.split("_")[0]
    png(place(root, RIGS[city][0], frame, "leftImg8bit", "leftImg8bit.png"), street.image)
    labels(root, frame, street)


def labels(root: Path, frame: str, street: Scene) -> None:
    """All but a frame's picture."""
    part, baseline, fx = RIGS[frame.split("_")[0]]
    p = np.round(256 * baseline * fx / street.depth) + 1  # 1 in the sky: infinitely far
    p[:, :UNSEEN] = 0
    p[p > NEAREST] = 0
    camera = (fx, fx, (SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2)
    put_labels(root, part, frame, street.ids(CITYSCAPES), p, camera, baseline)


def put_labels(
    root: Path,
    part: str,
    frame: str,
    ids: NDArray[np.uint8],
    p: NDArray[Any],
    camera: tuple[float, float, float, float],
    baseline: float,
    *,
    apart: bool = False,
) -> None:
    """Label and instance ids; p = 256 disparity + 1, 0 for no match; the frame's own camera: fx, fy, cx, cy, metres."""

    def of(package: str, end: str) -> Path:
        return place(root, part, frame, package, end, apart=apart)

    png(of("gtFine", "gtFine_labelIds.png"), ids)
    png(of("gtFine", "gtFine_instanceIds.png"), np.where(ids < 24, ids, ids.astype(np.uint16) * 1000))
    png(of("disparity", "disparity.png"), p.astype(np.uint16))
    rig = {
        "extrinsic": {"baseline": baseline, "pitch": 0.038},
        "intrinsic": dict(zip(("fx", "fy", "u0", "v0"), camera, strict=True)),
    }
    of("camera", "camera.json").parent.mkdir(parents=True, exist_ok=True)
    of("camera", "camera.json").write_text(json.dumps(rig))


def place(root: Path, part: str, frame: str, package: str, end: str, *, apart: bool = False) -> Path:
    """apart: below the name of its archive."""
    above = root / f"{package}_trainvaltest" if apart else root
    return above / package / part / frame.split("_")[0] / f"{frame}_{end}"
