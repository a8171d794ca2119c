"""python -m slurm.status [SWEEP] store=DIR [jobs=all] [watch=SECONDS]: what became of each job, off the disk.

squeue is asked once a call at most, accounting never.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from slurm import scheduler, state
from slurm.launch import said
from slurm.state import State
from slurm.sweep import Sweep, submissions
from slurm.words import opened

QUIET = ("done", "pending", "waiting")  # not a line each, unless jobs=all


def table(sweep: Sweep, found: dict[str, State], whole: bool) -> Group:
    """Counts, then a line for each job that somebody may want to look at."""
    works: dict[str, list[str]] = {}
    for name, job in sweep.jobs.items():
        works.setdefault(job.work, []).append(found[name].kind)
    kinds = [kind for kind in state.KINDS if any(kind in each for each in works.values())]
    total = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", *kinds):
        total.add_column(name, justify="right" if name else "left")
    for work, each in works.items():
        total.add_row(work, *(str(each.count(kind) or "") for kind in kinds))
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("job", "what", "state", "", "log"):
        grid.add_column(name, overflow="fold")
    for name, job in sweep.jobs.items():
        one = found[name]
        if whole or one.kind not in QUIET:
            why = f"{one.note}: {one.message}" if one.message else one.note
            grid.add_row(name, job.label, one.kind, why, str(one.log or ""))
    head = Text(f"sweep {sweep.name}: {len(sweep.lines)} runs in {sweep.folder}")
    return Group(head, total, grid if grid.row_count else Text(), Text(after(sweep, found)))


def after(sweep: Sweep, found: dict[str, State]) -> str:
    """What to do next."""
    numbers, tail = state.counts(found.values()), f"{sweep.name} store={sweep.store}"
    if found["collect"].kind == "done" and set(numbers) == {"done"}:
        return f"all done; the table: {sweep.folder / 'table.md'}"
    if {"lost", "preempted", "stalled"} & numbers.keys() or "waiting" in numbers:
        return f"{said(numbers)}; python -m slurm.resume {tail} submits again what is not queued"
    if "failed" in numbers:
        return f"{said(numbers)}; when what failed is mended: python -m slurm.resume {tail} failed=yes"
    return said(numbers)


def look(sweep: Sweep, whole: bool) -> tuple[dict[str, State], Group]:
    sent = submissions(sweep.folder)
    queue = scheduler.queue(sweep.name) if sent and sent[-1]["cluster"] == "slurm" else None if not sent else {}
    found = state.states(sweep, queue)
    return found, table(sweep, found, whole)


def main(words: Sequence[str]) -> int:
    """The exit code: 0 all done, 3 under way, 1 something failed or was lost, 2 not understood."""
    try:
        sweep, values = opened(words, __doc__, jobs="", watch="")
        seconds = float(values["watch"] or 0)
    except (ValueError, OSError) as error:
        print(f"slurm.status: {error}", file=sys.stderr)
        return 2
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 240)
    found, shown = look(sweep, values["jobs"] == "all")
    if not seconds:
        console.print(shown)
    else:
        with Live(shown, console=console, auto_refresh=False) as live:
            while {one.kind for one in found.values()} & {"running", "pending", "preempted"}:
                time.sleep(max(10.0, seconds))  # schedulers are shared
                found, shown = look(sweep, values["jobs"] == "all")
                live.update(shown, refresh=True)
    kinds = {one.kind for one in found.values()}
    return 0 if kinds == {"done"} else 1 if kinds & {"failed", "lost", "stalled"} else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
