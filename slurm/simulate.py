"""python -m slurm.simulate WORDS of slurm.launch: how long the sweep takes on a quarter to four times the GPUs.

Jobs start in the order of their arrays, each array when all of the arrays that its jobs need have ended (`afterany`),
on whatever GPU is free. A preemption strikes a running job at a rate; it loses what its last checkpoint does not have,
and waits two minutes. It is a model of a cluster that is ours alone.
"""

from __future__ import annotations

import heapq
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slurm import estimate
from slurm.settings import Settings, read, split_words
from slurm.submit import arrays
from slurm.sweep import Job, Sweep, plan

REQUEUED = 126.0  # seconds until a requeued job starts again (measured, Slurm 22.05)
SAVED = 600.0  # seconds between two checkpoints


@dataclass(frozen=True)
class Outcome:
    """Of one simulation."""

    wall: float  # seconds
    busy: float  # seconds that slots were busy, over all
    preemptions: int
    longest: float  # seconds of the longest chain of jobs: no number of GPUs is faster

    def share(self, slots: int) -> float:
        """Of the slots' time, how much was work."""
        return self.busy / (self.wall * slots) if self.wall else 0.0


def simulate(
    jobs: Sequence[Job], seconds: Mapping[str, float], settings: Settings, slots: int, seed: int = 0
) -> Outcome:
    """Run the jobs on so many places for a GPU job; those without a GPU find room anywhere."""
    dice = random.Random(seed)
    rate = settings.preemptions / 86400
    ordered = arrays(jobs, settings, settings.array or 1000)
    array_of = {job.name: place for place, array in enumerate(ordered) for job in array.jobs}
    needs = [{array_of[n] for job in array.jobs for n in job.needs if n in array_of} for array in ordered]
    left = [len(array.jobs) for array in ordered]
    waiting = [list(array.jobs)[::-1] for array in ordered]
    events: list[tuple[float, int, str, Job, float]] = []  # when, number, what, whose, the work left after it
    free, now, busy, struck, number = slots, 0.0, 0.0, 0, 0
    again: list[tuple[Job, float]] = []

    def begin(job: Job, work: float) -> None:
        nonlocal number, busy, free
        number += 1
        strike = dice.expovariate(rate) if rate and job.gpu else work + 1
        if strike < work:
            lost = min(strike, dice.uniform(0, SAVED))
            heapq.heappush(events, (now + strike, number, "struck", job, work - strike + lost))
            busy += strike
        else:
            heapq.heappush(events, (now + work, number, "ended", job, 0.0))
            busy += work if job.gpu else 0.0
        free -= job.gpu

    def fill() -> None:
        while free and again:
            begin(*again.pop())
        for place, queue in enumerate(waiting):
            if queue and not any(left[need] for need in needs[place]):
                while queue and (free or not queue[-1].gpu):
                    job = queue.pop()
                    begin(job, seconds[job.name])

    fill()
    while events:
        now, _, what, job, work = heapq.heappop(events)
        if what == "back":
            again.append((job, work))
        else:
            free += job.gpu
            if what == "struck":
                struck += 1
                number += 1
                heapq.heappush(events, (now + REQUEUED, number, "back", job, work))
            else:
                left[array_of[job.name]] -= 1
        fill()
    return Outcome(now, busy, struck, longest(jobs, seconds))


def longest(jobs: Sequence[Job], seconds: Mapping[str, float]) -> float:
    """The longest chain of jobs that need each other, seconds."""
    ends: dict[str, float] = {}
    for job in jobs:
        ends[job.name] = seconds[job.name] + max((ends.get(need, 0.0) for need in job.needs), default=0.0)
    return max(ends.values(), default=0.0)


def table(sweep: Sweep, settings: Settings) -> str:
    """A line for each size of the cluster, about that of slurm.parallel jobs at once."""
    durations, _ = estimate.seconds(sweep, settings)
    jobs = [job for job in sweep.jobs.values() if job.name in durations]
    gpus, unit = (settings.gpus * settings.nodes, "GPUs") if settings.gpus else (1, "jobs at once")
    rate = f", {settings.preemptions:g} preemptions a GPU job and day" if settings.preemptions else ""
    lines = [f"simulated wall time{rate}:"]
    for slots in sorted({max(1, round(settings.parallel * factor)) for factor in (0.25, 0.5, 1, 2, 4)}):
        found = simulate(jobs, durations, settings, slots)
        mark = "  <- slurm.parallel" if slots == settings.parallel else ""
        struck = f", {found.preemptions} preemptions" if settings.preemptions else ""
        size = f"{slots * gpus:>6} {unit}: {found.wall / 3600:8.1f} h"
        lines.append(f"  {size}, {found.share(slots):4.0%} busy{struck}{mark}")
    shortest = longest(jobs, durations) / 3600
    return "\n".join([*lines, f"  the longest chain of stages takes {shortest:.1f} h: no cluster is faster"])


def main(words: Sequence[str]) -> int:
    runs, ours = split_words(words)
    if not runs:
        raise SystemExit((__doc__ or "").strip())
    try:
        print(table(plan(runs, ours), read(ours)))
    except (ValueError, FileNotFoundError) as error:
        print(f"slurm.simulate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
