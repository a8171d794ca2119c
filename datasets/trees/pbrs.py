"""A fixture of PBRS (SUNCG): its folders, encodings and lists around rendered scenes; a house has any two of them.

They are streets at a tenth of their size (see trees/scenes.py), with NYU's 40 classes for names: a model a class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.trees.ids import NYU40
from datasets.trees.scenes import room

SIZE, FOCAL, CENTRE = (640, 480), 517.97, (320.0, 240.0)
FAR = 20.0  # metres; beyond, nothing was hit
HOUSE = "0004d52d1aeeb8ae6de39d6bd993e{:03x}"
NAMES = {
    1: "wall", 2: "floor", 4: "bed", 5: "chair", 6: "sofa", 7: "table", 8: "door", 10: "bookshelf", 11: "picture",
    14: "desk", 16: "curtain", 20: "floor_mat", 22: "ceiling", 23: "books", 25: "television", 31: "person", 35: "lamp",
}  # fmt: skip  # of NYU's 40, the ones that a street stands for


def frames(count: int) -> list[str]:
    """HOUSE/NUMBER of the views, two in each house."""
    return [f"{HOUSE.format(i // 2)}/{i % 2:06d}" for i in range(count)]


def write(root: Path, frame: str) -> None:
    """The pictures of a view; its node is 100 and its class's number."""
    shown = room(f"pbrs {frame}", "render", SIZE, FOCAL, CENTRE)
    hit = shown.depth < FAR
    nodes = np.where(hit, 100 + shown.ids(NYU40, np.uint16), 0)
    put(root, frame, shown.image, nodes, np.where(hit, shown.depth, 0), shown.normals @ axes(frame))


def axes(frame: str) -> NDArray[np.float64]:  # 3 3
    """The camera's axes (right, down, forward) in the world, whose y points up: level, turned about by the view."""
    angle = 0.5 + 1.2 * int(frame.rpartition("/")[2])
    ahead = np.array([np.sin(angle), 0.0, np.cos(angle)])
    down = np.array([0.0, -1.0, 0.0])
    return np.stack([np.cross(down, ahead), down, ahead])


def put(
    root: Path, frame: str, image: NDArray[np.uint8], nodes: NDArray[Any], depth: NDArray[Any], world: NDArray[Any]
) -> None:
    """Millimetres, 0 for nothing hit; normals along the world's axes, -1..1 in 16 bits a file, black for none."""
    house, number = frame.split("/")
    codes = np.round((world + 1) * 32767.5).astype(np.uint16)
    codes[~world.any(-1)] = 0  # of length 3 if it were one
    where = root / "projects_render" / house
    for axis in range(3):
        png(where / f"{number}_{'xyz'[axis]}normal.png", codes[..., axis])
    png(where / f"{number}_mlt.png", image)
    png(where / f"{number}_node.png", nodes.astype(np.uint16))
    png(where / f"{number}_depth.png", np.round(1000 * depth).astype(np.uint16))


def lists(root: Path, written: list[str]) -> None:
    """Of each house its cameras and its nodes; the table of models."""
    for house in sorted({frame.split("/")[0] for frame in written}):
        views = sorted(frame for frame in written if frame.startswith(f"{house}/"))
        nodes = [f"{100 + number} Model#{number}" for number in NAMES]
        put_house(root, house, [axes(view) for view in views], [f"1 {house}", "2 Level#0", *nodes])
    put_models(root, {str(number): name for number, name in NAMES.items()})


def put_house(root: Path, house: str, cameras: Sequence[NDArray[np.float64] | None], nodes: Sequence[str]) -> None:
    """cameras: of each view right, down and forward in the world; None: a row that no picture belongs to."""
    rows = [
        [0.0] * 12 if camera is None else [1, 1.5, 2, *camera[2], *-camera[1], 0.5534, 0.433896, 17.3]
        for camera in cameras
    ]
    place = root / "projects_camera" / house
    place.mkdir(parents=True, exist_ok=True)
    (place / "room_camera.txt").write_text("".join(f"{' '.join(map(str, row))}\n" for row in rows))
    (place / "room_camera_node.txt").write_text("\n".join(nodes) + "\n")


def put_models(root: Path, classes: Mapping[str, str]) -> None:
    """{model: class of NYU's 40}, in the table of models."""
    rows = ["index,model_id,fine_grained_class,coarse_grained_class,empty_struct_obj,nyuv2_40class,wnsynsetid,active"]
    rows += [f"{i},{model},x,x,1,{name},n1,1" for i, (model, name) in enumerate(classes.items())]
    (root / "util_data").mkdir(exist_ok=True)
    (root / "util_data" / "ModelCategoryMappingNewActive.csv").write_text("\n".join(rows) + "\n")
