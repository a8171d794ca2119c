"""What was sent to the board and what became of it: every submission with its state, and why."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd

from leaderboard.board import Board
from leaderboard.desk import Case
from leaderboard.page import Block, Column, Facts, Link, Page, Table, text

STATES = (
    ("received", "the bundle is whole and harmless; its numbers are not looked at yet"),
    ("checked", "the split is the declared one and the predictions are all there; without the labels here its numbers "
                "stay self-reported"),
    ("scored", "the board's operator made its numbers, from the predictions and labels of his own"),
    ("reproduced", "the operator ran the method himself, with the same result"),
    ("rejected", "and why"),
    ("withdrawn", "by its team, or by the operator"),
)  # fmt: skip
COLUMNS = (
    Column("id", "id", "of the content: the same files have the same", link="href", width=140),
    Column("received", "received", "UTC", width=185),
    Column("team", "team", "that the token belongs to"),
    Column("method", "method", "as its team calls it"),
    Column("split", "split", "images, classes and rules"),
    Column("seed", "seed", "of the run", 0, width=80),
    Column("state", "state", "received, checked, scored, reproduced; or rejected, withdrawn", width=120),
    Column("note", "note", "why it was rejected or withdrawn; in review: an operator looks at it first; "
           "hidden: off the board for now", width=420),
)  # fmt: skip


def page(board: Board) -> Page:
    frame = table(board)
    count, hours = len(waiting(board)), oldest(board) / 3600
    late = f"; {count} not scored yet, for {f'{hours / 24:.0f} days' if hours > 48 else f'{hours:.1f} hours'} at most"
    caption = f"{len(frame)} submission{'s' * (len(frame) != 1)}{late if count else ''}"
    blocks: tuple[Block, ...] = (
        text("A submission is the predictions of a run, its record and its code. The code is kept to be read, and is "
             "run only by the operator, who then says so. A result that is better than all others by more than they "
             "differ waits until somebody has looked at it. ", Link("How to send one", "/about"), "."),
        Table(frame, COLUMNS, caption, "submissions") if len(frame) else text("Nothing was sent yet.", kind="note"),
        text("States", kind="h2"),
        Facts(STATES),
    )  # fmt: skip
    return Page("Submissions", blocks)


def table(board: Board) -> pd.DataFrame:
    """Newest first. What only the team and the operator may know is not in it."""
    lines = [
        {"id": case.id[:12], "received": case.receipt.received[:19].replace("T", " "), "team": case.receipt.team,
         "method": case.receipt.method, "split": case.receipt.split, "seed": case.receipt.seed, "state": case.state,
         "note": note(case),
         "href": f"/run/{case.id}" if case.id in board.index.runs else ""}
        for case in reversed(board.index.cases)
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=[*(column.name for column in COLUMNS), "href"])


def note(case: Case) -> str:
    return "in review" if case.held else f"hidden {case.hidden}" if case.hidden else case.why


def waiting(board: Board) -> list[Case]:
    return [case for case in board.index.cases if case.state == "received" and not case.held]


def oldest(board: Board) -> float:
    """Seconds since the first of those that wait was received; 0 if none does."""
    since = min((datetime.fromisoformat(case.receipt.received) for case in waiting(board)), default=None)
    return round((datetime.now(UTC) - since).total_seconds(), 1) if since else 0.0
