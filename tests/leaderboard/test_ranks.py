"""Ranks: paired draws of images and seeds, intervals, ties, the same for the same data."""

from __future__ import annotations

import numpy as np
import pytest

from leaderboard import ranks
from leaderboard.stats import Statistics
from tests.leaderboard.stores import STEMS, statistics


def drawn(skill: float, seed: int) -> ranks.Drawn:
    return ranks.drawn(Statistics(STEMS, statistics(skill, seed)), "a test set")


def ranking(skills: dict[str, float], metric: str = "miou", spread: float = 0.0) -> dict[str, ranks.Rank]:
    """Three seeds of each: the skill, less and more by the spread."""
    runs = {
        name: [drawn(skill + (seed - 1) * spread, 10 * at + seed) for seed in range(3)]
        for at, (name, skill) in enumerate(skills.items())
    }
    samples = {name: {metric: ranks.over_seeds(name, some, metric)} for name, some in runs.items()}
    plain = {name: {metric: np.array([each[metric].mean()])} for name, each in samples.items()}
    names = list(skills)
    return ranks.ranks(names, ranks.costs(plain, [metric])[:, 0], ranks.costs(samples, [metric]))


def test_every_run_of_a_test_set_is_drawn_the_same_images() -> None:
    assert (ranks.weights(24, "a") == ranks.weights(24, "a")).all()
    assert (ranks.weights(24, "a") != ranks.weights(24, "b")).any()
    assert (ranks.weights(24, "a").sum(1) == 24).all()


def test_the_same_data_gives_the_same_ranks() -> None:
    assert str(ranking({"a": 0.5, "b": 0.51})) == str(ranking({"a": 0.5, "b": 0.51}))


def test_a_clear_order_has_ranks_without_intervals_and_no_ties() -> None:
    found = ranking({"poor": 0.4, "good": 0.8, "fair": 0.6})
    assert {name: (r.place, r.low, r.high, r.group) for name, r in found.items()} == {
        "good": (1, 1, 1, 1),
        "fair": (2, 2, 2, 2),
        "poor": (3, 3, 3, 3),
    }
    assert found["good"].beats_next == 1 and np.isnan(found["poor"].beats_next)


@pytest.mark.parametrize("metric", ["abs_rel", "angle_mean"])
def test_smaller_errors_rank_first(metric: str) -> None:
    assert ranking({"poor": 0.4, "good": 0.8}, metric)["good"].place == 1


def test_what_cannot_be_told_apart_is_tied() -> None:
    found = ranking({"a": 0.6, "b": 0.601, "far": 0.3}, spread=0.01)
    assert found["a"].group == found["b"].group == 1 and found["far"].group == 2
    assert {found["a"].low, found["b"].low} == {1} and {found["a"].high, found["b"].high} == {2}
    assert (found["far"].low, found["far"].high) == (3, 3)


def test_pairing_tells_apart_what_unpaired_draws_would_not() -> None:
    """Images differ far more than the two rows do, but alike for both."""
    draws = ranks.weights(24, "x")
    hard = np.linspace(0, 60, 24)
    a, b = (draws @ (hard + extra) / 24 for extra in (0.0, 1.0))
    cost = np.stack([a, b])
    assert ranks.better(cost[0], cost[1]) == 1.0
    unpaired = np.stack([a, np.roll(b, 1)])
    assert ranks.better(unpaired[0], unpaired[1]) < 0.9


def test_seeds_widen_the_interval() -> None:
    close = [{"miou": np.full(1000, value, np.float32)} for value in (50.0, 50.1, 50.2)]
    apart = [{"miou": np.full(1000, value, np.float32)} for value in (40.0, 50.0, 60.0)]
    assert ranks.over_seeds("x", apart, "miou").std() > 10 * ranks.over_seeds("x", close, "miou").std() > 0


def test_equal_values_share_their_mean_rank() -> None:
    cost = np.array([[1.0, 3.0], [1.0, 2.0], [0.0, 1.0]])
    assert ranks.ranked(cost).tolist() == [[2.5, 3.0], [2.5, 2.0], [1.0, 1.0]]


def test_all_tasks_together_is_the_mean_of_their_ranks() -> None:
    samples = {
        "a": {"miou": np.array([60.0]), "abs_rel": np.array([0.3])},
        "b": {"miou": np.array([50.0]), "abs_rel": np.array([0.1])},
        "c": {"miou": np.array([40.0]), "abs_rel": np.array([0.2])},
    }
    assert ranks.costs(samples, ["miou", "abs_rel"])[:, 0].tolist() == [2.0, 1.5, 2.5]
