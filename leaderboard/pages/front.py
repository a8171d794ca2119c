"""The front page: one split and protocol, its rows with ranks and intervals, what papers report set apart."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from leaderboard import classes, columns, published, rows
from leaderboard.board import Board, Place
from leaderboard.page import Block, Choice, Link, Page, Query, Table, href, missing, text
from leaderboard.ranks import DRAWS, TOGETHER

KEEP = ("selection", "classes", "by")
RULES = {"last": "last step", "source": "source validation", "oracle": "oracle (target labels)"}


def page(board: Board, query: Query) -> Page:
    place = board.place(query.split, query.protocol, query.version)
    if place is None:
        return missing("No such split", f"There is no run and no published number of {query.split[:80]!r}.")
    query = settled(query, place)
    head = (places(board, place),)
    if place.reported_only:
        return Page(f"{place.split}: numbers of papers", (*head, *reported(place.split)))
    query = chosen(board, query, place)
    runs = board.runs(place)
    ranking = board.ranking(place, query.by, query.selection, query.classes)
    shown = linked(ranking.table)
    count = int((shown["why"] == "").sum()) if len(shown) else 0
    title = f"{place.split}, protocol {place.protocol}"
    notes: list[Block] = []
    if ranking.waiting:
        notes.append(text(f"Ranks come in a while: {ranking.waiting} runs are being resampled.", kind="note"))
    if place.split in rows.DEVELOPMENT:
        notes.append(text("Hyper-parameters were chosen on this split: nothing here is ranked.", kind="note"))
    grid = Table(
        shown,
        columns.front(shown, runs["scored"].iloc[-1]) if len(shown) else (columns.METHOD,),
        f"{count} of {len(shown)} rows ranked by {by_words(query.by)}",
        "rows",
        query.to("/download/rows", *KEEP),
        tuple(shown["id"][shown["oracle"]]) if len(shown) else (),
    )
    beside = reported(*published.neighbours(runs["source"].iloc[-1], runs["test"].iloc[-1]))
    return Page(
        title, (*head, *switches(board, query, place, "/", KEEP), *notes, grid, *explained(query, place), *beside)
    )


def settled(query: Query, place: Place) -> Query:
    """The query with its place spelt out."""
    return replace(query, split=place.split, protocol=place.protocol, version=place.evaluator)


def chosen(board: Board, query: Query, place: Place) -> Query:
    """The query with what it leaves open, or what is not there, filled in."""
    runs = board.runs(place)
    options = rows.choices(runs["scored"].iloc[-1])
    return replace(
        query,
        selection=query.selection if query.selection in selections(runs) else selections(runs)[0],
        classes=query.classes if query.classes in class_sets(runs) else classes.FULL,
        by=query.by if query.by in options else options[0] if options else "",
    )


def selections(runs: pd.DataFrame) -> list[str]:
    return sorted(set(runs["selection"]), key=lambda rule: (rule != rows.LAST, rule))


def class_sets(runs: pd.DataFrame) -> dict[str, str]:
    """The class sets of a split and their words: of the runs with most classes."""
    own = max(runs["classes"], key=len)
    return {name: f"all {len(own)}" if name == classes.FULL else name for name in classes.sets(own)}


def switches(board: Board, query: Query, place: Place, path: str, keep: tuple[str, ...]) -> list[Choice]:
    """The choices that a page knows by `keep`, where there is more than one option."""
    runs = board.runs(place)
    found = {
        "by": ("Rank by", {one: by_words(one) for one in rows.choices(runs["scored"].iloc[-1])}),
        "selection": ("Checkpoint", {one: RULES.get(one, one) for one in selections(runs)}),
        "classes": ("Classes", class_sets(runs)),
    }
    return [
        Choice(
            label,
            tuple(Link(words, query.to(path, *keep, **{name: one})) for one, words in options.items()),
            options[getattr(query, name)],
        )
        for name, (label, options) in found.items()
        if name in keep and len(options) > 1
    ]


def by_words(by: str) -> str:
    return "all tasks" if by == TOGETHER else columns.SHORT.get(by, by)


def places(board: Board, place: Place) -> Choice:
    """Every split and protocol that can be shown."""
    options, current = [], ""
    for one in board.places():
        if one.reported_only:
            words, address = f"{one.split} (papers): {published.PROTOCOLS[one.split]}", href("/", split=one.split)
        else:
            words = f"{one.split}, {one.protocol}, evaluator {one.evaluator}"
            address = href("/", split=one.split, protocol=one.protocol, version=one.evaluator)
        options.append(Link(words, address))
        current = words if one == place else current
    return Choice("Split", tuple(options), current)


def linked(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with the addresses that their cells lead to."""
    if not len(table):
        return table
    runs = [f"/run/{keys[-1]}" if keys else "" for keys in table["runs"]]
    methods = [f"/method/{name}" for name in table["method"]]
    torn = [f"/run/{absent[0][1]}" if absent else "" for absent in table["torn"]]
    return table.assign(method_href=[run or name for run, name in zip(runs, methods, strict=True)], torn_href=torn)


def explained(query: Query, place: Place) -> list[Block]:
    compare = Link("compare two methods", query.to("/compare", "selection"))
    return [
        text(
            f"A rank's interval is the central 95 % of its places over {DRAWS} paired draws of test images and seeds; "
            "rows of one shade are tied with the first of them. Rows that learnt from target labels, have fewer than "
            f"{rows.SEEDS} seeds or are not the split as declared have no rank. ",
            Link("Rules and definitions", "/about"),
            ", ",
            compare,
            ".",
        )
    ]


def reported(*protocols: str) -> list[Block]:
    """What papers say, apart from what was measured, each number with its mark and source."""
    if not protocols:
        return []
    blocks: list[Block] = [
        text("Reported by papers", kind="h2"),
        text(
            "Not measured here, and never ranked with measured rows: images, label sizes, networks, budgets and "
            "selection differ. Numbers marked A or M are unconfirmed.",
            kind="note",
        ),
    ]
    for protocol in protocols:
        found = published.means(protocol)
        caption = f"{protocol}: {published.PROTOCOLS[protocol]}; {len(found)} numbers"
        address = href("/download/reported", split=protocol)
        blocks.append(Table(found, columns.REPORTED, caption, f"reported-{protocol}", address))
    return blocks
