"""The multi-task delta: by how many percent a run is better than single-task networks, averaged over the tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.record import HEADLINES, METRICS


@dataclass(frozen=True)
class Delta:
    """Positive is better. The single-task values are kept: a delta without them cannot be read."""

    value: float  # percent: the mean of `tasks`
    tasks: Mapping[str, float]  # percent: each task's mean of its `gains`
    gains: Mapping[str, float]  # percent, of each metric; their plain mean is the other convention in papers
    single: Mapping[str, float]


def delta(metrics: Mapping[str, float], single: Mapping[str, float], names: Sequence[str]) -> Delta:
    """The mean over tasks of the mean over their metrics of s (m - b) / |b|; s is 1 where higher is better, else -1.

    What neither run has does not count. Raises ValueError for a metric that only one of them has.
    """
    gains: dict[str, float] = {}
    for name in names:
        if name in metrics and name in single:
            sign, base = (1 if METRICS[name].higher_is_better else -1), single[name]
            gains[name] = 100 * sign * (metrics[name] - base) / abs(base) if base else math.nan
        elif name in metrics or name in single:
            raise ValueError(f"only one of the two runs has {name}: a delta needs it in both")
    lists: dict[str, list[float]] = {}
    for name, gain in gains.items():
        lists.setdefault(METRICS[name].task, []).append(gain)
    tasks = {task: _mean(values) for task, values in lists.items()}
    return Delta(_mean(list(tasks.values())), tasks, gains, {name: single[name] for name in gains})


def headline(metrics: Mapping[str, float], single: Mapping[str, float]) -> Delta:
    """One metric a task: mean IoU, absolute relative error, mean angle."""
    return delta(metrics, single, [metric.name for metric in HEADLINES.values()])


def every(metrics: Mapping[str, float], single: Mapping[str, float]) -> Delta:
    """All metrics of each task, but for the median-scaled ones, which look at the truth."""
    return delta(metrics, single, [name for name, metric in METRICS.items() if not metric.oracle])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
