"""The classes of the embedded world and the table of its materials: paint, pattern, gloss, glow."""

from __future__ import annotations

from dataclasses import dataclass

# Cityscapes' 19 training classes in their order, without the train.
NAMES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "motorcycle", "bicycle",
)  # fmt: skip
LABEL = {name: label for label, name in enumerate(NAMES)}

PATTERNS = (
    "plain", "asphalt", "paving", "grass", "facade", "tiles", "brick", "planks", "leaves", "bark", "cloth", "metal",
    "text", "forest",
)  # fmt: skip

Colour = tuple[float, float, float]  # linear R G B in 0..1


@dataclass(frozen=True)
class Material:
    """An appearance. The class of a pixel comes from its object, not from here."""

    name: str
    paint: int | Colour  # a slot of the object's own paints (0..3), or a fixed colour
    pattern: str = "plain"
    gloss: float = 0.0  # share of the sky's mirror image at grazing view
    glow: float = 0.0  # light given off in the dark, times the albedo


MATERIALS = (
    Material("road", 0, "asphalt"),
    Material("paving", 0, "paving"),
    Material("kerb", 1),
    Material("grass", 0, "grass"),
    Material("forest", 0, "forest"),
    Material("facade", 0, "facade"),
    Material("trim", 1),
    Material("roof", 2, "tiles"),
    Material("brick", 0, "brick"),
    Material("coping", 1),
    Material("planks", 0, "planks"),
    Material("posts", 1),
    Material("mast", 0, "metal"),
    Material("lantern", (0.9, 0.85, 0.7), glow=6.0),
    Material("housing", 0),
    Material("lamp red", 1, glow=5.0),
    Material("lamp amber", 2, glow=5.0),
    Material("lamp green", 3, glow=5.0),
    Material("plate", 0, gloss=0.1, glow=0.05),
    Material("symbol", 1, glow=0.05),
    Material("lettering", 0, "text", glow=0.05),
    Material("plate back", (0.35, 0.36, 0.37)),
    Material("leaves", 0, "leaves"),
    Material("bark", 1, "bark"),
    Material("skin", 0),
    Material("hair", 1),
    Material("shirt", 2, "cloth"),
    Material("trousers", 3, "cloth"),
    Material("shoes", (0.06, 0.05, 0.05)),
    Material("body", 0, "metal", gloss=0.35),
    Material("second body", 1, "metal", gloss=0.2),
    Material("glass", (0.06, 0.08, 0.10), gloss=0.6),
    Material("tyre", (0.035, 0.035, 0.04)),
    Material("rim", (0.42, 0.43, 0.45), gloss=0.2),
    Material("bumper", (0.10, 0.10, 0.11)),
    Material("headlight", (0.95, 0.93, 0.82), glow=4.0),
    Material("tail light", (0.70, 0.03, 0.03), glow=2.5),
    Material("number plate", (0.85, 0.84, 0.75)),
    Material("frame", 0, gloss=0.1),
    Material("spokes", 1),
)
MATERIAL = {material.name: number for number, material in enumerate(MATERIALS)}
