"""What is wrong with one image's files: every header is looked at, and the pixels of some; one line for each fault.

Whatever looks wrong is shown to the data set's own `read`, which knows best what to say of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, Size, normals_from_depth
from bench.data.pack import BACKDROP, BROKEN, Item
from bench.problem import VOID
from datasets.arrays import hdf5_header, npy_header
from datasets.axes import products
from datasets.facts import Facts
from datasets.files import short
from datasets.pictures import header

LEVELS = ("error", "warning", "note")
_PICTURES = (".png", ".jpg", ".jpeg")
_UNITS = {1.0: "metres", 0.1: "decimetres", 0.01: "centimetres", 0.001: "millimetres"}


@dataclass(frozen=True)
class Finding:
    """One line: the file, what was got, what is right."""

    level: str  # of LEVELS
    kind: str  # the check that found it
    line: str

    @property
    def order(self) -> tuple[int, str, str]:
        return LEVELS.index(self.level), self.kind, self.line


@dataclass(frozen=True)
class Seen:
    """What is remembered of an image: its findings, and numbers that are added up over the set."""

    findings: tuple[Finding, ...]
    size: Size | None  # of the picture, where its header says it
    forms: Mapping[str, str]  # of each file
    looked: bool  # at the pixels
    counts: NDArray[np.int64]  # 256: pixels of each id of the label space
    heights: NDArray[np.float64]  # 256: sum over these pixels of where they are, 0 top .. 1 bottom
    depth: tuple[float, ...] = ()  # metres: least, median, greatest; shares: invalid, beyond BACKDROP
    normals: NDArray[np.float64] | None = None  # 3 3: see datasets/axes.py
    facing: tuple[int, int] = (0, 0)  # normals that face the camera, and all


@dataclass(frozen=True)
class Look:
    """Looks at one image. Travels to other processes: `read` and `check` by name."""

    name: str  # of the data set
    read: Callable[[Item, Collection[str]], dict[str, Any]]
    check: Callable[[Item], Iterable[str]] | None  # a data set's own; yields what is unusual, raises what is wrong
    facts: Facts
    tasks: tuple[str, ...]
    classes: int
    facing: Callable[[Item], tuple[int, int]] | None = None  # of the stored normals, before `read` drops any

    def __call__(self, item: Item, pixels: bool) -> Seen:
        found: list[Finding] = []
        forms: dict[str, str] = {}
        sizes: dict[str, Size] = {}
        arrays: dict[str, Any] = {}
        for name, path in item.files.items():
            if absent := self._absent(path):
                found.append(Finding("error", "pair", absent))
                continue
            try:
                forms[name], size = _header(path, self.facts.forms.get(name, ()))
                sizes |= {name: size} if size else {}
                doubt = self._form(name, path, forms[name])
            except BROKEN as error:
                doubt = Finding("error", "pair" if isinstance(error, FileNotFoundError) else "file", _line(error))
            if doubt or path.suffix == ".json" or (pixels and name in ("image", *self.tasks)):
                try:
                    arrays |= self._read(item, name)
                    found += [doubt] if doubt else []
                except BROKEN as error:
                    found.append(Finding("error", doubt.kind if doubt else f"content of {name}", _line(error)))
        found += [Finding("error", "size", line) for line in self._sizes(item, sizes, arrays)]
        seen = self._pixels(item, arrays, found) if pixels else {}
        if pixels and self.check and not found:
            try:
                found += [Finding("warning", "check", line) for line in self.check(item)]
            except BROKEN as error:
                found.append(Finding("error", "check", _line(error)))
        nothing = {"counts": np.zeros(256, np.int64), "heights": np.zeros(256)}
        unique = tuple(sorted({(f.level, f.line): f for f in found}.values(), key=lambda f: f.order))  # a line once
        return Seen(unique, sizes.get("image"), forms, pixels, **(nothing | seen))

    def _absent(self, path: Path) -> str:
        """A file that is not there for a reason that its loader does not look for."""
        if path.exists():
            return ""
        if path.is_symlink():
            return f"{short(path)}: broken link"
        return f"{self.name}: {near}" if (near := misspelt(path)) else ""

    def _form(self, name: str, path: Path, form: str) -> Finding | None:
        """Only a warning: what must not be, the loader refuses."""
        right = self.facts.forms.get(name, ())
        if not form or not right or form in right:
            return None
        return Finding("warning", "form", f"{short(path)}: {form}, expected {' or '.join(right)}")

    def _read(self, item: Item, name: str) -> dict[str, Any]:
        """One field and its camera. Beside a missing file those that are there are asked for: the line names them."""
        known = [field for field in ("image", *self.tasks, "camera") if field in item.files]
        if name not in known:
            return {}
        there = item.files[name].exists()
        fields = self.read(item, [name] if there else [f for f in known if f == name or item.files[f].exists()])
        return {f: value for f, value in fields.items() if f in (name, "camera") and value is not None}

    def _sizes(self, item: Item, sizes: Mapping[str, Size], arrays: Mapping[str, Any]) -> Iterator[str]:
        shapes = {n: (a.shape[1], a.shape[0]) for n, a in arrays.items() if isinstance(a, np.ndarray)}
        of = {name: size for name, size in (shapes | dict(sizes)).items() if name in ("image", *self.tasks)}
        first = of.get("image")
        if first and self.facts.sizes and first not in self.facts.sizes:
            right = " or ".join(f"{w}x{h}" for w, h in self.facts.sizes)
            yield f"{_name(item, 'image')}: {first[0]}x{first[1]}, expected {right}"
        for name, (width, height) in of.items():
            if first and (width, height) != first:
                pair = f"{width}x{height}, image {first[0]}x{first[1]}"
                yield f"{_name(item, name)}: {pair}; expected equal sizes"

    def _pixels(self, item: Item, arrays: Mapping[str, Any], found: list[Finding]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        if (ids := arrays.get("semseg")) is not None:
            seen["counts"] = np.bincount(ids.ravel(), minlength=256)
            rows = (np.arange(len(ids)) + 0.5) / len(ids)
            seen["heights"] = np.bincount(ids.ravel(), np.repeat(rows, ids.shape[1]), minlength=256)
            strange = [i for i in np.flatnonzero(seen["counts"]) if self.classes <= i != VOID]
            if strange:
                line = f"id {strange[0]} after its map, expected ids below {self.classes} and {VOID}"
                found.append(Finding("error", "content of semseg", f"{_name(item, 'semseg')}: {line}"))
        if (z := arrays.get("depth")) is not None:
            found += [Finding(level, "depth", f"{_name(item, 'depth')}: {words}") for level, words in self._depth(z)]
            seen["depth"] = _range(z)
        if (n := arrays.get("normals")) is not None:
            length = np.linalg.norm(n, axis=-1)
            if bad := int(np.sum(~((length == 0) | (abs(length - 1) < 0.02)))):
                words = f"{bad} normals are not of length 1, expected 0,0,0 for invalid"
                found.append(Finding("error", "normals", f"{_name(item, 'normals')}: {words}"))
            seen |= _axes(n, z, arrays.get("camera"))
            seen |= {"facing": self.facing(item)} if self.facing else {}
        return seen

    def _depth(self, z: NDArray[Any]) -> Iterator[tuple[str, str]]:
        if bad := int(np.isnan(z).sum()):
            yield "error", f"{bad} NaN, expected 0 for invalid"
        if bad := int((z < 0).sum()):
            yield "error", f"{bad} negative depths, expected 0 for invalid"
        if not (z > 0).any():
            yield "error", "no valid pixel (all 0)"
            return
        median, expected = _range(z)[1], self.facts.median_depth
        if expected and not expected[0] <= median <= expected[1]:
            yield "warning", _other_unit(median, expected, self.facts.depth_unit)


def _range(z: NDArray[Any]) -> tuple[float, ...]:
    """Metres: least, median, greatest; shares: invalid, farther than any wall. The median leaves the sky out."""
    valid = z[z > 0]
    if not valid.size:
        return ()
    near = valid[valid < BACKDROP]
    median = np.median(near if near.size else valid)
    return float(valid.min()), float(median), float(valid.max()), float(np.mean(z <= 0)), float(np.mean(z >= BACKDROP))


def _other_unit(median: float, expected: tuple[float, float], unit: float) -> str:
    """A median out of its range, and which other unit would bring it there."""
    low, high = expected
    here = f" if {_UNITS[unit]}" if unit in _UNITS else ""
    line = f"median {median:.3g} m{here}; expected {low:g}-{high:g}"
    for factor in (10.0, 100.0, 1000.0):
        for times in (factor, 1 / factor):
            if low <= median * times <= high:
                other = next((word for size, word in _UNITS.items() if np.isclose(size, unit * times)), "another unit")
                return f"{line}; factor {factor:g}: stored in {other}?"
    return line


def _axes(normals: NDArray[Any], depth: NDArray[Any] | None, camera: Camera | None) -> dict[str, Any]:
    """How many normals face the camera, and how they lie to those of the depth. A camera is needed for either."""
    if camera is None:
        return {}
    there = normals.any(-1)
    facing = (normals * camera.rays((normals.shape[1], normals.shape[0]))).sum(-1)[there] < 0
    seen: dict[str, Any] = {"facing": (int(facing.sum()), int(there.sum()))}
    if depth is not None:
        near = np.where((depth > 0) & (depth < BACKDROP), depth, 0)
        seen["normals"] = products(normals, normals_from_depth(near, camera))
    return seen


def _header(path: Path, right: Sequence[str]) -> tuple[str, Size | None]:
    """Form and size, as far as the file's first bytes say them. `right` has, behind the type, the key of an array."""
    if not path.exists():
        raise FileNotFoundError(f"{short(path)}: missing")
    if path.suffix.lower() in _PICTURES:
        return header(path)
    if path.suffix == ".npy":
        dtype, shape = npy_header(path)
        return dtype, (shape[1], shape[0]) if len(shape) > 1 else None
    if path.suffix in (".hdf5", ".mat") and right:
        key = right[0].partition(" ")[2]
        dtype, shape = hdf5_header(path, key)
        return f"{dtype} {key}", (shape[1], shape[0]) if path.suffix == ".hdf5" and len(shape) > 1 else None
    return ("JSON" if path.suffix == ".json" else ""), None


def misspelt(path: Path) -> str:
    """What is in the place of a path's first missing folder under nearly that name; "" if nothing is."""
    above = next((place for place in path.parents if place.is_dir()), None)
    if above is None:
        return ""
    expected = path.relative_to(above).parts[0]
    near = [name for name in sorted(os.listdir(above)) if _bare(name) == _bare(expected)]
    return f"found {near[0]}, expected {expected}" if near else ""


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _name(item: Item, field: str) -> str:
    return short(item.files[field]) if field in item.files else item.stem


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
