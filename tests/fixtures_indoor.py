"""Tiny copies of the indoor data sets in their exact layouts, each with its truth: a room seen by a leaning camera.

Shares no decoder and no table with the loaders.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from datasets.trees import hypersim as hypersim_tree
from datasets.trees import nyu13 as mtan_tree
from datasets.trees import nyuv2 as nyu_tree
from datasets.trees import pbrs as pbrs_tree
from datasets.trees import scenenet as scenenet_tree
from tests.fixtures import Pinhole, Truth, strange

WALL, FLOOR, CEILING, OTHERPROP = 1, 2, 22, 40  # numbers of NYU's 40 classes
NYU13_OF_40 = (
    255, 12, 5, 6, 1, 4, 9, 10, 12, 13, 6, 8, 6, 13, 10, 6, 13, 6, 7, 7, 5,
    7, 3, 2, 6, 11, 7, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 7, 7, 6, 7,
)  # fmt: skip  # by number of 40, from the specification's table


def turned(pitch: float, yaw: float) -> NDArray[np.float64]:  # 3 3
    """From a level camera's axes to those of one that looks down and to the right by so many degrees."""
    (cp, sp), (cy, sy) = ((np.cos(a), np.sin(a)) for a in np.radians((pitch, yaw)))
    return np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]) @ np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])


def room(size: tuple[int, int], camera: Pinhole, seed: int, pitch: float = 8.0) -> Truth:
    """A box of a room, whose six sides have six normals; semseg is by number of 40, with all 41 in row 5.

    No side is parallel to the picture, so that a swapped or a flipped axis shows; with a negative pitch the camera
    looks up and the floor has n_z > 0. A window, in the upper left, shows nothing: depth inf, normals 0, void.
    """
    (width, height), (fx, fy, cx, cy) = size, camera
    v, u = np.mgrid[:height, :width]
    rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones(u.shape)], -1)
    towards = turned(pitch, 25.0 + 3 * seed)
    sides = [
        ((0, -1, 0), 1.4, FLOOR), ((0, 1, 0), 1.1, CEILING), ((1, 0, 0), 1.2 + 0.1 * seed, WALL),
        ((-1, 0, 0), 2.3, WALL), ((0, 0, -1), 3.1, WALL), ((0, 0, 1), 1.0, WALL),
    ]  # fmt: skip
    depth, semseg, normals = np.full(u.shape, np.inf), np.zeros(u.shape, np.uint8), np.zeros(rays.shape)
    for level, distance, number in sides:
        normal = towards @ level
        facing = -(rays @ normal)
        along = np.where(facing > 1e-9, distance / np.maximum(facing, 1e-9), np.inf)
        nearer = along < depth
        depth[nearer], semseg[nearer], normals[nearer] = along[nearer], number, normal
    window = np.s_[height // 8 : height // 4, width // 6 : width // 3]
    depth[window], semseg[window], normals[window] = np.inf, 0, 0
    semseg[5, 10:51] = np.arange(41)
    colours = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), np.uint8)
    return Truth(colours.repeat(4, 0).repeat(4, 1)[:height, :width], semseg, depth, normals, camera)


def ids40(numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Numbers of 40 -> train ids."""
    return np.where(numbers == 0, 255, numbers - 1).astype(np.uint8)


def ids13(numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Numbers of 40 -> train ids of 13."""
    return np.array([255, *(number - 1 for number in NYU13_OF_40[1:])], np.uint8)[numbers]


def distance(truth: Truth) -> NDArray[np.float64]:
    """How far each point is from the camera, along its ray."""
    fx, fy, cx, cy = truth.camera
    v, u = np.mgrid[: truth.depth.shape[0], : truth.depth.shape[1]]
    return truth.depth * np.sqrt(1 + ((u - cx) / fx) ** 2 + ((v - cy) / fy) ** 2)


def finite(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(depth), depth, 0)


def seen(path: Path) -> NDArray[np.uint8]:
    """What a JPEG shows, which is not quite what was written."""
    return np.array(Image.open(path))


NYU_MAT = "nyu_depth_v2_labeled.mat"
NYU_CAMERA = (518.85790117, 519.46961112, 324.58244941, 252.73616633)
NYU_SPLIT = {"train": (2, 3, 6), "test": (1, 4, 5)}  # 1-based
TO40 = nyu_tree.TO40


def nyuv2(root: Path, *, normals: bool = True, mirrored: bool = False) -> dict[str, Truth]:
    """The .mat of 6 frames with a user block and reversed axes, its lists, normals_gt/. `mirrored`: a bad repack."""
    truths = {}
    images, labels, depths = [], [], []
    for seed in range(6):
        truth = truths[f"{seed + 1:04d}"] = room((640, 480), NYU_CAMERA, seed)
        truth.image = nyu_tree.framed(truth.image)
        if seed == 3:
            truth.image[:, :20] = 255  # a white wall at the picture's side
        number = np.array([0, *(1 + int(np.flatnonzero(TO40 == k)[-1]) for k in range(1, 41))], np.uint16)
        images.append(truth.image)
        labels.append(number[truth.semseg])
        truth.depth = finite(truth.depth)
        depths.append(truth.depth.astype(np.float32))
        truth.semseg = ids40(truth.semseg)
        inside = np.zeros((480, 640), bool)
        inside[44:471, 40:601] = True
        truth.normals[~inside] = 0
        if normals:
            nyu_tree.put_normals(root, seed + 1, truth.normals)
    root.mkdir(parents=True, exist_ok=True)
    way = -1 if mirrored else 1
    nyu_tree.put(root, *([each[:, ::way] for each in maps] for maps in (images, labels, depths)))
    nyu_lists(root)
    strange(root / "Thumbs.db")
    return truths


def nyu_lists(root: Path, first: int = 1) -> None:
    """splits.mat, whose numbers begin with `first`, and classMapping40.mat."""
    nyu_tree.put_lists(root, *(np.array(numbers) - 1 + first for numbers in NYU_SPLIT.values()))


MTAN_SCALE = 0.6


def nyu13(root: Path, part: str = "train") -> dict[str, Truth]:
    """The MTAN form: float arrays of 384x288, -1 and zeros for what is invalid. Names do not sort like numbers."""
    fx, fy, cx, cy = (MTAN_SCALE * number for number in NYU_CAMERA)
    camera = (fx, fy, cx + 0.5 * MTAN_SCALE - 0.5, cy + 0.5 * MTAN_SCALE - 0.5)
    truths = {}
    for seed, number in enumerate((0, 2, 10, 101)):
        truth = truths[f"{number:04d}"] = room((384, 288), camera, seed)
        truth.semseg, truth.depth = ids13(truth.semseg), finite(truth.depth)
        label = np.where(truth.semseg == 255, -1, truth.semseg.astype(np.int64))
        mtan_tree.put(root, f"{part}/{number}", truth.image, label, truth.depth, truth.normals)
    strange(root / part / "image" / ".10.npy", root / part / "image" / "readme.txt")
    return truths


HYPERSIM_SPLIT = "metadata_images_split_scene_v1.csv"
HYPERSIM_CAMERAS = "metadata_camera_parameters.csv"
HYPERSIM_TILT = turned(12.0, 0.0)  # of the second scene's lens: from the scene's camera axes to the picture's
OPENGL = np.diag([1.0, -1.0, -1.0])


def hypersim(root: Path, *, cameras: bool = True) -> dict[str, Truth]:
    """Two scenes of 96x72, the second with a tilted and shifted lens; one listed frame is missing, one not public."""
    width, height = size = (96, 72)
    half = np.tan(np.pi / 6)
    straight = (width / 2 / half, width / 2 / half, (width - 1) / 2, (height - 1) / 2)
    tilted = (80.0, 80.0, 44.0, 39.5)
    frames = [("ai_001_001", "cam_00", 0), ("ai_001_001", "cam_01", 3), ("ai_052_010", "cam_00", 12)]
    truths = {}
    for seed, (scene, cam, frame) in enumerate(frames):
        lens = tilted if cameras and scene == "ai_052_010" else straight
        truth = truths[f"{scene}_{cam}_{frame:04d}"] = room(size, lens, seed)
        tilt = HYPERSIM_TILT if lens == tilted else np.eye(3)
        normals = truth.normals @ tilt @ OPENGL  # a row times a rotation is turned back by it
        semantic = np.where(truth.semseg == 0, -1, truth.semseg.astype(np.int16))
        hypersim_tree.put(root, f"{scene}/{cam}/{frame:04d}", truth.image, semantic, distance(truth), normals)
        folder = root / scene / "images" / f"scene_{cam}_final_preview"
        truth.image = seen(folder / f"frame.{frame:04d}.tonemap.jpg")
        truth.semseg, truth.depth = ids40(truth.semseg), finite(truth.depth)
        strange(folder / "Thumbs.db", folder / "frame.0001.color.jpg")
    rows: list[list[object]] = [[*frame, True, "", "train"] for frame in reversed(frames)]
    rows.append(["ai_001_001", "cam_00", 1, True, "", "train"])  # only its color.jpg is on the disk
    rows.append(["ai_001_001", "cam_00", 2, False, "CONTENT FLAGGED FOR REMOVAL", ""])
    rows.append(["ai_003_001", "cam_00", 0, True, "", "val"])
    hypersim_tree.put_split(root, rows)
    if cameras:
        hypersim_cameras(root, {"ai_001_001": uv_matrix(straight, size), "ai_052_010": uv_matrix(tilted, size)})
    return truths


def uv_matrix(lens: Pinhole, size: tuple[int, int]) -> NDArray[np.float64]:
    """M_cam_from_uv of an untilted pinhole, in OpenGL's axes, from its rays through the borders' middles and centre."""
    (width, height), (fx, fy, cx, cy) = size, lens

    def ray(u: float, v: float) -> NDArray[np.float64]:
        column, row = (u + 1) * width / 2 - 0.5, (1 - v) * height / 2 - 0.5
        return np.array([(column - cx) / fx, -(row - cy) / fy, -1.0])

    centre = ray(0, 0)
    return np.stack([ray(1, 0) - centre, ray(0, 1) - centre, centre], -1)


def hypersim_cameras(root: Path, matrices: dict[str, NDArray[np.float64]]) -> None:
    """The list of matrices; the second scene's rays are seen through a tilted lens. Scale does not matter."""
    tilted = {"ai_052_010": OPENGL @ HYPERSIM_TILT.T @ OPENGL}
    listed = {scene: 1.1 * tilted.get(scene, np.eye(3)) @ matrix for scene, matrix in matrices.items()}
    hypersim_tree.put_cameras(root, listed | {"ai_055_010": None})


WORDNET = {"04546855": (12, WALL), "03365592": (5, FLOOR), "02990373": (3, CEILING), "03001627": (4, 5)}


def scenenet(root: Path, split: str = "val") -> dict[str, Truth]:
    """Two trajectories of 320x240; millimetres along the ray, instances above 255, one instance of a class twice."""
    camera = (160 / np.tan(np.pi / 6), 120 / np.tan(np.pi / 8), 160.0, 120.0)
    frames = [("0/9", 0), ("0/9", 7475), ("0/223", 25), ("0/223", 100)]
    truths, instances = {}, {300: "04546855", 2: "03365592", 517: "02990373", 4: "03001627", 5: "04546855"}
    for seed, (place, frame) in enumerate(frames):
        truth = room((320, 240), camera, seed)
        truths[f"{split}_{place.replace('/', '_')}_{frame:04d}"] = truth
        number = {WALL: 300, FLOOR: 2, CEILING: 517}
        ids = np.zeros(truth.semseg.shape, np.uint16)
        truth.semseg[5, 10:51] = FLOOR
        for side, instance in number.items():
            ids[truth.semseg == side] = instance
        ids[200:210, 100:130], truth.semseg[200:210, 100:130] = 4, 5
        ids[20:24, 200:240], truth.semseg[20:24, 200:240] = 5, WALL
        truth.semseg = ids13(truth.semseg)
        scenenet_tree.put(root, f"{split}/{place}/{frame}", truth.image, ids, finite(distance(truth)))
        truth.depth = finite(truth.depth)
        truth.image = seen(root / split / place / "photo" / f"{frame}.jpg")
        strange(root / split / place / "photo" / "Thumbs.db")
    name = "scenenet_rgbd_val.pb" if split == "val" else "train_protobufs/scenenet_rgbd_train_0.pb"
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(scenenet_tree.trajectories({"0/223": instances, "0/9": instances}))
    scenenet_tree.put_table(root, {word: number for word, (number, _) in WORDNET.items()})
    return truths


def pbrs(root: Path) -> dict[str, Truth]:
    """Two houses of 640x480: millimetres, normals along the world's axes, nodes, cameras, the mapping of models."""
    camera = (517.97, 517.97, 320.0, 240.0)
    houses = ("0004d52d1aeeb8ae6de39d6bd993e992", "0004dd3cb11e50530676f77b55262d38")
    frames = [(houses[0], 0), (houses[0], 1), (houses[0], 3), (houses[1], 0)]
    models = {WALL: 7, FLOOR: 4, CEILING: 18, 5: 300, OTHERPROP: 301}
    cameras: dict[str, list[NDArray[np.float64] | None]] = {house: [None] * 4 for house in houses}
    truths = {}
    for seed, (house, frame) in enumerate(frames):
        truth = truths[f"{house}_{frame:06d}"] = room((640, 480), camera, seed)
        truth.semseg[5, 10:51] = WALL
        truth.semseg[300:320, 200:260], truth.semseg[300:320, 400:460] = 5, OTHERPROP
        nodes = np.array([models.get(number, 0) for number in range(41)], np.uint16)[truth.semseg]
        nodes[0, :4], truth.semseg[0, :4] = (2, 65, 108, 0), 0  # a level, an object, an empty model, no node
        axes = (turned(14, 40) @ turned(seed, 70 * seed)).T  # of the camera in the world: right, down, forward
        cameras[house][frame] = axes
        truth.semseg, truth.depth = ids40(truth.semseg), finite(truth.depth)
        pbrs_tree.put(root, f"{house}/{frame:06d}", truth.image, nodes, truth.depth, truth.normals @ axes)
        strange(root / "projects_render" / house / f"{frame:06d}_color.jpg")
    for house in houses:
        listed = "2 Level#0,3 Room#0_0,4 Floor#0_0,7 WallInside#0_0_0,18 Ceiling#0_1,65 Object#0_4,108 Model#empty"
        models_there = "300 Model#142,301 Model#s__958"
        pbrs_tree.put_house(root, house, cameras[house], [f"1 {house}", *f"{listed},{models_there}".split(",")])
    named = {"Wall": "wall", "Ceiling": "ceiling", "Floor": "floor", "Box": "void", "142": "chair", "empty": "void"}
    named |= {"s__958": "otherprop", "99": "night_stand", "98": "shower_curtain", "97": "refridgerator"}
    pbrs_tree.put_models(root, named)
    return truths
