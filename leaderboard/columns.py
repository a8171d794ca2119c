"""The columns of the board: what each is, which way is better, in which unit."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.record import METRICS
from leaderboard.page import Column
from leaderboard.rows import SHOWN

DIGITS = {"%": 1, "deg": 1, "m": 3, "": 3}
SHORT = {
    "miou": "mIoU", "pixel_accuracy": "pixel accuracy", "mean_accuracy": "mean accuracy",
    "abs_err": "AbsErr", "abs_rel": "AbsRel", "sq_rel": "SqRel", "rmse": "RMSE", "rmse_log": "RMSE log",
    "delta1": "δ < 1.25", "delta2": "δ < 1.25²", "delta3": "δ < 1.25³",
    "angle_mean": "angle", "angle_median": "median angle", "angle_rmse": "angle RMSE",
    "within_11.25": "< 11.25°", "within_22.5": "< 22.5°", "within_30": "< 30°",
}  # fmt: skip
TASKS = {"semseg": "segmentation", "depth": "depth", "normals": "normals"}


def digits(name: str) -> int:
    return DIGITS[METRICS[name].unit]


def label(name: str) -> str:
    """A metric's short name with unit and the direction that is better."""
    metric = METRICS[name]
    return " ".join(filter(None, (SHORT.get(name, name), metric.unit, "↑" if metric.higher_is_better else "↓")))


def metric(name: str, spread: bool = True) -> Column:
    one = METRICS[name]
    better = "higher is better" if one.higher_is_better else "lower is better"
    about = f"{one.about}{f', in {one.unit}' if one.unit else ''}; {better}; mean ± deviation over seeds"
    width = (130 if digits(name) > 1 else 108) if spread else 0
    return Column(name, label(name), about, digits(name), f"{name}_std" if spread else "", TASKS[one.task], width=width)


RANK = Column(
    "place",
    "rank",
    "place by the metric ranked by, and the central 95 % of places over 1000 paired draws of test images and seeds; "
    "rows of one shade are tied: the first of them is better than the others in fewer than 97.5 % of the draws",
    0,
    shown="rank",
    width=84,
)
METHOD = Column("method", "method", "the file in methods/, or the plug-in", link="method_href", width=132)
VARIANT = Column("variant", "variant", "what was changed on the command line, and whatever else tells rows apart",
                 width=130)  # fmt: skip
SEEDS = Column("seeds", "seeds", "runs with a whole record, which means and deviations are over; a ranked row has "
               "at least 3", 0, width=62)  # fmt: skip
COST = (
    Column("delta", "Δ multi-task % ↑", "mean over tasks of the gain over single-task networks of the same seed, one "
           "metric a task; positive is better: below 0, tasks hurt each other", 1, "delta_std", "gains", width=108),
    Column("gap", "gap closed % ↑", "share of the way from source only to the oracle, mean over the tasks' headlines",
           1, "", "gains", width=82),
    Column("ratio", "speed x ↑", "images per second over those of a fixed reference network timed in the same process: "
           "may be compared across machines", 2, "", "speed", width=76),
    Column("images_per_second", "images/s ↑", "one image at a time, as measured on the testbed: never to be compared "
           "across testbeds", 1, "", "speed", width=84),
    Column("hours", "cost h ↓", "hours of training of the whole chain of stages, cached or not, times the number of "
           "devices", 2, "", "cost", width=76),
    Column("device", "on", "cuda: the hours are GPU hours; cpu: they are hours of a CPU", group="cost", width=66),
    Column("trust", "trust", "scored: the statistics of every test image are here, scored by the operator's own "
           "referee; reproduced: a submission that the operator ran again, with the same result; self-reported: a "
           "record alone, not ranked", width=110),
    Column("extra", "extra data", "what its team declares to have used beside the split's own data"),
    Column("date", "date", "of the newest run", width=104),
    Column("why", "not ranked because", "why a row has no rank; of a seed that failed, a link to its run and log",
           link="torn_href", width=260),
    Column("testbed", "testbed", "device, threads and precision that speed was measured with", width=240),
)  # fmt: skip


def front(table: pd.DataFrame, scored: Sequence[str]) -> tuple[Column, ...]:
    """The front page's columns: those of the tasks scored, and only what some row has."""
    metrics = [metric(name) for name in SHOWN if METRICS[name].task in scored]
    chosen = [RANK, METHOD, VARIANT, SEEDS, *metrics, *COST]
    always = {"place", "method", "seeds", "trust", "date"}
    return tuple(one for one in chosen if one.name in always or has(table, one.name))


def has(table: pd.DataFrame, name: str) -> bool:
    """Whether some row says something there."""
    return any(one is not None and one == one and one != "" for one in table[name].tolist())


REPORTED = (
    Column("method", "method", "as the source calls it", width=200),
    Column("backbone", "backbone", "network"),
    Column("metric", "metric", "as the source names it; iou without a class is the mean", width=110),
    Column("value", "value", "the number as printed", 2, shown="printed", width=90),
    Column("unit", "unit", "of the value", width=90),
    Column("evidence", "mark", "R README, config, code or figure of its own repository; R2 of another's; T full text "
           "of a paper; I issue thread; A aggregator; M recalled, not confirmed", width=90),
    Column("source", "source", "where the number was read", width=250),
    Column("flags", "flags", "selection, seeds, start, extra signals, evaluation, provenance: rows differ by them",
           width=330),
)  # fmt: skip
