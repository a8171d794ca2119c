"""Which checkpoint would have been picked without target labels, and which with them: each pick a record of its own.

python -m bench.select RUN store=DIR [images=64] [validation=PART] [data.NAME=DIR]

`last` is what ranks. The run must have kept snapshots (snapshots=5). bench.criteria, another process, runs the method's
code and opens no target label; this one scores every checkpoint, as bench.score does, and imports no method. A
criterion's pick, the best mean rank over its values, becomes a run of the store with `selection` set to its name.
`oracle` is the pick by the test labels themselves: marked as learnt from them, and never ranked.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import record, score, words
from bench.record import HEADLINES, METRICS, RunRecord

ORACLE = "oracle"


def pick(values: Sequence[Mapping[str, float]]) -> int:
    """The place of the best mean rank over all values; of equals, the latest. What is not finite is worst.

    Ranks, for classes, metres and degrees cannot be added. A metric knows its direction; else smaller is better.
    """
    total = [0.0] * len(values)
    for name in values[0]:
        sign = -1 if name in METRICS and METRICS[name].higher_is_better else 1
        costs = [sign * one[name] if math.isfinite(one[name]) else math.inf for one in values]
        for place, cost in enumerate(costs):
            total[place] += sum(other < cost for other in costs) + sum(other == cost for other in costs) / 2
    return min(range(len(values)), key=lambda place: (total[place], -place))


def checkpoints(run: Path) -> list[Path]:
    """The folders of the snapshots, oldest first, and of the finished stage."""
    return [*sorted(file.parent for file in (run / "snapshots").glob("*/product.pt")), run]


def step_of(folder: Path, run: Path) -> int | None:
    """None: the last."""
    return None if folder == run else int(folder.name)


def score_snapshot(folder: Path, run: Path, roots: Mapping[str, str]) -> RunRecord:
    """The record of a snapshot, which lies too deep in the store to be a row of a table."""
    if (folder / record.RECORD).exists():
        return record.read(folder / record.RECORD)
    _ask(folder, run, selection="candidate", checkpoint=step_of(folder, run))
    return score.score_run(folder, roots, None)


def write_pick(name: str, chosen: Path, run: Path) -> RunRecord:
    """A run of its own from the statistics of the chosen checkpoint."""
    key = hashlib.sha256(f"{run.name} {name}".encode()).hexdigest()[:32]
    folder = run.parents[1] / key[:2] / key
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(chosen / score.STATS, folder)
    shutil.copytree(chosen / score.PANELS, folder / score.PANELS)
    changes: dict[str, Any] = {"selection": name, "checkpoint": step_of(chosen, run)}
    _ask(folder, run, **changes | ({"oracle": True} if name == ORACLE else {}))
    return score.score_run(folder, {}, None)


def _ask(folder: Path, run: Path, **changes: Any) -> None:
    """The run's own run.json but for what is changed in its record; and its throughput: it is the same network."""
    asked = json.loads((run / record.RUN).read_text())
    asked |= {"key": folder.name, "keep": "", "record": asked["record"] | changes}
    record.replace(folder / record.RUN, json.dumps(asked, indent=1, sort_keys=True).encode())
    if (run / score.THROUGHPUT).exists():
        shutil.copy(run / score.THROUGHPUT, folder)


def choose(run: Path, values: Mapping[str, Sequence[Mapping[str, float]]], roots: Mapping[str, str]) -> list[RunRecord]:
    """Score every checkpoint; a record for the pick of each criterion, and for the oracle's, in that order."""
    folders = checkpoints(run)
    last = record.read(run / record.RECORD)
    every = [*(score_snapshot(folder, run, roots) for folder in folders[:-1]), last]
    headlines = [m.name for m in HEADLINES.values() if m.name in last.metrics]
    scored = [{name: one.metrics[name] for name in headlines} for one in every]
    picks = {name: pick(each) for name, each in [*sorted(values.items()), (ORACLE, scored)]}
    return [write_pick(name, folders[place], run) for name, place in picks.items()]


def line(one: RunRecord) -> str:
    """A pick in words."""
    found = ", ".join(f"{m.name} {one.metrics[m.name]:.4g}" for m in HEADLINES.values() if m.name in one.metrics)
    note = "  by target labels, not to be ranked" if one.oracle else ""
    return f"{one.selection:<12} {'last' if one.checkpoint is None else f'step {one.checkpoint}':<12} {found}{note}"


def main(arguments: Sequence[str]) -> None:
    known = {"store": "store", "images": "64", "validation": ""}
    bare, given = words.parse(arguments, known, prefix="data.")
    if len(bare) != 1:
        raise SystemExit((__doc__ or "").strip())
    roots = {word.removeprefix("data."): root for word, root in given.items() if word.startswith("data.")}
    try:
        run = record.find(Path(given["store"]), bare[0]).absolute()
        if not (run / record.RECORD).exists():
            raise ValueError(f"{run} has no {record.RECORD}: the run is not complete")
        asked = [f"{word}={given[word]}" for word in ("images", "validation")]
        program = [sys.executable, "-m", "bench.criteria", run.name, f"store={run.parents[2]}", *asked]
        if code := subprocess.run(program, check=False).returncode:
            raise SystemExit(code)  # it has said why
        criteria = json.loads((run / "criteria.json").read_text())
        picks = choose(run, criteria["values"], roots)
    except (ValueError, OSError) as error:
        raise SystemExit(f"bench.select: {error}") from None
    for one in (record.read(run / record.RECORD), *picks):
        print(line(one))
    for name, why in criteria["skipped"].items():
        print(f"{name:<12} {'-':<12} {why}")


if __name__ == "__main__":
    main(sys.argv[1:])
