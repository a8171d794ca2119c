"""Surface normals: angles by hand and by numpy, the pooled median from histograms, the loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bench.nets.multitask import Small
from bench.problem import Problem
from bench.tasks.contract import Rules
from bench.tasks.normals import TASK, angle

RULES = Rules(classes=1, depth_range=(1e-3, 80.0))
PROBLEM = Problem(
    split="s", tasks=("normals",), classes=("a",), height=4, width=4, depth_range=(1.0, 80.0),
    budget=1, batch=2, seed=0, network=Small(),
)  # fmt: skip
TOWARDS = (0.0, 0.0, -1.0)


def turned(degrees):
    """Unit vectors 1 N 3, by so many degrees away from TOWARDS."""
    radians = np.radians(degrees)
    return np.stack((np.sin(radians), np.zeros_like(radians), -np.cos(radians)), -1)[None].astype(np.float32)


def metrics(*pairs):
    each = [TASK.statistics(guess, truth, RULES) for guess, truth in pairs]
    return TASK.metrics({name: np.stack([s[name] for s in each]) for name in each[0]})


def of(*images):
    return metrics(*((turned(np.array(angles)), np.tile(TOWARDS, (1, len(angles), 1))) for angles in images))


def test_mean_median_rmse_and_shares_by_hand():
    found = of([5.01, 20.01, 25.01, 90.01])
    assert found["angle_mean"] == pytest.approx(35.01, abs=1e-3)
    assert found["angle_median"] == pytest.approx(22.51, abs=0.03)
    assert found["angle_rmse"] == pytest.approx(math.sqrt(np.mean(np.square([5.01, 20.01, 25.01, 90.01]))), rel=1e-5)
    assert (found["within_11.25"], found["within_22.5"], found["within_30"]) == (25, 50, 75)


def test_the_median_is_over_the_pixels_of_all_images_not_over_images():
    assert of([1.0, 1.0, 1.0], [50.0], [60.0])["angle_median"] == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("count", [1, 2, 999, 1000])
def test_the_pooled_median_is_exact_to_half_a_bin(count):
    angles = np.random.default_rng(count).uniform(0, 180, count)
    halves = [half for half in np.split(angles, [count // 3]) if half.size]
    assert of(*halves)["angle_median"] == pytest.approx(np.median(angles), abs=0.025 + 1e-3)


def test_the_shares_are_exact_next_to_their_thresholds():
    found = of([11.2499, 11.2501, 22.4999, 22.5001, 29.9999, 30.0001])
    assert found["within_11.25"] == pytest.approx(100 / 6)
    assert found["within_22.5"] == pytest.approx(300 / 6)
    assert found["within_30"] == pytest.approx(500 / 6)


def test_only_pixels_with_a_true_normal_are_scored():
    truth = np.array([[TOWARDS, (0, 0, 0)]], np.float32)
    found = metrics((turned(np.array([10.0, 170.0])), truth))
    assert found["angle_mean"] == pytest.approx(10, abs=1e-3)


def test_opposite_normals_are_180_degrees_apart_and_small_angles_keep_their_digits():
    a = np.array([[0, 0, -1], [0, 0, -1]], np.float32)
    b = np.array([[0, 0, 1], [1e-4, 0, -1]], np.float32)
    assert angle(a, b) == pytest.approx([180, math.degrees(1e-4)])


def test_a_smaller_prediction_is_enlarged_and_its_length_does_not_matter():
    ends = np.array([[(1.0, 0, 0), (0, 1.0, 0)]], np.float32)
    truth = np.array([[(1.0, 0, 0), (0.75, 0.25, 0), (0.25, 0.75, 0), (0, 1.0, 0)]], np.float32)
    assert metrics((ends, truth))["angle_mean"] == pytest.approx(0, abs=1e-4)


def test_no_valid_pixel_at_all_is_nan():
    found = metrics((turned(np.array([10.0])), np.zeros((1, 1, 3), np.float32)))
    assert all(math.isnan(value) for value in found.values())


def test_the_loss_is_one_minus_the_cosine_over_valid_pixels():
    raw = torch.tensor([0.0, 0.0, -3.0]).view(1, 3, 1, 1).repeat(1, 1, 1, 3)
    label = torch.zeros(1, 3, 1, 3)
    label[0, :, 0, 0] = torch.tensor(TOWARDS)
    label[0, :, 0, 1] = torch.tensor([0.0, -1.0, 0.0])
    assert TASK.loss(raw, label, PROBLEM).item() == pytest.approx(0.5)
    assert TASK.loss(raw, torch.zeros(1, 3, 1, 3), PROBLEM).item() == 0


def test_an_output_of_zero_has_a_finite_gradient():
    raw = torch.zeros(1, 3, 2, 2, requires_grad=True)
    TASK.loss(raw, torch.tensor(TOWARDS).view(1, 3, 1, 1).expand(1, 3, 2, 2), PROBLEM).backward()
    assert raw.grad is not None and raw.grad.isfinite().all()


def test_decoded_normals_are_unit_vectors_at_the_size_asked_for():
    normals = TASK.decode(torch.randn(2, 3, 4, 4), (8, 6), PROBLEM)
    assert normals.shape == (2, 3, 8, 6)
    assert torch.allclose(normals.norm(dim=1), torch.ones(2, 8, 6), atol=1e-5)
