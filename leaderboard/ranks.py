"""Ranks with intervals and ties: a paired bootstrap over test images and seeds.

A draw resamples the test images, the same for every method (paired), and each method's seeds. The interval of a rank
is its central 95 % over the draws. Two rows are tied unless one is better than the other in 97.5 % of the draws; a
group of ties is led by its best row and holds the rows after it that are tied with the leader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.record import METRICS
from leaderboard.classes import ClassSet
from leaderboard.stats import Statistics, Weights, headlines

DRAWS = 1000
SURE = 0.975
TOGETHER = "all"  # rank by the mean of the ranks in each task's headline: classes, metres and degrees cannot be added

Drawn = Mapping[str, NDArray[np.float32]]  # a metric's value in each draw


@lru_cache(8)
def weights(images: int, test_set: str, draws: int = DRAWS) -> Weights:
    """How often each image counts in each draw: the same for every run of a test set, today and tomorrow."""
    seed = int.from_bytes(hashlib.sha256(f"{test_set} {images}".encode()).digest()[:8], "big")
    return np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), draws).astype(np.float64)


def drawn(found: Statistics, test_set: str, classes: ClassSet | None = None) -> dict[str, NDArray[np.float32]]:
    """A run's headline metrics in each draw of images; mean IoU over a class set."""
    each = headlines(found, weights(len(found.stems), test_set), classes)
    return {name: values.astype(np.float32) for name, values in each.items()}


def over_seeds(name: str, runs: Sequence[Mapping[str, NDArray[np.floating]]], metric: str) -> NDArray[np.float64]:
    """A method's mean over seeds in each draw, its seeds resampled: B. `name` seeds the drawing."""
    values = np.stack([run[metric] for run in runs]).astype(np.float64)  # S B
    seeds, draws = values.shape
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
    picks = generator.integers(seeds, size=(seeds, draws))
    mean: NDArray[np.float64] = np.take_along_axis(values, picks, 0).mean(0)
    return mean


def costs(samples: Mapping[str, Mapping[str, NDArray[np.float64]]], metrics: Sequence[str]) -> NDArray[np.float64]:
    """M B, smaller is better: the metric's value with its sign, or the mean rank over several metrics."""
    signs = {name: -1.0 if METRICS[name].higher_is_better else 1.0 for name in metrics}
    rows = [np.stack([signs[name] * each[name] for each in samples.values()]) for name in metrics]
    result: NDArray[np.float64] = rows[0] if len(rows) == 1 else np.stack([ranked(each) for each in rows]).mean(0)
    return result


def ranked(cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1 down each column, equal values sharing their mean rank: M B -> M B."""
    order = np.argsort(cost, 0, kind="stable")
    in_order = np.take_along_axis(cost, order, 0)
    place = np.broadcast_to(np.arange(1.0, len(cost) + 1)[:, None], cost.shape)
    begins = np.ones(cost.shape, bool)
    begins[1:] = in_order[1:] != in_order[:-1]
    ends = np.ones(cost.shape, bool)
    ends[:-1] = begins[1:]
    first = np.maximum.accumulate(np.where(begins, place, 0), 0)
    last = np.minimum.accumulate(np.where(ends, place, np.inf)[::-1], 0)[::-1]
    ranks = np.empty(cost.shape)
    np.put_along_axis(ranks, order, (first + last) / 2, 0)
    return ranks


@dataclass(frozen=True)
class Rank:
    """Of a row among M."""

    place: int  # by the cost of the plain means: equal costs share a place
    low: int  # the central 95 % of its places over the draws
    high: int
    group: int  # of ties, from 1
    beats_next: float  # the share of draws in which it is better than the row after it; NaN for the last


def ranks(names: Sequence[str], plain: NDArray[np.float64], cost: NDArray[np.float64]) -> dict[str, Rank]:
    """plain: M, the cost without resampling; cost: M B. Best first."""
    order = np.argsort(plain, kind="stable")
    places = ranked(cost)
    low = np.percentile(places, 2.5, 1, method="lower")
    high = np.percentile(places, 97.5, 1, method="higher")
    result: dict[str, Rank] = {}
    group, leader = 0, -1
    for at, row in enumerate(order):
        if leader < 0 or better(cost[leader], cost[row]) >= SURE:
            group, leader = group + 1, row
        after = better(cost[row], cost[order[at + 1]]) if at + 1 < len(order) else float("nan")
        place = 1 + int((plain < plain[row]).sum())
        result[names[row]] = Rank(place, int(np.floor(low[row])), int(np.ceil(high[row])), group, after)
    return result


def better(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The share of draws in which a costs less than b, a draw that ties counting half."""
    return float((a < b).mean() + (a == b).mean() / 2)
