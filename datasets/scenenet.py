"""SceneNet RGB-D (McCormac et al., ICCV 2017): 5.4 million rendered views of rooms, 320x240, with 13 classes and depth.

ROOT/{train,val}/{0..16}/TRAJECTORY/{photo/%d.jpg, depth/%d.png, instance/%d.png}, every 25th frame; for classes also
scenenet_rgbd_val.pb or train_protobufs/scenenet_rgbd_train_%d.pb, and convert_instance2class.py of the authors.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, Size, planar_depth
from bench.data.pack import Item
from datasets.facts import Facts
from datasets.files import absent, counted, known_part, listing, only, require, same_size, short, unpacked
from datasets.messages import Value, fields
from datasets.pictures import picture, samples
from datasets.spaces import NYU13

NEEDS_ROOT = True
HELP = "expected train/ or val/ there. Had at robotvault.bitbucket.io/scenenet-rgbd.html"
TASKS = ("semseg", "depth")
CLASSES = NYU13

SIZE = (320, 240)
CAMERA = Camera(160 / np.tan(np.radians(30)), 120 / np.tan(np.radians(22.5)), 160.0, 120.0)  # 60 by 45 degrees
_FOLDERS = {"val": (0,), "train": tuple(range(17))} | {f"train-{number}": (number,) for number in range(17)}
FACTS = Facts(
    counts={"val": 300_000, "train": 5_059_500}
    | {f"train-{number}": 300_000 for number in range(16)}
    | {"train-16": 259_500},
    spare=tuple(_FOLDERS),
    sizes=(SIZE,),
    forms={"image": ("JPEG",), "semseg": ("16-bit grey",), "depth": ("16-bit grey",)},
    median_depth=(0.3, 20.0),
    depth_unit=0.001,
)

_FILES = {"image": ("photo", "jpg"), "semseg": ("instance", "png"), "depth": ("depth", "png")}
_NUMBER = re.compile(r"\d+")
_PHOTO = re.compile(r"\d+\.jpg")
_TABLE = "convert_instance2class.py"
_TRAJECTORY = 1  # numbers of fields in scenenet.proto: of Trajectories,
_INSTANCE, _RENDER_PATH = 2, 4  # of Trajectory,
_ID, _WORDNET, _TYPE = 1, 2, 4  # of Instance
_BACKGROUND = 1


def index(root: Path | None, part: str) -> list[Item]:
    """The frames of a part by folder, trajectory and number. Looks at images only.

    "train" has five million of them: "train-0" to "train-16" are its folders.
    """
    known_part("scenenet", part, _FOLDERS)
    split = part.partition("-")[0]
    if root is None or not any((root / half).is_dir() for half in ("train", "val")):
        raise absent("scenenet", root, split, HELP)
    unpacked("scenenet", root / split, f"SceneNet RGB-D's archives of {split}")
    items = [
        Item(
            f"{split}_{folder}_{trajectory}_{frame:04d}",
            {field: place / kind / f"{frame}.{end}" for field, (kind, end) in _FILES.items()},
            tables,
        )
        for folder in _FOLDERS[part]
        for tables in [{"semseg": _tables(root / split, folder)}]
        for trajectory in _numbers(root / split / str(folder))
        for place in [root / split / str(folder) / str(trajectory)]
        for frame in sorted(int(name[:-4]) for name in listing(place / "photo", _PHOTO))
    ]
    where = f"{split}/{_FOLDERS[part][0]}"
    counted("scenenet", part, len(items), FACTS.counts[part], where, "N/photo/N.jpg")
    return items


def read(item: Item, what: Collection[str], size: Size | None = None) -> dict[str, Any]:
    """What is asked for of a frame: nyu13 ids, planar depth in metres (0: nothing hit)."""
    only("scenenet", what, ("image", *TASKS, "camera"))
    require(item.files, what)
    found: dict[str, Any] = {}
    if "image" in what:
        found["image"] = picture(item.files["image"])
    if "semseg" in what:
        found["semseg"] = _classes(item.files["semseg"])
    if "depth" in what:
        found["depth"] = _metres(item.files["depth"])
    for field, array in found.items():
        if array.shape[:2] != SIZE[::-1]:
            sizes = f"{array.shape[1]}x{array.shape[0]}, expected {SIZE[0]}x{SIZE[1]}"
            raise ValueError(f"{short(item.files[field])}: {sizes}: was it resized?")
    same_size(found, item.files)
    return found | {"camera": CAMERA}


def _numbers(folder: Path) -> list[int]:
    return sorted(int(name) for name in listing(folder, _NUMBER)) if folder.is_dir() else []


def _metres(path: Path) -> NDArray[np.float32]:
    millimetres = samples(path, "16-bit grey", meaning="millimetres along the ray")
    if not millimetres.any():
        raise ValueError(f"{short(path)}: no valid pixel (all 0)")
    return planar_depth(millimetres / 1000, CAMERA)


def _classes(path: Path) -> NDArray[np.uint8]:
    """Instance -> its WordNet id, from the list of the trajectory -> class, by the table of the authors."""
    trajectory, folder, split = path.parents[1], path.parents[2], path.parents[3]
    messages, table = _tables(split, int(folder.name))
    _there(messages, f"robotvault.bitbucket.io, protobufs of {split.name}")
    _there(table, "github.com/jmccormac/pySceneNetRGBD")
    classes = _table(table, table.stat().st_mtime_ns)
    words = _instances(messages, messages.stat().st_mtime_ns).get(f"{folder.name}/{trajectory.name}")
    if words is None:
        raise ValueError(f"{short(messages)}: no trajectory {folder.name}/{trajectory.name}")
    ids = samples(path, "16-bit grey", meaning="instances")
    lut = np.full(65536, 255, np.uint8)
    for instance in np.unique(ids).tolist():
        if instance not in words:
            raise ValueError(f"{short(path)}: instance {instance} is not in {messages.name}")
        word = words[instance]
        if word and word not in classes:
            raise ValueError(f"{short(path)}: instance {instance} is {word}, which {_TABLE} does not list")
        lut[instance] = classes[word] if word else 255
    mapped: NDArray[np.uint8] = lut[ids]
    return mapped


def _tables(split: Path, folder: int) -> tuple[Path, Path]:
    """The list of a folder's instances, and the table of the classes."""
    if split.name == "val":
        return split.with_name("scenenet_rgbd_val.pb"), split.with_name(_TABLE)
    together = split.with_name("train_protobufs") / f"scenenet_rgbd_train_{folder}.pb"
    return together if together.exists() else split.with_name(together.name), split.with_name(_TABLE)


def _there(path: Path, source: str) -> None:
    if not path.exists():
        remedy = "without it run with split.tasks=[depth] split.scored=[depth]"
        raise FileNotFoundError(f"scenenet: {path.name} is missing; it is at {source}; {remedy}")


@lru_cache(maxsize=2)
def _table(path: Path, changed: int) -> dict[str, int]:
    """{WordNet id: nyu13 id}: the literal NYU_WNID_TO_CLASS of the authors' program, which is parsed and never run."""
    try:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NYU_WNID_TO_CLASS":
                table = {str(word): int(number) for word, number in ast.literal_eval(node.value).items()}
                if not set(table.values()) <= set(range(1, 14)):
                    raise ValueError("classes")
                return {word: number - 1 for word, number in table.items()}
    except (ValueError, SyntaxError, AttributeError, TypeError):
        pass
    raise ValueError(f"{short(path)}: no table NYU_WNID_TO_CLASS of numbers from 1 to 13")


@lru_cache(maxsize=17)
def _instances(path: Path, changed: int) -> dict[str, dict[int, str]]:
    """{"folder/trajectory": {instance: WordNet id, "" for the background}}."""
    data = memoryview(path.read_bytes())
    try:
        return dict(_trajectory(value) for number, value in fields(data) if number == _TRAJECTORY)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{short(path)}: damaged or truncated ({error}); copy it again") from None


def _trajectory(message: Value) -> tuple[str, dict[int, str]]:
    place = ""
    words: dict[int, str] = {}
    for number, value in fields(_bytes(message)):
        if number == _RENDER_PATH:
            place = str(_bytes(value), "utf-8")
        elif number == _INSTANCE:
            about = dict(fields(_bytes(value)))
            background = about.get(_TYPE) == _BACKGROUND
            words[_whole(about[_ID])] = "" if background else str(_bytes(about[_WORDNET]), "utf-8")
    return place, words


def _bytes(value: Value) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message was expected")
    return value


def _whole(value: Value) -> int:
    if not isinstance(value, int):
        raise ValueError("a message where a number was expected")
    return value
