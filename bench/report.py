"""Show a run, or a store as a table.

python -m bench.report RUN store=DIR                      RUN: a folder, or the beginning of a key
python -m bench.report --table store=DIR [split=NAME] [rows=runs] [metrics=all] [format=text|csv|markdown|latex]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench import frames, panel, record, tables, words
from bench.log import console
from bench.record import FIXTURE, METRICS, UNKNOWN, RunRecord
from bench.tables import digits, duration, number

PANEL = "panel.png"


def summary(run: Path, store: Path) -> Group:
    """The table of a run, what it cost, where its record is; draws its panel.png."""
    shown = record.read(run / record.RECORD)
    found, _ = frames.entries(store)
    beside = None if shown.role == "baseline" else frames.partner(shown, "baseline", found)
    lines: list[Text | Table] = [*head(shown), table(shown, beside), *details(shown)]
    if not math.isnan(gain := frames.against_single(shown, found)):
        lines.append(Text(f"multi-task delta {gain:+.1f} % against single-task networks (positive is better)"))
    if shown.panels:
        panel.draw([run / name for name in shown.panels]).save(run / PANEL)
        lines.append(Text(f"panel   {run / PANEL}"))
    return Group(*lines, Text(f"record  {run / record.RECORD}"))


def head(run: RunRecord) -> Iterator[Text]:
    title = f"{run.method} on {run.split['name']}, seed {run.seed}, network {run.network.name or '?'}"
    yield Text(f"{title}, protocol {run.protocol}, {run.images} images", style="bold")
    remarks = [
        "learnt from target labels: an oracle, not to be ranked" if run.oracle else "",
        f"lent {run.target_labels:.0%} of the target's labels" if run.target_labels else "",
        f"a quick look: {run.limit} images at most" if run.limit is not None else "",
        {
            FIXTURE: "made on a fixture, rendered scenes in the place of a data set: not to be ranked",
            UNKNOWN: "its data are not a copy that is known to be good; see datasets.prepare",
        }.get(run.data, ""),
        "" if run.standard or run.data in (FIXTURE, UNKNOWN) else "not the split as declared",
        *(f"{task} is not scored: {why}" for task, why in run.not_scored.items()),
    ]
    for remark in filter(None, remarks):
        yield Text(f"note: {remark}", style="yellow")


def table(run: RunRecord, beside: RunRecord | None) -> Table:
    """A line a metric, beside the baseline's if there is one; median-scaled depth in a column of its own."""
    scaled = any(f"{name}_median_scaled" in run.metrics for name in run.metrics)
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    grid.add_column("task")
    grid.add_column("metric")
    names = [run.method, *([beside.method, "gain"] if beside else []), *(["median-scaled"] if scaled else [])]
    for name in names:
        grid.add_column(name, justify="right")
    last = ""
    for name, metric in METRICS.items():
        if name not in run.metrics or metric.oracle:
            continue
        value, places = run.metrics[name], max(digits(name), 1 if metric.unit else 3)
        cells: list[str | Text] = [number(value, math.nan, places)]
        if beside:
            base = beside.metrics.get(name, math.nan)
            better = (value - base) * (1 if metric.higher_is_better else -1)
            cells += [number(base, math.nan, places), gain_of(value - base, better, places)]
        if scaled:
            twin = f"{name}_median_scaled"
            cells.append(number(run.metrics[twin], math.nan, places) if twin in run.metrics else "")
        if last and metric.task != last:
            grid.add_section()
        grid.add_row(metric.task if metric.task != last else "", tables.heading(name), *cells,
                     style="bold" if metric.headline else None)  # fmt: skip
        last = metric.task
    return grid


def gain_of(difference: float, better: float, places: int) -> Text:
    if not math.isfinite(difference):
        return Text(tables.NOTHING)
    return Text(f"{difference:+.{places}f}", style="green" if better > 0 else "red" if better < 0 else "")


def details(run: RunRecord) -> Iterator[Text]:
    """Classes, smaller class sets, cost and speed: a line each."""
    if run.per_class:
        cells = (f"{name} {number(value, math.nan, 1)}" for name, value in run.per_class.items())
        yield Text("IoU %   " + ", ".join(cells))
    for name, value in run.class_sets.items():
        yield Text(f"miou over {name}: {number(value, math.nan, 1)} %")
    for name, metrics in run.groups.items():
        cells = (f"{m} {number(v, math.nan, digits(m))}" for m, v in metrics.items() if METRICS[m].headline)
        yield Text(f"{name:<8}" + ", ".join(cells))
    cached = sum(link.cached for link in run.chain)
    stages = f"{len(run.chain)} stage{'s' * (len(run.chain) != 1)}" + (f", {cached} of them cached" if cached else "")
    yield Text(f"cost    {run.cost.steps} steps, {duration(run.cost.seconds)} on {run.cost.device or '?'} ({stages})")
    if one := run.throughput.get("batch1"):
        ratio = run.throughput.get("ratio", math.nan)
        pace = f"{one['images_per_second']:.1f} images/s one at a time, {one['ms_p50']:.1f} ms"
        yield Text(f"speed   {pace}, {ratio:.2f} times the reference network")


def main(arguments: Sequence[str]) -> None:
    known = {"store": "store", "split": "", "rows": "recipes", "metrics": "headline", "format": "text"}
    bare, values = words.parse(arguments, known, flags=("--table",))
    store = Path(values.pop("store"))
    asked = values.pop("--table")
    if asked and not bare:
        print(store_table(store, **values))
    elif len(bare) == 1 and not asked:
        try:
            run = record.find(store, bare[0])
            if not (run / record.RECORD).exists():
                raise ValueError(f"{run} has no {record.RECORD}: the run is not complete")
            console.print(summary(run, store))
        except (ValueError, OSError) as error:
            raise SystemExit(f"bench.report: {error}") from None
    else:
        raise SystemExit((__doc__ or "").strip())


def store_table(
    store: Path, split: str = "", rows: str = "recipes", metrics: str = "headline", format: str = "text"
) -> str:
    """The runs of a store, or of a split. SystemExit names a word that is not known, or what there is instead."""
    options = {"rows": ("recipes", "runs"), "metrics": ("headline", "all"), "format": tables.FORMATS}
    for word, value in (("rows", rows), ("metrics", metrics), ("format", format)):
        if value not in options[word]:
            known = " ".join(options[word])
            raise SystemExit(f"bench.report: {word}={value} is not known; {word} is one of {known}")
    found, faults = frames.entries(store)
    for fault in faults:
        print(f"not in the table: {fault}", file=sys.stderr)
    usable = [one for one in found if one.complete or rows == "recipes"]  # which say how many seeds are incomplete
    chosen = [one for one in usable if split in ("", one.record.split["name"])]
    if not chosen:
        names = sorted({one.record.split["name"] for one in usable})
        there = f"there are runs of {' '.join(names)}" if names else "the store is empty"
        raise SystemExit(f"bench.report: no run{f' of split {split}' if split else ''} in {store}: {there}")
    make = frames.runs if rows == "runs" else frames.recipes
    return tables.render(make(chosen, metrics == "all"), format)


if __name__ == "__main__":
    main(sys.argv[1:])
