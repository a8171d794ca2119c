"""The manifest of a data set: size and sha256 of its files, kept beside the packs, and what a run may say by it.

A hash of the whole copy would cost a run an hour of reading: `datasets.prepare` hashes once, and a run compares size
and time of the files it opens with those that were hashed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.data.pack import Item
from bench.plain import canonical
from bench.record import FIXTURE, KNOWN, UNKNOWN

MARK = "FIXTURE"  # a file of this name at a root: rendered scenes in a data set's layout
Entry = tuple[int, int, str]  # bytes, time of the last change in ns, sha256


@dataclass(frozen=True)
class Manifest:
    dataset: str
    fixture: bool
    parts: Mapping[str, Mapping[str, Mapping[str, Entry]]]  # part, image, field

    def hash(self, part: str) -> str:
        """Over names and contents of a part: the same for every copy, wherever it lies and in whichever layout."""
        images = self.parts[part]
        content = [[stem, field, files[field][2]] for stem, files in images.items() for field in files]
        return hashlib.sha256(canonical(sorted(content)).encode()).hexdigest()

    def state(self, part: str, facts: Any) -> str:
        """KNOWN if the data set's FACTS list this hash."""
        good = getattr(facts, "manifests", {}).get(part)
        return KNOWN if part in self.parts and self.hash(part) == good else UNKNOWN

    def holds(self, part: str, stem: str, files: Mapping[str, Path]) -> bool:
        """Whether these files of an image are those that were hashed, by size and time."""
        entries = self.parts.get(part, {}).get(stem, {})
        return all(field in entries and _stamp(path) == tuple(entries[field][:2]) for field, path in files.items())


def path_of(store: Path, dataset: str) -> Path:
    return store / "manifests" / f"{dataset}.json"


def read(store: Path, dataset: str) -> Manifest | None:
    """The manifest that was written last, if there is one."""
    file = path_of(store, dataset)
    return Manifest(**json.loads(file.read_text())) if file.exists() else None


def write(store: Path, manifest: Manifest) -> Path:
    """Whole or not at all."""
    file = path_of(store, manifest.dataset)
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.fresh")
    fresh.write_text(json.dumps(asdict(manifest), sort_keys=True) + "\n")
    fresh.replace(file)
    return file


def entry(path: Path) -> Entry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return *_stamp(path), digest


def make(
    dataset: str,
    fixture: bool,
    parts: Mapping[str, Sequence[Item]],
    entries: Callable[[Sequence[Path]], Iterable[Entry]] = lambda paths: map(entry, paths),
) -> Manifest:
    """Hash every file once, whichever parts it is in. `entries` may do it by several processes."""
    paths = sorted({p for items in parts.values() for item in items for p in item.sources().values() if p.exists()})
    known = dict(zip(paths, entries(paths), strict=True))

    def of(item: Item) -> dict[str, Entry]:
        return {name: known[path] for name, path in item.sources().items() if path in known}

    return Manifest(dataset, fixture, {part: {item.stem: of(item) for item in items} for part, items in parts.items()})


def is_fixture(root: Path, items: Sequence[Item]) -> bool:
    """Whether the mark lies at the root, or beside the data if the root is above them."""
    first = next((path for item in items[:1] for path in item.files.values()), root)
    return any((folder / MARK).exists() for folder in (root, *first.parents) if folder.is_relative_to(root))


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def joined(states: Iterable[str]) -> str:
    """What is to be said of a run on several data sets: the worst of each; "" if nothing came from a disk."""
    found = set(states)
    return next((state for state in (FIXTURE, UNKNOWN, KNOWN) if state in found), "")


def state(manifest: Manifest | None, facts: Any, part: str, read_for: Mapping[str, Mapping[str, Path]]) -> str:
    """KNOWN if the files ({image: {field: path}}) are those of a manifest whose hash the data set's FACTS list."""
    if manifest is None or manifest.state(part, facts) == UNKNOWN:
        return UNKNOWN
    return KNOWN if all(manifest.holds(part, stem, files) for stem, files in read_for.items()) else UNKNOWN
