"""Frames as people read them: text, CSV, Markdown and LaTeX."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from bench.record import FIXTURE, METRICS, UNKNOWN

DIGITS = {"%": 1, "deg": 1, "m": 2, "": 3}
FORMATS = ("text", "csv", "markdown", "latex")
NOTHING = "-"
APART = "learnt from target labels, not to be ranked:\n\n"
RENDERED = "made on a fixture (rendered scenes in the place of a data set), not to be ranked:\n\n"


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
    """A frame of recipes or of runs as people read it: one column a metric, marks at the end."""
    rows = []
    for _, row in table.iterrows():
        cells = {"split": row["split"], "method": row["method"], "variant": row["variant"] or NOTHING}
        for name in (c for c in table.columns if c in METRICS or c in ("delta", "delta_all")):
            cells[heading(name)] = number(row[name], row.get(f"{name}_std", math.nan), digits(name))
        cells |= {
            **{name: str(row[name]) for name in ("seeds", "seed") if name in row},
            "steps": number(row["steps"], math.nan, 0),
            "cost": duration(row["seconds"]),
            "speed x": number(row["throughput"], math.nan, 2),
            "marks": ", ".join(marks(row)) or NOTHING,
        }
        rows.append(cells)
    return pd.DataFrame(rows)


def marks(row: pd.Series) -> list[str]:
    found = [str(row["apart"])] if row["apart"] else []
    if "seeds" in row:  # of a recipe
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
