"""The index over a store's records: one flat frame, a row a run, read once and then only where files changed."""

from __future__ import annotations

import gc
import hashlib
import json
import marshal
import math
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bench import record
from bench.record import METRICS, RunRecord
from leaderboard.desk import FOLDER, Case, Desk
from leaderboard.scan import CLAIM, PROOF, SCORE, Stamp, case_files, digest, scan

WORTHWHILE = 4000  # files to read, from which on a second process pays for its start

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@cache
def names() -> list[str]:
    """Of a row's values."""
    nobody = RunRecord(key="", method="", split={"name": ""}, protocol="", selection="", seed=0, metrics={})
    return list(row(nobody, False, CLAIM, 0, ""))


def empty() -> pd.DataFrame:
    return pd.DataFrame(columns=names())


class Run(NamedTuple):
    """What is looked up of a single run."""

    written: int
    manifest: str
    classes: tuple[str, ...]
    team: str  # that submitted it


@dataclass
class Index:
    """The runs of a store and of its submissions, as of the last `refresh`. Nothing is ever written."""

    root: Path
    frame: pd.DataFrame = field(default_factory=empty)
    faults: dict[str, str] = field(default_factory=dict)  # file: why it cannot be read
    version: str = "0" * 16  # changes with the data, equal for equal data
    stamps: dict[str, Stamp] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)  # by key
    cases: list[Case] = field(default_factory=list)  # submissions, oldest first
    case_stamps: dict[str, Stamp] = field(default_factory=dict)

    def refresh(self) -> bool:
        """Read what is new or changed, forget what is gone; whether anything was."""
        with uncollected():
            return self._refresh()

    def _refresh(self) -> bool:
        found = dict(scan(self.root)) | dict(scan(self.root / FOLDER))
        cases = dict(case_files(self.root / FOLDER))
        changed = [file for file, stamp in found.items() if self.stamps.get(file) != stamp]
        gone = self.stamps.keys() - found.keys()
        if not changed and not gone and cases == self.case_stamps:
            return False
        if cases != self.case_stamps:
            self.cases, self.case_stamps = Desk.of(self.root).cases(), cases
        fresh, faults = gather([(file, found[file]) for file in changed])
        stale = {os.path.basename(os.path.dirname(file)) for file in (*changed, *gone)}
        kept = self.frame[~self.frame["key"].isin(stale)] if len(self.frame) else self.frame
        some = [one for one in (kept, fresh) if len(one)]  # an empty one would make objects of all columns
        frame = pd.concat(some, ignore_index=True) if some else empty()
        self.frame = frame.sort_values(["created", "key"], kind="stable", ignore_index=True)
        self.faults = {f: why for f, why in self.faults.items() if f in found and f not in changed} | faults
        known = {key: one for key, one in self.runs.items() if key not in stale}
        fields = (fresh[name].tolist() for name in ("written", "manifest", "classes", "team"))
        self.runs = known | {key: Run(*one) for key, *one in zip(fresh["key"].tolist(), *fields, strict=True)}
        self.stamps, self.version = found, digest(found | cases)
        return True

    def folder(self, key: str) -> Path:
        """The folder of a run that is in the index. Raises KeyError for a key that is not: no path is made of it."""
        if key not in self.runs:
            raise KeyError(key)
        return (self.root / FOLDER if self.runs[key].team else self.root) / "runs" / key[:2] / key

    def record(self, key: str) -> RunRecord:
        """All that a run says of itself, read from its file. KeyError: not in the index; ValueError: unreadable."""
        return entry(str(self.folder(key)))[0]


@contextmanager
def uncollected() -> Iterator[None]:
    """Without Python's collector, which would walk over all rows again and again while they are made."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def gather(files: Sequence[tuple[str, Stamp]]) -> tuple[pd.DataFrame, dict[str, str]]:
    """A row for each file that can be read, and a line for each that cannot."""
    if len(files) < WORTHWHILE or (os.cpu_count() or 1) < 2:
        return gather_here(files)
    parts = [files[at : at + 2000] for at in range(0, len(files), 2000)]
    try:
        with ProcessPoolExecutor(min(8, os.cpu_count() or 1), get_context("spawn"), gc.disable) as pool:
            found = list(pool.map(gather_here, parts))  # as frames: rows would cost more to send than to make
    except BrokenProcessPool:  # a program that cannot be started a second time
        return gather_here(files)
    faults = {file: why for _, some in found for file, why in some.items()}
    return pd.concat([frame for frame, _ in found if len(frame)] or [empty()], ignore_index=True), faults


def gather_here(files: Sequence[tuple[str, Stamp]]) -> tuple[pd.DataFrame, dict[str, str]]:
    rows, faults = [], {}
    for file, (written, _, stands_on) in files:
        folder = os.path.dirname(file)
        try:
            run, complete = entry(folder)
            if bool(run.team) != (os.path.basename(folder.rsplit("/", 3)[0]) == FOLDER):
                raise ValueError(f"{file} names a team and is no submission, or is one and names none")
            failed, _ = ("", "") if complete else record.failure(Path(folder))
            rows.append(row(run, complete, stands_on, written, failed))
        except (OSError, ValueError, KeyError, TypeError) as error:
            faults[file] = " ".join(str(error).split())
    return pd.DataFrame(rows, columns=names()), faults


def entry(folder: str) -> tuple[RunRecord, bool]:
    """A run's record, and whether it is whole: without a record it is what was asked for."""
    file, key = f"{folder}/{record.RECORD}", os.path.basename(folder)
    try:
        with open(file, "rb") as content:
            run = RunRecord.model_validate_json(content.read())
        whole = run.schema_version == record.SCHEMA
    except FileNotFoundError:
        asked = json.loads(Path(folder, record.RUN).read_text())
        return RunRecord.model_validate({"key": key, "metrics": {}, "created": ""} | asked["record"]), False
    except ValueError:
        whole = False
    if not whole:
        run = record.read(Path(file))  # says what is wrong with it
    if run.key != key:
        raise ValueError(f"{file} is the record of {run.key[:40]}, not of its folder")
    return run, bool(run.metrics) and not run.incomplete


def row(run: RunRecord, complete: bool, stands_on: int, written: int, failed: str) -> dict[str, Any]:
    """What tables and figures need of a run; the rest stays in its file."""
    network = canonical([run.network.name, run.network.weights, run.network.settings])
    declared = canonical({name: value for name, value in run.split.items() if name not in ("about", "also")})
    split = declared + canonical([run.split.get("about"), run.split.get("also")])
    rules = canonical([run.protocol, run.limit])
    recipe = canonical([run.method, run.config, run.target_labels, run.world, run.team, run.network.student])
    speed = run.throughput.get("batch1") or {}
    testbed = run.hardware.get("gpu") or run.hardware.get("cpu") or "unknown"
    if not run.hardware.get("gpu") and "threads" in run.throughput:
        testbed += f", {run.throughput['threads']} thread{'s' * (run.throughput['threads'] != 1)}"
    return {
        "key": run.key,
        "created": run.created,
        "written": written,
        "method": run.method,
        "role": run.role,
        "oracle": run.oracle,
        "target_labels": run.target_labels,
        "split": run.split["name"],
        "protocol": run.protocol,
        "declared": short(declared),
        "evaluator": ".".join(run.versions.get("bench", "?").split(".")[:2]),
        "scored": tuple(run.split.get("scored", ())),
        "source": tuple(domain["dataset"] for domain in run.split.get("source", ())),
        "test": run.split.get("test", {}).get("dataset", ""),
        "images": run.images,
        "manifest": run.manifests.get("test", "")[:16],
        "selection": run.selection,
        "limit": run.limit,
        "standard": run.standard,
        "seed": run.seed,
        "recipe": short(split, rules, run.selection, network, run.precision, recipe),
        "family": short(split, rules, network, run.precision, recipe),  # but for which checkpoint was scored
        "bench": short(split, rules, run.selection, network, run.precision),  # what may stand beside each other
        "overrides": " ".join(run.overrides),
        "network": run.network.name,
        "weights": run.network.weights,
        "precision": run.precision,
        "world": run.world,
        "hours": run.cost.seconds * run.world / 3600,
        "device": run.cost.device,
        "steps": run.cost.steps,
        "testbed": f"{testbed}, {run.precision or '?'}",
        "images_per_second": float(speed.get("images_per_second", math.nan)),
        "ratio": float(run.throughput.get("ratio", math.nan)),
        "parameters": float(run.network.parameters or math.nan),
        "complete": complete,
        "failed": failed,  # the class of the reason
        "stats": stands_on >= SCORE,
        "reproduced": stands_on == PROOF,
        "team": run.team,
        "extra": run.extra_data,
        "classes": tuple(run.per_class),
        "per_class": tuple(run.per_class.values()),
        **dict.fromkeys(METRICS, math.nan),
        **{name: value for name, value in run.metrics.items() if name in METRICS},
    }


def canonical(value: Any) -> str:
    """JSON, the same for equal values. Most records repeat the split and the settings of others."""
    return _encoded(marshal.dumps(value, 2))


@lru_cache(maxsize=4096)
def _encoded(value: bytes) -> str:
    return _ENCODER.encode(marshal.loads(value))


def short(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]


def watch(index: Index, pause: float = 2.0) -> None:
    """Refresh for ever: a record that is written while the board runs appears. Never busier than a tenth."""
    while True:
        began = time.perf_counter()
        index.refresh()
        time.sleep(max(pause, 10 * (time.perf_counter() - began)))
