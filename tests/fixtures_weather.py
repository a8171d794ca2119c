"""Tiny copies of the data sets of weather, fog and many countries, each with its truth; see tests/fixtures.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets.trees import acdc as acdc_tree
from datasets.trees import cs7 as cs7_tree
from datasets.trees import darkzurich as dark_tree
from datasets.trees import idd as idd_tree
from datasets.trees import mapillary as mapillary_tree
from datasets.trees import selma as selma_tree
from datasets.trees import shift as shift_tree
from tests import fixtures
from tests.fixtures import Truth, png, strange, street

EVERY_ID = [*range(19), 255]  # of files that hold cs19 ids


def scene(seed: int) -> Truth:
    """A street, 96x54; the first of a data set holds every cs19 id and void in a row."""
    truth = street((96, 54), (70.0, 70.0, 47.5, 26.5), seed)
    if seed == 0:
        truth.semseg[5, :20] = EVERY_ID
    return truth


ACDC_FRAMES = {  # condition: sequence, frame
    "fog": ("GOPR0475_frame_000041", "GP010476_frame_000002"),
    "night": ("GOPR0351_frame_000159", "GOPR0376_frame_000042"),
    "rain": ("GOPR0400_frame_000160", "GOPR0400_frame_000863"),
    "snow": ("GOPR0122_frame_000161", "GOPR0607_frame_000999"),
}


def acdc(root: Path, part: str = "train", *, apart: bool = False) -> dict[str, Truth]:
    """ACDC, two images a condition, with the same places in fair weather beside them, which are not read."""
    images, labels = (root / "rgb_anon_trainvaltest", root / "gt_trainval") if apart else (root, root)
    truths = {}
    for condition, names in ACDC_FRAMES.items():
        for name in names:
            truth = truths[f"{condition}_{name}"] = scene(len(truths))
            place = Path(condition, part, name.partition("_")[0])
            acdc_tree.put(images, labels, condition, part, name, truth.image, truth.semseg)
            png(labels / "gt" / place / f"{name}_gt_labelIds.png", np.full((54, 96), 33, np.uint8))
            reference = Path(condition, f"{part}_ref", name.partition("_")[0])
            png(images / "rgb_anon" / reference / f"{name}_rgb_ref_anon.png", np.zeros((54, 96, 3), np.uint8))
            strange(images / "rgb_anon" / place / ".DS_Store")
    return truths


DARKZURICH_FRAMES = {
    "train/night": ("GOPR0351_frame_000159", "GOPR0351_frame_000201", "GOPR0352_frame_000001", "GP010352_frame_000007"),
    "train/twilight": ("GOPR0348_frame_000002",),
    "train/day": ("GOPR0345_frame_000003",),
    "val/night": ("GOPR0356_frame_000321", "GOPR0356_frame_000324", "GOPR0356_frame_000330", "GOPR0356_frame_000488"),
}


def darkzurich(root: Path, *, apart: bool = False) -> dict[str, Truth]:
    """Dark Zurich: nights of two drives and one image of each other time without labels, one drive with labels."""
    truths = {}
    for folder, names in DARKZURICH_FRAMES.items():
        above = root / f"Dark_Zurich_{folder.partition('/')[0]}_anon" if apart else root
        for seed, name in enumerate(names):
            truth = truths[name] = scene(seed)
            dark_tree.put(above, folder, name, truth.image, truth.semseg)
    above = root / "Dark_Zurich_val_anon" if apart else root
    png(above / "rgb_anon/val_ref/day/GOPR0356_ref/GOPR0356_frame_000001_ref_anon.png", np.zeros((4, 4, 3), np.uint8))
    strange(above / "rgb_anon/val/night/GOPR0356/Thumbs.db")
    return truths


MAPILLARY_OF_STREET = (13, 15, 17, *[65] * 7, 27)  # Mapillary id by cs19, of what a street shows
MAPILLARY_FRAMES = ("-Ymmd_z", "0035fkbjWljhaftpVM37-g", "M2kh294N9c72sICO990Uew", "zzFEZEL0xV8eNl6c_0q0fg")


def mapillary(root: Path, labels: str = "labels") -> dict[str, Truth]:
    """Mapillary Vistas, four sizes. The first image holds all 66 ids in a row; its truth is in Mapillary's own ids."""
    truths = {}
    for seed, stem in enumerate(MAPILLARY_FRAMES):
        truth = truths[stem] = street((96 + 8 * seed, 64 - 4 * seed), (70.0, 70.0, 47.5, 30.5), seed)
        ids = np.array(MAPILLARY_OF_STREET, np.uint8)[truth.semseg]
        if seed == 0:
            ids[5, :66] = np.arange(66)
        truth.semseg = np.where(ids == 65, 255, ids).astype(np.uint8)
        mapillary_tree.put(root, "training", stem, truth.image, ids, labels)
    strange(root / "training/images/config.json")
    return truths


IDD_FRAMES = {"0": ("005506", "frame0029"), "377": ("frame0029", "frame9999")}  # drive: images


def idd(root: Path, *, made: bool = True) -> dict[str, Truth]:
    """IDD, two drives with one name in common; the labels are there if they were made of the polygons."""
    truths = {}
    for drive, names in IDD_FRAMES.items():
        for name in names:
            truth = truths[f"{drive}_{name}"] = scene(len(truths))
            labels = root / "gtFine/train" / drive
            png(root / "leftImg8bit/train" / drive / f"{name}_leftImg8bit.png", truth.image)
            strange(labels / f"{name}_gtFine_polygons.json", root / "leftImg8bit/train" / drive / "._thumb")
            if made:
                idd_tree.put_labels(root, "train", drive, name, truth.semseg)
                png(labels / f"{name}_gtFine_labellevel3Ids.png", np.full((54, 96), 26, np.uint8))
    return truths


def foggy(root: Path, part: str = "train", *, apart: bool = False) -> dict[str, Truth]:
    """Foggy Cityscapes beside Cityscapes: the picture is paler the denser the fog; truth is that of beta 0.02."""
    truths = fixtures.cityscapes(root, part, nested=apart)
    above = root / "leftImg8bit_trainvaltest_foggy" if apart else root
    for stem, truth in truths.items():
        clear, city = truth.image.astype(int), stem.partition("_")[0]
        for beta, share in (("0.005", 0.75), ("0.01", 0.5), ("0.02", 0.25)):
            pale = (share * clear + (1 - share) * 200).astype(np.uint8)
            png(above / "leftImg8bit_foggy" / part / city / f"{stem}_leftImg8bit_foggy_beta_{beta}.png", pale)
        truth.image = pale
        strange(above / "leftImg8bit_foggy" / part / city / f"{stem}_leftImg8bit_foggy_beta_0.02.txt")
    return truths


CS7_OF_STREET = (0, 0, 1, *[-1] * 7, 4)  # cs7 by cs19, of what a street shows
CS7_FRAMES = ("0", "1", "10", "2974")


def cs7(root: Path, labels: str = "label") -> dict[str, Truth]:
    """Cityscapes in MTAN's form, 256x128: the truth is in its own classes, and its depth is disparity / 65535."""
    truths = {}
    for seed, stem in enumerate(CS7_FRAMES):
        truth = truths[stem] = street((256, 128), (282.8, 282.8, 127.5, 60.5), seed)
        ids = np.array(CS7_OF_STREET)[truth.semseg]
        ids[5, :8] = np.arange(-1, 7)
        truth.semseg = np.where(ids < 0, 255, ids).astype(np.uint8)
        p = np.round(256 * 0.2093 * 2262.5 / truth.depth) + 1  # 1 in the sky
        p[:, :12] = 0
        truth.depth = p / 65535
        cs7_tree.put(root, f"train/{stem}", truth.image, ids, p, labels)
    strange(root / "train/image/3.npy.part")
    return truths


SELMA_ID = (7, 8, 1, 11, 2, 5, 18, 12, 9, 22, 13, 40, 41, 100, 101, 102, 103, 104, 105)  # by cs19
SELMA_VOID = (0, 3, 4, 10, 14, 15, 16, 17, 19, 20, 21)
SELMA_FRAMES = {
    "Town01_Opt_ClearNight": ("14825380774802470444", "9"),
    "Town01_Opt_HardFogNoon": ("14825380774802470444",),
    "Town10HD_Opt_ClearNight": ("77",),
}


def selma(root: Path) -> dict[str, Truth]:
    """SELMA, 96x54, three scenes seen by the front camera and the one on the desk, whose pictures are black."""
    truths = {}
    for name, waypoints in SELMA_FRAMES.items():
        for waypoint in waypoints:
            seed = len(truths)
            stem = f"{name}_{waypoint}"
            truth = truths[stem] = scene(seed)
            ids = np.array([*SELMA_ID, *[0] * 236, 0], np.uint8)[truth.semseg]
            if seed == 0:
                ids[6, :12] = (6, *SELMA_VOID)
                truth.semseg[6, :12] = (0, *[255] * 11)
            for camera, shown in (("FRONT", truth.image), ("DESK", 0 * truth.image)):
                selma_tree.put(root, name, waypoint, camera, shown, ids, truth.depth)
        selma_tree.rig(root / name, truth.camera, "DESK", "FRONT")
        strange(root / name / "waypoints.json", root / name / "CAM_FRONT" / "Thumbs.db")
    strange(root / "downloader.sh")
    return truths


SHIFT_OF_STREET = (7, 8, 1, *[0] * 7, 13)  # CARLA id by cs19, of what a street shows
SHIFT_FRAMES = {"007b-4e72": ("00000000", "00000010"), "0aee-69fd": ("00000000", "00000490")}


def shift(root: Path, *, together: bool = False) -> dict[str, Truth]:
    """SHIFT at its own size, to which its camera belongs; its truth is in its own classes, ids 0 and 3 being none.

    together: all kinds of files in one folder.
    """
    front = root / "discrete/images/train/front"
    truths = {}
    for sequence, frames in SHIFT_FRAMES.items():
        for frame in frames:
            truth = truths[f"{sequence}_{frame}"] = street((1280, 800), (640.0, 640.0, 640.0, 400.0), len(truths))
            ids = np.array(SHIFT_OF_STREET, np.uint8)[truth.semseg]
            ids[5, :23] = np.arange(23)
            truth.semseg = np.array([255, 0, 1, 255, *range(2, 21)], np.uint8)[ids]
            shift_tree.put(root, "train", sequence, frame, truth.image, ids, truth.depth, together=together)
            strange(front / ("" if together else "img") / sequence / "Thumbs.db")
    strange(front / "seq.csv", front / "det_2d.json")
    return truths
