"""python -m slurm.launch method=a,b split=c,d seed=0,1,2 [slurm.partition=gpu slurm.gpus=1 ..] [--dry-run]

Expands the sweep by Hydra's grammar, finds the distinct stages, submits them as job arrays with dependencies, and
leaves. Launching the same sweep again submits only what is missing. slurm.cluster=local runs on this machine, debug in
this process; both stay until all is done. Then: slurm.status, slurm.resume, slurm.cancel, slurm.logs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import fields

from bench import plugins
from bench.config import ConfigError
from slurm import copies, estimate, scheduler, simulate, state, submit, sweep
from slurm.scheduler import Entry
from slurm.settings import Settings, SettingsError, read, split_words
from slurm.submit import SubmitError
from slurm.sweep import Job, Sweep


def main(words: Sequence[str]) -> int:
    """The exit code: 0 submitted (or all done), 1 refused by the scheduler or failed, 2 not understood."""
    if not words or {"--help", "-h"} & set(words):
        print((__doc__ or "").strip(), "\nslurm words", *_words(), sep="\n")
        return 0
    dry = "--dry-run" in words
    runs, ours = split_words([word for word in words if word != "--dry-run"])
    began = time.perf_counter()
    try:
        settings = read(ours)
        planned = sweep.plan(runs, ours)
        print(f"{summary(planned)}, planned in {time.perf_counter() - began:.1f} s")
        if dry:
            print(estimate.report(planned, settings), simulate.table(planned, settings), sep="\n")
            return 0
        return go(planned, settings)
    except (ConfigError, SettingsError, plugins.Unknown, ValueError, FileNotFoundError) as error:
        print(f"slurm.launch: {error}", file=sys.stderr)
        return 2
    except SubmitError as error:
        print(f"slurm.launch: {error}", file=sys.stderr)
        return 1


def go(planned: Sweep, settings: Settings, failed: bool = False) -> int:
    """Submit what is missing of the sweep, or run it here."""
    if (planned.folder / sweep.FILE).exists():
        planned = sweep.read(planned.folder)  # as it was planned first: its jobs keep their names
    else:
        planned.write()
    if settings.copy and settings.cluster != "debug":
        copies.copy(planned.folder)
    queue = scheduler.queue(planned.name) if settings.cluster == "slurm" else {}  # here, nothing waits elsewhere
    found = state.states(planned, queue)
    jobs = state.missing(planned, found, queue, failed)
    print(f"sweep {planned.name} in {planned.folder}")
    if not jobs:
        print(f"nothing to submit: {said(state.counts(found.values()))}")
        return 0
    (planned.folder / sweep.CANCELLED).unlink(missing_ok=True)
    if settings.cluster != "slurm":
        return here(planned, jobs, settings)
    handed = submit.submit(planned, jobs, settings, queued(planned, queue))
    print(f"submitted {len(jobs)} jobs in {len(handed)} arrays; next: python -m slurm.status {planned.name}"
          f" store={planned.store}")  # fmt: skip
    return 0


def queued(planned: Sweep, queue: dict[str, Entry] | None) -> dict[str, str]:
    """{job: id} of what is in the queue already."""
    return {name: handed for name, handed in state.ids(planned.folder).items() if queue and handed in queue}


def here(planned: Sweep, jobs: list[Job], settings: Settings) -> int:
    """Run the jobs on this machine, saying how each ends; one that fails stops nobody who does not need it."""
    bad = 0
    for number, job in enumerate(submit.walk(planned, jobs, settings), 1):
        one = state.state(planned, job, state.ids(planned.folder).get(job.name, ""), {})
        bad += one.kind != "done"
        print(
            f"{number}/{len(jobs)} {one.kind:<8} {job.label}{f': {one.note}, {one.message}' if one.note else ''}",
            flush=True,
        )
    return int(bad > 0)


def summary(planned: Sweep) -> str:
    works = [job.work for job in planned.jobs.values()]
    stages = [job for job in planned.jobs.values() if job.work == "stage"]
    cached = sum(job.done for job in stages)
    return f"{len(planned.lines)} runs, {len(stages)} distinct stages ({cached} of them cached), {len(works)} jobs"


def said(numbers: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in numbers.items())


def _words() -> list[str]:
    return [f"  slurm.{field.name}={field.default if isinstance(field.default, str | int | float) else ''}"
            for field in fields(Settings)]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
