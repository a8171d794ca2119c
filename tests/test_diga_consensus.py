"""Labels that two classifiers agree on: consensus and centroids, T6 and T7 of DiGA's specification."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.problem import VOID
from methods.parts.consensus import Bank, OfflineLabels, agreed, class_means, trusted
from tests import shapes

PROBLEM = shapes.problem()
SOURCE = shapes.render(4, 5, shifted=False)


@pytest.fixture
def bank():
    bank = Bank(3, 2)
    bank.vectors.copy_(torch.tensor([(0.0, 0.0), (1.0, 0.0), (0.0, 0.4)]))
    bank.count.fill_(1)
    return bank


def test_t06_kept_labels_are_offline_labels_and_no_confidence_is_asked_for(bank):
    features, offline = torch.rand(2, 2, 4, 6), torch.randint(3, (2, 4, 6))
    nearest = bank.nearest(features, (4, 6))
    kept = agreed(offline, nearest)
    assert (kept == VOID).any() and (kept != VOID).any()
    assert torch.equal(kept, torch.where(offline == nearest, offline, VOID))
    for scale in (0.01, 100.0):  # of all distances, which are the logits of w
        scaled = Bank(3, 2)
        scaled.vectors.copy_(scale * bank.vectors)
        scaled.count.fill_(1)
        assert torch.equal(agreed(offline, scaled.nearest(scale * features, (4, 6))), kept)


def test_t06_the_offline_label_has_no_threshold_either():
    raw = torch.randn(1, 4, 8, 8)
    net = nn.Conv2d(3, 4, 1)
    labels = []
    for scale in (0.01, 1.0, 100.0):
        net.forward = lambda image, scale=scale: {"semseg": scale * raw}
        stage = OfflineLabels(OfflineLabels.Config(), PROBLEM, {"before": Built(net)})
        labels.append(stage.step(0, None, shapes.unlabelled(SOURCE))["semseg"])
    assert all(torch.equal(label, labels[0]) for label in labels) and labels[0].dtype == torch.uint8


class Built:
    """A product of nothing but a network."""

    def __init__(self, net):
        self.net = net

    def build(self):
        return self


def test_t06_moving_a_centroid_changes_the_next_selection(bank):
    features = torch.tensor([0.45, 0.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3)
    assert (bank.nearest(features, (3, 3)) == 0).all()
    bank.move(features, torch.ones(1, 3, 3, dtype=torch.long), 5, momentum=0.9)
    assert (bank.nearest(features, (3, 3)) == 1).all()


def test_t06_a_class_without_a_centroid_is_nobodys_nearest(bank):
    bank.count[0] = 0
    assert (bank.nearest(torch.zeros(1, 2, 2, 2), (2, 2)) == 2).all()


def test_t07_with_one_class_the_centroid_is_the_mean_feature():
    bank, features = Bank(1, 5), torch.randn(6, 5, 3, 4)
    for two in features.split(2):
        bank.collect(two, torch.zeros(2, 3, 4, dtype=torch.long), 5)
    assert torch.allclose(bank.vectors[0], features.mean((0, 2, 3)), atol=1e-6) and bank.count[0] == 3


def test_t07_an_online_step_goes_a_ten_thousandth_of_the_way(bank):
    before = bank.vectors.clone()
    bank.move(torch.full((2, 2, 3, 3), 7.0), torch.ones(2, 3, 3, dtype=torch.long), 5, momentum=1e-4)
    assert torch.allclose(bank.vectors[1] - before[1], 1e-4 * (7 - before[1]), rtol=1e-3)
    assert torch.equal(bank.vectors[[0, 2]], before[[0, 2]])


def test_t07_four_pixels_are_too_few_and_images_count_alike():
    features, labels = torch.randn(2, 3, 4, 4), torch.full((2, 4, 4), VOID)
    labels[0, 0] = 1  # four pixels
    labels[1, 0], labels[1, 1, 0] = 1, 1  # five
    labels[0, 2:] = 2
    labels[1, 2:] = 2
    sums, number = class_means(features, labels, 4, 5)
    assert number.tolist() == [0, 1, 2, 0]
    inside = features[1].permute(1, 2, 0)[labels[1] == 1]
    assert torch.allclose(sums[1], inside.mean(0), atol=1e-6)
    assert torch.allclose(sums[2], features[:, :, 2:].mean((2, 3)).sum(0), atol=1e-6)


def test_t07_pixels_that_the_classifier_takes_for_another_class_are_left_out():
    labels = torch.tensor([[[0, 1], [1, VOID]]])
    raw = nn.functional.one_hot(torch.tensor([[[0, 1], [0, 1]]]), 3).permute(0, 3, 1, 2)
    assert trusted(labels, raw, (2, 2)).tolist() == [[[0, 1], [VOID, VOID]]]
