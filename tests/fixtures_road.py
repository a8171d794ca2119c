"""Tiny copies of the other data sets of the road, each with its truth; see tests/fixtures.py."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.fixtures import CITYSCAPES_ID, Truth, png, strange, street

LABEL_COLOURS = (
    "0,0,0 0,0,0 0,0,0 0,0,0 0,0,0 111,74,0 81,0,81 128,64,128 244,35,232 250,170,160 230,150,140 70,70,70 102,102,156 "
    "190,153,153 180,165,180 150,100,100 150,120,90 153,153,153 153,153,153 250,170,30 220,220,0 107,142,35 "
    "152,251,152 70,130,180 220,20,60 255,0,0 0,0,142 0,0,70 0,60,100 0,0,90 0,0,110 0,80,100 0,0,230 119,11,32 0,0,142"
)  # of Cityscapes' label ids 0 to 33 and of the license plate, which has the car's


def colours(text: str) -> NDArray[np.uint8]:  # n 3
    return np.array([[int(number) for number in word.split(",")] for word in text.split()], np.uint8)


def jpeg(path: Path, array: NDArray[np.uint8]) -> None:
    """Write a JPEG that keeps the colours but for some levels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, quality=95, subsampling=0)


def mat(path: Path, *, deflated: bool = True, **lists: NDArray) -> None:
    """Write a MAT-file of version 5 with columns of doubles, stored as uint16 where MATLAB would, and with a text."""

    def element(kind: int, data: bytes) -> bytes:
        if len(data) <= 4:
            return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    def array(name: str, mx: int, shape: tuple[int, int], real: bytes) -> bytes:
        parts = (6, struct.pack("<II", mx, 0)), (5, struct.pack("<ii", *shape)), (1, name.encode()), (4, real)
        whole = element(14, b"".join(element(*part) for part in parts))
        packed = zlib.compress(whole)
        return struct.pack("<II", 15, len(packed)) + packed if deflated else whole

    path.parent.mkdir(parents=True, exist_ok=True)
    about = array("about", 4, (1, 3), np.array([65, 66, 67], "<u2").tobytes())
    columns = [array(name, 6, (len(ids), 1), np.asarray(ids, "<u2").tobytes()) for name, ids in lists.items()]
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    path.write_bytes(header + about + b"".join(columns))


GTA5_FRAMES = ("00001", "00002", "00004", "24966")


def gta5(root: Path) -> dict[str, Truth]:
    """GTA5, 96x64, with the official lists. The first frame holds all 35 ids in a row."""
    truths = {}
    for seed, stem in enumerate(GTA5_FRAMES):
        truth = truths[stem] = street((96, 64), (80.0, 80.0, 47.5, 31.5), seed)
        ids = np.array(CITYSCAPES_ID, np.uint8)[truth.semseg]
        if seed == 0:
            ids[5, :35] = np.arange(35)
            truth.semseg[5, :35] = [CITYSCAPES_ID.index(i) if i in CITYSCAPES_ID else 255 for i in range(35)]
        png(root / "images" / f"{stem}.png", truth.image)
        png(root / "labels" / f"{stem}.png", ids, colours(LABEL_COLOURS))
    strange(root / "images" / "Thumbs.db", root / "images" / ".00003.png", root / "images" / "1.png")
    mat(root / "split.mat", trainIds=np.array([1, 4, 24000]), valIds=np.array([2]), testIds=np.array([24966]))
    return truths


VKITTI2_COLOURS = (  # by vk14: terrain sky tree vegetation building road rail sign light pole misc truck car van; none
    "210,0,200 90,200,255 0,199,0 90,240,0 140,140,140 100,60,100 250,100,255 255,255,0 200,200,0 255,130,0 80,80,80 "
    "160,60,60 255,127,80 0,139,139 0,0,0"
)
VKITTI2_OF_STREET = {0: 5, 1: 0, 2: 4, 10: 1}  # vk14 by cs19, of what a street shows; its pavement is of grass
VKITTI2_FRAMES = ("Scene01 00000", "Scene01 00001", "Scene01 00446", "Scene20 00836")


def vkitti2(root: Path, *, nested: bool = False) -> dict[str, Truth]:
    """Virtual KITTI 2 at its own size, which the loader checks, with a right camera and a foggy frame beside.

    Its truth is in its own classes. The first frame holds all 15 colours in a row.
    """
    truths = {}
    for seed, frame in enumerate(VKITTI2_FRAMES):
        scene, number = frame.split()
        truth = street((1242, 375), (725.0087, 725.0087, 620.5, 187), seed)
        truths[f"{scene}_15-deg-left_{number}"] = truth
        truth.image = np.linspace(0, 255, 1242 * 375 * 3).reshape(375, 1242, 3).astype(np.uint8)
        truth.image[..., seed % 3] = 40 * seed
        ids = np.zeros((375, 1242), np.uint8)
        for cs19, vk14 in VKITTI2_OF_STREET.items():
            ids[truth.semseg == cs19] = vk14
        if seed == 0:
            ids[5, :15] = np.arange(15)
        truth.semseg = np.where(ids == 14, 255, ids).astype(np.uint8)
        centimetres = np.minimum(np.round(truth.depth * 100), 65535).astype(np.uint16)

        def place(package: str, name: str, scene: str = scene) -> Path:
            above = root / f"vkitti_2.0.3_{package}" if nested else root
            return above / scene / "15-deg-left" / "frames" / package / "Camera_0" / name

        jpeg(place("rgb", f"rgb_{number}.jpg"), truth.image)
        png(place("classSegmentation", f"classgt_{number}.png"), colours(VKITTI2_COLOURS)[ids])
        png(place("depth", f"depth_{number}.png"), centimetres)
        strange(place("rgb", f"._rgb_{number}.jpg"))
    for words in ("Scene01/15-deg-left/frames/rgb/Camera_1", "Scene01/fog/frames/rgb/Camera_0"):
        strange((root / "vkitti_2.0.3_rgb" if nested else root) / words / "rgb_00000.jpg")
    texts = (root / "vkitti_2.0.3_textgt" if nested else root) / "Scene01" / "15-deg-left"
    texts.mkdir(parents=True, exist_ok=True)
    (texts / "intrinsic.txt").write_text(
        "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n0 0 725.0087 725.0087 620.5 187\n"
    )
    return truths


KITTI_RIGS = {  # size: fx cx cy of the left camera, baseline in metres
    (1242, 375): (721.5377, 609.5593, 172.854, (44.85728 + 339.5242) / 721.5377),
    (1224, 370): (707.0493, 604.0814, 180.5066, (45.75831 + 334.1081) / 707.0493),
}
KITTI_FRAMES = {"000000": (1242, 375), "000001": (1224, 370), "000003": (1242, 375), "000199": (1224, 370)}


def kitti(root: Path, *, nested: bool = False) -> dict[str, Truth]:
    """KITTI's semantics with the depth of Stereo 2015, two days of driving. The first frame holds all 34 ids in a row.

    Every third pixel below the sky has a depth; the truth's is zero elsewhere.
    """
    truths = {}
    semantics = root / "data_semantics" if nested else root
    stereo = root / "data_scene_flow" if nested else root
    for seed, (number, size) in enumerate(KITTI_FRAMES.items()):
        fx, cx, cy, baseline = KITTI_RIGS[size]
        stem = f"{number}_10"
        truth = truths[stem] = street(size, (fx, fx, cx, cy), seed)
        ids = np.array(CITYSCAPES_ID, np.uint8)[truth.semseg]
        if seed == 0:
            ids[5, :34] = np.arange(34)
            truth.semseg[5, :34] = [CITYSCAPES_ID.index(i) if i in CITYSCAPES_ID else 255 for i in range(34)]
        p = np.round(256 * fx * baseline / truth.depth).astype(np.uint16)  # 0 in the sky
        p[np.arange(p.size).reshape(p.shape) % 3 > 0] = 0
        truth.depth = np.where(p > 0, truth.depth, 0)
        png(semantics / "training" / "image_2" / f"{stem}.png", truth.image)
        png(semantics / "training" / "semantic" / f"{stem}.png", ids)
        png(semantics / "training" / "instance" / f"{stem}.png", ids * np.uint16(256) + np.uint16(seed))
        png(stereo / "training" / "disp_occ_0" / f"{stem}.png", p)
        strange(semantics / "training" / "image_2" / f"{number}_11.png")
    strange(semantics / "training" / "image_2" / ".000002_10.png", semantics / "testing" / "image_2" / "000000_10.png")
    return truths


BDD100K_FRAMES = ("0000f77c-6257be58", "0004a4c0-d4dff0ad", "00067cfb-5443fe39", "ffffe33e-8d3a1b2c")


def bdd100k(root: Path, *, older: bool = False) -> dict[str, Truth]:
    """BDD100K, 96x64, two frames a part, in either release. All frames hold all 19 ids and 255 in a row."""
    truths = {}
    for seed, stem in enumerate(BDD100K_FRAMES):
        part = "train" if seed < 2 else "val"
        truth = truths[stem] = street((96, 64), (80.0, 80.0, 47.5, 31.5), seed)
        truth.image = np.linspace(0, 255, 96 * 64 * 3).reshape(64, 96, 3).astype(np.uint8)
        truth.image[..., seed % 3] = 40 * seed
        truth.semseg[5, :20] = [*range(19), 255]
        images, masks = ("seg/images", "seg/labels") if older else ("images/10k", "labels/sem_seg/masks")
        jpeg(root / images / part / f"{stem}.jpg", truth.image)
        png(root / masks / part / (f"{stem}_train_id.png" if older else f"{stem}.png"), truth.semseg)
        strange(root / images / part / ".DS_Store", root / images / part / f"{stem}.png")
    return truths
