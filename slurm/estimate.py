"""What a sweep will cost, before it is submitted: seconds a job from the store's records, else from a stated guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from slurm.settings import Settings
from slurm.submit import arrays
from slurm.sweep import Job, Sweep

SCORE_SECONDS, PREDICT_SECONDS, PACK_SECONDS, COLLECT_SECONDS = 120.0, 180.0, 1800.0, 30.0
START_SECONDS = 30.0  # of a job, before it learns anything


@dataclass
class Paces:
    """Seconds a step that records tell, by (split, network, stage), and by (split, network) of any stage."""

    of_stage: dict[tuple[str, ...], list[float]] = field(default_factory=dict)

    def add(self, file: Path) -> None:
        """Take a record in; one that cannot be read tells nothing."""
        try:
            about = json.loads(file.read_text())
            where = (about["split"]["name"], about["network"]["name"])
            links = [(link["name"], link["steps"], link["seconds"]) for link in about["chain"]]
        except (OSError, ValueError, KeyError, TypeError):
            return
        for name, steps, seconds in links:
            if steps:
                self.of_stage.setdefault((*where, name), []).append(seconds / steps)
                self.of_stage.setdefault(where, []).append(seconds / steps)

    def find(self, split: str, network: str, stage: str) -> float | None:
        for key in ((split, network, stage), (split, network)):
            if key in self.of_stage:
                return median(self.of_stage[key])
        return None


def paces(store: Path) -> Paces:
    found = Paces()
    for file in store.glob("runs/*/*/record.json"):
        found.add(file)
    return found


def seconds(sweep: Sweep, settings: Settings) -> tuple[dict[str, float], int]:
    """Of every job that is left to do, and for how many stages a record told."""
    known, told, found = paces(sweep.store), 0, dict[str, float]()
    fixed = {"score": SCORE_SECONDS, "predict": PREDICT_SECONDS, "pack": PACK_SECONDS, "collect": COLLECT_SECONDS}
    for name, job in sweep.jobs.items():
        if job.done:
            continue
        if job.work in fixed:
            found[name] = fixed[job.work]
            continue
        pace = known.find(*_place(sweep, job))
        told += pace is not None
        found[name] = START_SECONDS + job.steps * (settings.step_seconds if pace is None else pace)
    return found, told


def _place(sweep: Sweep, job: Job) -> tuple[str, str, str]:
    """Split, network and stage as a record names them."""
    words = dict(word.split("=", 1) for word in sweep.lines[job.run] if "=" in word)
    head, of, _ = job.label.partition(" of ")
    return words.get("split", ""), words.get("network", "small"), head if of else words.get("method", "")


def report(sweep: Sweep, settings: Settings) -> str:
    """What --dry-run prints: the stages and their sharing, the arrays, GPU hours."""
    durations, told = seconds(sweep, settings)
    jobs = [job for job in sweep.jobs.values() if job.name in durations]
    stages = [job for job in jobs if job.work == "stage"]
    every = [job for job in sweep.jobs.values() if job.work == "predict"]
    asked = sum(len(job.chain) for job in every)
    kept = sum(job.work == "stage" for job in sweep.jobs.values())
    lines = [f"stages: {kept} distinct for the {asked} that the runs ask for; {kept - len(stages)} are in the store"]
    for place, array in enumerate(arrays(jobs, settings, settings.array or 1000)):
        works = ", ".join(f"{n} {work}" for work, n in _count(array.jobs).items())
        what = array.resources
        node = f"{what.nodes} x {what.gpus} GPU" if what.gpus else "no GPU"
        part = f" in {what.partition}" if what.partition else ""
        at_once = min(array.parallel, len(array.jobs))
        lines.append(f"array {place}: level {array.level}, {works}, {node}{part}, {at_once} at once")
    shared = sorted(_users(sweep).items(), key=lambda item: -item[1])
    lines += [f"shared: {sweep.jobs[name].label} by {users} runs" for name, users in shared[:5] if users > 1]
    hours = gpu_hours(jobs, durations, settings)
    guess = f"{len(stages) - told} stages at slurm.step_seconds={settings.step_seconds:g}"
    lines.append(f"GPU hours: {hours:.1f} ({told} stages at the pace of the store's records, {guess})")
    return "\n".join(lines)


def gpu_hours(jobs: list[Job], durations: Mapping[str, float], settings: Settings) -> float:
    """A stage holds all its GPUs, a prediction one."""
    of_stage = settings.gpus * settings.nodes
    held = {"stage": of_stage, "predict": min(1, settings.gpus)}
    return sum(durations[job.name] * held.get(job.work, 0) for job in jobs) / 3600


def _count(jobs: tuple[Job, ...]) -> dict[str, int]:
    works = [job.work for job in jobs]
    return {work: works.count(work) for work in dict.fromkeys(works)}


def _users(sweep: Sweep) -> dict[str, int]:
    """How many runs each stage serves."""
    found: dict[str, int] = {}
    for job in sweep.jobs.values():
        for name in set(job.chain):
            found[name] = found.get(name, 0) + 1
    return found
