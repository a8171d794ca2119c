"""python -m slurm.cancel [SWEEP] store=DIR: take all jobs of the sweep out of the queue; checkpoints stay."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from slurm import scheduler
from slurm.job import CANCELLED, alive, lives
from slurm.sweep import Sweep, submissions
from slurm.words import opened


def main(words: Sequence[str]) -> int:
    try:
        sweep, _ = opened(words, __doc__)
        print(cancel(sweep))
    except (ValueError, OSError) as error:
        print(f"slurm.cancel: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"slurm.cancel: {error}", file=sys.stderr)
        return 1
    return 0


def cancel(sweep: Sweep) -> str:
    """What was done, in one line. RuntimeError if the scheduler refuses."""
    (sweep.folder / CANCELLED).touch()  # a job that is asked to stop does not requeue itself
    sent = submissions(sweep.folder)
    tail = f"python -m slurm.resume {sweep.name} store={sweep.store} continues"
    if sent and sent[-1]["cluster"] == "local":
        return f"asked {stop_processes(sweep)} processes to stop; {tail}"
    queue = scheduler.queue(sweep.name)
    if queue is None:
        raise RuntimeError("squeue does not answer; nothing was cancelled, but no job will requeue itself")
    if complaint := scheduler.cancel({name.partition("_")[0] for name in queue}) if queue else "":
        raise RuntimeError(f"scancel: {complaint}")
    return f"cancelled {len(queue)} jobs; {tail}"


def stop_processes(sweep: Sweep) -> int:
    """SIGTERM to the jobs that run on this machine."""
    count = 0
    for job in sweep.jobs.values():
        known = lives(sweep.of(job))[-1:]
        here = [one for one in known if one["event"] == "start" and one["host"] == os.uname().nodename]
        for one in here:
            if alive(sweep.of(job), one):
                os.kill(one["pid"], signal.SIGTERM)
                count += 1
    return count


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
