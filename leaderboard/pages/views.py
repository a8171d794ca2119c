"""The views of a board: Pareto front, classes, depth, normals, seeds and selection rules, each a link."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd

from bench.record import DEPTH_RANGES, METRICS
from leaderboard import classes, columns, figures, rows, stats
from leaderboard.board import Board, Place
from leaderboard.page import Block, Choice, Column, Figure, Link, Page, Query, Table, missing, text
from leaderboard.pages import front

MOST = 30  # rows in a figure: the best ones
SHORT = 32  # letters of a row's name
WIDE = 720  # pixels that a figure with names beside it needs


def page(board: Board, name: str, query: Query) -> Page:
    place = board.place(query.split, query.protocol, query.version)
    if place is None or place.reported_only:
        return missing("Nothing measured", "Views are of measured splits, and there is no run of this one.")
    title, keep, draw = VIEWS[name]
    query = front.chosen(board, front.settled(query, place), place)
    table = board.ranking(place, query.by, query.selection, query.classes).table
    if not len(table):
        return missing(title, "No run of this split is there yet.")
    apart = int((~table["beside"]).sum())
    table = labelled(front.linked(table[table["beside"]]))
    told = f"Left out: {apart} row{'s' * (apart != 1)} of other test images, or of the split as it was not declared."
    notes = (text(told),) if apart else ()
    switches = front.switches(board, query, place, f"/view/{name}", keep)
    blocks = (front.places(board, place), *switches, *draw(board, place, query, table), *notes)
    return Page(f"{title}: {place.split}", blocks)


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """Each row with one short name that no other row has."""
    whole = table["method"] + " " + table["variant"].str.replace(r"\bmethod\.", "", regex=True)
    names = whole.str.strip().str.slice(0, SHORT)
    unclear = names.duplicated(keep=False) | (whole.str.len() > SHORT)
    return table.assign(label=names.where(~unclear, names.str.slice(0, SHORT - 5) + "… " + table["id"].str[:4]))


def metric_choice(query: Query, path: str, names: list[str], keep: tuple[str, ...]) -> tuple[str, Choice]:
    metric = query.metric if query.metric in names else names[0]
    options = tuple(Link(columns.SHORT.get(one, one), query.to(path, *keep, metric=one)) for one in names)
    return metric, Choice("Metric", options, columns.SHORT.get(metric, metric))


def scored(table: pd.DataFrame) -> list[str]:
    return [name for name in rows.SHOWN if METRICS[name].task in table["scored"].iloc[0] and columns.has(table, name)]


def pareto(board: Board, place: Place, query: Query, table: pd.DataFrame) -> tuple[Block, ...]:
    names = scored(table)
    if not names:
        return (text("No row has a score yet.", kind="note"),)
    metric, choice = metric_choice(query, "/view/pareto", names, VIEWS["pareto"][1])
    shown = table.dropna(subset=[metric, "images_per_second"])
    blocks: list[Block] = [choice]
    for testbed, some in shown.groupby("testbed"):
        on = figures.on_front(some, metric)
        near = on | (np.arange(len(some)) < MOST)  # the rows come best first
        some, on = some[near], on[near]
        left = f"; the front and the best {MOST} of {len(near)} rows" if not near.all() else ""
        said = some.assign(front=np.where(on, "on the front", some["why"].where(some["why"] != "", "dominated")))
        columns_ = (
            Column("label", "row", link="method_href"),
            columns.metric(metric),
            Column("images_per_second", "images/s ↑", digits=1),
            Column("front", "front"),
        )
        blocks += [
            text(f"Testbed: {testbed}", kind="h2"),
            Figure(
                figures.pareto(some, metric),
                Table(said, columns_, f"{columns.label(metric)} against images/s on {testbed}{left}"),
                WIDE,
            ),
        ]
    if len(blocks) == 1:
        blocks.append(text("No run of this split has its throughput measured.", kind="note"))
    blocks.append(text("Images per second are compared on one testbed only. Up and right is better."))
    return tuple(blocks)


def per_class(board: Board, table: pd.DataFrame, chosen: str) -> pd.DataFrame:
    """A row a recipe, a column a class: IoU in percent, the mean over seeds, from the stored matrices.

    Where there is no matrix, and the full set is asked for, the record's own numbers.
    """
    found: dict[str, pd.Series] = {}
    for row in rows.dicts(table):
        covered = classes.sets(row["classes"]).get(chosen) if row["classes"] else None
        if covered is None:
            continue
        each = [classes.iou(m, covered) for key in row["runs"] if (m := board.matrix(key)) is not None]
        if not each and chosen == classes.FULL:
            frame = board.index.frame
            each = [np.array(v, float) for v in frame["per_class"][frame["key"].isin(row["runs"])]]
        if each:
            found[row["id"]] = pd.Series(np.mean(each, 0), index=list(covered.classes))
    return pd.DataFrame(found).T


def heat(board: Board, place: Place, query: Query, table: pd.DataFrame) -> tuple[Block, ...]:
    chosen = table[table["seeds"] > 0].head(MOST)
    values = per_class(board, chosen, query.classes)
    if not len(values):
        return (text("No run of this split has a confusion matrix for these classes.", kind="note"),)
    named = chosen.set_index("id")["label"].reindex(values.index)
    keep = VIEWS["classes"][1]
    nothing = Link("nothing", query.to("/view/classes", *keep, pin=""))
    options = (nothing, *(Link(word, query.to("/view/classes", *keep, pin=str(one))) for one, word in named.items()))
    pinned = query.pin if query.pin in values.index else ""
    choice = Choice("Difference to", options, named[pinned] if pinned else "nothing")
    shown = (values - values.loc[pinned] if pinned else values).set_axis(named, axis=0)
    words = f"IoU % of each class{f', difference to {named[pinned]}' if pinned else ''}"
    frame = shown.reset_index(names="label")
    listed = (Column("label", "row"), *(Column(name, name, digits=1) for name in shown.columns))
    return choice, Figure(figures.heat(shown, bool(pinned)), Table(frame, listed, words), 240 + 34 * len(shown.columns))


def depth(board: Board, place: Place, query: Query, table: pd.DataFrame) -> tuple[Block, ...]:
    names = [name for name, one in METRICS.items() if one.task == "depth" and not one.oracle]
    runs = board.runs(place, query.selection)
    means = runs[runs["complete"]].groupby("recipe")[[*names, *(f"{n}_median_scaled" for n in names)]].mean()
    lines = []
    for row in rows.dicts(table):
        if row["id"] in means.index and means.loc[row["id"], names].notna().any():
            for form, words in (("", "metric"), ("_median_scaled", "median-scaled")):
                values = {name: means.loc[row["id"], name + form] for name in names}
                lines.append({"label": row["label"], "method_href": row["method_href"], "scale": words, **values})
    if not lines:
        return (text("No run of this split is scored in depth.", kind="note"),)
    listed = (
        Column("label", "row", link="method_href", width=300),
        Column("scale", "scale", "metric: as predicted, what ranks; median-scaled: each image's guess scaled by the "
               "ratio of medians, which looks at the truth"),
        *(columns.metric(name, spread=False) for name in names),
    )  # fmt: skip
    words = "Depth: metric and median-scaled errors, means over seeds"
    return *by_range(board, query, table), Table(pd.DataFrame(lines), listed, words, "depth")


def by_range(board: Board, query: Query, table: pd.DataFrame) -> tuple[Block, ...]:
    """A row's errors over near and far pixels apart, means over seeds."""
    metric, choice = metric_choice(query, "/view/depth", ["abs_rel", "rmse"], VIEWS["depth"][1])
    spans = [f"{a:g} to {b:g} m" if b < np.inf else f"over {a:g} m" for a, b in pairwise(DEPTH_RANGES)]
    found = {}
    for row in rows.dicts(table[table["seeds"] > 0].head(12)):
        each = [one[metric] for key in row["runs"] if (one := board.depths(key)) is not None]
        if each:
            found[row["label"]] = pd.Series(np.mean(each, 0), index=spans)
    if not found:
        return (text("No run keeps its errors by range of depth: they were scored by an older suite.", kind="note"),)
    frame = pd.DataFrame(found).T.dropna(axis=1, how="all")
    listed = (Column("label", "row"), *(Column(name, name, digits=columns.digits(metric)) for name in frame.columns))
    words = f"{columns.label(metric)} by range of true depth, means over seeds"
    numbers = Table(frame.reset_index(names="label"), listed, words)
    return choice, Figure(figures.across(frame, metric, "true depth"), numbers, WIDE)


def normals(board: Board, place: Place, query: Query, table: pd.DataFrame) -> tuple[Block, ...]:
    curves, lines = {}, []
    for row in rows.dicts(table[table["seeds"] > 0].head(12)):
        each = [one for key in row["runs"] if (one := board.angles(key)) is not None]
        if each:
            curve = np.mean(each, 0)
            curves[row["label"]] = curve
            at = {f"{t:g}": curve[round(t * stats.PER_DEGREE) - 1] for t in (5, 11.25, 22.5, 30, 45)}
            lines.append({"label": row["label"], "method_href": row["method_href"], **at})
    if not curves:
        return (text("No run of this split has statistics of normals.", kind="note"),)
    frame = pd.DataFrame(lines)
    listed = (
        Column("label", "row", link="method_href"),
        *(Column(name, f"< {name}° % ↑", "share of pixels with a smaller angle, mean over seeds", 1)
          for name in frame.columns[2:]),
    )  # fmt: skip
    words = "Share of pixels with an angle below a threshold"
    return (Figure(figures.angles(curves, stats.PER_DEGREE), Table(frame, listed, words), WIDE),)


def seeds(board: Board, place: Place, query: Query, table: pd.DataFrame) -> tuple[Block, ...]:
    names = scored(table)
    if not names:
        return (text("No row has a score yet.", kind="note"),)
    metric, choice = metric_choice(query, "/view/seeds", names, VIEWS["seeds"][1])
    best = table[table["seeds"] > 0].head(MOST)
    runs = board.reckoned(board.runs(place, query.selection), query.classes)
    runs = runs[runs["complete"]].drop_duplicates(["recipe", "seed"], keep="last")
    place_of = {one: at for at, one in enumerate(best["id"])}
    runs = runs[runs["recipe"].isin(place_of)].assign(order=runs["recipe"].map(place_of))
    runs = runs.sort_values(["order", "seed"], kind="stable")
    runs = runs.assign(label=runs["recipe"].map(best.set_index("id")["label"]), run_href="/run/" + runs["key"])
    listed = (
        Column("label", "row"),
        Column("seed", "seed", digits=0, link="run_href"),
        *(columns.metric(name, spread=False) for name in names),
    )
    frame = runs[["label", "seed", "run_href", *names]].reset_index(drop=True)
    words = f"{columns.label(metric)} of every seed"
    return choice, Figure(figures.strips(frame, metric), Table(frame, listed, words), WIDE)


def selection(board: Board, place: Place, query: Query, table: pd.DataFrame) -> tuple[Block, ...]:
    names = scored(table)
    if not names:
        return (text("No row has a score yet.", kind="note"),)
    metric, choice = metric_choice(query, "/view/selection", names, VIEWS["selection"][1])
    runs = board.runs(place)
    bounds = runs["oracle"] & (runs["selection"] == rows.LAST)
    runs = runs[runs["complete"] & ~bounds].drop_duplicates(["recipe", "seed"], keep="last")
    means = runs.pivot_table(index="family", columns="selection", values=metric, aggfunc="mean")
    means = means[sorted(means.columns, key=lambda rule: (rule == "oracle", rule != rows.LAST, rule))]
    several = means[means.notna().sum(axis=1) > 1]
    said = text(
        "The same runs, the checkpoint picked by other rules (python -m bench.select). Only the last step ranks; "
        "oracle is the pick by the test labels themselves: a bound on what a better rule could gain."
    )
    if not len(several):
        return choice, said, text("No run has been looked at under a second rule yet.", kind="note")
    first = table.drop_duplicates("family").set_index("family")["label"]
    several = several.head(MOST)
    several.index = [first.get(one, one) for one in several.index]
    several.columns = [front.RULES.get(one, one) for one in several.columns]
    frame = several.reset_index(names="label")
    listed = (Column("label", "row"), *(Column(n, n, digits=columns.digits(metric)) for n in several.columns))
    words = f"{columns.label(metric)} by selection rule, means over seeds"
    return (
        choice,
        said,
        Figure(figures.across(several, metric, "checkpoint picked by"), Table(frame, listed, words), WIDE),
    )


View = tuple[str, tuple[str, ...], Callable[[Board, Place, Query, pd.DataFrame], tuple[Block, ...]]]
VIEWS: dict[str, View] = {  # title, the words of its link, what draws it
    "pareto": ("Accuracy against speed", ("selection", "metric"), pareto),
    "classes": ("IoU of each class", ("selection", "classes", "pin"), heat),
    "depth": ("Depth", ("selection", "metric"), depth),
    "normals": ("Normals", ("selection",), normals),
    "seeds": ("Spread over seeds", ("selection", "metric"), seeds),
    "selection": ("Selection rules", ("metric",), selection),
}
