"""python -m slurm.logs KEY [sweep=NAME] store=DIR [lines=40]: the end of a job's log. KEY: a job or a key."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from slurm import state
from slurm.sweep import Job, Sweep
from slurm.words import parse


def main(words: Sequence[str]) -> int:
    try:
        sweep, values, names = parse(words, __doc__, bare=2, sweep="", lines="40")
        if len(names) != 1:
            raise SystemExit((__doc__ or "").strip())
        job = find(sweep, names[0])
        file = log_of(sweep, job)
        lines = file.read_text(errors="replace").splitlines()[-int(values["lines"]) :]
    except (ValueError, OSError) as error:
        print(f"slurm.logs: {error}", file=sys.stderr)
        return 2
    one = state.state(sweep, job, state.ids(sweep.folder).get(job.name, ""), None)
    print(f"{job.name}  {job.label}  {one.kind} {one.note}\n{file}\n", *lines, sep="\n")
    return 0


def find(sweep: Sweep, key: str) -> Job:
    """The one job with that name, a beginning of its id, or of the key it makes. ValueError if there is none."""
    found = [job for name, job in sweep.jobs.items() if name.startswith(key) or name.partition("-")[2].startswith(key)]
    found = found or [job for job in sweep.jobs.values() if _key(sweep, job).startswith(key)]
    if not found:
        raise ValueError(f"no job {key!r} in sweep {sweep.name}; slurm.status {sweep.name} jobs=all lists them")
    order = ("stage", "predict", "score", "pack", "collect")  # a run's key stands for its training first
    return min(found, key=lambda job: order.index(job.work))


def _key(sweep: Sweep, job: Job) -> str:
    folder = state.work_folder(sweep.of(job))
    return job.key or (folder.name if folder else "")


def log_of(sweep: Sweep, job: Job) -> Path:
    handed = state.ids(sweep.folder).get(job.name)
    if handed is None:
        raise ValueError(f"{job.name} was not submitted: {'the store had it' if job.done else 'slurm.resume does'}")
    file = sweep.folder / "submitit" / f"{handed}_0_log.out"
    if not file.exists():
        raise ValueError(f"{job.name} (job {handed}) has no log yet: {file}")
    return file


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
