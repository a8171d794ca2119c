"""What files a store has for the board, and whether they changed since they were last read. Opens none of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from bench import record
from leaderboard.desk import EVENTS, FOLDER, INBOX, RECEIPT, REPRODUCED

STATS, LOG = "stats.npz", "log.jsonl"  # in a run's folder, beside its record

CLAIM, SCORE, PROOF = range(3)  # what a record stands on: nothing, statistics beside it, our own run of a submission
Stamp = tuple[int, int, int]  # a file's time and size, and what it stands on


def scan(root: Path) -> Iterable[tuple[str, Stamp]]:
    """Every run's file with its stamp: the record, or what was asked for where no record came of it."""
    shards = [shard.path for shard in entries(str(root / "runs"))]
    for run in (run.path for shard in shards for run in entries(shard)):
        stands_on = SCORE if os.path.exists(f"{run}/{STATS}") else CLAIM
        if root.name == FOLDER and os.path.exists(f"{run}/{REPRODUCED}"):
            stands_on = PROOF
        for name in (record.RECORD, record.RUN):
            try:
                found = os.stat(f"{run}/{name}")
            except OSError:
                continue
            written = found.st_mtime_ns
            if name == record.RUN and os.path.exists(f"{run}/{record.FAILED}"):
                written += os.stat(f"{run}/{record.FAILED}").st_mtime_ns  # it changes with either
            yield f"{run}/{name}", (written, found.st_size, stands_on)
            break


def case_files(desk: Path) -> Iterable[tuple[str, Stamp]]:
    """The files that say what became of each submission."""
    for case in (one.path for one in entries(str(desk / INBOX))):
        for name in (RECEIPT, EVENTS):
            if os.path.exists(f"{case}/{name}"):
                found = os.stat(f"{case}/{name}")
                yield f"{case}/{name}", (found.st_mtime_ns, found.st_size, CLAIM)


def entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return [one for one in found if one.is_dir()]
    except OSError:
        return []


def digest(stamps: dict[str, Stamp]) -> str:
    """One word for the whole of what was found, wherever the store lies."""
    whole = hashlib.sha256()
    for file in sorted(stamps):
        whole.update(f"{file.rsplit('/', 2)[-2:]} {stamps[file]}".encode())
    return whole.hexdigest()[:16]
