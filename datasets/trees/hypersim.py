"""A fixture of Hypersim: its folders, arrays and lists around rendered scenes, seen by straight lenses.

They are streets at a tenth of their size (see trees/scenes.py), with NYU's 40 classes for names.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.arrays import needs
from datasets.trees.ids import NYU40
from datasets.trees.jpeg import jpeg
from datasets.trees.scenes import rays, room

SIZE = (1024, 768)
FOCAL = 512 / np.tan(np.radians(30))  # pixels: 60 degrees from left to right
SCENES = {"train": "ai_001_001", "val": "ai_003_001", "test": "ai_052_010"}


def frames(count: int) -> list[str]:
    """SCENE/CAMERA/NUMBER of the frames, `count` in each part."""
    return [f"{scene}/cam_00/{number:04d}" for scene in SCENES.values() for number in range(count)]


def write(root: Path, frame: str) -> None:
    """The files of a view: what is behind everything has no depth, no normal and no class."""
    shown = room(f"hypersim {frame}", "render", SIZE, float(FOCAL))
    centre = (SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2
    ray = shown.depth * np.linalg.norm(rays(SIZE, (float(FOCAL), float(FOCAL), *centre)), axis=-1)
    numbers = np.where(np.isfinite(ray), shown.ids(NYU40, np.int16), -1)
    put(root, frame, shown.image, numbers, ray, shown.normals * (1, -1, -1))


def put(
    root: Path, frame: str, image: NDArray[np.uint8], numbers: NDArray[Any], ray: NDArray[Any], normals: NDArray[Any]
) -> None:
    """ray: metres along each pixel's ray, infinite for none; normals in OpenGL's axes, x right, y up, z backward."""
    needs("hypersim", "h5py")
    import h5py  # of the extra `indoor`

    scene, camera, number = frame.split("/")
    place = f"{root / scene / 'images' / f'scene_{camera}_'}"
    behind = ~np.isfinite(ray)
    arrays = {
        "depth_meters": np.where(behind, np.nan, ray).astype(np.float16),
        "normal_cam": np.where(behind[..., None], np.nan, normals).astype(np.float16),
        "semantic": numbers.astype(np.int16),
    }
    for name, array in arrays.items():
        path = Path(f"{place}geometry_hdf5") / f"frame.{number}.{name}.hdf5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset("dataset", data=array, compression=1)
    jpeg(Path(f"{place}final_preview") / f"frame.{number}.tonemap.jpg", image, quality=100)


def lists(root: Path, written: list[str]) -> None:
    """The official division, and the camera of each scene."""
    part_of = {scene: part for part, scene in SCENES.items()}
    rows = [frame.split("/") for frame in written]
    put_split(root, ([scene, camera, int(number), True, "", part_of[scene]] for scene, camera, number in rows))
    across = float(np.tan(np.radians(30)))
    put_cameras(root, {scene: np.diag([across, across * SIZE[1] / SIZE[0], -1.0]) for scene in part_of})


def put_split(root: Path, rows: Iterable[list[Any]]) -> None:
    with open(root / "metadata_images_split_scene_v1.csv", "w", newline="") as file:
        table = csv.writer(file)
        columns = "scene_name camera_name frame_id included_in_public_release exclude_reason split_partition_name"
        table.writerow(columns.split())
        table.writerows(rows)


def put_cameras(root: Path, matrices: Mapping[str, NDArray[np.float64] | None]) -> None:
    """M_cam_from_uv of each scene, row by row; None: a row without numbers."""
    with open(root / "metadata_camera_parameters.csv", "w", newline="") as file:
        table = csv.writer(file)
        entries = [f"M_cam_from_uv_{i}{j}" for i in range(3) for j in range(3)]
        table.writerow(["scene_name", "settings_camera_fov", *entries])
        for scene, matrix in matrices.items():
            table.writerow([scene, *([""] * 10 if matrix is None else [np.radians(60), *matrix.ravel().tolist()])])
