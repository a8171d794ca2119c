"""Numbers that papers report (published.csv): beside measured rows, with mark and source, never ranked with them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

FILE = Path(__file__).with_name("published.csv")
MARKS = {  # strongest first
    "R": "README, config, code or figure of its own repository",
    "R2": "README or code of another repository that quotes it",
    "T": "full text of a paper",
    "I": "issue thread",
    "A": "aggregator or other secondary page only",
    "M": "recalled from the paper, not confirmed",
}
UNCHECKED = "publish_after_paper_check"  # the mean was compared with the paper, this cell was not
KEY = ["protocol", "method", "backbone", "metric", "class_name"]
PROTOCOLS = {
    "gta2cs19": "GTA5 to Cityscapes, 19 classes",
    "syn2cs16": "SYNTHIA to Cityscapes, 16 classes",
    "syn2cs13": "SYNTHIA to Cityscapes, 13 of the 16-class model",
    "syn2cs7_fr": "SYNTHIA to Cityscapes, 7 classes, full resolution",
    "syn2cs7_lr": "SYNTHIA to Cityscapes, 7 classes, 640x320",
    "syn2mapi7_fr": "SYNTHIA to Mapillary, 7 classes, full resolution",
    "syn2mapi7_lr": "SYNTHIA to Mapillary, 7 classes, 640x320",
    "vk2cs8": "VKITTI2 to Cityscapes, 8 classes, 512x1024, depth median-scaled",
    "bdd2cs19_half": "BDD100K to Cityscapes, image and label at 1024x512",
    "cs2acdc19": "Cityscapes to ACDC, test server",
    "cs2acdc19_val": "Cityscapes to ACDC, validation",
    "cs2dz19": "Cityscapes to Dark Zurich, test server",
    "cs2foggy19": "Cityscapes to Foggy Cityscapes, beta 0.02",
    "dg_gta_cs19": "GTA5 alone, tested on Cityscapes",
    "dg_gta_bdd19": "GTA5 alone, tested on BDD100K",
    "dg_gta_mapi19": "GTA5 alone, tested on Mapillary",
    "syn2cs16_panoptic": "SYNTHIA to Cityscapes, panoptic quality",
    "nyu13_mtan": "NYUv2, 13 classes, 288x384, mean of the last 10 epochs; no shift",
    "nyu13_autol": "NYUv2, 13 classes, 288x384, best epoch on test; no shift",
    "nyu13_url": "NYUv2, 13 classes, 288x384, SegNet, best epoch on test; no shift",
    "cs7_mtan": "Cityscapes 128x256, 7 classes, normalised disparity; no shift",
    "nyu40_survey": "NYUDv2, 40 classes, native resolution; no shift",
    "nyu40_atrc": "NYUDv2, 40 classes, 425x560 to 448x576; no shift",
    "cs3d": "Cityscapes-3D: segmentation, disparity, mDS; no shift",
    "syn16_sup": "SYNTHIA, supervised, random 80/20 frame split",
    "vk8_sup": "VKITTI2, supervised, random 80/20 frame split (video leakage)",
    "decathlon": "Visual Decathlon; classification, for orientation only",
    "metadataset": "Meta-Dataset; classification, for orientation only",
}
NEIGHBOURS = {  # the data sets of a measured split -> protocols that are nearest; none is the same
    ("synthia", "cityscapes"): ("syn2cs16", "syn2cs13", "syn2cs7_fr"),
    ("gta5", "cityscapes"): ("gta2cs19",),
    ("vkitti2", "cityscapes"): ("vk2cs8",),
    ("bdd100k", "cityscapes"): ("bdd2cs19_half",),
    ("cityscapes", "acdc"): ("cs2acdc19_val",),
}


@cache
def table() -> pd.DataFrame:
    """Every number, strongest evidence first within a cell."""
    found = pd.read_csv(FILE, keep_default_na=False)
    found["printed"] = pd.read_csv(FILE, usecols=["value"], dtype=str)["value"]  # 67.3 is not 67.30
    found["mark"] = pd.Categorical(found["evidence"], list(MARKS), ordered=True)
    return found.sort_values(["protocol", "mark"], kind="stable").reset_index(drop=True)


@cache
def means(protocol: str) -> pd.DataFrame:
    """The whole-set numbers of a protocol: for each method, backbone and metric the strongest; all are in the file."""
    found = table()
    found = found[(found["protocol"] == protocol) & (found["class_name"] == "")]
    strongest = found.drop_duplicates(["method", "backbone", "metric", "flags"])
    sign = np.where(strongest["higher_is_better"], -1, 1)
    ordered = strongest.assign(_by=strongest["value"] * sign, _iou=strongest["metric"] != "iou")
    ordered = ordered.sort_values(["_iou", "metric", "_by"], kind="stable")
    return ordered.drop(columns=["_by", "_iou"]).reset_index(drop=True)


@cache
def cells(protocol: str) -> pd.DataFrame:
    """The per-class numbers of a protocol that may be shown."""
    found = table()
    named = (found["protocol"] == protocol) & (found["class_name"] != "")
    return found[named & ~found["flags"].str.split(";").map(lambda flags: UNCHECKED in flags)].reset_index(drop=True)


@cache
def protocols() -> list[str]:
    """The protocols that some number is reported for."""
    there = set(table()["protocol"])
    return [name for name in PROTOCOLS if name in there]


def neighbours(sources: tuple[str, ...], test: str) -> tuple[str, ...]:
    """The protocols whose numbers may stand beside a split's rows, apart from them."""
    return tuple(name for source in sources for name in NEIGHBOURS.get((source, test), ()) if name in protocols())
