"""The multi-task delta: sign, weights, what is left out."""

from __future__ import annotations

import math

import pytest

from bench.tasks.delta import delta, every, headline

SINGLE = {"miou": 50.0, "abs_rel": 0.2, "angle_mean": 20.0}


def test_positive_is_better_whichever_way_the_metric_points():
    run = {"miou": 55.0, "abs_rel": 0.19, "angle_mean": 22.0}
    found = headline(run, SINGLE)
    assert found.tasks == pytest.approx({"semseg": 10, "depth": 5, "normals": -10})
    assert found.value == pytest.approx(5 / 3)
    assert found.single == SINGLE


def test_the_single_task_run_itself_is_zero():
    assert headline(SINGLE, SINGLE).value == 0


def test_in_the_all_metric_form_each_task_weighs_the_same_whatever_its_number_of_metrics():
    single = {"miou": 50.0, "abs_rel": 0.2, "rmse": 4.0}
    found = every({"miou": 60.0, "abs_rel": 0.1, "rmse": 4.0}, single)
    assert found.tasks == pytest.approx({"semseg": 20, "depth": 25})
    assert found.value == pytest.approx(22.5)


def test_median_scaled_metrics_never_enter():
    single = SINGLE | {"abs_rel_median_scaled": 0.1}
    assert every(SINGLE | {"abs_rel_median_scaled": 0.05}, single).value == 0


def test_a_published_delta_is_recomputed_from_its_columns():
    """CAGrad on NYUv2, protocol nyu13_mtan: nine metrics, the plain mean, and the paper's sign is the other one."""
    names = ("miou", "pixel_accuracy", "rmse", "abs_rel", "angle_mean", "angle_median",
             "within_11.25", "within_22.5", "within_30")  # fmt: skip
    single = dict(zip(names, (38.30, 63.76, 0.6754, 0.2780, 25.01, 19.21, 30.14, 57.20, 69.15), strict=True))
    cagrad = dict(zip(names, (39.79, 65.49, 0.5486, 0.2250, 26.31, 21.58, 25.61, 52.36, 65.58), strict=True))
    gains = delta(cagrad, single, names).gains.values()
    assert -sum(gains) / len(gains) == pytest.approx(0.20, abs=0.06)


def test_a_metric_that_one_run_lacks_is_an_error_and_one_that_both_lack_is_not():
    assert headline({"miou": 55.0}, {"miou": 50.0}).value == pytest.approx(10)
    with pytest.raises(ValueError, match="only one of the two runs has abs_rel"):
        headline({"miou": 55.0}, {"miou": 50.0, "abs_rel": 0.2})


def test_a_single_task_value_of_zero_or_nothing_at_all_gives_nan():
    assert math.isnan(headline({"miou": 1.0}, {"miou": 0.0}).value)
    assert math.isnan(headline({}, {}).value)
