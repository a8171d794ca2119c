"""What is wrong with a data set as a whole: counts, pairs, classes, ranges, axes; over what was seen of its images."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.pack import BROKEN, Item
from bench.problem import VOID
from datasets import axes
from datasets.facts import Facts
from datasets.files import NotThere, short
from datasets.findings import Finding, Look, Seen

SAMPLE = 50  # images of which the pixels are looked at, evenly spaced
ENOUGH = 64  # images that are worth processes of their own
FAR_OFF = 0.2  # L1 distance of two class histograms
UP, DOWN = ("sky", "ceiling"), ("road", "floor", "flat")


@dataclass(frozen=True)
class Survey:
    """All that was found, errors first, and the numbers of the report."""

    findings: list[Finding]
    parts: Mapping[str, list[Item]]
    seen: list[Seen]

    @property
    def sound(self) -> bool:
        return all(finding.level != "error" for finding in self.findings)

    @property
    def counts(self) -> NDArray[np.int64]:  # 256
        return np.asarray(np.sum([np.zeros(256, np.int64), *(one.counts for one in self.seen)], 0))


def survey(
    name: str,
    module: Any,
    root: Path,
    whole: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Survey:
    """Look at every name and header, and at the pixels of SAMPLE images, or of all. NotThere if there is nothing.

    module: index, read, FACTS, TASKS, CLASSES, and perhaps check(item), which yields lines of what is unusual, and
    facing(item), how many of its stored normals face the camera, and how many there are.
    """
    facts: Facts = module.FACTS
    found: list[Finding] = []
    parts = {part: _indexed(name, module, root, part, found) for part in facts.counts}
    items = list({(i.stem, *i.files.values()): i for part in parts.values() for i in part}.values())
    if not items and all(finding.level != "error" for finding in found):
        found.append(Finding("error", "index", f"{name}: no part of it is there"))
    check, facing = getattr(module, "check", None), getattr(module, "facing", None)
    look = Look(name, module.read, check, facts, module.TASKS, len(module.CLASSES), facing)
    chosen = np.zeros(len(items), bool)
    chosen[np.linspace(0, len(items) - 1, len(items) if whole else min(SAMPLE, len(items))).round().astype(int)] = True
    seen = list(_each(look, items, chosen.tolist(), workers, progress))
    found += [finding for one in seen for finding in one.findings]
    found += _strangers(items)
    found += _groups(facts, parts)
    found += _samples(facts, items)
    found += _classes(facts, module.CLASSES.classes, [one for one in seen if one.looked])
    found += _normals([one for one in seen if one.looked])
    return Survey(sorted(set(found), key=lambda finding: finding.order), parts, seen)


def _indexed(name: str, module: Any, root: Path, part: str, found: list[Finding]) -> list[Item]:
    """The items of a part; what its loader says on the way, and whether there are as many as there should be."""
    expected = module.FACTS.counts[part]
    with _listening() as said:
        try:
            items: list[Item] = module.index(root, part)
        except NotThere:
            raise
        except BROKEN as error:
            level = "warning" if part in module.FACTS.spare else "error"
            found.append(Finding(level, "index", " ".join(str(error).split())))
            return []
    found += [Finding("warning" if level >= logging.WARNING else "note", "index", line) for level, line in said]
    counted = any(level >= logging.WARNING for level, _ in said)
    if expected is not None and len(items) != expected and not counted:
        firm = module.FACTS.firm and part not in module.FACTS.recalled
        level = "error" if len(items) > expected and firm else "warning"
        found.append(Finding(level, "count", f"{name}: {part} has {len(items)} images, {expected} expected"))
    twice = [stem for stem, times in Counter(item.stem for item in items).items() if times > 1]
    found += [Finding("error", "stem", f"{name}: two images of {part} are called {stem}") for stem in twice]
    return items


@contextmanager
def _listening() -> Iterator[list[tuple[int, str]]]:
    """What the loaders log, as (level, line), instead of its being printed."""
    said: list[tuple[int, str]] = []
    log, handler = logging.getLogger("datasets"), logging.Handler(logging.INFO)
    handler.emit = lambda record: said.append((record.levelno, record.getMessage()))  # type: ignore[method-assign]
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield said
    finally:
        log.removeHandler(handler)
        log.level, log.propagate = before


def _each(
    look: Look, items: Sequence[Item], pixels: Sequence[bool], workers: int, progress: Callable[[int, int], None]
) -> Iterator[Seen]:
    """In the items' order, whoever is done first."""
    pool = None
    seen: Iterable[Seen] = map(look, items, pixels)
    if workers > 1 and len(items) >= ENOUGH:
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("forkserver"))
        seen = pool.map(look, items, pixels, chunksize=8)
    try:
        for done, one in enumerate(seen, 1):
            yield one
            progress(done, len(items))
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)


def _strangers(items: Sequence[Item]) -> Iterator[Finding]:
    """Files of labels without an image, and the number of those that nobody reads."""
    named = {path for item in items for path in item.files.values()}
    folders: dict[tuple[str, Path], list[Item]] = {}
    for item in items:
        for field, path in item.files.items():
            if field != "image" and item.stem in path.name and "image" in item.files:
                folders.setdefault((field, path.parent), []).append(item)
    others: Counter[str] = Counter()
    for (field, folder), own in folders.items():
        shapes, one = {_shape(item.stem) for item in own}, own[0]
        before, after = one.files[field].name.split(one.stem, 1)
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
            stem = name.removeprefix(before).removesuffix(after)
            image = one.files["image"].with_name(one.files["image"].name.replace(one.stem, stem))
            if folder / name in named:
                continue
            if name == before + stem + after and _shape(stem) in shapes and not image.exists():
                yield Finding("error", "pair", f"{short(folder / name)}: there is no image {short(image)}")
            else:
                others[field] += 1
    for field, count in others.items():
        yield Finding("note", "foreign", f"{count} hidden or foreign files beside those of {field}, left alone")


def _shape(stem: str) -> str:
    return re.sub(r"\d+", "0", stem)


def _groups(facts: Facts, parts: Mapping[str, Sequence[Item]]) -> Iterator[Finding]:
    """Of parts that are whole: is each city or drive there as often as it should be?"""
    paths = {
        path.as_posix()
        for part, items in parts.items()
        if len(items) == facts.counts[part]
        for item in items
        for path in item.files.values()
        if path is item.files.get("image")
    }
    for words, expected in facts.groups.items():
        found = sum(f"/{words}" in path for path in paths)
        if found and found != expected:
            yield Finding("warning", "count", f"{words}: {found} images, {expected} expected")


def _samples(facts: Facts, items: Sequence[Item]) -> Iterator[Finding]:
    for end, digest in facts.samples.items():
        for path in {path for item in items for path in item.files.values() if path.as_posix().endswith(f"/{end}")}:
            if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                yield Finding("warning", "content", f"{end}: other bytes than the copy that was measured")


def _classes(facts: Facts, classes: Sequence[str], looked: Sequence[Seen]) -> Iterator[Finding]:
    """Which are absent, how often they are, whether they stand the right way up."""
    pixels = np.sum([np.zeros(256), *(one.counts for one in looked)], 0)
    counts = pixels[: len(classes)]
    if not counts.any():
        return
    images = f"{len(looked)} images"
    if facts.no_void and not pixels[VOID]:
        yield Finding("warning", "classes", f"labels: no void pixel in {images}; {facts.no_void}")
    if absent := [n for n, count in zip(classes, counts, strict=True) if not count and n not in facts.never]:
        yield Finding("warning", "classes", f"on no pixel of {images}: {', '.join(absent)}")
    if facts.shares:
        distance = sum(abs(facts.shares.get(n, 0.0) - c / counts.sum()) for n, c in zip(classes, counts, strict=True))
        if distance > FAR_OFF:
            line = f"class shares are {distance:.2f} (L1) off those measured, expected {FAR_OFF} at most"
            yield Finding("warning", "classes", f"{line}, over {images}")
    heights = np.sum([one.heights for one in looked], 0)[: len(classes)] / np.maximum(counts, 1)
    up, down = (
        [float(heights[i]) for i, name in enumerate(classes) if name in names and counts[i]] for names in (UP, DOWN)
    )
    if up and down and max(up) >= min(down):
        yield Finding("warning", "orientation", "sky or ceiling is not above road or floor; mirrored or rotated?")


def _normals(looked: Sequence[Seen]) -> Iterator[Finding]:
    """Do they face the camera, and is no other choice of axes nearer to the normals that follow from depth?"""
    facing, there = np.sum([(0, 0), *(one.facing for one in looked)], 0)
    if there and facing < 0.95 * there:
        line = f"{facing / there:.0%} of the normals face the camera, expected 95 % or more (n . p < 0)"
        yield Finding("error", "normals", line)
    known = [one.normals for one in looked if one.normals is not None]
    if known and (way := axes.best(np.sum(known, 0))) != axes.SAME:
        better = f"as {axes.words(way)} they fit the depth better than as {axes.words(axes.SAME)}"
        line = f"{better}; the loader's axes are wrong for these files"
        yield Finding("error", "normals", f"normals: {line}")


def shares(counts: NDArray[np.int64], classes: Sequence[str]) -> dict[str, float]:
    """Of each class among the labelled pixels, and of void among all."""
    labelled = max(int(counts[: len(classes)].sum()), 1)
    found = {name: float(count) / labelled for name, count in zip(classes, counts[: len(classes)], strict=True)}
    return found | {"void": float(counts[VOID]) / max(int(counts.sum()), 1)}
