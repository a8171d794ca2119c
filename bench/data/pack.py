"""Packs: a part of a data set, decoded once, brought to one size, read by crop without decoding.

Raw memory maps, a file a field: docs/results/packs.md has what other formats would save and cost. A pack is never
written again, so any number of processes and nodes read it without a lock.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, Size
from bench.data.labels import LabelSpace
from bench.problem import VOID

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
    """One image of a data set: its name, and the files its fields are read from (none for a renderer).

    `beside`: what a field is read with, often shared by many images: a map of classes, cameras, a mask.
    """

    stem: str
    files: Mapping[str, Path] = field(default_factory=dict)
    beside: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    def sources(self, fields: Collection[str] | None = None) -> dict[str, Path]:
        """All that decides what these fields are (None: every field's). A label that is not among them stays out."""
        geometry = fields is not None and bool({"depth", "normals"} & set(fields))  # disparity, camera ...

        def read(name: str) -> bool:
            return fields is None or name in fields or (geometry and name != "semseg")

        shared = {name: paths for name, paths in self.beside.items() if read(name)}
        own = {name: path for name, path in self.files.items() if read(name)}
        return own | {f"{name} {path.name}": path for name, paths in shared.items() for path in paths}


class DatasetModule(Protocol):
    """What a file of datasets/ defines. It may have STORED: the class behind each id of its label files (256, VOID or a
    class, -1 for none), and then `read` gives "ids", its classes as stored, and scoring names counts, not pixels.
    group(stem), if groups of its test images (weathers ...) are reported apart too: the name of an image's.
    INVERSE_DEPTH, if its depth is greater where it is nearer: no zoom then."""

    NEEDS_ROOT: bool  # False: nothing to download
    HELP: str  # where to get the data, one line
    TASKS: tuple[str, ...]  # it has labels for
    CLASSES: LabelSpace  # the ids of its semseg

    def index(self, root: Path | None, part: str) -> list[Item]: ...

    def read(self, item: Item, what: Collection[str], size: Size | None = None) -> dict[str, Any]: ...


def num_bytes(name: str, size: Size) -> int:
    """Of one image's field on the disk."""
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
            expected, got = len(self) * num_bytes(name, self.size), (folder / f"{name}.bin").stat().st_size
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
