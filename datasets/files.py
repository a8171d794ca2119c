"""What every data set of files asks of its folder: listings, missing pieces, unknown ids; each fault in one line."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from re import Pattern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.labels import renumbered, table
from bench.problem import VOID

log = logging.getLogger(__name__)


class NotThere(FileNotFoundError):
    """Nothing of the data set is at the root."""


def short(path: Path) -> str:
    """The end of a path, enough to find the file in its data set."""
    return "/".join(path.parts[-3:])


def known_part(dataset: str, part: str, parts: Collection[str]) -> None:
    """Refuse a part that the data set does not have."""
    if part not in parts:
        near = get_close_matches(part, parts, 1, 0)
        raise ValueError(f'{dataset}: no part "{part}"; did you mean {near[0]}? known: {" ".join(parts)}')


def home(dataset: str, root: Path | None, variants: Sequence[str], marker: str, hint: str) -> Path:
    """The first of some folders under the root that holds `marker`."""
    if root is not None:
        for variant in variants:
            if (root / variant / marker).is_dir():
                return root / variant
    raise absent(dataset, root, variants[-1], hint)


def absent(dataset: str, root: Path | None, folder: str, hint: str) -> NotThere:
    """A data set that is not there: where it was looked for, what it would hold, where it is had, what needs none."""
    place = f"no folder {folder} at {root}" if root is not None else "no folder was given"
    return NotThere(f"{dataset}: {place}; {hint}. split=minicity needs no data")


def listing(folder: Path, pattern: Pattern[str]) -> list[str]:
    """The names in a folder that match, sorted alike on every file system; the others are counted and left alone."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise type(error)(f"{short(folder)}/: {str(error.strerror).lower()}") from None
    known = sorted(name for name in names if pattern.fullmatch(name))
    if len(known) < len(names):
        log.info("%s: %d hidden or foreign files ignored", short(folder), len(names) - len(known))
    return known


def only(dataset: str, what: Collection[str], has: Collection[str]) -> None:
    """Refuse a field that the data set does not have."""
    for field in what:
        if field not in has:
            raise ValueError(f"{dataset}: no {field} in this data set; it has {' '.join(has)}")


def require(files: Mapping[str, Path], what: Collection[str]) -> None:
    """Refuse an item of which a file that is asked for is missing."""
    wanted = [files[field] for field in files if field in what]
    missing = [path for path in wanted if not path.exists()]
    if missing:
        top = os.path.commonpath(files.values())
        having = [os.path.relpath(path.parent, top) for path in wanted if path not in missing]
        verb = "has" if len(having) == 1 else "have"
        remark = f"; {' and '.join(having)} {verb} it" if having else ""
        raise FileNotFoundError(f"{short(missing[0])}: missing{remark}")


def naming(names: Mapping[int, int], void: Collection[int]) -> NDArray[np.int16]:  # 256
    """The class behind each id of a file, or VOID; -1 behind an id that is neither named nor void."""
    lut = np.full(256, -1, np.int16)
    lut[[*void]] = VOID
    lut[[*names]] = [*names.values()]
    return lut


def renamed(ids: NDArray[Any], names: Mapping[int, int], void: Collection[int], path: Path) -> NDArray[np.uint8]:
    """Ids of a file -> ids of its label space, void -> 255; an id that is neither named nor void is an error."""
    lut, known = table(names), [*names, *void]
    if ids.dtype == np.uint8:  # in one pass: an unknown id becomes the one after the last class
        lut[[i for i in range(256) if i not in known]] = unknown = max(names.values()) + 1
        mapped = renumbered(ids, lut)
        strange = mapped == unknown
    else:
        strange = ~np.isin(ids, known)
    if strange.any():
        row, column = np.argwhere(strange)[0]
        number, first, last = np.sum(ids == ids[row, column]), min(known), max({*known} - {VOID})
        raise ValueError(
            f"{short(path)}: id {ids[row, column]} on {number} pixels, known ids {first}-{last}; "
            f"first at row {row}, column {column}"
        )
    return mapped if ids.dtype == np.uint8 else lut[ids]


def same_size(fields: Mapping[str, NDArray[Any]], files: Mapping[str, Path]) -> None:
    """Refuse a label that is not of its image's size."""
    sizes = {field: f"{array.shape[1]}x{array.shape[0]}" for field, array in fields.items()}
    for field, size in sizes.items():
        if size != (first := next(iter(sizes.values()))):
            raise ValueError(f"{short(files[field])}: {size}, {next(iter(sizes))} {first}; expected equal sizes")


def located(dataset: str, root: Path | None, variants: Collection[str], hint: str) -> tuple[Path, str]:
    """The root, and the first of some folders under it that is there: the official layout, then known others."""
    if root is not None:
        for variant in variants:
            if (root / variant).is_dir():
                return root, variant
    raise absent(dataset, root, next(iter(variants)), hint)


def unpacked(dataset: str, folder: Path, archive: str, remedy: str = "") -> None:
    """Refuse a folder that is not there, and name the archive that brings it."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{dataset}: {'/'.join(folder.parts[-2:])} is missing; it is in {archive}{remedy}")


_VISIBLE = re.compile(r"[^.].*")


def nested(folder: Path, pattern: Pattern[str], inside: Pattern[str] = _VISIBLE) -> list[tuple[str, re.Match[str]]]:
    """What matches in the sub-folders that match, sorted alike on every file system: (sub-folder, match)."""
    return [
        (name, match)
        for name in listing(folder, inside)
        if (folder / name).is_dir()
        for file in listing(folder / name, pattern)
        if (match := pattern.fullmatch(file))
    ]


def counted(dataset: str, part: str, found: int, expected: int | None, folder: str, pattern: str) -> None:
    """Refuse a part whose folder has no file that matches; warn of one that is not whole."""
    if not found:
        whole = f", expected {expected}" if expected else ""
        raise FileNotFoundError(f"{dataset}: {folder}/ has 0 files matching {pattern}{whole}")
    if expected and found < expected:
        log.warning("%s: %s has %d images, %d expected", dataset, part, found, expected)
