"""Tables over a store: runs grouped by recipe, mean and deviation over seeds; as text, CSV, Markdown and LaTeX."""

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
from bench.record import FIXTURE, METRICS, UNKNOWN, RunRecord
from bench.tasks import delta

DIGITS = {"%": 1, "deg": 1, "m": 2, "": 3}
FORMATS = ("text", "csv", "markdown", "latex")
NOTHING = "-"
APART = "learnt from target labels, not to be ranked:\n\n"
RENDERED = "made on a fixture (rendered scenes in the place of a data set), not to be ranked:\n\n"


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


def frame(found: Sequence[Entry], whole: bool = False) -> pd.DataFrame:
    """A row a recipe: means and deviations over its seeds. A seed that was run twice counts once, the newest."""
    columns = columns_of(found, whole)
    groups: dict[str, list[Entry]] = {}
    for one in found:
        groups.setdefault(one.recipe, []).append(one)
    rows = []
    for recipe, group in groups.items():
        newest = {e.record.seed: e.record for e in group if e.complete}
        missing = {e.record.seed for e in group if not e.complete} - newest.keys()
        some, several = group[-1].record, list(newest.values())
        values = pd.DataFrame(
            [r.metrics | _deltas(r, found, whole) | _cost(r) for r in several],
            columns=[*columns, "steps", "seconds", "throughput"],
            dtype=float,
        )
        spread = values[columns].std(ddof=1).add_suffix("_std")
        row = {
            "split": some.split["name"],
            "protocol": some.protocol,
            "method": some.method,
            "variant": " ".join(some.overrides),
            "apart": _apart(some),
            "seeds": len(several),
            "incomplete": len(missing),
            "selection": some.selection,
            "network": some.network.name,
            "precision": some.precision,
            "world": some.world,
            "limit": some.limit,
            "standard": some.standard,
            "data": some.data,
            "recipe": recipe,
        }
        rows.append(row | values.mean().to_dict() | spread.to_dict())
    table = pd.DataFrame(rows)
    return table if table.empty else _sorted(_told_apart(table), columns)


def columns_of(found: Sequence[Entry], whole: bool) -> list[str]:
    """The metrics that some run has, headlines or all, and the delta if some single-task run is there."""
    scored = {name for one in found for name in one.record.metrics}
    names = [n for n in METRICS if n in scored and (whole or METRICS[n].headline)]
    single = any(one.complete and one.record.role == "single" for one in found)
    return names + (["delta", *(["delta_all"] if whole else [])] if single else [])


def _deltas(run: RunRecord, among: Sequence[Entry], whole: bool) -> dict[str, float]:
    gains = {"delta": against_single(run, among)}
    return gains | ({"delta_all": against_single(run, among, whole=True)} if whole else {})


def _cost(run: RunRecord) -> dict[str, float]:
    ratio = float(run.throughput.get("ratio", math.nan))
    return {"steps": run.cost.steps, "seconds": run.cost.seconds, "throughput": ratio}


def _told_apart(table: pd.DataFrame) -> pd.DataFrame:
    """Say in `variant` what else differs, so that no two rows of a method look the same."""
    for name in ("selection", "network", "precision", "world", "limit", "data"):
        if table[name].nunique(dropna=False) > 1:
            words = [f"{name}={value}" if pd.notna(value) else "" for value in table[name]]
            table["variant"] = [f"{a} {b}".strip() for a, b in zip(table["variant"], words, strict=True)]
    for place in table.index[table.duplicated(["split", "method", "variant"], keep=False)]:
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


def render(table: pd.DataFrame, form: str) -> str:
    """The frame in one of FORMATS; numbers in full in CSV, `mean ± deviation` elsewhere."""
    if form == "csv":
        return table.drop(columns="recipe").to_csv(index=False)
    free, rendered = table["apart"] == "", table["data"] == FIXTURE
    blocks = (("", table[free]), (APART, table[~free & ~rendered]), (RENDERED, table[rendered]))
    parts = [(title, shown(part)) for title, part in blocks if len(part)]
    if form == "latex":
        return _latex([block for _, block in parts])
    draw = _markdown if form == "markdown" else _text
    return "\n\n".join(title + draw(block) for title, block in parts)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The frame as people read it: one column a metric, marks at the end."""
    rows = []
    for _, row in table.iterrows():
        cells = {"split": row["split"], "method": row["method"], "variant": row["variant"] or NOTHING}
        for name in (c.removesuffix("_std") for c in table.columns if c.endswith("_std")):
            cells[heading(name)] = number(row[name], row[f"{name}_std"], digits(name))
        cells |= {
            "seeds": str(row["seeds"]),
            "cost": duration(row["seconds"]),
            "speed x": number(row["throughput"], math.nan, 2),
            "marks": ", ".join(marks(row)) or NOTHING,
        }
        rows.append(cells)
    return pd.DataFrame(rows)


def marks(row: pd.Series) -> list[str]:
    found = [str(row["apart"])] if row["apart"] else []
    found += [f"{row['incomplete']} incomplete"] if row["incomplete"] else []
    found += ["one seed"] if row["seeds"] == 1 else []
    found += ["quick look"] if pd.notna(row["limit"]) else []
    found += ["data unknown"] if row["data"] == UNKNOWN else []
    found += ["not standard"] if not row["standard"] else []
    return found


def heading(name: str) -> str:
    if name not in METRICS:
        return f"{name} % ↑"
    metric = METRICS[name]
    return " ".join(filter(None, (name, metric.unit, "↑" if metric.higher_is_better else "↓")))


def digits(name: str) -> int:
    return DIGITS[METRICS[name].unit] if name in METRICS else 1


def number(value: float, deviation: float, places: int) -> str:
    if not math.isfinite(value):
        return NOTHING
    return f"{value:.{places}f}" + (f" ± {deviation:.{places}f}" if math.isfinite(deviation) else "")


def duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _text(block: pd.DataFrame) -> str:
    """Words to the left, numbers to the right."""
    rows = [list(block.columns), *block.to_numpy().tolist()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ["<" if place < 3 or place == len(widths) - 1 else ">" for place in range(len(widths))]
    lines = ["  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, sides, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _markdown(block: pd.DataFrame) -> str:
    rows = [list(block.columns), ["---"] * len(block.columns), *block.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)


def _latex(blocks: Sequence[pd.DataFrame]) -> str:
    """A booktabs table; what is not to be ranked stands below a rule of its own."""
    rows = ["\n".join(_row(list(values)) for values in block.to_numpy()) for block in blocks]
    columns = list(blocks[0].columns)
    kinds = "lll" + "r" * (len(columns) - 4) + "l"
    head = f"\\begin{{tabular}}{{{kinds}}}\n\\toprule\n{_row(columns)}\n\\midrule\n"
    return head + "\n\\midrule\n".join(rows) + "\n\\bottomrule\n\\end{tabular}"


def _row(cells: Sequence[str]) -> str:
    signs = {"\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$",
             "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
             "±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$"}  # fmt: skip
    return " & ".join("".join(signs.get(letter, letter) for letter in str(cell)) for cell in cells) + r" \\"
