"""Scores from statistics: the numbers of bench/tasks again, without its torch; class sets by hand and by the suite."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.labels import aggregated
from bench.score import class_set
from bench.tasks.semseg import mean_iou as referee_mean
from datasets import spaces
from leaderboard import classes, stats
from tests.leaderboard.stores import scores, statistics


def kept(skill: float = 0.6, seed: int = 0) -> stats.Statistics:
    return stats.Statistics(tuple(map(str, range(24))), statistics(skill, seed))


def test_the_headlines_are_those_of_the_referee() -> None:
    found = kept()
    again = stats.headlines(found, np.ones((1, 24)))
    referee = scores(dict(found.arrays))
    assert set(again) == {"miou", "abs_rel", "rmse", "angle_mean"}
    for name, values in again.items():
        assert values[0] == pytest.approx(referee[name], rel=1e-12)


def test_the_share_below_an_angle_is_the_referees() -> None:
    curve, referee = stats.below(kept()), scores(dict(kept().arrays))
    assert curve is not None
    for angle in (11.25, 22.5, 30):
        assert curve[round(angle * stats.PER_DEGREE) - 1] == pytest.approx(referee[f"within_{angle:g}"])


def test_a_weight_of_two_is_the_image_twice() -> None:
    found = kept()
    weights = np.ones((1, 24))
    weights[0, 3] = 2
    twice = stats.Statistics((*found.stems, "again"), {n: np.concatenate([v, v[3:4]]) for n, v in found.arrays.items()})
    for name, values in stats.headlines(found, weights).items():
        assert values[0] == pytest.approx(stats.headlines(twice, np.ones((1, 25)))[name][0])


def test_a_switch_of_classes_by_hand() -> None:
    own = ("road", "sidewalk", "wall")
    matrix = np.array([[6, 1, 1], [2, 4, 0], [1, 1, 2]])
    whole = classes.sets(own)[classes.FULL]
    assert classes.iou(matrix, whole) == pytest.approx([100 * 6 / 11, 100 * 4 / 8, 100 * 2 / 5])
    fewer = classes.ClassSet("2", own[:2], ((0,), (1,)))
    assert classes.mean_iou(matrix, fewer) == pytest.approx((600 / 11 + 50) / 2)  # pixels given to walls still cost
    folded = classes.ClassSet("flat", ("flat", "wall"), ((0, 1), (2,)))
    assert classes.iou(matrix, folded) == pytest.approx([100 * 13 / 16, 100 * 2 / 5])


@pytest.mark.parametrize(("own", "name", "smaller"), [
    ("cs19", "16", "cs16"), ("cs19", "13", "cs13"), ("cs16", "13", "cs13"), ("cs19", "7", "cs7"), ("cs16", "7", "cs7"),
])  # fmt: skip
def test_class_sets_are_those_of_the_suite(own: str, name: str, smaller: str) -> None:
    space, less = spaces.space(own), spaces.space(smaller)
    matrix = np.random.default_rng(0).integers(0, 1000, (len(space), len(space)))
    chosen = classes.sets(space.classes)[name]
    assert set(chosen.classes) == set(less.classes)
    assert classes.mean_iou(matrix, chosen) == pytest.approx(class_set(matrix, space, less, spaces))


def test_nineteen_classes_have_all_the_smaller_sets_and_others_have_none() -> None:
    assert list(classes.sets(spaces.space("cs19").classes)) == ["all", "16", "13", "7"]
    assert list(classes.sets(spaces.space("cs16").classes)) == ["all", "13", "7"]
    assert list(classes.sets(spaces.space("camvid11").classes)) == ["all"]
    assert list(classes.sets(())) == ["all"]


def test_a_class_that_the_truth_does_not_have_is_in_no_mean() -> None:
    matrix = np.array([[5, 0, 1], [0, 3, 1], [0, 0, 0]])
    chosen = stats.whole(3)
    assert np.isnan(classes.iou(matrix, chosen)[2])
    assert classes.mean_iou(matrix, chosen) == pytest.approx(referee_mean(matrix, range(3)))
    folded = aggregated(matrix, np.array([0, 0, 1] + [255] * 253, np.uint8), 2)
    assert classes.mean_iou(matrix, classes.ClassSet("2", ("a", "b"), ((0, 1), (2,)))) == pytest.approx(
        referee_mean(folded, range(2))
    )


def test_an_array_that_would_run_code_is_not_loaded(tmp_path) -> None:
    np.savez(tmp_path / "stats.npz", stems=np.array(["a"]), evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="cannot be read"):
        stats.read(tmp_path / "stats.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"\x93NUMPY"])
def test_a_torn_file_is_one_clear_line(tmp_path, content) -> None:
    (tmp_path / "stats.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"stats\.npz cannot be read"):
        stats.read(tmp_path / "stats.npz")


def test_rows_that_are_not_one_for_each_image_are_refused(tmp_path) -> None:
    np.savez(tmp_path / "stats.npz", stems=np.array(["a", "b"]), **{"depth.count": np.ones(3)})
    with pytest.raises(ValueError, match="3 rows of depth.count, expected one for each of 2 images"):
        stats.read(tmp_path / "stats.npz")
