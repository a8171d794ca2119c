"""The numbers of several data sets for the classes of the embedded world, as their fixtures write them."""

from __future__ import annotations

CITYSCAPES = {  # label ids of Cityscapes, and of those who took them over
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17, "traffic light": 19,
    "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26, "truck": 27,
    "bus": 28, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
TRAIN = {  # train ids of Cityscapes, likewise
    "road": 0, "sidewalk": 1, "building": 2, "wall": 3, "fence": 4, "pole": 5, "traffic light": 6, "traffic sign": 7,
    "vegetation": 8, "terrain": 9, "sky": 10, "person": 11, "rider": 12, "car": 13, "truck": 14, "bus": 15,
    "motorcycle": 17, "bicycle": 18,
}  # fmt: skip
NYU40 = {  # of a street in the place of a room: so that all of the 13 classes occur, and not because things are alike
    "sky": 22, "road": 2, "sidewalk": 20, "terrain": 2, "building": 1, "wall": 8, "fence": 23, "pole": 35,
    "traffic light": 25, "traffic sign": 11, "vegetation": 16, "person": 31, "rider": 5, "car": 6, "truck": 4,
    "bus": 10, "motorcycle": 14, "bicycle": 7,
}  # fmt: skip
NYU13 = {  # of the same
    "sky": 3, "road": 5, "sidewalk": 5, "terrain": 5, "building": 12, "wall": 12, "fence": 2, "pole": 7,
    "traffic light": 11, "traffic sign": 8, "vegetation": 13, "person": 7, "rider": 4, "car": 9, "truck": 1,
    "bus": 6, "motorcycle": 10, "bicycle": 10,
}  # fmt: skip
