"""Universal Representations: the distances of features and of outputs; N1 to N4 of the specification."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from methods.parts.distil import Adapters, cka, cka_distance, feature_distance, l2, output_distance
from tests import shapes

PROBLEM = shapes.problem()
TASKS = PROBLEM.tasks


@pytest.mark.parametrize("df", ["l2", "cka"])
def test_n01_features_equal_to_the_teachers_have_no_distance_and_no_gradient(df):
    last = torch.randn(2, 8, 6, 8)
    first = nn.functional.interpolate(last, size=(12, 16), mode="nearest")  # comes back when it is halved
    adapters = Adapters(["depth"], (8, 8), (8, 8))
    for weight in adapters.parameters():
        nn.init.dirac_(weight)
    features = [first.requires_grad_(), last.clone().requires_grad_()]
    distance = feature_distance(adapters("depth", features), [None, last], "final", df)
    assert distance.item() == pytest.approx(0, abs=1e-6)
    for grad in torch.autograd.grad(distance, [*features, *adapters.parameters()]):
        assert grad.abs().max() < 1e-6


@pytest.mark.parametrize("name", TASKS)
def test_n01_outputs_equal_to_the_teachers_have_no_distance_and_no_gradient(name):
    taught = torch.randn(2, {"semseg": 4, "depth": 1, "normals": 3}[name], 6, 8)
    raw = taught.clone().requires_grad_()
    distance = output_distance(name, raw, taught, 4.0, PROBLEM)
    assert distance.item() == pytest.approx(0, abs=1e-6)
    assert torch.autograd.grad(distance, raw)[0].abs().max() < 1e-6


def test_n02_l2_is_0_for_a_positive_scale_per_pixel_2_for_orthogonal_4_for_opposite_maps():
    a = torch.randn(2, 6, 5, 7)
    scale = torch.rand(2, 1, 5, 7) + 0.1
    orthogonal = torch.stack([-a[:, 1], a[:, 0], -a[:, 3], a[:, 2], -a[:, 5], a[:, 4]], 1)
    assert [l2(b, a).item() for b in (scale * a, orthogonal, -a)] == pytest.approx([0, 2, 4], abs=1e-5)


def test_n02_two_levels_are_summed():
    a = torch.randn(2, 6, 4, 4)
    assert feature_distance([-a, a], [None, a], "final", "l2").item() == pytest.approx(4, abs=1e-5)


def test_n02_final_compares_both_levels_with_the_last_map_and_level_each_with_its_own():
    first, last = torch.randn(2, 6, 4, 4), torch.randn(2, 6, 4, 4)
    assert feature_distance([last, last], [first, last], "final", "l2").item() == pytest.approx(0, abs=1e-6)
    assert feature_distance([first, last], [first, last], "level", "l2").item() == pytest.approx(0, abs=1e-6)
    assert feature_distance([last, last], [first, last], "level", "l2").item() > 0.5


def test_n03_cka_is_1_for_equal_and_for_rotated_and_scaled_samples_and_less_for_independent_ones():
    a, other = torch.randn(3, 20, 6), torch.randn(3, 20, 6)
    rotation = torch.linalg.qr(torch.randn(6, 6))[0]
    assert cka(a, a).tolist() == pytest.approx([1] * 3, abs=1e-4)
    assert cka(a, 3 * a @ rotation).tolist() == pytest.approx([1] * 3, abs=1e-4)
    independent = cka(a, other)
    assert (independent > 0).all() and (independent < 0.9).all()
    assert torch.allclose(independent, cka(other, a), atol=1e-5)


def test_n03_cka_of_constant_samples_is_finite_and_so_is_its_gradient():
    a, b = torch.ones(1, 5, 3, requires_grad=True), torch.randn(1, 5, 3)
    value = cka(a, b).sum()
    assert 0 <= value <= 1
    assert torch.autograd.grad(value, a)[0].isfinite().all()


def test_n03_cka_needs_more_than_one_sample():
    with pytest.raises(ValueError, match="2 or more, got 1"):
        cka(torch.randn(4, 1, 3), torch.randn(4, 1, 3))


def test_n03_cka_forgives_a_rotation_of_the_channels_and_l2_does_not():
    a = torch.randn(2, 6, 6, 6)
    rotated = torch.einsum("bchw,dc->bdhw", a, torch.linalg.qr(torch.randn(6, 6))[0])
    assert cka_distance(a, rotated).item() == pytest.approx(0, abs=1e-4)
    assert l2(a, rotated).item() > 0.5


def kl(raw, taught, temperature):
    return output_distance("semseg", raw, taught, temperature, PROBLEM)


def test_n04_kl_does_not_see_a_constant_added_to_the_logits():
    raw, taught = torch.randn(2, 2, 4, 3, 3)
    assert kl(raw + 5, taught - 2, 4.0).item() == pytest.approx(kl(raw, taught, 4.0).item(), rel=1e-4)


def test_n04_kl_is_scaled_by_the_squared_temperature_so_that_its_gradient_keeps_its_size():
    raw, taught = torch.randn(2, 2, 4, 3, 3)
    p, q = ((x / 4).log_softmax(1) for x in (taught, raw))
    assert kl(raw, taught, 4.0).item() == pytest.approx(16 * (p.exp() * (p - q)).sum(1).mean().item(), rel=1e-5)
    raw.requires_grad_()
    norms = [torch.autograd.grad(kl(raw, taught, t), raw)[0].norm().item() for t in (4.0, 8.0, 16.0)]
    assert max(norms) < 1.3 * min(norms)
