"""Tiny copies of the other data sets of the road, each with its truth; see tests/fixtures.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.trees import bdd100k as bdd_tree
from datasets.trees import gta5 as gta_tree
from datasets.trees import kitti as kitti_tree
from datasets.trees import vkitti2 as vkitti_tree
from datasets.trees.mat import mat
from tests.fixtures import CITYSCAPES_ID, Truth, strange, street


def colours(text: str) -> NDArray[np.uint8]:  # n 3
    return np.array([[int(number) for number in word.split(",")] for word in text.split()], np.uint8)


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
        gta_tree.put(root, stem, truth.image, ids)
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
        shown = colours(VKITTI2_COLOURS)[ids]
        vkitti_tree.put(root, f"{scene}/{number}", "15-deg-left", truth.image, shown, truth.depth, apart=nested)
        above = root / "vkitti_2.0.3_rgb" if nested else root
        strange(above / scene / "15-deg-left/frames/rgb/Camera_0" / f"._rgb_{number}.jpg")
    for words in ("Scene01/15-deg-left/frames/rgb/Camera_1", "Scene01/fog/frames/rgb/Camera_0"):
        strange((root / "vkitti_2.0.3_rgb" if nested else root) / words / "rgb_00000.jpg")
    texts = (root / "vkitti_2.0.3_textgt" if nested else root) / "Scene01" / "15-deg-left"
    texts.mkdir(parents=True, exist_ok=True)
    (texts / "intrinsic.txt").write_text(
        "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n0 0 725.0087 725.0087 620.5 187\n"
    )
    return truths


KITTI_RIGS = kitti_tree.RIGS
KITTI_FRAMES = {"000000": (1242, 375), "000001": (1224, 370), "000003": (1242, 375), "000199": (1224, 370)}


def kitti(root: Path, *, nested: bool = False) -> dict[str, Truth]:
    """KITTI's semantics with the depth of Stereo 2015, two days of driving. The first frame holds all 34 ids in a row.

    Every third pixel below the sky has a depth; the truth's is zero elsewhere.
    """
    truths = {}
    semantics = root / "data_semantics" if nested else root
    stereo = root / "data_scene_flow" if nested else root
    for seed, (number, size) in enumerate(KITTI_FRAMES.items()):
        fx, cx, cy, _ = KITTI_RIGS[size]
        stem = f"{number}_10"
        truth = truths[stem] = street(size, (fx, fx, cx, cy), seed)
        ids = np.array(CITYSCAPES_ID, np.uint8)[truth.semseg]
        if seed == 0:
            ids[5, :34] = np.arange(34)
            truth.semseg[5, :34] = [CITYSCAPES_ID.index(i) if i in CITYSCAPES_ID else 255 for i in range(34)]
        p = kitti_tree.put(semantics, stereo, number, truth.image, ids, truth.depth)
        truth.depth = np.where(p > 0, truth.depth, 0)
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
        bdd_tree.put(root, part, stem, truth.image, truth.semseg, older=older)
        folder = root / ("seg/images" if older else "images/10k") / part
        strange(folder / ".DS_Store", folder / f"{stem}.png")
    return truths
