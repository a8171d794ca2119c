"""A store as pandas frames: a row a recipe, mean and deviation over its seeds; or a row a run."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench import record
from bench.plain import canonical
from bench.record import FIXTURE, METRICS, RunRecord
from bench.tasks import delta

COST = ("steps", "seconds", "throughput")


@dataclass(frozen=True)
class Entry:
    """A run of a store: a record, or what was asked for if no record came of it."""

    record: RunRecord
    complete: bool

    @property
    def recipe(self) -> str:
        """Equal for runs that differ in nothing but their seed: only these are averaged."""
        r = self.record
        what = (r.split, r.protocol, r.selection, r.limit, r.method, r.config, r.target_labels, r.data)
        return canonical([*what, *_network(r), r.network.student, r.precision, r.world])

    @property
    def bench(self) -> str:
        """Equal for runs that may stand beside each other: images, rules, network and precision."""
        r = self.record
        return canonical([r.split, r.protocol, r.selection, r.limit, *_network(r), r.precision, r.data])


def _network(run: RunRecord) -> tuple[Any, ...]:
    return run.network.name, run.network.weights, run.network.settings


def entries(store: Path) -> tuple[list[Entry], list[str]]:
    """The runs of a store, oldest first, and a line for each that cannot be read."""
    found: list[Entry] = []
    faults: list[str] = []
    for folder in record.folders(store):
        try:
            found.append(entry(folder))
        except (OSError, ValueError, KeyError) as error:
            faults.append(" ".join(str(error).split()))
    return sorted(found, key=lambda e: (e.record.created, e.record.key)), faults


def entry(folder: Path) -> Entry:
    if (folder / record.RECORD).exists():
        whole = record.read(folder / record.RECORD)
        return Entry(whole, complete=bool(whole.metrics) and not whole.incomplete)
    asked = json.loads((folder / record.RUN).read_text())
    return Entry(RunRecord.model_validate({"key": folder.name, "metrics": {}, "created": ""} | asked["record"]), False)


def partner(run: RunRecord, role: str, among: Sequence[Entry]) -> RunRecord | None:
    """The run of that role on the same images, rules, network and seed: the plainest one, then the newest."""
    bench = Entry(run, True).bench
    equal = [e.record for e in among if e.complete and e.bench == bench]
    found = [r for r in equal if r.role == role and r.seed == run.seed]
    return min(reversed(found), key=lambda r: len(r.overrides), default=None)


def against_single(run: RunRecord, among: Sequence[Entry], whole: bool = False) -> float:
    """The run's multi-task delta against the single-task networks of its seed; NaN if they are not there."""
    single = partner(run, "single", among)
    if single is None or run.metrics.keys() != single.metrics.keys():
        return math.nan
    return (delta.every if whole else delta.headline)(run.metrics, single.metrics).value


def recipes(found: Sequence[Entry], whole: bool = False) -> pd.DataFrame:
    """A row a recipe: means and deviations over its seeds. A seed that was run twice counts once, the newest."""
    columns = columns_of(found, whole)
    groups: dict[str, list[Entry]] = {}
    for one in found:
        groups.setdefault(one.recipe, []).append(one)
    rows = []
    for recipe, group in groups.items():
        newest = {e.record.seed: e.record for e in group if e.complete}
        missing = {e.record.seed for e in group if not e.complete} - newest.keys()
        values = pd.DataFrame(
            [_numbers(r, found, whole) for r in newest.values()], columns=[*columns, *COST], dtype=float
        )
        row = _described(group[-1].record) | {"seeds": len(newest), "incomplete": len(missing), "recipe": recipe}
        rows.append(row | values.mean().to_dict() | values[columns].std(ddof=1).add_suffix("_std").to_dict())
    table = pd.DataFrame(rows)
    return table if table.empty else _sorted(_told_apart(table), columns)


def runs(found: Sequence[Entry], whole: bool = False) -> pd.DataFrame:
    """A row a run that has its record: what `recipes` averages, with seed, key and commit."""
    columns = columns_of(found, whole)
    rows = []
    for one in (one for one in found if one.complete):
        r = one.record
        numbers = {name: float(_numbers(r, found, whole).get(name, math.nan)) for name in (*columns, *COST)}
        which = {"seed": r.seed, "key": r.key, "commit": r.commit, "created": r.created, "recipe": one.recipe}
        rows.append(_described(r) | which | numbers)
    if not rows:
        return pd.DataFrame()
    return _told_apart(pd.DataFrame(rows)).sort_values(["split", "method", "variant", "seed"], ignore_index=True)


def _described(run: RunRecord) -> dict[str, Any]:
    """What a row says of its runs before the numbers."""
    return {
        "split": run.split["name"],
        "protocol": run.protocol,
        "method": run.method,
        "variant": " ".join(run.overrides),
        "apart": _apart(run),
        "selection": run.selection,
        "network": run.network.name,
        "precision": run.precision,
        "world": run.world,
        "limit": run.limit,
        "standard": run.standard,
        "data": run.data,
    }


def columns_of(found: Sequence[Entry], whole: bool) -> list[str]:
    """The metrics that some run has, headlines or all, and the delta if some single-task run is there."""
    scored = {name for one in found for name in one.record.metrics}
    names = [n for n in METRICS if n in scored and (whole or METRICS[n].headline)]
    single = any(one.complete and one.record.role == "single" for one in found)
    return names + (["delta", *(["delta_all"] if whole else [])] if single else [])


def _numbers(run: RunRecord, among: Sequence[Entry], whole: bool) -> dict[str, float]:
    """Its metrics, its gains over single-task networks, and COST: of the whole chain; speed by the reference's."""
    gains = {"delta": against_single(run, among)}
    if whole:
        gains["delta_all"] = against_single(run, among, whole=True)
    ratio = float(run.throughput.get("ratio", math.nan))
    return run.metrics | gains | {"steps": run.cost.steps, "seconds": run.cost.seconds, "throughput": ratio}


def _told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """Say in `variant` what else differs, so that no two rows of a method look the same."""
    for name in ("selection", "network", "precision", "world", "limit", "data"):
        if table[name].nunique(dropna=False) > 1:
            words = [f"{name}={value}" if pd.notna(value) else "" for value in table[name]]
            table["variant"] = [f"{a} {b}".strip() for a, b in zip(table["variant"], words, strict=True)]
    recipes_alike = table.groupby(["split", "method", "variant"])["recipe"].transform("nunique")
    for place in table.index[recipes_alike > 1]:
        digest = hashlib.sha256(str(table.loc[place, "recipe"]).encode()).hexdigest()[:6]
        table.loc[place, "variant"] = f"{table.loc[place, 'variant']} recipe={digest}".strip()
    return table


def _apart(run: RunRecord) -> str:
    """Why a run is not to be ranked; "" if it is."""
    labels = "oracle" if run.oracle else f"lent {run.target_labels:.0%}" if run.target_labels else ""
    return f"{FIXTURE} {labels}".strip() if run.data == FIXTURE else labels


def _sorted(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """By split; what is not to be ranked comes last; then by the first headline."""
    table["last"] = table["apart"] != ""
    by = next((name for name in columns if name in METRICS), "seeds")
    up = by in METRICS and not METRICS[by].higher_is_better
    order = ["split", "protocol", "last", by, "method", "variant"]
    ordered = table.sort_values(order, ascending=[True, True, True, up, True, True], na_position="last")
    return ordered.drop(columns="last").reset_index(drop=True)
