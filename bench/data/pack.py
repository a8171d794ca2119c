"""Packs: a part of a data set, decoded once, brought to one size, read by crop without decoding."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import secrets
import shutil
import struct
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import astuple, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, Size, normals_from_depth, resize_image, resize_nearest
from bench.data.labels import LabelSpace
from bench.problem import VOID
from bench.signals import deaf

FORMATS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {  # field: type, channels
    "image": (np.uint8, (3,)),  # RGB
    "semseg": (np.uint8, ()),  # class ids, void 255
    "depth": (np.float32, ()),  # planar z in metres, invalid 0
    "normals": (np.float16, (3,)),  # unit vectors in the camera's frame, invalid 0
}
BACKDROP = 300.0  # metres: what a renderer puts farther away is its sky, a constant that is no wall
LAYOUT = 2  # of a pack's folder; raised when it changes, so that an older pack is not misread
BROKEN = (OSError, ValueError, LookupError, EOFError, SyntaxError, struct.error, zlib.error)  # what bad files raise


@dataclass(frozen=True)
class Item:
    """One image of a data set: its name, and the files its fields are read from (none for a renderer)."""

    stem: str
    files: Mapping[str, Path] = field(default_factory=dict)


class DatasetModule(Protocol):
    """What a file of datasets/ defines."""

    NEEDS_ROOT: bool  # False: nothing to download
    HELP: str  # where to get the data, one line
    TASKS: tuple[str, ...]  # it has labels for
    CLASSES: LabelSpace  # the ids of its semseg

    def index(self, root: Path | None, part: str) -> list[Item]: ...

    def read(self, item: Item, what: Collection[str], size: Size | None = None) -> dict[str, Any]: ...


@dataclass(frozen=True)
class _Packed:
    """What is remembered of an item besides its pixels."""

    digests: Mapping[str, bytes]  # sha256 of each field
    camera: Camera | None
    counts: NDArray[np.int64]  # 256: pixels of each class id


@dataclass(frozen=True)
class _Job:
    """Reads item i, brings it to the pack's form and writes it to its place. Travels to other processes: `read` by
    name, so a data set is a module (or an object that pickles), and nothing here imports torch."""

    read: Callable[[Item, Collection[str], Size | None], dict[str, Any]]
    fields: tuple[str, ...]
    derived: bool  # normals come from depth
    size: Size
    label_map: NDArray[np.uint8] | None
    folder: Path

    def __call__(self, i: int, item: Item) -> _Packed:
        arrays, camera = self.prepare(item)
        digests = {}
        for name, values in arrays.items():
            data = values.tobytes()
            digests[name] = hashlib.sha256(data).digest()
            with open(self.folder / f"{name}.bin", "r+b") as file:
                file.seek(i * len(data))
                file.write(data)
        counts = np.bincount(arrays["semseg"].ravel(), minlength=256) if "semseg" in arrays else np.zeros(256, np.int64)
        return _Packed(digests, camera, counts)

    def prepare(self, item: Item) -> tuple[dict[str, NDArray[Any]], Camera | None]:
        """The fields as they are packed, and the camera at the packed size."""
        what = [name for name in self.fields if not (self.derived and name == "normals")]
        if self.derived and "depth" not in what:
            what.append("depth")
        try:
            raw = self.read(item, [*what, "camera"] if self.derived else what, self.size)
        except BROKEN as error:
            raise ValueError(_named(item, what, f"cannot be read: {_line(error)}")) from error
        native = _checked(item, what, raw)
        camera: Camera | None = raw.get("camera")
        camera = camera and camera.resized(native, self.size)
        arrays: dict[str, NDArray[Any]] = {}
        for name in what:
            resize = resize_image if name == "image" else resize_nearest
            arrays[name] = resize(raw[name], self.size)
        if self.label_map is not None and "semseg" in arrays:
            arrays["semseg"] = self.label_map[arrays["semseg"]]
        if self.derived:
            if camera is None:
                raise ValueError(_named(item, what, "has no camera; without one there are no normals from depth"))
            near = np.where(arrays["depth"] < BACKDROP, arrays["depth"], 0)
            arrays["normals"] = normals_from_depth(near, camera)
        return {name: np.ascontiguousarray(arrays[name], FORMATS[name][0]) for name in self.fields}, camera


def build(
    folder: Path,
    dataset: DatasetModule,
    items: Sequence[Item],
    fields: Collection[str],
    size: Size,
    label_map: NDArray[np.uint8] | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pack:
    """Decode, resize and write the items; the folder appears whole or not at all.

    Normals that the data set does not have come from its depth at the packed size. ValueError, in one line, names an
    item that cannot be packed; OSError, in one line, says that the disk is full. Each process holds one item at a time.
    """
    fields = tuple(fields)
    _sound(folder, items, fields, size, label_map)
    derived = "normals" in fields and "normals" not in dataset.TASKS
    fresh = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    job = _Job(dataset.read, fields, derived, size, label_map, fresh)
    try:
        fresh.mkdir(parents=True)
        for name in fields:
            _reserve(fresh / f"{name}.bin", len(items) * _num_bytes(name, size))
        digests = {name: hashlib.sha256() for name in fields}
        counts, cameras = np.zeros(256, np.int64), []
        for packed in _each(job, items, workers):
            for name in fields:
                digests[name].update(packed.digests[name])
            counts += packed.counts
            cameras.append(packed.camera and astuple(packed.camera))
            progress(len(cameras), len(items))
        index = {
            "layout": LAYOUT,
            "size": size,
            "fields": {name: digests[name].hexdigest() for name in fields},
            "stems": [item.stem for item in items],
            "cameras": cameras,
            "class_counts": counts.tolist() if "semseg" in fields else None,
        }
        (fresh / "index.json").write_text(json.dumps(index, sort_keys=True))
        _settle(fresh, folder)
    except OSError as error:
        raise OSError(error.errno, f"cannot write the pack: {error.strerror or error}", str(folder)) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    pack = Pack(folder, fields)
    if {name: pack.hashes[name] for name in fields} != index["fields"]:
        raise FileExistsError(f"{folder}: a pack with other content is there; delete it, then build anew")
    return pack


def _each(job: _Job, items: Sequence[Item], workers: int) -> Iterator[_Packed]:
    """In the items' order, whoever is done first."""
    workers = min(workers, len(items) // 4)  # a process must be worth its start
    if workers <= 1:
        yield from map(job, range(len(items)), items)
        return
    # a forked child of a process that runs threads may hang, so the children come from a server without any
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(workers, context)
    try:
        chunk = min(8, -(-len(items) // (4 * workers)))
        with deaf():
            packed = pool.map(job, range(len(items)), items, chunksize=chunk)
        yield from packed
    except BrokenProcessPool as error:
        raise RuntimeError(f"one of {workers} packing processes was killed; out of memory? try fewer") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _reserve(path: Path, num_bytes: int) -> None:
    """Take the disk space first: a disk that is too small says so now, not after hours of decoding."""
    with open(path, "wb") as file:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            else:
                file.truncate(num_bytes)
        except OSError as error:
            free = shutil.disk_usage(path.parent).free
            sizes = f"{path.name} needs {num_bytes / 1e9:.3g} GB, {free / 1e9:.3g} GB are free"
            raise OSError(error.errno, f"{error.strerror}; {sizes}") from error


def _settle(fresh: Path, folder: Path) -> None:
    """Bring the finished folder to the disk, then under its name."""
    for path in (*fresh.iterdir(), fresh):
        _sync(path)
    try:
        os.replace(fresh, folder)
    except OSError:  # another process was first
        if not (folder / "index.json").exists():
            raise
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sound(folder: Path, items: Sequence[Item], fields: tuple[str, ...], size: Size, label_map: Any) -> None:
    """Refuse a pack that could not be right."""
    if not items:
        raise ValueError(f"{folder.name}: nothing to pack, the index is empty")
    if not fields or (strange := [name for name in fields if name not in FORMATS]):
        raise ValueError(f"{folder.name}: no field {strange[0] if fields else ''!r}; known: {' '.join(FORMATS)}")
    if min(size) < 1:
        raise ValueError(f"{folder.name}: size {size[0]}x{size[1]}, expected width and height in pixels")
    seen: set[str] = set()
    for item in items:
        if item.stem in seen:
            raise ValueError(f"{folder.name}: two images are called {item.stem}; names must differ")
        seen.add(item.stem)
    if label_map is not None and (label_map.shape != (256,) or label_map.dtype != np.uint8):
        shape = "x".join(map(str, label_map.shape))
        raise ValueError(f"label map: {shape} of {label_map.dtype}, expected 256 of uint8")


def _checked(item: Item, what: Sequence[str], raw: Mapping[str, Any]) -> Size:
    """The native size of the item. ValueError, naming the files, unless its fields are what they should be."""
    first, native = "", (0, 0)
    for name in what:
        values = raw.get(name)
        if values is None:
            raise ValueError(_named(item, [name], f"came without {name}"))
        kind, channels = FORMATS[name]
        fits = values.dtype == kind if kind is np.uint8 else values.dtype.kind == "f"
        if not fits or values.ndim != 2 + len(channels) or values.shape[2:] != channels:
            got = f"{'x'.join(map(str, values.shape))} of {values.dtype}"
            raise ValueError(_named(item, [name], f"{name} is {got}, expected {' '.join(['H W', *map(str, channels)])}"
                                                  f" of {'uint8' if kind is np.uint8 else 'float32'}"))  # fmt: skip
        size = (values.shape[1], values.shape[0])
        if first and size != native:
            sizes = f"{name} is {size[0]}x{size[1]}, {first} {native[0]}x{native[1]}"
            raise ValueError(_named(item, [name, first], f"{sizes}; expected equal sizes"))
        first, native = first or name, size
    if "depth" in what and (bad := int(np.sum(~np.isfinite(raw["depth"]) | (raw["depth"] < 0)))):
        raise ValueError(_named(item, ["depth"], f"{bad} NaN, infinite or negative depths, expected 0 for invalid"))
    length = np.linalg.norm(raw["normals"], axis=-1) if "normals" in what else np.zeros(1)
    if bad := int(np.sum(~((length == 0) | (abs(length - 1) < 0.02)))):
        raise ValueError(_named(item, ["normals"], f"{bad} normals are not of length 1, expected 0,0,0 for invalid"))
    return native


def _named(item: Item, what: Sequence[str], fault: str) -> str:
    """One line that names the files; a fault that names one already is left as it is."""
    paths = [path for name, path in item.files.items() if name in what] or list(item.files.values())
    if any(path.name in fault for path in paths):
        return fault.removeprefix("cannot be read: ")
    return f"{' and '.join('/'.join(path.parts[-3:]) for path in paths) or item.stem}: {fault}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _num_bytes(name: str, size: Size) -> int:
    kind, channels = FORMATS[name]
    return int(np.dtype(kind).itemsize * size[0] * size[1] * np.prod(channels, dtype=int))


class Pack:
    """An opened pack. Only the files of the fields asked for are touched; every process maps them itself."""

    def __init__(self, folder: Path, fields: Collection[str] | None = None) -> None:
        index = json.loads((folder / "index.json").read_text())
        if index.get("layout") != LAYOUT:
            raise ValueError(f"{folder}: a pack of layout {index.get('layout')}, expected {LAYOUT}; delete it")
        self.folder = folder
        self.size: Size = (index["size"][0], index["size"][1])
        self.stems: list[str] = index["stems"]
        self.fields: tuple[str, ...] = tuple(index["fields"] if fields is None else fields)
        self.cameras: list[Camera | None] = [None if c is None else Camera(*c) for c in index["cameras"]]
        self.hashes: dict[str, str] = index["fields"]
        self._counts: list[int] | None = index["class_counts"]
        for name in self.fields:
            if name not in self.hashes:
                raise ValueError(f"{folder}: no field {name}; the pack has {' '.join(self.hashes)}")
            expected, got = len(self) * _num_bytes(name, self.size), (folder / f"{name}.bin").stat().st_size
            if got != expected:
                raise ValueError(f"{folder / name}.bin: {got} bytes, expected {expected}; delete the pack")

    def __len__(self) -> int:
        return len(self.stems)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Pack, self.folder, self.fields), ()

    @property
    def hash(self) -> str:
        """sha256 over the content of the opened fields, the names, the size and the cameras."""
        cameras = [camera and astuple(camera) for camera in self.cameras]
        about = [{name: self.hashes[name] for name in self.fields}, self.stems, self.size, cameras]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def read(
        self, i: int, name: str, top: int = 0, left: int = 0, height: int | None = None, width: int | None = None
    ) -> NDArray[Any]:
        """A crop of one field of one image, H W or H W C: a read-only view of the file, not a copy."""
        bottom = self.size[1] if height is None else top + height
        right = self.size[0] if width is None else left + width
        if not (0 <= top < bottom <= self.size[1] and 0 <= left < right <= self.size[0]):
            window = f"rows {top}:{bottom}, columns {left}:{right}"
            raise IndexError(f"{self.folder.name}: {window} are not in an image of {self.size[0]}x{self.size[1]}")
        return self._maps[name][i, top:bottom, left:right]

    def frequencies(self, num_classes: int) -> NDArray[np.float64]:  # num_classes
        """The share of each class among the labelled pixels."""
        if self._counts is None:
            raise ValueError(f"{self.folder}: no field semseg, so there are no class frequencies")
        counts = np.array(self._counts[:VOID], np.float64)
        if counts[num_classes:].any():
            most = np.flatnonzero(counts)[-1]
            raise ValueError(f"{self.folder}: class id {most} is there, expected ids below {num_classes}")
        shares: NDArray[np.float64] = counts[:num_classes] / max(counts.sum(), 1)
        return shares

    def verify(self) -> None:
        """ValueError unless the opened fields hash to what was packed."""
        for name in self.fields:
            digest = hashlib.sha256()
            for i in range(len(self)):
                digest.update(hashlib.sha256(self.read(i, name).tobytes()).digest())
            if digest.hexdigest() != self.hashes[name]:
                raise ValueError(f"{self.folder / name}.bin has changed since it was packed; delete the pack")

    @cached_property
    def _maps(self) -> dict[str, NDArray[Any]]:
        width, height = self.size
        return {
            name: np.asarray(np.memmap(self.folder / f"{name}.bin", FORMATS[name][0], "r",
                                       shape=(len(self), height, width, *FORMATS[name][1])))
            for name in self.fields
        }  # fmt: skip
