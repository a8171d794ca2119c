"""Two rows of a board side by side: settings that differ, classes with significance, images that differ most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.record import METRICS
from leaderboard import classes, columns, figures, ranks, receipt, stats
from leaderboard.board import Board
from leaderboard.page import Block, Choice, Column, Figure, Link, Page, Query, Table, missing, text
from leaderboard.pages import front, views
from leaderboard.rows import dicts

KEEP = ("selection", "a", "b")


@dataclass(frozen=True)
class Side:
    """A row and what its runs keep."""

    name: str
    label: str
    found: tuple[stats.Statistics, ...]


def page(board: Board, query: Query) -> Page:
    place = board.place(query.split, query.protocol, query.version)
    if place is None or place.reported_only:
        return missing("Nothing to compare", "There is no run of this split.")
    query = front.chosen(board, front.settled(query, place), place)
    table = board.ranking(place, query.by, query.selection).table
    table = views.labelled(front.linked(table[table["seeds"] > 0]))
    if len(table) < 2:
        blocks = (front.places(board, place), *front.switches(board, query, place, "/compare", KEEP))
        return Page("Nothing to compare", (*blocks, text("It takes two rows with a whole run.", kind="note")))
    named = table.set_index("id")["label"]
    a = query.a if query.a in named else named.index[0]
    b = query.b if query.b in named and query.b != a else next(one for one in named.index if one != a)
    query = replace(query, a=a, b=b)
    picks = []
    for side, words in (("a", "This"), ("b", "against this")):
        links = (Link(label, query.to("/compare", *KEEP, **{side: str(one)})) for one, label in named.items())
        picks.append(Choice(words, tuple(links), named[getattr(query, side)]))
    found = {str(row["id"]): row for row in dicts(table)}
    sides = []
    for one in (a, b):
        kept = tuple(s for key in found[one]["runs"] if (s := board.statistics(key)) is not None)
        sides.append(Side(one, named[one], kept))
    newest = [found[one]["runs"][-1] for one in (a, b)]
    told: list[Block] = [*scores(sides[0], sides[1], found[a]["classes"])]
    told += differing(board, newest[0], newest[1], named[a], named[b])
    runs = text("Newest runs: ", *interleaved([Link(named[one], found[one]["method_href"]) for one in (a, b)]))
    switches = front.switches(board, query, place, "/compare", KEEP)
    return Page(f"{named[a]} against {named[b]}", (front.places(board, place), *switches, *picks, runs, *told))


def interleaved(links: list[Link]) -> list[Link | str]:
    return [links[0], " and ", links[1], "."]


def scores(a: Side, b: Side, own: tuple[str, ...]) -> Iterator[Block]:
    """What follows from the statistics of images, if both sides have those of the same ones."""
    if not a.found or not b.found:
        yield text("One side keeps no statistics: neither classes nor images can be compared.", kind="note")
        return
    stems = {one.stems for one in (*a.found, *b.found)}
    if len(stems) != 1:
        yield text("The two were scored on different test images: nothing here can be paired.", kind="note")
        return
    weights = ranks.weights(len(a.found[0].stems), " ".join(a.found[0].stems))
    yield headline_table(a, b, weights)
    if all("semseg.confusion" in one for one in (*a.found, *b.found)):
        yield from class_table(a, b, weights, own)
    yield from image_tables(a, b)


def headline_table(a: Side, b: Side, weights: stats.Weights) -> Table:
    sides = []
    for side in (a, b):
        drawn = [stats.headlines(one, weights) for one in side.found]
        plain = [stats.headlines(one, np.ones((1, weights.shape[1]))) for one in side.found]
        names = [name for name in drawn[0] if all(name in one for one in drawn)]
        sides.append({name: (float(np.mean([p[name][0] for p in plain])),
                             ranks.over_seeds(side.name, drawn, name)) for name in names})  # fmt: skip
    lines = []
    for name in sides[0]:
        if name in sides[1]:
            (mine, ours), (theirs, yours) = sides[0][name], sides[1][name]
            lines.append(
                {"metric": columns.label(name), "a": mine, "b": theirs, **interval(mine - theirs, ours - yours)}
            )
    listed = (
        Column("metric", "metric"),
        Column("a", a.label, digits=3),
        Column("b", b.label, digits=3),
        *DIFFERENCE,
    )
    return Table(pd.DataFrame(lines), listed, f"Headlines: {a.label} minus {b.label}")


DIFFERENCE = (
    Column("difference", "difference", "the first minus the second, means over seeds", 3),
    Column("low", "from", "of the central 95 % over paired draws of test images and seeds", 3),
    Column("high", "to", "of the central 95 % over paired draws of test images and seeds", 3),
    Column("sure", "significant", "the interval does not hold 0"),
)


def interval(difference: float, drawn: NDArray[np.float64]) -> dict[str, float | str]:
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    sure = "yes" if low > 0 or high < 0 else ""
    return {"difference": difference, "low": float(low), "high": float(high), "sure": sure}


def class_table(a: Side, b: Side, weights: stats.Weights, own: tuple[str, ...]) -> Iterator[Block]:
    """IoU of each class under each draw, the seeds of both sides resampled."""
    covered = classes.sets(own)[classes.FULL]
    drawn, plain = [], []
    for side in (a, b):
        each = []
        for one in side.found:
            matrix = one["semseg.confusion"].astype(np.float64)
            size = matrix.shape[1]
            each.append(classes.iou((weights @ matrix.reshape(len(matrix), -1)).reshape(-1, size, size), covered))
        stacked = np.stack(each)  # S B K
        picks = np.random.default_rng(len(side.name)).integers(len(each), size=stacked.shape[:2])
        drawn.append(np.take_along_axis(stacked, picks[..., None], 0).mean(0))
        plain.append(np.mean([classes.iou(one["semseg.confusion"].sum(0), covered) for one in side.found], 0))
    lines = [
        {"class": name, "a": plain[0][at], "b": plain[1][at],
         **interval(plain[0][at] - plain[1][at], drawn[0][:, at] - drawn[1][:, at])}
        for at, name in enumerate(covered.classes)
        if np.isfinite(plain[0][at]) and np.isfinite(plain[1][at])
    ]  # fmt: skip
    if not lines:
        return
    table = pd.DataFrame(lines)
    listed = (Column("class", "class"), Column("a", a.label, digits=1), Column("b", b.label, digits=1),
              *(replace(one, digits=1 if one.digits else None) for one in DIFFERENCE))  # fmt: skip
    yield text("Classes", kind="h2")
    yield Figure(figures.differences(table.assign(sure=table["sure"] == "yes")),
                 Table(table, listed, f"IoU %: {a.label} minus {b.label}, with 95 % intervals"))  # fmt: skip
    yield text(
        f"Filled points are significant, each by itself: of {len(lines)} classes one or so in twenty is by chance."
    )


def image_tables(a: Side, b: Side) -> Iterator[Block]:
    """The images on which the two differ most, by the mean over seeds of the image's own score."""
    yield text("Images that differ most", kind="h2")
    each = [[stats.each_image(one) for one in side.found] for side in (a, b)]
    for name in each[0][0]:
        if not METRICS[name].headline or not all(name in one for side in each for one in side):
            continue
        mine, theirs = (np.mean([one[name] for one in side], 0) for side in each)
        gap = np.where(np.isfinite(mine - theirs), mine - theirs, 0)
        order = np.argsort(-np.abs(gap), kind="stable")[:8]
        table = pd.DataFrame({"image": [a.found[0].stems[at] for at in order], "a": mine[order], "b": theirs[order],
                              "difference": gap[order]})  # fmt: skip
        digits = columns.digits(name)
        listed = (Column("image", "image"), Column("a", a.label, digits=digits), Column("b", b.label, digits=digits),
                  Column("difference", "difference", digits=digits))  # fmt: skip
        yield Table(table, listed, f"By {columns.label(name)}")


def differing(board: Board, a: str, b: str, label_a: str, label_b: str) -> Iterator[Block]:
    """The settings in which the newest runs of the two differ."""
    yield text("Settings that differ", kind="h2")
    try:
        mine, theirs = (receipt.settings(board.index.record(key)) for key in (a, b))
    except (KeyError, ValueError, OSError):
        yield text("A record cannot be read.", kind="note")
        return
    names = [name for name in dict.fromkeys((*mine, *theirs)) if mine.get(name) != theirs.get(name)]
    table = pd.DataFrame(
        {"name": names, "a": [mine.get(n, "-") for n in names], "b": [theirs.get(n, "-") for n in names]}
    )
    listed = (Column("name", "setting"), Column("a", label_a), Column("b", label_b))
    yield Table(table, listed, "Between the newest runs, without seeds")
