"""Packs: a part of a data set, decoded once, brought to one size, read by crop without decoding."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, normals_from_depth, resize_image, resize_nearest
from bench.data.labels import LabelSpace
from bench.problem import VOID

Size = tuple[int, int]  # width, height
FORMATS: dict[str, tuple[type[np.generic], int]] = {  # field: type of a value, channels
    "image": (np.uint8, 3),  # RGB
    "semseg": (np.uint8, 1),  # class ids, void 255
    "depth": (np.float32, 1),  # planar z in metres, invalid 0
    "normals": (np.float16, 3),  # unit, camera frame, invalid 0
}
CHUNK = 8  # images a process reads at a time


@dataclass(frozen=True)
class Item:
    """One image of a data set: its name, and the files its fields are read from (none for a renderer)."""

    stem: str
    files: Mapping[str, Path] = field(default_factory=dict)


class DatasetModule(Protocol):
    """What a file of datasets/ defines."""

    __name__: str
    NEEDS_ROOT: bool  # False: nothing to download
    HELP: str  # where to get the data
    TASKS: tuple[str, ...]  # it has labels for
    CLASSES: LabelSpace

    def index(self, root: Path | None, part: str) -> list[Item]: ...

    def read(self, item: Item, what: Collection[str], size: Size | None = None) -> dict[str, Any]: ...


@dataclass(frozen=True)
class _Reader:
    """Reads an item as it will be packed; can travel to another process."""

    dataset: Any  # a module of functions, or anything with TASKS and read; modules travel by name
    fields: tuple[str, ...]
    size: Size
    label_map: NDArray[np.uint8] | None

    def __call__(self, item: Item) -> tuple[dict[str, NDArray[Any]], list[float] | None]:
        derive = "normals" in self.fields and "normals" not in self.dataset.TASKS
        what = [name for name in self.fields if name != "normals" or not derive]
        if derive:
            what += [name for name in ("depth", "camera") if name not in what]
        raw = self.dataset.read(item, what, self.size)
        height, width = raw["image"].shape[:2]
        camera: Camera | None = raw.get("camera")
        if camera is not None:
            camera = camera.resized((width, height), self.size)
        packed: dict[str, NDArray[Any]] = {}
        for name in self.fields:
            if name == "normals" and derive:
                if camera is None:
                    raise ValueError(f"{item.stem}: no camera, and normals can only be derived from depth with one")
                depth = resize_nearest(raw["depth"], self.size)
                packed[name] = normals_from_depth(depth, camera).astype(np.float16)
                continue
            values = raw[name]
            if values.shape[:2] != (height, width):
                got, right = f"{values.shape[1]}x{values.shape[0]}", f"{width}x{height}"
                raise ValueError(f"{item.stem}: {name} is {got}, the image {right}; expected equal sizes")
            values = resize_image(values, self.size) if name == "image" else resize_nearest(values, self.size)
            if name == "semseg" and self.label_map is not None:
                values = self.label_map[values]
            packed[name] = np.ascontiguousarray(values, FORMATS[name][0])
        place = None if camera is None else [camera.fx, camera.fy, camera.cx, camera.cy]
        return packed, place

    def __reduce__(self) -> tuple[Any, ...]:
        return _travelled, (self.dataset.__name__, self.fields, self.size, self.label_map)


def _travelled(module: str, fields: tuple[str, ...], size: Size, label_map: NDArray[np.uint8] | None) -> _Reader:
    import importlib

    return _Reader(importlib.import_module(module), fields, size, label_map)


def build(
    folder: Path,
    dataset: Any,
    items: Sequence[Item],
    fields: Collection[str],
    size: Size,
    label_map: NDArray[np.uint8] | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pack:
    """Decode, resize and write the items; the folder appears whole or not at all.

    Normals that a data set does not have come from its depth at the packed size. ValueError names an item that cannot
    be packed; OSError, in one line, if the disk is full.
    """
    if not items:
        raise ValueError(f"{folder.name}: nothing to pack, the index is empty")
    reader = _Reader(dataset, tuple(fields), size, label_map)
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}")
    digests = {name: hashlib.sha256() for name in fields}
    counts = np.zeros(256, np.int64)
    cameras: list[list[float] | None] = []
    try:
        fresh.mkdir(parents=True)
        files = {name: open(fresh / f"{name}.bin", "wb") for name in fields}  # noqa: SIM115 - closed below
        for packed, camera in _read_all(reader, items, workers):
            cameras.append(camera)
            for name, values in packed.items():
                files[name].write(values.tobytes())
                digests[name].update(values.tobytes())
            if "semseg" in packed:
                counts += np.bincount(packed["semseg"].ravel(), minlength=256)
            progress(len(cameras), len(items))
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        index = {
            "size": list(size),
            "fields": {name: digests[name].hexdigest() for name in fields},
            "stems": [item.stem for item in items],
            "cameras": cameras,
            "class_counts": counts.tolist() if "semseg" in fields else None,
        }
        (fresh / "index.json").write_text(json.dumps(index, sort_keys=True))
        try:
            os.replace(fresh, folder)
        except OSError:  # another process was first, with the same content
            if not (folder / "index.json").exists():
                raise
    except OSError as error:
        if error.errno is None or isinstance(error, FileNotFoundError):
            raise
        raise OSError(error.errno, f"cannot write the pack {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return Pack(folder, fields)


def _read_all(
    reader: _Reader, items: Sequence[Item], workers: int
) -> Iterator[tuple[dict[str, NDArray[Any]], list[float] | None]]:
    """In the items' order; a bounded number of images is in memory."""
    if workers <= 1 or len(items) <= CHUNK:
        yield from map(reader, items)
        return
    context = multiprocessing.get_context("forkserver")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(workers, context, _one_thread) as pool:
        window = CHUNK * workers * 4
        for start in range(0, len(items), window):
            yield from pool.map(reader, items[start : start + window], chunksize=CHUNK)


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"


class Pack:
    """An opened pack. Only the files of the fields asked for are opened."""

    def __init__(self, folder: Path, fields: Collection[str] | None = None) -> None:
        index = json.loads((folder / "index.json").read_text())
        self.folder = folder
        self.size: Size = (index["size"][0], index["size"][1])
        self.stems: list[str] = index["stems"]
        self.fields: tuple[str, ...] = tuple(fields if fields is not None else index["fields"])
        self._index = index
        missing = sorted(set(self.fields) - set(index["fields"]))
        if missing:
            raise ValueError(f"{folder}: no field {missing[0]}; the pack has {' '.join(index['fields'])}")

    def __len__(self) -> int:
        return len(self.stems)

    @property
    def hash(self) -> str:
        """sha256 over the opened fields' content, the names, the size and the cameras."""
        parts = {"fields": {name: self._index["fields"][name] for name in self.fields}}
        parts |= {name: self._index[name] for name in ("stems", "size", "cameras")}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def cameras(self) -> list[Camera | None]:
        return [None if c is None else Camera(*c) for c in self._index["cameras"]]

    def frequencies(self, num_classes: int) -> NDArray[np.float64]:  # num_classes
        """The share of each class among the labelled pixels."""
        counts = np.array(self._index["class_counts"][:VOID], np.float64)[:num_classes]
        shares: NDArray[np.float64] = counts / max(counts.sum(), 1)
        return shares

    @cached_property
    def _maps(self) -> dict[str, NDArray[Any]]:
        width, height = self.size
        maps: dict[str, NDArray[Any]] = {}
        for name in self.fields:
            kind, channels = FORMATS[name]
            shape = (len(self), height, width, channels) if channels > 1 else (len(self), height, width)
            maps[name] = np.memmap(self.folder / f"{name}.bin", kind, "r", shape=shape)
        return maps

    def read(self, i: int, name: str, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """A crop of one field of one image, H W or H W C: a view of the file, not a copy."""
        return self._maps[name][i, top : top + height, left : left + width]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_maps"}  # every process maps the files itself
