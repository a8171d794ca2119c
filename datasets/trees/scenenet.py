"""A fixture of SceneNet RGB-D: its folders, encodings and lists of instances around rendered scenes.

They are streets at a tenth of their size (see trees/scenes.py), with NYU's 13 classes for names: an instance a class.
Of the 17 folders of train there is the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.ids import NYU13
from datasets.trees.jpeg import jpeg
from datasets.trees.messages import message
from datasets.trees.scenes import rays, room

SIZE, CENTRE = (320, 240), (160.0, 120.0)
CAMERA = (160 / float(np.tan(np.pi / 6)), 120 / float(np.tan(np.pi / 8)), *CENTRE)
FAR = 20.0  # metres along the ray; beyond, nothing was hit
WORDS = {number: f"9{number:07d}" for number in range(1, 14)}  # class: a WordNet id, made up


def frames(count: int) -> list[str]:
    """PART/FOLDER/TRAJECTORY/NUMBER of the frames, `count` in each part."""
    return [f"{part}/0/{9 + 214 * (i % 2)}/{25 * (i // 2)}" for part in ("train", "val") for i in range(count)]


def write(root: Path, frame: str) -> None:
    """The files of a view. Pixels are a little taller than wide there: the street is squeezed as much."""
    shown = room(f"scenenet {frame}", "render", SIZE, CAMERA[0], CENTRE)
    ray = shown.depth * np.linalg.norm(rays(SIZE, CAMERA), axis=-1)
    hit = ray < FAR
    put(root, frame, shown.image, np.where(hit, 299 + shown.ids(NYU13, np.uint16), 0), np.where(hit, ray, 0))


def put(root: Path, frame: str, image: NDArray[np.uint8], instances: NDArray[Any], ray: NDArray[Any]) -> None:
    """ray: metres along each pixel's ray, 0 for nothing hit, stored as millimetres."""
    place, _, number = frame.rpartition("/")
    png(root / place / "depth" / f"{number}.png", np.round(1000 * ray).astype(np.uint16))
    png(root / place / "instance" / f"{number}.png", instances.astype(np.uint16))
    jpeg(root / place / "photo" / f"{number}.jpg", image, quality=100)


def lists(root: Path, written: list[str]) -> None:
    """The instances of each trajectory, and the table of their words' classes."""
    instances = {299 + number: word for number, word in WORDS.items()}
    for part, name in (("val", "scenenet_rgbd_val.pb"), ("train", "train_protobufs/scenenet_rgbd_train_0.pb")):
        places = sorted({"/".join(frame.split("/")[1:3]) for frame in written if frame.startswith(f"{part}/")})
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(trajectories({place: instances for place in places}))
    put_table(root, {word: number for number, word in WORDS.items()})


def put_table(root: Path, classes: Mapping[str, int]) -> None:
    """{word: class, from 1}, as a literal in the authors' program."""
    program = f"import scenenet_pb2 as sn\nraise SystemExit('run, not read')\nNYU_WNID_TO_CLASS = {dict(classes)}\n"
    (root / "convert_instance2class.py").write_text(program)


def trajectories(instances: Mapping[str, Mapping[int, str]]) -> bytes:
    """A file of Trajectories, as scenenet.proto defines it: layout, instances, views, path. Instance 0 has no word."""
    return message(*((1, _trajectory(place, words.items())) for place, words in instances.items()))


def _trajectory(place: str, words: Iterable[tuple[int, str]]) -> bytes:
    position = message((1, 2.5), (2, 0.5), (3, -4.0))
    pose = message((1, position), (2, position), (3, 0.0))
    things = [message((1, number), (2, word.encode()), (3, b"a thing"), (4, 2 + number % 3)) for number, word in words]
    views = [(3, message((1, frame), (2, pose), (3, pose))) for frame in range(0, 7500, 25)]
    layout, background = message((1, 3), (2, b"a/b.obj")), message((1, 0), (4, 1))
    return message((1, layout), (2, background), *((2, thing) for thing in things), *views, (4, place.encode()))
