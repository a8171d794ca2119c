"""DAKD's three losses: D2 of its specification, D6, and the hard alignment."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from methods.parts.compression import hard_alignment, kl_divergence, label_loss


def logits(seed):
    return torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_d02_the_kl_is_a_real_one(direction):
    student, teacher = logits(0), 3 * logits(1)
    value = kl_divergence(student, teacher, direction)
    a, b = (teacher, student) if direction == "forward" else (student, teacher)
    p, q = a.double().softmax(1), b.double().softmax(1)
    assert value.item() == pytest.approx((p * (p / q).log()).sum().item() / 60, abs=1e-6)
    assert value > 0 and kl_divergence(student, student, direction) == 0


def test_d02_its_gradient_is_the_difference_of_the_probabilities_and_the_released_form_has_none():
    student, teacher = logits(0).requires_grad_(), logits(1)
    (gradient,) = torch.autograd.grad(kl_divergence(student, teacher), student)
    assert torch.allclose(gradient, (student.softmax(1) - teacher.softmax(1)) / 60, atol=1e-8)
    released = F.kl_div(student.log_softmax(1), teacher.log_softmax(1), reduction="sum")
    assert not (released.isfinite() and released > 0)  # log-probabilities given where probabilities are expected


def test_the_hard_alignment_is_a_mean_over_all_elements():
    student = torch.tensor([0.75, 0.25]).log().view(1, 2, 1, 1)
    teacher = torch.tensor([0.5, 0.5]).log().view(1, 2, 1, 1)
    assert hard_alignment(student, teacher, "prob").item() == pytest.approx(1 / 16)
    expected = (torch.tensor([1.5, 0.5]).log().square().mean()).item()
    assert hard_alignment(student, teacher).item() == pytest.approx(expected)


def test_d06_the_teachers_label_is_its_arg_max_at_every_pixel_whatever_its_scale():
    student, teacher = logits(0), logits(1)
    scaled = teacher * (0.1 + 5 * torch.rand(2, 1, 5, 6)) + torch.randn(2, 1, 5, 6)
    assert label_loss(student, scaled) == label_loss(student, teacher)
    assert label_loss(student, teacher).item() == pytest.approx(F.cross_entropy(student, teacher.argmax(1)).item())
