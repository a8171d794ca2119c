"""What became of each job: read off its folder, then beside one look at the queue. There is no other state."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm.job import BEAT, DONE, FAILED, alive, lives
from slurm.scheduler import Entry
from slurm.submit import LOGS
from slurm.sweep import Job, Sweep, submissions

STALLED = 15 * 60.0  # seconds without a sign of life
KINDS = ("done", "running", "pending", "preempted", "stalled", "failed", "lost", "waiting")
# what a log says when it was not the job that ended itself
ENDS = (
    ("DUE TO TIME LIMIT", "time limit"),
    ("DUE TO NODE FAILURE", "node failure"),
    ("DUE TO PREEMPTION", "preempted"),
    ("oom-kill", "out of memory"),
    ("oom_kill", "out of memory"),
    ("CANCELLED AT", "cancelled"),
)


@dataclass(frozen=True)
class State:
    kind: str  # one of KINDS
    note: str = ""  # step and time left, or the class of the reason
    message: str = ""
    log: Path | None = None


def states(sweep: Sweep, queue: Mapping[str, Entry] | None) -> dict[str, State]:
    """Of every job. Without a queue (no squeue, or no Slurm) the files alone decide."""
    handed = ids(sweep.folder)
    return {name: state(sweep, job, handed.get(name, ""), queue) for name, job in sweep.jobs.items()}


def ids(folder: Path) -> dict[str, str]:
    """{job: the id it was last submitted under}."""
    found: dict[str, str] = {}
    for one in submissions(folder):
        found |= one["jobs"]
    return found


def state(sweep: Sweep, job: Job, handed: str, queue: Mapping[str, Entry] | None) -> State:
    place, log = sweep.of(job), sweep.folder / LOGS / f"{handed}_0_log.out"
    shown = log if handed and log.exists() else None
    if (place / DONE).exists() or (job.done and not handed):
        return State("done", "" if handed else "cached", log=shown)
    entry = queue.get(handed) if queue and handed else None
    if entry and entry.state == "PENDING":
        known = lives(place)
        return State("preempted" if known and known[-1]["event"] in ("stopped", "start") else "pending", entry.reason)
    if (place / FAILED).exists() and not entry:
        why = json.loads((place / FAILED).read_text())
        return State("failed", why["reason"], why["message"], shown)
    known = lives(place)
    if not handed:
        return State("waiting", "not submitted")
    if not known:
        return State("pending", entry.state.lower() if entry else "") if entry or queue is None else _lost(shown)
    last, age = known[-1], silence(place)
    if last["event"] == "start":
        if queue is not None and entry is None and not alive(place, last):
            return _lost(shown)
        if queue is None and age > STALLED:
            return State("stalled", f"no sign of life for {clock(age)}", log=shown)
        if hung := stopped_moving(place):
            return State("stalled", f"no progress for {clock(hung)}", log=shown)
        return State("running", progress(place, job), log=shown)
    if last["event"] == "stopped":
        return State(
            "preempted", "stopped, and not requeued" if queue is not None and not entry else "stopped", log=shown
        )
    return _lost(shown)


def _lost(log: Path | None) -> State:
    """Not in the queue, and it did not say how it ended: the scheduler's words in the log may."""
    tail = log.read_bytes()[-5000:].decode(errors="replace") if log else ""
    return State("lost", next((name for mark, name in ENDS if mark in tail), "ended without a word"), log=log)


def silence(place: Path) -> float:
    """Seconds since the last heart-beat."""
    try:
        return time.time() - (place / BEAT).stat().st_mtime
    except OSError:
        return float("inf")


def stopped_moving(place: Path) -> float:
    """Seconds since a stage's last report or checkpoint, if that is too long: its process may live and hang.

    A stage reports a hundred times, and saves every ten minutes or as `save_minutes` says.
    """
    folder = work_folder(place)
    if folder is None:
        return 0.0
    marks = [folder / "log.jsonl", folder / "state.pt", place / "starts"]
    newest = max((file.stat().st_mtime for file in marks if file.exists()), default=time.time())
    allowed = max(STALLED, 3 * 60 * _save_minutes(place))
    return age if (age := time.time() - newest) > allowed and (folder / "log.jsonl").exists() else 0.0


def _save_minutes(place: Path) -> float:
    words = json.loads((place / "job.json").read_text())["words"]
    return next((float(word.partition("=")[2]) for word in words if word.startswith("save_minutes=")), 10.0)


def work_folder(place: Path) -> Path | None:
    """The folder of the store that the job works in, once it knows."""
    try:
        return Path(json.loads((place / "key.json").read_text())["folder"])
    except (OSError, ValueError, KeyError):
        return None


def progress(place: Path, job: Job) -> str:
    """Step and time left of a training."""
    folder = work_folder(place)
    if job.work != "stage" or folder is None or not (line := last_line(folder / "log.jsonl")):
        return ""
    done = int(line["t"]) + 1
    total = max(job.steps, done)
    return f"step {done}/{total}, {clock(line['seconds'] / done * (total - done))} left"


def last_line(file: Path) -> dict[str, Any] | None:
    """Of a log; a line that is being written does not count."""
    try:
        with open(file, "rb") as log:
            log.seek(max(0, file.stat().st_size - 20000))
            lines = [line for line in log.read().splitlines() if line.startswith(b"{") and line.endswith(b"}")]
        return json.loads(lines[-1]) if lines else None
    except (OSError, ValueError):
        return None


def clock(seconds: float) -> str:
    """90 -> 1 min 30 s; 7260 -> 2 h 1 min."""
    if seconds == float("inf"):
        return "ever"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def missing(sweep: Sweep, found: Mapping[str, State], queue: Mapping[str, Entry] | None, failed: bool) -> list[Job]:
    """The jobs to submit again: neither done, nor queued, nor alive. Those that failed only if asked for.

    A job that needs one that failed and is left alone is left alone as well.
    """
    handed, chosen, out = ids(sweep.folder), list[Job](), set[str]()
    for name, job in sweep.jobs.items():
        one = found[name]
        if one.kind == "done" and job.work != "collect":
            continue
        going = (queue is not None and handed.get(name) in queue) or one.kind == "running"
        going |= queue is None and one.kind in ("pending", "preempted") and _on_slurm(sweep)
        kept = one.kind == "failed" and one.note != "needs" and not failed
        if kept or (job.work != "collect" and out.intersection(job.needs)):
            out.add(name)
        elif not going:
            chosen.append(job)
    return chosen if any(job.work != "collect" for job in chosen) or not _collected(found) else []


def _collected(found: Mapping[str, State]) -> bool:
    return found["collect"].kind in ("done", "pending", "running")


def _on_slurm(sweep: Sweep) -> bool:
    """Whether the last submission was Slurm's, whose queue may hold jobs that this machine cannot see."""
    sent = submissions(sweep.folder)
    return bool(sent) and sent[-1]["cluster"] == "slurm"


def counts(found: Iterable[State]) -> dict[str, int]:
    kinds = [one.kind for one in found]
    return {kind: kinds.count(kind) for kind in KINDS if kind in kinds}
