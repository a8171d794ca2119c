"""The label spaces of the suite and the maps between them. A class has one name in every outdoor space that has it."""

from __future__ import annotations

import importlib
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from bench.data.labels import LabelSpace, between

_DRIVING: dict[str, tuple[int, int, int]] = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}


def _driving(name: str, without: tuple[str, ...] = ()) -> LabelSpace:
    kept = {word: colour for word, colour in _DRIVING.items() if word not in without}
    return LabelSpace(name, tuple(kept), tuple(kept.values()))


CS19 = _driving("cs19")
CS16 = _driving("cs16", without=("terrain", "truck", "train"))
CS13 = _driving("cs13", without=("terrain", "truck", "train", "wall", "fence", "pole"))  # 13 rows of cs16's matrix
CS7 = LabelSpace("cs7", ("flat", "construction", "object", "nature", "sky", "human", "vehicle"))
VK8 = LabelSpace("vk8", ("road", "building", "pole", "traffic light", "traffic sign", "vegetation", "sky", "vehicle"))
SYNTHIA20 = LabelSpace("synthia20", (*_DRIVING, "lane marking"))  # cs19, and what is painted on its road
_VKITTI: dict[str, tuple[int, int, int]] = {  # the colours are those of the files
    "terrain": (210, 0, 200),
    "sky": (90, 200, 255),
    "tree": (0, 199, 0),
    "vegetation": (90, 240, 0),
    "building": (140, 140, 140),
    "road": (100, 60, 100),
    "guard rail": (250, 100, 255),
    "traffic sign": (255, 255, 0),
    "traffic light": (200, 200, 0),
    "pole": (255, 130, 0),
    "misc": (80, 80, 80),
    "truck": (160, 60, 60),
    "car": (255, 127, 80),
    "van": (0, 139, 139),
}
VK14 = LabelSpace("vk14", tuple(_VKITTI), tuple(_VKITTI.values()))
_CAMVID: dict[str, tuple[int, int, int]] = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign symbol": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
CAMVID11 = LabelSpace("camvid11", tuple(_CAMVID), tuple(_CAMVID.values()))
_NYU13 = "bed books ceiling chair floor furniture objects picture sofa table tv wall window"
NYU13 = LabelSpace("nyu13", tuple(_NYU13.split()))

_NYU40_TO_NYU13 = {
    "wall": "wall",
    "floor": "floor",
    "cabinet": "furniture",
    "bed": "bed",
    "chair": "chair",
    "sofa": "sofa",
    "table": "table",
    "door": "wall",
    "window": "window",
    "bookshelf": "furniture",
    "picture": "picture",
    "counter": "furniture",
    "blinds": "window",
    "desk": "table",
    "shelves": "furniture",
    "curtain": "window",
    "dresser": "furniture",
    "pillow": "objects",
    "mirror": "objects",
    "floor mat": "floor",
    "clothes": "objects",
    "ceiling": "ceiling",
    "books": "books",
    "refridgerator": "furniture",  # so in the data set
    "television": "tv",
    "paper": "objects",
    "towel": "objects",
    "shower curtain": "objects",
    "box": "objects",
    "whiteboard": "objects",
    "person": "objects",
    "night stand": "furniture",
    "toilet": "objects",
    "sink": "objects",
    "lamp": "objects",
    "bathtub": "objects",
    "bag": "objects",
    "otherstructure": "objects",
    "otherfurniture": "furniture",
    "otherprop": "objects",
}
NYU40 = LabelSpace("nyu40", tuple(_NYU40_TO_NYU13))

_MAPILLARY = (
    "bird, ground animal, curb, fence, guard rail, barrier, wall, bike lane, crosswalk - plain, curb cut, parking, "
    "pedestrian area, rail track, road, service lane, sidewalk, bridge, building, tunnel, person, bicyclist, "
    "motorcyclist, other rider, lane marking - crosswalk, lane marking - general, mountain, sand, sky, snow, terrain, "
    "vegetation, water, banner, bench, bike rack, billboard, catch basin, cctv camera, fire hydrant, junction box, "
    "mailbox, manhole, phone booth, pothole, street light, pole, traffic sign frame, utility pole, traffic light, "
    "traffic sign (back), traffic sign (front), trash can, bicycle, boat, bus, car, caravan, motorcycle, on rails, "
    "other vehicle, trailer, truck, wheeled slow, car mount, ego vehicle"
)
MAPILLARY65 = LabelSpace("mapillary65", tuple(_MAPILLARY.split(", ")))
_SHIFT = (
    "building, fence, pedestrian, pole, road line, road, sidewalk, vegetation, vehicle, wall, traffic sign, sky, "
    "ground, bridge, rail track, guard rail, traffic light, static, dynamic, water, terrain"
)
SHIFT21 = LabelSpace("shift21", tuple(_SHIFT.split(", ")))

SPACES: dict[str, LabelSpace] = {
    space.name: space
    for space in (CS19, CS16, CS13, CS7, SYNTHIA20, VK14, VK8, CAMVID11, NYU40, NYU13, MAPILLARY65, SHIFT21)
}

# Label id in the files of Cityscapes, and of those who took its ids over (GTA5, KITTI) -> cs19. Other ids are void.
CITYSCAPES_IDS = dict(zip((7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33), range(19), strict=True))


def _joined(groups: dict[str, str]) -> dict[str, str]:
    """Class -> class, from the names that become one: {"rider": "bicyclist, motorcyclist"}."""
    return {word: one for one, words in groups.items() for word in words.split(", ")}


_CS19_TO_CS7 = {
    "road": "flat",
    "sidewalk": "flat",
    "building": "construction",
    "wall": "construction",
    "fence": "construction",
    "pole": "object",
    "traffic light": "object",
    "traffic sign": "object",
    "vegetation": "nature",
    "terrain": "nature",
    "sky": "sky",
    "person": "human",
    "rider": "human",
    "car": "vehicle",
    "truck": "vehicle",
    "bus": "vehicle",
    "train": "vehicle",
    "motorcycle": "vehicle",
    "bicycle": "vehicle",
}
_CS19_TO_VK8 = {  # sidewalk, terrain and truck have no counterpart there (DenseMTL)
    "road": "road",
    "building": "building",
    "pole": "pole",
    "traffic light": "traffic light",
    "traffic sign": "traffic sign",
    "vegetation": "vegetation",
    "sky": "sky",
    "car": "vehicle",
    "bus": "vehicle",
}
_VK14_TO_VK8 = {  # terrain, guard rail and misc have no counterpart there (DenseMTL)
    "sky": "sky",
    "tree": "vegetation",
    "vegetation": "vegetation",
    "building": "building",
    "road": "road",
    "traffic sign": "traffic sign",
    "traffic light": "traffic light",
    "pole": "pole",
    "truck": "vehicle",
    "car": "vehicle",
    "van": "vehicle",
}
_CS19_TO_CAMVID11 = {
    "road": "road",
    "sidewalk": "pavement",
    "building": "building",
    "wall": "building",
    "fence": "fence",
    "pole": "pole",
    "traffic light": "sign symbol",
    "traffic sign": "sign symbol",
    "vegetation": "tree",
    "terrain": "tree",
    "sky": "sky",
    "person": "pedestrian",
    "rider": "bicyclist",
    "car": "car",
    "truck": "car",
    "bus": "car",
    "train": "car",
    "motorcycle": "bicyclist",
    "bicycle": "bicyclist",
}
_SYNTHIA20_TO_CS7 = _joined(  # as DADA, CTRL and DenseMTL do: without wall, rider and four of the vehicles
    {
        "flat": "road, sidewalk, lane marking",
        "construction": "building, fence",
        "object": "pole, traffic light, traffic sign",
        "nature": "vegetation",
        "sky": "sky",
        "human": "person",
        "vehicle": "car, bicycle",
    }
)
_CAMVID11_TO_CS19 = {  # without bicyclist, who is rider and bicycle in one
    "sky": "sky",
    "building": "building",
    "pole": "pole",
    "road": "road",
    "pavement": "sidewalk",
    "tree": "vegetation",
    "sign symbol": "traffic sign",
    "fence": "fence",
    "car": "car",
    "pedestrian": "person",
}
_MAPILLARY65_TO_CS19 = _joined(
    {
        "road": "road, lane marking - general, manhole",
        "sidewalk": "sidewalk, curb",
        "building": "building",
        "wall": "wall",
        "fence": "fence",
        "pole": "pole, utility pole",
        "traffic light": "traffic light",
        "traffic sign": "traffic sign (front)",
        "vegetation": "vegetation",
        "terrain": "terrain",
        "sky": "sky",
        "person": "person",
        "rider": "bicyclist, motorcyclist, other rider",
        "car": "car",
        "truck": "truck",
        "bus": "bus",
        "train": "on rails",
        "motorcycle": "motorcycle",
        "bicycle": "bicycle",
    }
)
_MAPILLARY65_TO_CS7 = _joined(  # as DADA and CTRL do, by names: terrain is flat, but nature in Cityscapes' categories
    {
        "flat": "bike lane, crosswalk - plain, curb cut, parking, pedestrian area, rail track, road, service lane, "
        "sidewalk, lane marking - crosswalk, lane marking - general, terrain",
        "construction": "curb, fence, guard rail, barrier, wall, bridge, building, tunnel",
        "object": "pothole, street light, pole, traffic sign frame, utility pole, traffic light, traffic sign (back), "
        "traffic sign (front)",
        "nature": "vegetation",
        "sky": "sky",
        "human": "person, bicyclist, motorcyclist, other rider",
        "vehicle": "bicycle, boat, bus, car, caravan, motorcycle, on rails, other vehicle, trailer, truck, "
        "wheeled slow",
    }
)
_SHIFT21_TO_CS19 = _joined(  # without vehicle, which is six classes there; who rides is a pedestrian
    {
        "road": "road, road line",
        "sidewalk": "sidewalk",
        "building": "building",
        "wall": "wall",
        "fence": "fence",
        "pole": "pole",
        "traffic light": "traffic light",
        "traffic sign": "traffic sign",
        "vegetation": "vegetation",
        "terrain": "terrain",
        "sky": "sky",
        "person": "pedestrian",
    }
)
_SHIFT21_TO_CS7 = _joined(  # by Cityscapes' categories, where ground, static, dynamic and water are void
    {
        "flat": "road, road line, sidewalk, rail track",
        "construction": "building, wall, fence, bridge, guard rail",
        "object": "pole, traffic light, traffic sign",
        "nature": "vegetation, terrain",
        "sky": "sky",
        "human": "pedestrian",
        "vehicle": "vehicle",
    }
)
_MAPS: dict[tuple[str, str], dict[str, str]] = {
    ("cs19", "cs7"): _CS19_TO_CS7,
    ("cs19", "vk8"): _CS19_TO_VK8,
    ("vk14", "vk8"): _VK14_TO_VK8,
    ("cs19", "camvid11"): _CS19_TO_CAMVID11,
    ("synthia20", "cs7"): _SYNTHIA20_TO_CS7,
    ("synthia20", "camvid11"): _CS19_TO_CAMVID11 | {"lane marking": "road"},  # CamVid's road has its markings
    ("camvid11", "cs19"): _CAMVID11_TO_CS19,
    ("nyu40", "nyu13"): _NYU40_TO_NYU13,
    ("mapillary65", "cs19"): _MAPILLARY65_TO_CS19,
    ("mapillary65", "cs7"): _MAPILLARY65_TO_CS7,
    ("shift21", "cs19"): _SHIFT21_TO_CS19,
    ("shift21", "cs7"): _SHIFT21_TO_CS7,
}


def space(name: str) -> LabelSpace:
    """The label space of a name."""
    if name == "minicity":
        # By name and only here: nothing else waits for the renderer, or is rebuilt when it changes.
        embedded: LabelSpace = importlib.import_module("datasets.minicity").CLASSES
        return embedded
    if name not in SPACES:
        known = [*SPACES, "minicity"]
        near = get_close_matches(name, known, 1, 0)
        raise ValueError(f'no label space "{name}"; did you mean {near[0]}? known: {" ".join(sorted(known))}')
    return SPACES[name]


def mapping(origin: LabelSpace, target: LabelSpace) -> NDArray[np.uint8]:
    """The 256-entry table from ids of one space to ids of another; a class without a counterpart becomes void."""
    return between(origin, target, _names(origin, target))


def _names(origin: LabelSpace, target: LabelSpace) -> dict[str, str]:
    """Class of one space -> class of another.

    A part of cs19 (cs16, minicity), or cs19 and more (synthia20), goes wherever cs19 goes, by names.
    """
    if origin.classes == target.classes:
        return {word: word for word in origin.classes}
    if target.name == "cs13":
        raise ValueError(
            "cs13 is a report over cs16's matrix, not a space to map labels into; use cs16 and also=[cs13]"
        )
    of_cs19 = set(origin.classes) <= set(SYNTHIA20.classes)
    if of_cs19 and set(target.classes) <= set(CS19.classes):
        return {word: word for word in origin.classes if word in target.classes}
    names = _MAPS.get((origin.name, target.name)) or (_MAPS.get(("cs19", target.name)) if of_cs19 else None)
    if names is None:
        reach = [end for start, end in _MAPS if start == origin.name]
        raise ValueError(
            f"no map from {origin.name} to {target.name}; from {origin.name} there is: {' '.join(reach) or 'none'}"
        )
    return {word: other for word, other in names.items() if word in origin.classes}
