"""A fixture of Cityscapes: its folders, names and encodings around rendered streets; two cities a part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from datasets.trees.png import png
from datasets.trees.scenes import scene

SIZE = (2048, 1024)
RIGS = {  # city: part, baseline in metres, fx in pixels; the set was taken with two cameras
    "aachen": ("train", 0.209313, 2262.52),
    "hamburg": ("train", 0.222126, 2268.36),
    "frankfurt": ("val", 0.209313, 2262.52),
    "munster": ("val", 0.222126, 2268.36),
}
NUMBERS = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
    "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27,
    "bus": 28, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
UNSEEN = 128  # columns at the left that the other camera of the pair does not see


def frames(count: int) -> list[str]:
    """Names of the frames, `count` in each part."""
    return [
        f"{city}_{number:06d}_000019"
        for part in ("train", "val")
        for place, city in enumerate(city for city, rig in RIGS.items() if rig[0] == part)
        for number in range(place, count, 2)
    ]


def write(root: Path, frame: str) -> None:
    """The files of a frame: label and instance ids, p = 256 disparity + 1 (0: no match), the frame's own camera."""
    city = frame.split("_")[0]
    part, baseline, fx = RIGS[city]
    shown = scene(f"cityscapes {frame}", "camera", SIZE, fx)
    ids = shown.ids(NUMBERS)
    p = (np.round(256 * baseline * fx / shown.depth) + 1).astype(np.uint16)  # 1 in the sky: infinitely far
    p[:, :UNSEEN] = 0
    intrinsic = {"fx": fx, "fy": fx, "u0": (SIZE[0] - 1) / 2, "v0": (SIZE[1] - 1) / 2}
    rig = {"extrinsic": {"baseline": baseline, "pitch": 0.0}, "intrinsic": intrinsic}

    def place(package: str, end: str) -> Path:
        return root / package / part / city / f"{frame}_{end}"

    png(place("leftImg8bit", "leftImg8bit.png"), shown.image)
    png(place("gtFine", "gtFine_labelIds.png"), ids)
    png(place("gtFine", "gtFine_instanceIds.png"), np.where(ids < 24, ids, ids.astype(np.uint16) * 1000))
    png(place("disparity", "disparity.png"), p)
    place("camera", "camera.json").parent.mkdir(parents=True, exist_ok=True)
    place("camera", "camera.json").write_text(json.dumps(rig))
