"""The page of a method: its paper, where its code is, how it is cited, every row it has."""

from __future__ import annotations

import pandas as pd

from leaderboard import columns, papers, rows
from leaderboard.board import Board
from leaderboard.page import Block, Code, Column, Link, Page, Table, href, missing, text
from leaderboard.pages import front


def page(board: Board, name: str) -> Page:
    tables = []
    for place in board.places():
        runs = board.runs(place)
        if place.reported_only or not (runs["method"] == name).any():
            continue
        for rule in sorted(set(runs["selection"][runs["method"] == name]), key=lambda one: (one != rows.LAST, one)):
            by = next(iter(rows.choices(runs["scored"].iloc[-1])), "")
            table = board.ranking(place, by, rule).table
            mine = front.linked(table[table["method"] == name])
            tables.append(mine.assign(split=place.split, protocol=place.protocol, evaluator=place.evaluator,
                                      place_href=href("/", split=place.split, protocol=place.protocol)))  # fmt: skip
    paper, ours = papers.of(name)
    if not tables and paper is None:
        return missing("No such method", f"No run of a method {name[:64]!r} is here.")
    return Page(name, (*about(name, paper, ours), *results(tables)))


def about(name: str, paper: papers.Paper | None, ours: bool) -> list[Block]:
    plug_in = text(f"The code: methods/{name}.py, or the pip package whose entry point has that name.")
    if paper is None:
        return [text("The board knows no paper of this method."), plug_in]
    words = "Our own, after " if ours else "Paper: "
    return [
        text(words, Link(paper.words, f"https://arxiv.org/abs/{paper.arxiv}"), "."),
        plug_in,
        Code(paper.bibtex, "BibTeX"),
    ]


def results(tables: list[pd.DataFrame]) -> list[Block]:
    if not tables:
        return [text("It has no run here yet.", kind="note")]
    table = pd.concat(tables, ignore_index=True)
    listed = (
        Column("split", "split", link="place_href"),
        columns.RANK,
        Column("variant", "variant", link="method_href", width=260),
        Column("selection", "checkpoint"),
        columns.SEEDS,
        *(columns.metric(name) for name in rows.SHOWN if columns.has(table, name)),
        *(one for one in columns.COST if one.name in ("delta", "gap", "hours", "why") and columns.has(table, one.name)),
    )
    frame = table.assign(variant=table["variant"].where(table["variant"] != "", "plain"))
    frame = frame.drop(columns="group")  # ties of several boards in one table would be no ties
    return [text("Results", kind="h2"), Table(frame, listed, "Every row of this method, on every split", "results")]
