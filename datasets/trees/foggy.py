"""A fixture of Foggy Cityscapes, beside the labels of the fixture of Cityscapes, whose frames it shows in fog."""

from __future__ import annotations

from pathlib import Path

from bench.data.png import png
from datasets.trees import cityscapes
from datasets.trees.scenes import fogged

BETAS = ("0.005", "0.01", "0.02")  # attenuation per metre

frames = cityscapes.frames


def write(root: Path, frame: str) -> None:
    """The files of a frame: its picture in three fogs, and Cityscapes' labels."""
    street, city = cityscapes.shown(frame), frame.split("_")[0]
    cityscapes.labels(root, frame, street)
    folder = root / "leftImg8bit_foggy" / cityscapes.RIGS[city][0] / city
    for beta in BETAS:
        png(folder / f"{frame}_leftImg8bit_foggy_beta_{beta}.png", fogged(street, float(beta)))
