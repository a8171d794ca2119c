"""Figures as plotly's data and layout, from frames alone: no colour carries what a shape or a word does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from bench.record import METRICS
from leaderboard.columns import digits, label
from leaderboard.rows import dicts

# Okabe and Ito: eight colours that stay apart for the colour-blind; then shapes tell
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D1F", "#7F7F7F")
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "pentagon", "hexagon", "triangle-down")
DASHES = ("solid", "dash", "dot", "dashdot")
CONFIG = {  # of every graph: nothing is sent anywhere, and the picture is had as SVG
    "showSendToCloud": False,
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
    "toImageButtonOptions": {"format": "svg", "filename": "figure"},
}
Plot = dict[str, Any]


def figure(data: Sequence[Mapping[str, Any]], x: str, y: str, height: int = 420, **layout: Any) -> Plot:
    """Transparent, so that the page's light or dark shows through; its inks are the style sheet's.

    Names stand at the right, one below the other, and the figure is at least as high as they are.
    """
    height = max(height, 60 + 19 * len(data))
    axis = {"automargin": True, "zeroline": False, "gridcolor": "rgba(128,128,128,0.25)"}
    whole: Plot = {
        "height": height,
        "margin": {"l": 60, "r": 20, "t": 24, "b": 50},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#555"},
        "hoverlabel": {"namelength": -1},
        "legend": {"x": 1.02, "y": 1, "font": {"size": 12}},
        "xaxis": {"title": {"text": x}, **axis, **layout.pop("xaxis", {})},
        "yaxis": {"title": {"text": y}, **axis, **layout.pop("yaxis", {})},
    }
    return {"data": list(data), "layout": whole | layout}


def look(at: int) -> dict[str, Any]:
    return {"color": COLOURS[at % len(COLOURS)], "symbol": SHAPES[at % len(SHAPES)], "size": 10}


def hollow(at: int) -> dict[str, Any]:
    """An outline: what is pale in the light cannot be seen in the dark."""
    return look(at) | {"symbol": f"{SHAPES[at % len(SHAPES)]}-open", "line": {"width": 2}}


def pareto_front(speed: ArrayLike, cost: ArrayLike) -> NDArray[np.bool_]:
    """Which points no other beats: none is as fast or faster with a smaller cost, or faster at the same cost."""
    v, c = np.asarray(speed, float), np.asarray(cost, float)
    beaten = (v[None] >= v[:, None]) & (c[None] <= c[:, None]) & ((v[None] > v[:, None]) | (c[None] < c[:, None]))
    return np.asarray(~beaten.any(1), bool)


def on_front(table: pd.DataFrame, metric: str) -> NDArray[np.bool_]:
    """Which rows are on the front: of those that may be ranked."""
    sign = -1 if METRICS[metric].higher_is_better else 1
    fair = (table["why"] == "").to_numpy()
    result = np.zeros(len(table), bool)
    result[fair] = pareto_front(table.loc[fair, "images_per_second"], sign * table.loc[fair, metric])
    return result


def pareto(table: pd.DataFrame, metric: str) -> Plot:
    """Accuracy against images per second on one testbed: the front as steps, what is not on it hollow."""
    table = table.dropna(subset=[metric, "images_per_second"]).sort_values("images_per_second")
    on = on_front(table, metric)
    front = table[on]
    steps = {
        "type": "scatter", "mode": "lines", "x": front["images_per_second"].tolist(), "y": front[metric].tolist(),
        "line": {"shape": "vh", "color": "#7F7F7F", "dash": "dot"}, "name": "front", "hoverinfo": "skip",
    }  # fmt: skip
    points = [
        {
            "type": "scatter", "mode": "markers", "x": [row["images_per_second"]], "y": [row[metric]],
            "name": safe(row["label"]), "marker": look(at) if alive else hollow(at),
            "error_y": {"type": "data", "array": [spread(row[f"{metric}_std"])], "thickness": 1},
            "customdata": [row["method_href"]],
            "hovertemplate": f"%{{x:.1f}} images/s, %{{y:.{digits(metric)}f}}<extra>{safe(row['label'])}</extra>",
        }
        for at, (row, alive) in enumerate(zip(dicts(table), on, strict=True))
    ]  # fmt: skip
    axes = {"xaxis": {"type": "log", "nticks": 8}, "yaxis": reversed_if(metric)}
    return figure([steps, *points], "images/s, one at a time", label(metric), 460, **axes)


def spread(value: float) -> float:
    return 0.0 if pd.isna(value) else float(value)


def safe(words: object) -> str:
    """Words that plotly does not read as markup or as a template."""
    return str(words).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "%&#123;")


def reversed_if(metric: str) -> dict[str, Any]:
    """Up, or right, is always better."""
    return {} if METRICS[metric].higher_is_better else {"autorange": "reversed"}


def heat(values: pd.DataFrame, difference: bool) -> Plot:
    """Rows by classes in percent; differences on a scale that is white at nothing."""
    z = values.to_numpy(float)
    bound = max(1.0, float(np.nanmax(np.abs(z))) if np.isfinite(z).any() else 1.0)
    span: Plot = {"zmin": -bound, "zmax": bound, "colorscale": "RdBu"} if difference else {"zmin": 0, "zmax": 100}
    words = [["" if np.isnan(v) else f"{v:+.1f}" if difference else f"{v:.0f}" for v in line] for line in z]
    trace = {
        "type": "heatmap", "z": [[None if np.isnan(v) else round(float(v), 2) for v in line] for line in z],
        "x": list(values.columns), "y": [safe(name) for name in values.index], "text": words,
        "texttemplate": "%{text}", "hovertemplate": "%{y}, %{x}: %{z}<extra></extra>",
        "colorbar": {"title": {"text": "Δ IoU" if difference else "IoU %"}, "thickness": 12},
        "colorscale": "Viridis", **span,
    }  # fmt: skip
    rows = {"autorange": "reversed", "title": {"text": ""}}
    return figure([trace], "", "", 120 + 30 * len(values), xaxis={"tickangle": -45}, yaxis=rows)


def angles(curves: Mapping[str, NDArray[np.float64]], per_degree: int) -> Plot:
    """The share of pixels below an angle, up to 60 degrees; the three usual thresholds as lines."""
    step = per_degree // 4
    traces = [
        {
            "type": "scatter", "mode": "lines", "name": safe(name), "line": line(at),
            "x": [round((i + 1) / per_degree, 2) for i in range(step - 1, 60 * per_degree, step)],
            "y": [round(float(v), 2) for v in values[step - 1 : 60 * per_degree : step]],
        }
        for at, (name, values) in enumerate(curves.items())
    ]  # fmt: skip
    marks = [
        {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": {"dash": "dot", "width": 1}}
        for at in (11.25, 22.5, 30)
    ]
    return figure(traces, "angle, degrees", "pixels below, % ↑", 440, shapes=marks)


def line(at: int) -> dict[str, Any]:
    return {"color": COLOURS[at % len(COLOURS)], "dash": DASHES[at // len(COLOURS) % len(DASHES)]}


def strips(runs: pd.DataFrame, metric: str) -> Plot:
    """Every seed of every row: one line of points a row."""
    runs = runs.dropna(subset=[metric])
    traces = [
        {
            "type": "scatter", "mode": "markers", "y": [safe(name)] * len(some), "x": some[metric].tolist(),
            "text": [f"seed {seed}" for seed in some["seed"]], "name": safe(name), "marker": look(at),
            "hovertemplate": f"%{{text}}: %{{x:.{digits(metric)}f}}<extra></extra>",
        }
        for at, (name, some) in enumerate(runs.groupby("label", sort=False))
    ]  # fmt: skip
    axes = {"yaxis": {"autorange": "reversed", "type": "category"}, "xaxis": reversed_if(metric)}
    return figure(traces, label(metric), "", 100 + 26 * len(traces), showlegend=False, **axes)


def across(table: pd.DataFrame, metric: str, what: str) -> Plot:
    """Rows by selection rules, or by ranges (a column each): how a score, and the order, move with them."""
    traces = [
        {
            "type": "scatter", "mode": "lines+markers", "x": list(table.columns), "name": safe(name),
            "y": [None if pd.isna(v) else float(v) for v in values], "marker": look(at), "line": line(at),
            "connectgaps": True,
        }
        for at, (name, values) in enumerate(zip(table.index, table.to_numpy(float), strict=True))
    ]  # fmt: skip
    axes = {"xaxis": {"type": "category"}, "yaxis": reversed_if(metric)}
    return figure(traces, what, label(metric), 440, **axes)


def curves(log: pd.DataFrame) -> Plot:
    """The losses of a stage over its steps, logarithmic where all are positive."""
    names = [name for name in log.columns if name not in ("t", "seconds")]
    traces = [
        {"type": "scatter", "mode": "lines", "x": log["t"].tolist(), "line": line(at), "name": safe(name),
         "y": [None if pd.isna(v) else float(v) for v in log[name]]}
        for at, name in enumerate(names)
    ]  # fmt: skip
    positive = bool((log[names].stack() > 0).all()) if names else False
    return figure(traces, "step", "loss", 380, yaxis={"type": "log"} if positive else {})


def differences(table: pd.DataFrame) -> Plot:
    """Per-class differences with their 95 % intervals; what is not sure is faded."""
    trace = {
        "type": "scatter", "mode": "markers", "y": table["class"].tolist(), "x": table["difference"].tolist(),
        "error_x": {"type": "data", "symmetric": False, "array": (table["high"] - table["difference"]).tolist(),
                    "arrayminus": (table["difference"] - table["low"]).tolist()},
        "marker": {"color": COLOURS[0], "size": 9,
                   "symbol": ["circle" if sure else "circle-open" for sure in table["sure"]]},
    }  # fmt: skip
    nothing = {"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper", "line": {"width": 1}}
    axes = {"yaxis": {"autorange": "reversed", "type": "category"}, "shapes": [nothing]}
    return figure([trace], "difference in IoU, %", "", 130 + 22 * len(table), **axes)
