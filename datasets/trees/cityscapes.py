"""A fixture of Cityscapes: its folders, names and encodings around rendered streets; two cities a part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from datasets.trees.ids import CITYSCAPES
from datasets.trees.png import png
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
    png(_place(root, frame, "leftImg8bit", "leftImg8bit.png"), street.image)
    labels(root, frame, street)


def labels(root: Path, frame: str, street: Scene) -> None:
    """All but its picture: label and instance ids, p = 256 disparity + 1 (0: no match), the frame's own camera."""
    _, baseline, fx = RIGS[frame.split("_")[0]]
    ids = street.ids(CITYSCAPES)
    p = (np.round(256 * baseline * fx / street.depth) + 1).astype(np.uint16)  # 1 in the sky: infinitely far
    p[:, :UNSEEN] = 0
    p[p > NEAREST] = 0
    intrinsic = {"fx": fx, "fy": fx, "u0": (SIZE[0] - 1) / 2, "v0": (SIZE[1] - 1) / 2}
    rig = {"extrinsic": {"baseline": baseline, "pitch": 0.0}, "intrinsic": intrinsic}
    png(_place(root, frame, "gtFine", "gtFine_labelIds.png"), ids)
    png(_place(root, frame, "gtFine", "gtFine_instanceIds.png"), np.where(ids < 24, ids, ids.astype(np.uint16) * 1000))
    png(_place(root, frame, "disparity", "disparity.png"), p)
    camera = _place(root, frame, "camera", "camera.json")
    camera.parent.mkdir(parents=True, exist_ok=True)
    camera.write_text(json.dumps(rig))


def _place(root: Path, frame: str, package: str, end: str) -> Path:
    city = frame.split("_")[0]
    return root / package / RIGS[city][0] / city / f"{frame}_{end}"
