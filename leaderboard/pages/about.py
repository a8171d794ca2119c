"""About: the rules of the game, what every number means, how ranks are made, how to be listed, the read API."""

from __future__ import annotations

import pandas as pd

from bench.record import METRICS
from leaderboard import columns, published, ranks, rows
from leaderboard.board import Board
from leaderboard.page import Block, Code, Column, Facts, Link, Page, Table, text

RULES = (
    "Target labels are absent. Training opens the target without labels; only scoring, in a process of its own, reads "
    "those of the test set.",
    "Everything is declared. The split says images, sizes, augmentation, classes, depth range, batch and budget, alike "
    "for every method; a row that is not standard is marked and not ranked.",
    "Budgets are shares. A stage's length is a share of the split's budget; the cost of a row is that of its whole "
    "chain of stages, cached or not.",
    "The last step is scored. No checkpoint is chosen by target labels. Other selection rules stand beside, and what "
    "looked at target labels never ranks.",
    "Depth is metric. Median-scaled errors use the truth and stand beside, named so.",
    "Segmentation is one confusion matrix over the whole test set at the label's own size; the mean is over the "
    "classes that the truth has. Smaller class sets are reckoned from the same matrix: the full model's pixels on "
    "classes left out still count as errors.",
)
RANKING = (
    f"A row is a recipe: runs that differ in nothing but their seed. It is ranked with at least {rows.SEEDS} seeds, "
    "under one evaluator (Major.Minor of the suite) and on one set of test images.",
    f"{ranks.DRAWS} times the test images are drawn anew, the same for every row (paired), and each row's seeds; the "
    "interval of a rank is the central 95 % of its places. Rows are tied with the leader of their group unless it is "
    f"better in {ranks.SURE:.1%} of the draws. Draws are seeded: the same data gives the same ranks.",
    "Ranked by all tasks, a row's cost in a draw is the mean of its ranks in each task's headline metric, for classes, "
    "metres and degrees cannot be added. A row that lacks a task is not ranked so.",
    "The multi-task delta is the mean over tasks of s (m - b) / |b| against single-task networks of the same seed and "
    "split; positive is better, in every table here. Papers have both signs.",
    "The gap closed is (m - source only) / (oracle - source only), of means over seeds, the mean over tasks.",
)
API = (
    ("GET /api/v1/", "this list"),
    ("GET /api/v1/splits", "what can be asked for: splits, protocols, evaluators, with the number of runs"),
    ("GET /api/v1/rows?split=&protocol=&version=&selection=&classes=&by=", "the front page's rows, with their ranks"),
    ("GET /api/v1/runs?split=&protocol=&version=&selection=&offset=&limit=", "runs, oldest first, 1000 at most"),
    ("GET /api/v1/runs/KEY", "the whole record of a run"),
    ("GET /api/v1/receipts/KEY", "what a run stands on: commit, versions, data, hashes, the command to verify it"),
    ("GET /api/v1/reported?split=", "numbers of papers for a published protocol, with mark and source"),
    ("GET /api/v1/submissions", "what was sent and what became of it"),
    ("GET /healthz", "ok, the version of the data, runs, files that cannot be read, submissions that wait"),
)


SUBMIT = (
    "export MTDA_TOKEN=..                                             # never a word of a command line",
    "python -m bench.submit RUN --to URL team='NAME' extra_data=none  # code=FILE, where the method is yours",
    "python -m bench.submit ID --to URL                               # what became of it",
)


def page(board: Board) -> Page:
    metrics = pd.DataFrame(
        [
            {"name": name, "task": columns.TASKS[one.task], "unit": one.unit or "-", "about": one.about,
             "better": "higher" if one.higher_is_better else "lower",
             "use": "headline" if one.headline else "looks at the truth, never ranks" if one.oracle else ""}
            for name, one in METRICS.items()
        ]
    )  # fmt: skip
    listed = tuple(Column(name, name) for name in ("name", "task", "unit", "better", "about", "use"))
    marks = tuple((mark, words) for mark, words in published.MARKS.items())
    blocks: tuple[Block, ...] = (
        text("Rules of the game", kind="h2"),
        *(text(rule) for rule in RULES),
        text("Ranks", kind="h2"),
        *(text(rule) for rule in RANKING),
        text("Trust", kind="h2"),
        text("scored: the operator's own referee scored the run, and the statistics of every test image are here. "
             "reproduced: a submission that the operator ran again, with the same result. self-reported: a record "
             "without statistics; listed, not ranked. Settings and cost of a submission are its sender's word."),
        text("Metrics", kind="h2"),
        Table(metrics, listed, "Every metric: its unit, which way is better, what it is"),
        text("Marks of reported numbers", kind="h2"),
        Facts(marks),
        text("How to submit", kind="h2"),
        text("Write a method (one file, or a pip package) and run it on three seeds. Ask the operator for a token, and "
             "send each run; its predictions are scored here, and its code is run by nobody unasked. ",
             Link("What was sent, and what became of it", "/submissions"), "."),
        Code("\n".join(SUBMIT), "with this board's address for URL"),
        text("A submission has to be of the split as declared, its last step, all of its test images, and made with "
             "the Major.Minor of the suite that this board has. Extra data must be declared. What is better than the "
             "oracle, or than all others by more than they differ, is looked at by a person first."),
        *([] if board.takes_submissions else [text("This board takes no submissions now: its operator has handed out "
                                                   "no token.", kind="note")]),
        text("Read API", kind="h2"),
        text("JSON, with an ETag: ask with If-None-Match and get 304 while nothing has changed."),
        Facts(API),
        text("Tables are files too: put /download/rows.csv, .parquet, .tex or .md before the words of a view's link."),
        *faults(board),
    )  # fmt: skip
    return Page("About", blocks)


def faults(board: Board) -> list[Block]:
    found = board.index.faults
    if not found:
        return []
    lines = pd.DataFrame({"why": [why.replace(str(board.index.root), "store") for why in list(found.values())[:50]]})
    return [
        text("Files that cannot be read", kind="h2"),
        Table(lines, (Column("why", "why"),), f"{len(found)} records of the store are not on the board"),
    ]
