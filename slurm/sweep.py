"""A sweep: the distinct jobs that many runs need, each once, with what each needs; and its folder in the store."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.config import ConfigError, Run, compose_runs, sweep
from bench.job import JOB, Planner, finished, scored
from bench.plan import chain

FILE, SUBMITTED, CANCELLED = "sweep.json", "submitted.jsonl", "cancelled"
ON_GPU = ("stage", "predict")  # the others get by without


@dataclass(frozen=True)
class Job:
    """A folder of the sweep, and what is to be done in it."""

    name: str  # of its folder: the kind of work, and an id of what comes of it
    work: str  # pack | stage | predict | score | collect
    label: str  # for people
    run: int  # the place of a run that it is a part of
    level: int  # one more than the highest of what it needs
    needs: tuple[str, ...] = ()  # names of jobs
    stage: int = 0  # its place in the run's chain
    chain: tuple[str, ...] = ()  # of a prediction: the jobs of the stages, in their order
    steps: int = 0
    key: str = ""  # of the store, where the data is packed already
    done: bool = False  # when it was planned

    @property
    def gpu(self) -> bool:
        return self.work in ON_GPU


@dataclass
class Sweep:
    """Everything that was planned. Immutable once it is written: what came of it is in the jobs' folders."""

    folder: Path
    words: tuple[str, ...]  # as they were given, with those of the cluster
    cwd: str
    lines: list[tuple[str, ...]]  # a run each
    jobs: dict[str, Job]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def store(self) -> Path:
        return self.folder.parents[1]

    def of(self, job: Job) -> Path:
        return self.folder / "jobs" / job.name

    def write(self) -> None:
        """Last of all: a sweep with this file is planned whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {
            "words": self.words,
            "cwd": self.cwd,
            "lines": self.lines,
            "jobs": [asdict(job) for job in self.jobs.values()],
        }
        replace(self.folder / FILE, json.dumps(content))

    def describe(self, job: Job, gpus: int, nodes: int) -> dict[str, Any]:
        """What bench.job reads."""
        about = asdict(job) | {"words": self.lines[job.run], "cwd": self.cwd, "gpus": gpus if job.gpu else 0}
        return about | {"nodes": nodes if job.work == "stage" else 1, "world": max(1, gpus) * nodes}


def read(folder: Path) -> Sweep:
    """ValueError, in one line, if no sweep is there."""
    try:
        content = json.loads((folder / FILE).read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"no sweep in {folder}: {error}") from None
    jobs = {
        one["name"]: Job(**one | {"needs": tuple(one["needs"]), "chain": tuple(one["chain"])})
        for one in content["jobs"]
    }
    return Sweep(folder, tuple(content["words"]), content["cwd"], [tuple(line) for line in content["lines"]], jobs)


def find(store: Path, prefix: str = "") -> Path:
    """The folder of the one sweep whose name begins so; the newest if nothing is said."""
    found = sorted(store.glob(f"sweeps/{prefix}*/{FILE}"), key=lambda file: file.stat().st_mtime)
    if not found:
        named = f" whose name begins with {prefix}" if prefix else ""
        raise ValueError(f"no sweep{named} in {store}; store= names the folder that slurm.launch was given")
    if prefix and len(found) > 1:
        raise ValueError(f"{len(found)} sweeps begin with {prefix}: {' '.join(file.parent.name for file in found[:5])}")
    return found[-1].parent


def plan(words: Sequence[str], settings_words: Sequence[str] = ()) -> Sweep:
    """The sweep that the words stand for. ConfigError, or bench's own errors, in one line; nothing is written."""
    lines = list(sweep(words))
    runs = list(compose_runs(lines))
    if len(stores := {run.store for run in runs}) > 1:
        raise ConfigError(f"store= is one folder for all runs of a sweep, got {' '.join(sorted(map(str, stores)))}")
    name = hashlib.sha256("\0".join([*sorted(map(" ".join, lines)), str(runs[0].store)]).encode()).hexdigest()[:10]
    jobs = jobs_of(runs)
    return Sweep(runs[0].store / "sweeps" / name, (*words, *settings_words), os.getcwd(), lines, jobs)


def jobs_of(runs: Iterable[Run]) -> dict[str, Job]:
    """Every job once, after what it needs. Where a pack is missing its stages wait for it; a collector comes last."""
    planner, jobs = Planner(), dict[str, Job]()

    def add(name: str, work: str, run: int, label: str, needs: Sequence[str] = (), **more: Any) -> str:
        if name not in jobs:
            level = 1 + max((jobs[need].level for need in needs), default=-1)
            jobs[name] = Job(name, work, label, run, level, tuple(dict.fromkeys(needs)), **more)
        return name

    for number, run in enumerate(runs):
        root, unpacked = planner.root(run)
        about = f"{run.method} {run.split.name} seed {run.seed}"
        packs = [add(f"pack-{unpacked[:16]}", "pack", number, f"pack {run.split.name}")] if unpacked else []
        names: dict[str, str] = {}
        for place, node in enumerate(chain(root)):
            title = about if node is root else f"{node.name} of {about}"
            needs = [*packs, *(names[need.key] for need in node.needs.values())]
            names[node.key] = add(
                f"stage-{node.key[:24]}", "stage", number, title, needs,
                stage=place, steps=node.steps, key="" if unpacked else node.key,
                done=not unpacked and finished(run.store, node.key),
            )  # fmt: skip
        key = "" if unpacked else root.key
        done = bool(key) and scored(run.store, key, run.split)
        # what is scored depends on the test set as well, which a stage's key does not know
        tag = hashlib.sha256(f"{root.key} {run.split.test} {run.split.protocol} {run.keep}".encode()).hexdigest()[:24]
        predicted = add(f"predict-{tag}", "predict", number, f"predict {about}", list(names.values()),
                        chain=tuple(names.values()), key=key, done=done)  # fmt: skip
        add(f"score-{tag}", "score", number, f"score {about}", [predicted], key=key, done=done)
    add("collect", "collect", 0, "collect the table", [name for name, job in jobs.items() if job.work == "score"])
    return jobs


def replace(file: Path, text: str) -> None:
    """Whole or not at all."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    with open(fresh, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, file)


def submissions(folder: Path) -> list[dict[str, Any]]:
    """What was handed to the scheduler, oldest first: {time, cluster, {job: id}}. The folders decide."""
    file = folder / SUBMITTED
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def note_submission(folder: Path, cluster: str, jobs: dict[str, str]) -> None:
    """jobs: {job's name: the scheduler's id}."""
    with open(folder / SUBMITTED, "a") as file:
        file.write(json.dumps({"time": time.time(), "cluster": cluster, "jobs": jobs}) + "\n")


__all__ = ["CANCELLED", "JOB", "Job", "Sweep", "find", "note_submission", "plan", "read", "replace", "submissions"]
