"""Slurm's own programs: asked once a command, and done without where they are missing."""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass

LARGEST_ARRAY = 1000  # where the scheduler does not say


@dataclass(frozen=True)
class Entry:
    """A line of the queue."""

    state: str  # PENDING RUNNING COMPLETING ...
    reason: str  # why it is pending


def job_name(sweep: str) -> str:
    """Job ids are used again after a while: a line of the queue is ours if id and name are."""
    return f"mtda-{sweep}"


def queue(sweep: str) -> dict[str, Entry] | None:
    """{id: entry} of the sweep's jobs that wait or run, by one call of squeue; None if there is no telling."""
    words = ["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%i|%T|%j|%r"]
    done = call(words)
    if done is None or done.returncode:
        return None
    rows = [line.split("|", 3) for line in done.stdout.splitlines() if line.count("|") >= 3]
    return {row[0].strip(): Entry(row[1], row[3]) for row in rows if row[2] == job_name(sweep)}


def largest_array() -> int:
    """The limit caps the index: MaxArraySize 1001 allows 0 to 1000."""
    done = call(["scontrol", "show", "config"])
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.stdout if done else "", re.MULTILINE)
    return max(1, int(found[1])) if found else LARGEST_ARRAY


def cancel(ids: Collection[str]) -> str:
    """Whole arrays or single tasks; what scancel complained of, in one line."""
    chosen, complaints = sorted(set(ids)), []
    for begin in range(0, len(chosen), 500):  # a command line has its limits
        done = call(["scancel", *chosen[begin : begin + 500]])
        if done is None:
            return "scancel is not here"
        complaints += [" ".join(done.stderr.split())] if done.returncode else []
    return "; ".join(complaints)


def call(words: list[str]) -> subprocess.CompletedProcess[str] | None:
    """None if the program is missing or does not answer within a minute."""
    if shutil.which(words[0]) is None:
        return None
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return None
