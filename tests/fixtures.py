"""Tiny copies of the data sets in their exact layouts, each with its truth.

Written as the fixtures of users are (datasets/trees), around exact streets. No decoder and no table is shared with the
loaders. Every tree has four frames (first, last, one gap) and foreign files.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees import camvid as camvid_tree
from datasets.trees import cityscapes as city_tree
from datasets.trees import synthia as synthia_tree

Pinhole = tuple[float, float, float, float]  # fx fy cx cy


@dataclass
class Truth:
    """What a frame shows, exactly."""

    image: NDArray[np.uint8]  # H W 3
    semseg: NDArray[np.uint8]  # H W, cs19
    depth: NDArray[np.float64]  # H W, planar metres; the sky is infinitely far
    normals: NDArray[np.float64]  # H W 3, towards the camera; zeros in the sky
    camera: Pinhole


def street(size: tuple[int, int], camera: Pinhole, seed: int) -> Truth:
    """A level road 1.5 m below the camera, 8 m wide between pavements, up to facades 4 m above it, under the sky."""
    (width, height), (fx, fy, cx, cy) = size, camera
    far = 25.0 + 5 * seed  # metres to the facades
    x, y = ((np.arange(width) - cx) / fx)[None], ((np.arange(height) - cy) / fy)[:, None]
    ahead = 1.5 / np.maximum(y, 1e-9)
    ground = (ahead < far) & (x == x)
    facade = ~ground & (y * far > -4)
    depth = np.where(ground, ahead, np.where(facade, far, np.inf))
    pavement = ground & (np.abs(x * ahead) > 4)
    semseg = np.select([pavement, ground, facade], [1, 0, 2], 10).astype(np.uint8)
    normals = np.zeros((height, width, 3))
    normals[ground], normals[facade] = (0, -1, 0), (0, 0, -1)
    colours = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    image = colours.repeat(4, 0).repeat(4, 1)[:height, :width]
    return Truth(image, semseg, depth, normals, camera)


def strange(*paths: Path) -> None:
    """Write files that belong to no data set."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not of this data set")


SYNTHIA_CS19 = (
    255,
    10,
    2,
    0,
    1,
    4,
    8,
    5,
    13,
    7,
    11,
    18,
    17,
    255,
    255,
    6,
    9,
    12,
    14,
    15,
    16,
    3,
    19,
)  # by SYNTHIA id; 19: lane marking


def synthia(root: Path) -> dict[str, Truth]:
    """SYNTHIA-RAND-CITYSCAPES at its own size, which the loader checks. The first frame holds all 23 ids in a row."""
    truths = {}
    for seed, stem in enumerate(("0000000", "0000001", "0000003", "0009399")):
        truth = truths[stem] = street((1280, 760), (532.740352, 532.740352, 640, 380), seed)
        ids = np.array([SYNTHIA_CS19.index(c) for c in range(19)], np.uint16)[truth.semseg]
        if seed == 0:
            ids[5, :23] = np.arange(23)
            truth.semseg[5, :23] = SYNTHIA_CS19
        instances = 300 + np.arange(ids.size, dtype=np.uint16).reshape(ids.shape) % 401  # its high byte is not 0
        synthia_tree.put(root, stem, truth.image, ids, instances, truth.depth)
        png(root / "GT" / "COLOR" / f"{stem}.png", np.zeros((4, 4, 3), np.uint8))
    strange(root / "RGB" / "Thumbs.db", root / "RGB" / ".0000002.png")
    return truths


CITYSCAPES_ID = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # by cs19


def cityscapes(root: Path, part: str = "train", *, nested: bool = False) -> dict[str, Truth]:
    """Cityscapes, 128x64, two cities with a camera each. The first frame holds all 34 label ids in a row."""
    width, height = 128, 64
    truths = {}
    rigs = {"aachen": (0.209313, 2262.52), "hamburg": (0.222126, 2268.36)}  # metres, pixels of 2048
    stems = ("aachen_000000_000019", "aachen_000002_000019", "hamburg_000000_000042", "hamburg_099902_106102")
    for seed, stem in enumerate(stems):
        city = stem.split("_")[0]
        baseline, fx = rigs[city][0], rigs[city][1] * width / 2048
        truth = truths[stem] = street((width, height), (fx, fx * 1.001, 68.5 + seed, 30.25), seed)
        ids = np.array(CITYSCAPES_ID, np.uint8)[truth.semseg]
        if seed == 0:
            ids[5, :34] = np.arange(34)
            truth.semseg[5, :34] = [CITYSCAPES_ID.index(i) if i in CITYSCAPES_ID else 255 for i in range(34)]
        p = np.round(256 * baseline * fx / truth.depth) + 1  # 1 in the sky
        p[:, :6] = 0  # beyond the other camera's view
        image = city_tree.place(root, part, stem, "leftImg8bit", "leftImg8bit.png", apart=nested)
        png(image, truth.image)
        city_tree.put_labels(root, part, stem, ids, p, truth.camera, baseline, apart=nested)
        strange(image.with_suffix(".txt"))
    return truths


CAMVID_OF_STREET = (3, 4, 1, *[11] * 7, 0)  # CamVid id by cs19, of what a street shows
CAMVID_FRAMES = {
    "train": ("0001TP_006690", "0006R0_f00930", "0016E5_00390", "0016E5_00420"),
    "val": ("0016E5_07959", "0016E5_07961", "0016E5_07967", "0016E5_08159"),
    "test": ("0001TP_008550", "0001TP_010380", "Seq05VD_f00000", "Seq05VD_f05100"),
}


def camvid(root: Path) -> dict[str, Truth]:
    """CamVid in the SegNet form, 480x360, with the authors' paths in its lists. All frames hold all 12 ids in a row.

    Its truth is in CamVid's own ids: cs19 cannot tell who rides a bicycle.
    """
    truths = {}
    for part, stems in CAMVID_FRAMES.items():
        for seed, stem in enumerate(stems):
            truth = truths[stem] = street((480, 360), (400.0, 400.0, 239.5, 179.5), seed)
            ids = np.array(CAMVID_OF_STREET, np.uint8)[truth.semseg]
            ids[5, :12] = np.arange(12)
            truth.semseg = np.where(ids == 11, 255, ids).astype(np.uint8)
            camvid_tree.put(root, f"{part}/{stem}", truth.image, ids)
        strange(root / part / "Thumbs.db", root / part / f"._{stems[0]}.png")
    camvid_tree.lists(root, [f"{part}/{stem}" for part, stems in CAMVID_FRAMES.items() for stem in reversed(stems)])
    return truths


def snapshot(root: Path) -> dict[Path, tuple[int, int]]:
    """Every path under a root with its time and size: equal before and after means that nothing was written."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(root.rglob("*"))}


def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that fills with every path that is opened, listed or asked about from here on."""
    touched: list[str] = []

    def spied(real: Callable[..., Any]) -> Callable[..., Any]:
        def spy(path: Any, *rest: Any, **more: Any) -> Any:
            touched.append(str(path))
            return real(path, *rest, **more)

        return spy

    for module, name in ((os, "stat"), (os, "listdir"), (os, "scandir"), (io, "open")):
        monkeypatch.setattr(module, name, spied(getattr(module, name)))
    return touched
