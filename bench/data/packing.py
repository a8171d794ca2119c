"""Making a pack: decode, write, settle; by several processes, and after a kill from where it was."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.decode import Decoder, decoder
from bench.data.geometry import Camera, Size
from bench.data.pack import FORMATS, LAYOUT, DatasetModule, Item, Pack, num_bytes
from bench.processes import children
from bench.signals import deaf

JOURNAL = "journal.jsonl"  # of an unfinished pack: its first line says of what, then a line an image


class Killed(RuntimeError):
    """A packing process is gone; what is packed already stays."""


@dataclass(frozen=True)
class _Packed:
    """What is remembered of an item besides its pixels."""

    digests: Mapping[str, str]  # sha256 of each field, hexadecimal
    camera: Camera | None
    counts: Mapping[int, int]  # pixels of each class id that is there


@dataclass(frozen=True)
class _Job:
    """Decodes item i and writes it to its place. Travels to other processes."""

    decode: Decoder
    folder: Path

    def __call__(self, i: int, item: Item) -> _Packed:
        arrays, camera = self.decode(item)
        digests = {}
        for name, values in arrays.items():
            data = values.tobytes()
            digests[name] = hashlib.sha256(data).hexdigest()
            with open(self.folder / f"{name}.bin", "r+b") as file:
                file.seek(i * len(data))
                file.write(data)
        ids = np.bincount(arrays["semseg"].ravel()) if "semseg" in arrays else np.zeros(0, np.int64)
        return _Packed(digests, camera, {int(i): int(ids[i]) for i in np.flatnonzero(ids)})


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

    A build that was killed goes on where it was, so the folder's name has to stand for what is packed. Of two builders
    one waits. ValueError, in one line, names an item that cannot be packed; OSError, in one line, says that the disk
    is full; RuntimeError, that a process was killed. Each process holds one item at a time.
    """
    fields = tuple(fields)
    _sound(folder, items, fields, size, label_map)
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    job = _Job(decoder(dataset, fields, size, label_map), unfinished)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_name(f".{folder.name}.lock")) as waited:
            if not (waited and (folder / "index.json").exists()):
                index = _filled(job, items, workers, progress)
                (unfinished / "index.json").write_text(json.dumps(index, sort_keys=True))
                _settle(unfinished, folder)
                hashes = index["fields"]
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise OSError(error.errno, f"cannot write the pack: {error.strerror or error}", str(folder)) from error
    except Killed:
        raise
    except Exception:
        shutil.rmtree(unfinished, ignore_errors=True)  # other files or other code: another name
        raise
    pack = Pack(folder, fields)
    if not waited and {name: pack.hashes[name] for name in fields} != hashes:
        raise FileExistsError(f"{folder}: a pack with other content is there; delete it, then build anew")
    return pack


def _filled(job: _Job, items: Sequence[Item], workers: int, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Pack what is not yet packed; the index of the whole."""
    fields, size = job.decode.fields, job.decode.size
    about = {"layout": LAYOUT, "size": list(size), "fields": list(fields), "stems": [item.stem for item in items]}
    packed = _resumed(job.folder, about)
    for name in fields:
        _reserve(job.folder / f"{name}.bin", len(items) * num_bytes(name, size))
    left = [i for i in range(len(items)) if i not in packed]
    with open(job.folder / JOURNAL, "w") as journal:
        for line in (about, *([i, *astuple(one)] for i, one in packed.items())):
            journal.write(json.dumps(line) + "\n")
        for i, one in zip(left, _each(job, left, [items[i] for i in left], workers), strict=True):
            packed[i] = one
            journal.write(json.dumps([i, *astuple(one)]) + "\n")
            journal.flush()
            progress(len(packed), len(items))
    ordered = [packed[i] for i in range(len(items))]
    joint = {name: bytes.fromhex("".join(one.digests[name] for one in ordered)) for name in fields}
    counts = np.zeros(256, np.int64)
    for one in ordered:
        for label, count in one.counts.items():
            counts[label] += count
    return {
        "layout": LAYOUT,
        "size": size,
        "fields": {name: hashlib.sha256(joint[name]).hexdigest() for name in fields},
        "stems": about["stems"],
        "cameras": [one.camera and astuple(one.camera) for one in ordered],
        "class_counts": counts.tolist() if "semseg" in fields else None,
    }


def _resumed(folder: Path, about: Mapping[str, Any]) -> dict[int, _Packed]:
    """What an earlier build of the same left, each image hashed again: the disk may have lost what was not flushed."""
    packed: dict[int, _Packed] = {}
    try:
        first, *lines = (folder / JOURNAL).read_text().split("\n")[:-1]  # a kill may have torn the last one
        same = json.loads(first) == about
    except (OSError, ValueError):
        same = False
    if not same:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return packed
    for line in lines:
        i, digests, camera, counts = json.loads(line)
        if all(_digest(folder, name, i, about["size"]) == digest for name, digest in digests.items()):
            packed[i] = _Packed(digests, camera and Camera(*camera), {int(k): v for k, v in counts.items()})
    return packed


def _digest(folder: Path, name: str, i: int, size: Size) -> str:
    with open(folder / f"{name}.bin", "rb") as file:
        file.seek(i * num_bytes(name, size))
        return hashlib.sha256(file.read(num_bytes(name, size))).hexdigest()


def _each(job: _Job, places: Sequence[int], items: Sequence[Item], workers: int) -> Iterator[_Packed]:
    """In the items' order, whoever is done first."""
    workers = min(workers, len(items) // 4)  # a process must be worth its start
    if workers <= 1:
        yield from map(job, places, items)
        return
    pool = ProcessPoolExecutor(workers, children())
    try:
        chunk = min(8, -(-len(items) // (4 * workers)))
        with deaf():
            packed = pool.map(job, places, items, chunksize=chunk)
        yield from packed
    except BrokenProcessPool as error:
        raise Killed(f"one of {workers} packing processes was killed; out of memory? try fewer") from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Hold a lock file, which is gone afterwards; whether somebody else held it first."""
    waited = False
    while True:
        with open(path, "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = True
                fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists() or os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                continue  # the holder before has removed it
            try:
                yield waited
            finally:
                path.unlink(missing_ok=True)
            return


def _reserve(path: Path, size: int) -> None:
    """Take the disk space first: a disk that is too small says so now, not after hours of decoding."""
    with open(path, "ab") as file:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        except OSError as error:
            free = shutil.disk_usage(path.parent).free
            sizes = f"{path.name} needs {size / 1e9:.3g} GB, {free / 1e9:.3g} GB are free"
            raise OSError(error.errno, f"{error.strerror}; {sizes}") from error


def _settle(unfinished: Path, folder: Path) -> None:
    """Bring the finished folder to the disk, then under its name."""
    for path in (*unfinished.iterdir(), unfinished):
        _sync(path)
    try:
        os.replace(unfinished, folder)
    except OSError:  # a pack is there already
        if not (folder / "index.json").exists():
            raise
        shutil.rmtree(unfinished)
    _sync(folder.parent)
    (folder / JOURNAL).unlink(missing_ok=True)


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
