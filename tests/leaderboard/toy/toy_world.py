"""A data set of a few made-up pictures, as a plug-in: nothing to download, nothing to render."""

import numpy as np

from bench.data.pack import Item
from bench.split import Domain, Split
from datasets.minicity import CLASSES as CLASSES

TASKS = ("semseg", "depth", "normals")
NEEDS_ROOT = False
HELP = "it is made up"
SIZE = (64, 32)
PARTS = {"train": 4, "test": 6}


def domain(part):
    return Domain(dataset="toy", part=part, size=SIZE)


SPLIT = Split(
    name="toy2toy", about="made up", source=[domain("train")], target=[domain("train")], test=domain("test"),
    tasks=TASKS, scored=TASKS, normals="given", classes="minicity", crop=(64, 32), budget=2, batch=2,
    protocol="city-v1",
)  # fmt: skip


def index(root, part):
    return [Item(f"{part}/toy_{number:03d}") for number in range(PARTS[part])]


def read(item, what, size=None):
    draw = np.random.default_rng([int(item.stem[-3:]), "test" in item.stem])
    width, height = SIZE
    labels = np.repeat(draw.integers(0, len(CLASSES), (height // 8, width // 8)), 8, 0).repeat(8, 1).astype(np.uint8)
    normals = np.zeros((height, width, 3), np.float32)
    normals[..., 1] = -1
    truth = {
        "image": np.repeat(labels[..., None] * 20, 3, 2).astype(np.uint8),
        "semseg": labels,
        "depth": (2 + labels).astype(np.float32),
        "normals": normals,
    }
    return {name: truth[name] for name in what}
