"""Semantic segmentation: the confusion matrix, the means over it, the loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from bench.nets.multitask import Small
from bench.problem import Problem
from bench.tasks import task
from bench.tasks.contract import Rules
from bench.tasks.semseg import TASK, confusion, iou_over, mean_iou

PROBLEM = Problem(
    split="s", tasks=("semseg",), classes=("a", "b", "c"), height=4, width=4, depth_range=(1.0, 80.0),
    budget=1, batch=2, seed=0, network=Small(),
)  # fmt: skip


def noise(*size: int, classes: int = 5, void: bool = True) -> tuple[np.ndarray, np.ndarray]:
    r = np.random.default_rng(0)
    label = r.integers(0, classes, size).astype(np.uint8)
    prediction = np.where(r.random(size) < 0.5, label, r.integers(0, classes, size)).astype(np.uint8)
    if void:
        label[r.random(size) < 0.2] = 255
    return prediction, label


def test_the_task_is_found_by_name_and_a_wrong_name_is_answered_with_the_nearest():
    assert task("semseg") is TASK
    with pytest.raises(ValueError, match="unknown task 'semsegg'.*did you mean 'semseg'"):
        task("semsegg")


def test_rows_are_the_truth_columns_the_prediction_and_void_is_not_counted():
    label = np.array([[0, 0, 1], [1, 255, 255]], np.uint8)
    prediction = np.array([[0, 2, 1], [0, 0, 2]], np.uint8)
    assert confusion(prediction, label, 3).tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]


def test_names_of_a_labels_ids_are_taken_in_the_counts_and_an_id_without_one_is_refused():
    prediction, _ = noise(40, 48)
    stored = np.random.default_rng(1).choice([7, 8, 0, 33], (40, 48)).astype(np.uint8).repeat(3, 0)
    prediction = prediction.repeat(3, 0)
    names = np.full(256, -1, np.int16)
    names[[7, 8, 33, 0]] = 3, 1, 1, 255
    assert np.array_equal(
        confusion(prediction, stored, 5, names), confusion(prediction, names[stored].astype(np.uint8), 5)
    )
    stored[5, 5] = 40
    with pytest.raises(ValueError, match="the label has the id 40"):
        confusion(prediction, stored, 5, names)


@pytest.mark.parametrize("width", [64, 61])
def test_runs_are_counted_as_pixels_are(width):
    """Wide blocks are counted by runs, noise by pixels."""
    blocks = (
        np.random.default_rng(0).integers(0, 5, (2, 4, 3)).astype(np.uint8).repeat(20, 1).repeat(30, 2)[..., :width]
    )
    prediction, label = blocks
    expected = np.zeros((5, 5), np.int64)
    np.add.at(expected, (label.ravel(), prediction.ravel()), 1)
    assert np.array_equal(confusion(prediction, label, 5), expected)


def test_an_image_of_void_alone_counts_nothing():
    prediction, label = noise(8, 8)
    assert confusion(prediction, np.full_like(label, 255), 5).sum() == 0


@pytest.mark.parametrize("void", [False, True])
@pytest.mark.parametrize("classes", [2, 19, 255])
def test_the_counts_are_those_of_torchmetrics(void, classes):
    prediction, label = noise(61, 83, classes=classes, void=void)
    theirs = MulticlassConfusionMatrix(classes, ignore_index=255)
    expected = theirs(torch.from_numpy(prediction).long(), torch.from_numpy(label).long())
    assert np.array_equal(confusion(prediction, label, classes), expected.numpy())


def test_the_metrics_come_from_one_matrix_over_the_whole_set_not_from_a_mean_over_images():
    rules = Rules(classes=5, depth_range=(0, 1))
    images = [noise(9, 7), noise(30, 20)]
    each = [TASK.statistics(*pair, rules) for pair in images]
    metrics = TASK.metrics({"confusion": np.stack([s["confusion"] for s in each])})
    theirs = MulticlassJaccardIndex(5, ignore_index=255)
    for prediction, label in images:
        theirs.update(torch.from_numpy(prediction).long(), torch.from_numpy(label).long())
    assert metrics["miou"] == pytest.approx(100 * theirs.compute().item(), rel=1e-6)


def test_miou_and_accuracies_of_a_matrix_by_hand():
    matrix = np.array([[[6, 2, 0], [1, 3, 0], [0, 0, 4]]])
    metrics = TASK.metrics({"confusion": matrix})
    assert metrics["miou"] == pytest.approx(100 * (6 / 9 + 3 / 6 + 1) / 3)
    assert metrics["pixel_accuracy"] == pytest.approx(100 * 13 / 16)
    assert metrics["mean_accuracy"] == pytest.approx(100 * (6 / 8 + 3 / 4 + 1) / 3)


def test_a_class_that_the_truth_does_not_have_is_nan_and_in_no_mean_but_costs_the_class_it_was_put_in_place_of():
    matrix = np.array([[8, 0, 2], [0, 5, 0], [0, 0, 0]])  # class 2 is predicted twice, and never true
    assert iou_over(matrix, range(3)) == pytest.approx([80.0, 100.0, math.nan], nan_ok=True)
    assert mean_iou(matrix, range(3)) == pytest.approx(90.0)


def test_a_smaller_class_set_is_some_rows_of_the_full_matrix():
    matrix = np.array([[6, 0, 4], [0, 5, 0], [2, 0, 8]])
    assert mean_iou(matrix, [0, 1]) == pytest.approx((100 * 6 / 12 + 100) / 2)  # what went to class 2 is wrong


def test_nothing_scored_is_nan_not_zero():
    metrics = TASK.metrics({"confusion": np.zeros((1, 3, 3), np.int64)})
    assert all(math.isnan(value) for value in metrics.values())


@pytest.mark.parametrize(
    "prediction, label, message",
    [
        (np.zeros((2, 2)), np.zeros((2, 3)), r"the class map is \(2, 2\), its label \(2, 3\)"),
        (np.full((2, 2), 7), np.zeros((2, 2)), "the class map has the id 7; ids are 0 to 2"),
        (np.zeros((2, 2)), np.full((2, 2), 254), "the label has the id 254; ids are 0 to 2, and in labels 255"),
    ],
)
def test_wrong_sizes_and_ids_are_named(prediction, label, message):
    with pytest.raises(ValueError, match=message):
        confusion(prediction.astype(np.uint8), label.astype(np.uint8), 3)


def test_the_loss_is_cross_entropy_at_the_labels_size_over_what_is_not_void():
    torch.manual_seed(0)
    raw, label = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 8, 8))
    label[0, :3] = 255
    large = F.interpolate(raw, (8, 8), mode="bilinear", align_corners=False)
    expected = F.cross_entropy(large, label, ignore_index=255).item()
    assert TASK.loss(raw, label, PROBLEM).item() == pytest.approx(expected)


def test_a_loss_without_a_valid_pixel_is_zero_and_can_be_differentiated():
    raw = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = TASK.loss(raw, torch.full((2, 4, 4), 255), PROBLEM)
    loss.backward()
    assert loss.item() == 0 and raw.grad is not None and raw.grad.eq(0).all()


def test_the_mean_over_ranks_of_the_losses_is_the_loss_of_the_whole_batch(monkeypatch):
    torch.manual_seed(0)
    raw, label = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    label[0, 1:] = 255  # the first rank has a quarter of the second one's pixels
    whole = TASK.loss(raw, label, PROBLEM)
    monkeypatch.setattr("bench.dist.mean", lambda count: torch.tensor((4.0 + 16.0) / 2))
    ranks = [TASK.loss(raw[i : i + 1], label[i : i + 1], PROBLEM) for i in range(2)]
    assert sum(ranks).item() / 2 == pytest.approx(whole.item())


def test_logits_are_enlarged_before_the_arg_max():
    raw = torch.zeros(1, 3, 1, 2)
    raw[0, 0] = torch.tensor([4.0, 0.0])
    raw[0, 1] = torch.tensor([0.0, 4.0])
    raw[0, 2] = 2.6  # nowhere the greatest of the small map, the greatest in between
    assert TASK.canonical(raw, PROBLEM).argmax(1).unique().tolist() == [0, 1]
    classes = TASK.decode(raw, (1, 8), PROBLEM)
    assert classes.dtype == torch.uint8 and classes.tolist() == [[[0, 0, 0, 2, 2, 1, 1, 1]]]


@pytest.mark.parametrize("side", [1, 2, 30])
def test_long_runs_are_counted_as_single_pixels_are(side):
    prediction, label = (plane.repeat(side, 0).repeat(side, 1) for plane in noise(9, 13))
    expected = np.zeros((5, 5), np.int64)
    np.add.at(expected, (label[label < 255], prediction[label < 255]), 1)
    assert np.array_equal(confusion(prediction, label, 5), expected)
