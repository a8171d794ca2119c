"""A fixture of NYU Depth v2: its one file of all frames, its lists and its normals, around rendered scenes.

They are streets at a tenth of their size (see trees/scenes.py), with NYU's classes for names.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.png import png
from datasets.arrays import needs
from datasets.trees.ids import NYU40
from datasets.trees.mat import mat
from datasets.trees.scenes import room

SIZE, FOCAL, CENTRE = (640, 480), 519.0, (324.58244941, 252.73616633)
BORDER = 8  # columns at the left that nobody labelled
NEAR, FAR = 0.71, 9.99  # metres of the filled depth; what is behind is as far
TO40 = 1 + np.arange(894) * 7 % 40  # number of 894, less 1 -> number of 40: not the real mapping, which is not ours
TYPED = np.array([0, *(1 + int(np.flatnonzero(TO40 == number)[-1]) for number in range(1, 41))], np.uint16)
_FRAMES = ".frames"  # until all are in the one file


def frames(count: int) -> list[str]:
    """Numbers of the frames, `count` in each part, which take turns."""
    return [f"{number:04d}" for number in range(1, 2 * count + 1)]


def write(root: Path, frame: str) -> None:
    """The normals of a frame, and what `lists` puts into the one file."""
    shown = room(f"nyuv2 {frame}", "camera", SIZE, FOCAL, CENTRE)
    image = framed(shown.image)
    depth = np.clip(shown.depth, NEAR, FAR).astype(np.float32)
    put_normals(root, int(frame), shown.normals)
    (root / _FRAMES).mkdir(exist_ok=True)
    labels = TYPED[shown.ids(NYU40)]
    labels[:, :BORDER] = 0
    np.savez(root / _FRAMES / f"{frame}.npz", image=image, labels=labels, depth=depth)


def framed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """With the white border that all pictures have."""
    image = image.copy()
    image[:7], image[474:], image[:, :7], image[:, 632:] = 255, 255, 255, 255
    return image


def put_normals(root: Path, number: int, normals: NDArray[Any]) -> None:
    """127 + 127 n as (right, forward, up) within the mask; numbers are 1-based, and the files' are not."""
    mask = np.zeros(normals.shape[:2], np.uint8)
    mask[44:471, 40:601] = 255
    mask[~normals.any(-1)] = 0
    stored = np.stack([normals[..., 0], normals[..., 2], -normals[..., 1]], -1)
    pixels = np.round(127 + 127 * stored).astype(np.uint8)
    pixels[mask == 0] = 200  # what is outside of the mask does not matter
    png(root / "normals_gt" / "normals" / f"{number - 1:04d}.png", pixels)
    png(root / "normals_gt" / "masks" / f"{number - 1:04d}.png", mask)


def lists(root: Path, written: list[str]) -> None:
    """The one file, and the lists."""
    frames = [np.load(root / _FRAMES / f"{frame}.npz") for frame in sorted(written)]
    maps = [[frame[name] for frame in frames] for name in ("image", "labels", "depth")]
    put(root, maps[0], maps[1], maps[2])
    shutil.rmtree(root / _FRAMES)
    numbers = np.array([int(frame) for frame in written], np.uint16)
    put_lists(root, numbers[::2], numbers[1::2])


def put(root: Path, images: list[NDArray[Any]], labels: list[NDArray[Any]], depths: list[NDArray[Any]]) -> None:
    """An HDF5 file behind MATLAB's 512 bytes, all axes in reverse."""
    needs("nyuv2", "h5py")
    import h5py  # of the extra `indoor`

    path = root / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, maps in (("images", images), ("labels", labels), ("depths", depths), ("rawDepths", depths)):
            array = np.stack([one.T for one in maps])
            file.create_dataset(name, data=array, chunks=(1, *array.shape[1:]), compression=1)
    with open(path, "r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\x02IM")


def put_lists(root: Path, train: NDArray[Any], test: NDArray[Any]) -> None:
    """splits.mat, 1-based, and classMapping40.mat."""
    mat(root / "splits.mat", trainNdxs=train, testNdxs=test)
    mat(root / "classMapping40.mat", mapClass=TO40[None])
