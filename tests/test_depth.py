"""Depth: eight errors by hand and by torchmetrics, their median-scaled twins, what is not scored, the loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torchmetrics.functional as theirs

from bench.nets.multitask import Small
from bench.problem import Problem
from bench.tasks.contract import Rules
from bench.tasks.depth import TASK

RULES = Rules(classes=1, depth_range=(1e-3, 80.0))
PROBLEM = Problem(
    split="s", tasks=("depth",), classes=("a",), height=4, width=4, depth_range=(1.0, 80.0),
    budget=1, batch=2, seed=0, network=Small(),
)  # fmt: skip


def metrics(*pairs, rules=RULES):
    each = [TASK.statistics(np.float32(guess), np.float32(truth), rules) for guess, truth in pairs]
    return TASK.metrics({name: np.stack([s[name] for s in each]) for name in each[0]})


def test_the_eight_errors_by_hand():
    found = metrics(([[2.0, 10.0, 40.0, 9.0]], [[1.0, 10.0, 20.0, 10.0]]))
    assert found["abs_rel"] == pytest.approx((1 + 0 + 1 + 0.1) / 4)
    assert found["sq_rel"] == pytest.approx((1 + 0 + 400 / 20 + 0.1) / 4)
    assert found["rmse"] == pytest.approx(math.sqrt((1 + 0 + 400 + 1) / 4))
    logs = [math.log(2), 0, math.log(2), math.log(10 / 9)]
    assert found["rmse_log"] == pytest.approx(math.sqrt(sum(x * x for x in logs) / 4))
    assert found["log10"] == pytest.approx(sum(logs) / math.log(10) / 4)
    assert (found["delta1"], found["delta2"], found["delta3"]) == (50, 50, 50)
    assert metrics(([[1.5]], [[1.0]]))["delta2"] == 100
    assert metrics(([[1.0]], [[1.9]]))["delta3"] == 100


def test_the_errors_are_those_of_torchmetrics():
    r = np.random.default_rng(0)
    guess, truth = r.uniform(1, 70, (2, 30, 40)).astype(np.float32)
    found = metrics((guess, truth))
    g, t = torch.from_numpy(guess).double().flatten(), torch.from_numpy(truth).double().flatten()
    assert found["abs_rel"] == pytest.approx(theirs.mean_absolute_percentage_error(g, t).item())
    assert found["rmse"] == pytest.approx(theirs.mean_squared_error(g, t, squared=False).item())
    assert found["rmse_log"] == pytest.approx(theirs.mean_squared_error(g.log(), t.log(), squared=False).item())
    assert found["log10"] == pytest.approx(theirs.mean_absolute_error(g.log10(), t.log10()).item())


def test_all_pixels_of_the_set_weigh_the_same_whatever_their_image():
    one = ([[2.0, 2.0, 2.0]], [[1.0, 1.0, 1.0]])
    other = ([[1.0, 1.0, 1.0]], [[1.0, 0.0, 0.0]])  # one valid pixel
    assert metrics(one, other)["abs_rel"] == pytest.approx(3 / 4)


@pytest.mark.parametrize("truth", [0.0, 1e-3, 80.0, 200.0, math.nan])
def test_truth_that_is_invalid_or_out_of_range_is_not_scored(truth):
    assert metrics(([[3.0, 5.0]], [[2.0, truth]]))["abs_rel"] == pytest.approx(0.5)


def test_predictions_are_clamped_to_the_range():
    assert metrics(([[1000.0]], [[40.0]]))["abs_rel"] == pytest.approx(1.0)
    assert metrics(([[0.0]], [[1.0]]))["abs_rel"] == pytest.approx(1 - 1e-3)


def test_a_guess_wrong_by_one_factor_is_wrong_in_metres_and_right_when_scaled_by_the_medians():
    truth = np.array([[2.0, 4.0, 8.0, 16.0, 0.0]])
    found = metrics((truth / 2, truth))
    assert found["abs_rel"] == pytest.approx(0.5) and found["delta1"] == 0
    assert found["abs_rel_median_scaled"] == pytest.approx(0) and found["delta1_median_scaled"] == 100


def test_medians_are_those_of_each_image_over_its_valid_pixels():
    near, far = np.array([[1.0, 2.0, 3.0, 0.0]]), np.array([[10.0, 20.0, 30.0, 0.0]])
    guess = np.array([[2.0, 4.0, 6.0, 99.0]])
    found = metrics((guess, near), (guess, far))
    assert found["abs_rel_median_scaled"] == pytest.approx(0, abs=1e-6)


def test_a_smaller_prediction_is_enlarged_bilinearly_to_the_labels_size():
    truth = np.array([[1.0, 1.25, 1.75, 2.0]])
    assert metrics(([[1.0, 2.0]], truth))["abs_rel"] == pytest.approx(0, abs=1e-6)


def test_no_valid_pixel_at_all_is_nan():
    assert all(math.isnan(value) for value in metrics(([[1.0]], [[0.0]])).values())


def test_the_loss_is_the_mean_of_the_absolute_log_ratio_within_the_networks_range():
    raw = torch.zeros(1, 1, 2, 2)  # z = 1/2: the geometric mean of 1 m and 80 m
    label = torch.tensor([[[[1.0, 80.0], [0.0, 500.0]]]])  # two valid, both half the range away
    assert TASK.loss(raw, label, PROBLEM).item() == pytest.approx(math.log(80) / 2)
    assert TASK.loss(raw, torch.zeros(1, 1, 2, 2), PROBLEM).item() == 0


def test_invalid_truth_gives_no_gradient():
    raw = torch.randn(1, 1, 2, 2, requires_grad=True)
    TASK.loss(raw, torch.tensor([[[[2.0, 0.0], [0.0, 0.0]]]]), PROBLEM).backward()
    assert raw.grad is not None and raw.grad.isfinite().all()
    assert raw.grad[0, 0].ne(0).tolist() == [[True, False], [False, False]]


def test_an_output_spans_the_networks_range_evenly_in_the_logarithm():
    raw = torch.tensor([-100.0, 0.0, 100.0]).view(1, 1, 1, 3)
    assert TASK.decode(raw, (1, 3), PROBLEM).flatten().tolist() == pytest.approx([1, math.sqrt(80), 80], rel=1e-5)
    assert TASK.canonical(raw, PROBLEM).flatten().tolist() == pytest.approx([0, 0.5, 1])


def test_errors_are_kept_for_each_range_of_true_depth_and_add_up():
    found = TASK.statistics(np.float32([[2.0, 12.0, 44.0, 9.0]]), np.float32([[1.0, 10.0, 40.0, 0.0]]), RULES)
    assert found["range_count"].tolist() == [0, 1, 0, 0, 0, 1, 0, 1, 0]  # 1 to 2, 10 to 20 and 40 to 80 m
    assert found["range_relative"][[1, 5, 7]] == pytest.approx([1, 0.2, 0.1])
    assert found["range_squared"][[1, 5, 7]] == pytest.approx([1, 4, 16])
    assert all(found[f"range_{name}"].sum() == pytest.approx(found[name]) for name in ("count", "relative", "squared"))
