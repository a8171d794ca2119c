"""PBRS (Zhang et al., CVPR 2017): SUNCG's rooms rendered physically, 640x480, with 40 classes, depth, normals.

ROOT/projects_render/HOUSE/%06d_{mlt,depth,node,xnormal,ynormal,znormal}.png, ROOT/projects_camera/HOUSE/
{room_camera,room_camera_node}.txt, ROOT/util_data/ModelCategoryMappingNewActive.csv, as the authors' programs have it.
SUNCG was withdrawn in 2019: this serves those who hold it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, Size
from bench.data.pack import Item
from datasets.axes import num_facing, towards_camera
from datasets.facts import Facts
from datasets.files import counted, home, known_part, nested, only, require, same_size, short
from datasets.pictures import picture, samples
from datasets.spaces import NYU40

NEEDS_ROOT = True
HELP = "expected projects_render/ and projects_camera/ there. Withdrawn in 2019 and not to be had; see hypersim"
TASKS = ("semseg", "depth", "normals")
CLASSES = NYU40

SIZE = (640, 480)
CAMERA = Camera(fx=517.97, fy=517.97, cx=320.0, cy=240.0)
FACTS = Facts(
    counts={"all": None},
    firm=False,
    sizes=(SIZE,),
    forms={
        "image": ("8-bit RGB",),
        "semseg": ("8-bit grey", "16-bit grey"),
        "depth": ("16-bit grey",),
        "normals": ("16-bit grey",),
    },
    median_depth=(0.3, 20.0),
    depth_unit=0.001,
)

_ENDS = {"image": "mlt", "semseg": "node", "depth": "depth", "normals": "xnormal"}
_NAME = re.compile(r"(\d{6})_mlt\.png")
_HOUSE = re.compile(r"[0-9a-f]{32}")
_MAPPING = "util_data/ModelCategoryMappingNewActive.csv"
_VIEWS, _NODES = "room_camera.txt", "room_camera_node.txt"
_ROOMS = {  # nodes of a house that are no furniture -> the model that stands for them in the mapping; "": not seen
    "Floor": "Floor",
    "Ceiling": "Ceiling",
    "Wall": "Wall",
    "WallInside": "Wall",
    "WallOutside": "Wall",
    "Box": "Box",
    "Ground": "",
    "Level": "",
    "Object": "",
    "Room": "",
}
_UNIT = 0.1  # a stored normal whose squared length is further from 1 than this is none (convert_camera_normal.m)


def index(root: Path | None, part: str) -> list[Item]:
    """The views by house and number. Looks at images only."""
    known_part("pbrs", part, FACTS.counts)
    folder = home("pbrs", root, ("", "rendering"), "projects_render", HELP)
    renders = folder / "projects_render"
    found = nested(renders, _NAME, _HOUSE)
    counted("pbrs", part, len(found), FACTS.counts[part], "projects_render", "HOUSE/NNNNNN_mlt.png")
    mapping = _mapping_of(folder)
    items = []
    for house, match in found:
        files = {field: renders / house / f"{match[1]}_{end}.png" for field, end in _ENDS.items()}
        cameras = _cameras(files["image"])
        beside = {
            "semseg": (cameras / _NODES, mapping),
            "normals": (*_axes(files["normals"]).values(), cameras / _VIEWS),
        }
        items.append(Item(f"{house}_{match[1]}", files, beside))
    return items


def read(item: Item, what: Collection[str], size: Size | None = None) -> dict[str, Any]:
    """What is asked for of a view: nyu40 ids, planar depth in metres (0: nothing hit), normals (0: none)."""
    only("pbrs", what, (*_ENDS, "camera"))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        fields["semseg"] = _classes(item.files["semseg"])
    if "depth" in what:
        fields["depth"] = _metres(item.files["depth"])
    if "normals" in what:
        path = item.files["normals"]
        fields["normals"] = towards_camera(_world(path), _rotation(path), CAMERA, path)
    for field, array in fields.items():
        if array.shape[:2] != SIZE[::-1]:
            sizes = f"{array.shape[1]}x{array.shape[0]}, expected {SIZE[0]}x{SIZE[1]}"
            raise ValueError(f"{short(item.files[field])}: {sizes}: was it resized?")
    same_size(fields, item.files)
    return fields | {"camera": CAMERA}


def facing(item: Item) -> tuple[int, int]:
    """How many stored normals face the camera, and how many there are, for the verifier: `read` drops the others."""
    path = item.files["normals"]
    return num_facing(_world(path), _rotation(path), CAMERA)


def _metres(path: Path) -> NDArray[np.float32]:
    millimetres = samples(path, "16-bit grey", meaning="millimetres")
    if not millimetres.any():
        raise ValueError(f"{short(path)}: no valid pixel (all 0)")
    return millimetres.astype(np.float32) / np.float32(1000)


def _world(path: Path) -> NDArray[np.float64]:
    """Three pictures, 0..65535 for -1..1 along the world's axes, which the camera's place in the house turns."""
    paths = _axes(path)
    require(paths, "xyz")
    stored = [samples(file, "16-bit grey", meaning="a normal's coordinate") / 65535 * 2 - 1 for file in paths.values()]
    same_size(dict(zip("xyz", stored, strict=True)), paths)
    world = np.stack(stored, -1)
    world[abs((world**2).sum(-1) - 1) > _UNIT] = 0
    return world


def _axes(path: Path) -> dict[str, Path]:
    """The pictures of the three coordinates, from one of them."""
    return {axis: path.with_name(f"{path.name[:6]}_{axis}normal.png") for axis in "xyz"}


def _mapping_of(folder: Path) -> Path:
    """The mapping of models to classes lies beside projects_render, or beside the folder that holds it."""
    return (folder if (folder / _MAPPING).parent.is_dir() else folder.parent) / _MAPPING


def _cameras(path: Path) -> Path:
    """The folder of a house's cameras, from one of its pictures."""
    return path.parents[2] / "projects_camera" / path.parent.name


def _rotation(view: Path) -> NDArray[np.float64]:  # 3 3
    """From the world's axes to those of a picture's camera, a row: eye, direction, up, two angles, a score."""
    path, row = _cameras(view) / _VIEWS, int(view.name[:6])
    require({"camera": path}, ("camera",))
    lines = path.read_text().splitlines()
    if row >= len(lines):
        raise ValueError(f"{short(path)}: {len(lines)} cameras, none for picture {row:06d}")
    try:
        forward, up = np.array(lines[row].split()[3:9], np.float64).reshape(2, 3)
    except ValueError:
        raise ValueError(f"{short(path)}: line {row + 1} is no camera, expected 12 numbers") from None
    rotation = np.stack([np.cross(forward, up), -up, forward])
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise ValueError(f"{short(path)}: line {row + 1}: direction and up are not unit and perpendicular")
    return rotation


def _classes(path: Path) -> NDArray[np.uint8]:
    """Node -> its model, from the list of the house -> class, by the column NYU40 of the mapping; 0 is no node."""
    nodes = samples(path, "8-bit grey", "16-bit grey", meaning="nodes of the house")
    listed, mapping = _cameras(path) / _NODES, _mapping_of(path.parents[2])
    require({"nodes": listed, "mapping": mapping}, ("nodes", "mapping"))
    models = _models(listed)
    classes = _mapping(mapping, mapping.stat().st_mtime_ns)
    lut = np.full(65536, 255, np.uint8)
    for node in np.unique(nodes).tolist():
        if node and node not in models:
            raise ValueError(f"{short(path)}: node {node} is not in {listed.name}")
        if node and (model := models[node]):
            if model not in classes:
                raise ValueError(f"{short(path)}: node {node} is model {model}, which {mapping.name} does not list")
            lut[node] = classes[model]
    mapped: NDArray[np.uint8] = lut[nodes]
    return mapped


def _models(path: Path) -> dict[int, str]:
    """{node: model, "" for what has no surface of its own}, from lines like "83 Model#s__958" or "2 Level#0"."""
    models = {}
    for line, text in enumerate(path.read_text().splitlines(), 1):
        number, _, name = text.partition(" ")
        kind, numbered, rest = name.partition("#")
        if not number.isdigit() or (numbered and kind not in (*_ROOMS, "Model")):
            raise ValueError(f'{short(path)}: line {line} is "{text}", expected one like "83 Model#150"')
        models[int(number)] = rest if kind == "Model" else _ROOMS.get(kind, "")
    return models


@lru_cache(maxsize=2)
def _mapping(path: Path, changed: int) -> dict[str, int]:
    """{model: nyu40 id, void 255}."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        for column in ("model_id", "nyuv2_40class"):
            if column not in (rows.fieldnames or ()):
                raise ValueError(f"{short(path)}: no column {column}; is it another csv file?")
        names = {row["model_id"]: row["nyuv2_40class"].replace("_", " ") for row in rows}
    for model, name in names.items():
        if name != "void" and name not in NYU40.classes:
            raise ValueError(f'{short(path)}: model {model} is "{name}", which is no class of nyu40')
    return {model: 255 if name == "void" else NYU40.id(name) for model, name in names.items()}
