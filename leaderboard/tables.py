"""Tables as files and as cells: filtered and sorted as the grid shows them; CSV, Parquet, LaTeX, Markdown."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bench.record import METRICS
from leaderboard.page import Column, Table
from leaderboard.rows import dicts

FORMS = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "tex": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
}
NOTHING = "-"
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that begins so for a formula


def cell(row: Mapping[str, Any], column: Column) -> str:
    """A cell as people read it: 45.8 ± 0.2."""
    value = row.get(column.shown or column.name)
    if column.digits is None or column.shown:
        return str(value) if value is not None and not (isinstance(value, float) and math.isnan(value)) else ""
    if not isinstance(value, int | float | np.number) or not math.isfinite(value):
        return NOTHING
    deviation = row.get(column.spread, math.nan) if column.spread else math.nan
    said = f"{value:.{column.digits}f}"
    return said + (f" ± {deviation:.{column.digits}f}" if math.isfinite(deviation) else "")


def shown(table: Table) -> pd.DataFrame:
    """Every cell in words."""
    rows = [[cell(row, column) for column in table.columns] for row in dicts(table.frame)]
    return pd.DataFrame(rows, columns=[column.heading for column in table.columns])


def numbers(table: Table, context: Mapping[str, str]) -> pd.DataFrame:
    """The columns in full, deviations beside them, units in their names; first the words of the context."""
    found: dict[str, Any] = {name: [word] * len(table.frame) for name, word in context.items()}
    for column in table.columns:
        if column.name == "place":
            found |= {part: table.frame[part].to_numpy() for part in ("rank", "place", "low", "high", "group")
                      if part in table.frame}  # fmt: skip
            continue
        name = column.name
        unit = METRICS[column.name].unit if column.name in METRICS else ""
        found[f"{name} [{unit}]" if unit else name] = table.frame[name].to_numpy()
        if column.spread:
            found[f"{column.spread} [{unit}]" if unit else column.spread] = table.frame[column.spread].to_numpy()
    return pd.DataFrame(found)


def file(table: Table, form: str, context: Mapping[str, str]) -> bytes:
    """The table in one of FORMS."""
    if form == "csv":
        return csv(numbers(table, context)).encode()
    if form == "parquet":
        out = io.BytesIO()
        numbers(table, context).to_parquet(out, index=False)
        return out.getvalue()
    note = ", ".join(f"{name} {word}" for name, word in context.items())
    draw = latex if form == "tex" else markdown
    return draw(shown(table), f"{table.caption}; {note}").encode()


def csv(frame: pd.DataFrame) -> str:
    safe = frame.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [harmless(value) for value in safe[name]]
    return str(safe.to_csv(index=False))


def harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(DANGEROUS) else value


def markdown(frame: pd.DataFrame, caption: str) -> str:
    rows = [list(frame.columns), ["---"] * len(frame.columns), *frame.to_numpy().tolist()]
    lines = ["| " + " | ".join(plain(word) for word in row) + " |" for row in rows]
    return "\n".join([*lines, "", plain(caption), ""])


def plain(word: Any) -> str:
    """A word that is neither markup nor a new cell in Markdown."""
    return str(word).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def latex(frame: pd.DataFrame, caption: str) -> str:
    rows = [line(row) for row in frame.to_numpy().tolist()]
    head = f"\\begin{{tabular}}{{{'l' * len(frame.columns)}}}\n\\toprule\n{line(list(frame.columns))}\n\\midrule\n"
    return (
        f"% {caption}\n".replace("\n", " ").strip() + "\n" + head + "\n".join(rows) + "\n\\bottomrule\n\\end{tabular}\n"
    )


SIGNS = {"\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{",
         "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "↑": r"$\uparrow$",
         "↓": r"$\downarrow$", "Δ": r"$\Delta$", "°": r"$^\circ$", "\n": " "}  # fmt: skip


def line(cells: list[Any]) -> str:
    return " & ".join("".join(SIGNS.get(letter, letter) for letter in str(one)) for one in cells) + r" \\"


def arranged(frame: pd.DataFrame, model: str, order: str) -> pd.DataFrame:
    """The rows that a grid's filters leave, in its order; what cannot be understood changes nothing."""
    try:
        filters = json.loads(model) if model else {}
    except ValueError:
        filters = {}
    for name, one in filters.items() if isinstance(filters, dict) else ():
        if name in frame.columns and isinstance(one, dict):
            frame = frame[passes(pd.Series(frame[name]), one)]
    name, _, way = order.partition(":")
    if name in frame.columns:
        frame = frame.sort_values(name, ascending=way != "desc", kind="stable", na_position="last")
    return frame.reset_index(drop=True)


def passes(values: pd.Series, model: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which values an ag-grid filter lets through: text or number, one condition or several joined."""
    if isinstance(model.get("conditions"), list):
        each = [passes(values, one) for one in model["conditions"][:10] if isinstance(one, dict)]
        joined = np.logical_or if model.get("operator") == "OR" else np.logical_and
        return joined.reduce(each) if each else np.ones(len(values), bool)
    kind, wanted = model.get("type"), model.get("filter")
    empty = (values.isna() | (values.astype(str) == "")).to_numpy(bool)
    if kind in ("blank", "notBlank"):
        return empty if kind == "blank" else ~empty
    if model.get("filterType") == "number":
        return numeric(values.to_numpy(float), kind, wanted, model.get("filterTo"))
    word = str("" if wanted is None else wanted).lower()
    text = values.astype(str).str.lower()
    found = {
        "contains": text.str.contains(word, regex=False),
        "notContains": ~text.str.contains(word, regex=False),
        "equals": text == word,
        "notEqual": text != word,
        "startsWith": text.str.startswith(word),
        "endsWith": text.str.endswith(word),
    }.get(str(kind))
    return np.ones(len(values), bool) if found is None else found.to_numpy(bool)


def numeric(values: np.ndarray[Any, Any], kind: Any, wanted: Any, to: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    bounds = [one for one in (wanted, to) if isinstance(one, int | float)]
    if not bounds or (kind == "inRange" and len(bounds) < 2):
        return np.ones(len(values), bool)
    with np.errstate(invalid="ignore"):
        found = {
            "equals": values == bounds[0],
            "notEqual": values != bounds[0],
            "greaterThan": values > bounds[0],
            "greaterThanOrEqual": values >= bounds[0],
            "lessThan": values < bounds[0],
            "lessThanOrEqual": values <= bounds[0],
            "inRange": (values > bounds[0]) & (values < bounds[-1]),
        }
    return np.asarray(found.get(str(kind), np.ones(len(values), bool)), bool)
