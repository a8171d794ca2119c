"""Optim: whose gradients it touches, clipping, the schedule by its own count, and what a checkpoint holds of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench import dist
from bench.nets.multitask import Small
from bench.optim import Optim
from bench.schedule import Schedule
from tests import shapes


def line(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values))


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01)),
        ("adam", lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.01)),
        ("adamw", lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.01)),
    ],
)
def test_updates_are_those_of_torchs_optimiser(kind, reference):
    mine, theirs = line(1.0, -2.0), line(1.0, -2.0)
    optim, other = Optim([mine], 10, lr=0.1, kind=kind, decay=0.01), reference([theirs])
    for target in (3.0, 1.0, -1.0):
        optim.minimise((mine - target).square().sum())
        other.zero_grad()
        (theirs - target).square().sum().backward()
        other.step()
    assert mine.tolist() == pytest.approx(theirs.tolist(), rel=1e-6)
    assert mine.tolist() != [1.0, -2.0]


def test_no_gradient_is_left_behind_and_nobody_elses_parameter_is_touched():
    mine, other = line(1.0), line(2.0)
    other.grad = torch.tensor([7.0])
    Optim([mine], 1, lr=0.1).minimise((mine * other).sum())
    assert mine.grad is None
    assert (other.item(), other.grad.item()) == (2.0, 7.0)
    assert mine.item() != 1.0


def test_a_parameter_that_the_loss_does_not_reach_stays_as_it_is():
    reached, apart = line(1.0), line(5.0)
    optim = Optim([reached, apart], 10, lr=0.1, decay=0.5)
    assert optim.grads(reached.sum())[1] is None
    optim.minimise(reached.sum())
    assert (reached.item() < 1.0, apart.item()) == (True, 5.0)


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_a_gradient_that_lies_otherwise_in_memory_updates_the_elements_it_belongs_to(kind):
    slopes = torch.randn(4, 3, 2, 2)
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        weight = nn.Parameter(torch.ones(4, 3, 2, 2).contiguous(memory_format=layout))
        optim = Optim([weight], 10, lr=0.1, kind=kind)
        for _ in range(3):
            optim.minimise((weight * slopes).sum() + 0 * weight.square().sum())
            optim.apply([slopes.clone()])
        ends.append(weight.detach())
    assert torch.equal(*ends)
    assert torch.equal((1 - ends[0]).sign(), slopes.sign())


def test_two_optimisers_may_ask_one_loss_if_it_is_kept():
    a, b = line(1.0), line(2.0)
    loss = (a * b).square().sum()
    assert Optim([a], 1, lr=0.1).grads(loss, keep=True)[0].item() == pytest.approx(8)
    assert Optim([b], 1, lr=0.1).grads(loss)[0].item() == pytest.approx(4)
    with pytest.raises(RuntimeError, match="second time"):
        Optim([b], 1, lr=0.1).grads(loss)


@pytest.mark.parametrize(("clip", "expected"), [(0.0, (3.0, 4.0)), (10.0, (3.0, 4.0)), (1.0, (0.6, 0.8))])
def test_the_gradient_is_clipped_by_the_norm_over_all_parameters(clip, expected):
    a, b = line(0.0), line(0.0)
    Optim([a, b], 1, lr=1.0, kind="sgd", momentum=0.0, clip=clip).minimise((3 * a + 4 * b).sum())
    assert (-a.item(), -b.item()) == pytest.approx(expected, rel=1e-5)


def test_clipping_does_without_the_parameters_that_have_no_gradient():
    a, b = line(0.0), line(0.0)
    Optim([a, b], 1, lr=1.0, kind="sgd", momentum=0.0, clip=1.0).minimise((3 * a).sum())
    assert (-a.item(), b.item()) == pytest.approx((1.0, 0.0), rel=1e-5)


def test_the_rate_follows_the_schedule_by_the_optimisers_own_count():
    schedule = Schedule(power=1.0, warmup=2)
    optim = Optim([parameter := line(0.0)], 4, lr=1.0, kind="sgd", momentum=0.0, schedule=schedule)
    ways = []
    for _ in range(5):
        before = parameter.item()
        optim.minimise(parameter.sum())
        ways.append(before - parameter.item())
    assert ways == pytest.approx([0.5, 0.75, 0.5, 0.25, 0.0])


def test_a_rate_that_nobody_states_is_a_share_of_the_networks():
    problem = shapes.problem(network=Small(lr=0.4))
    assert problem.rate(None) == 0.4 and problem.rate(None, 0.25) == 0.1
    assert problem.rate(0.0) == 0.0 and problem.rate(2.0, 0.25) == 2.0


def test_gradients_are_averaged_over_the_ranks(monkeypatch):
    monkeypatch.setattr(dist, "average", lambda grads: [g / 2 for g in grads])
    a, b = line(1.0), line(1.0)
    grads = Optim([a, b], 1, lr=0.1).grads((4 * a).sum())
    assert grads[0].item() == 2.0
    assert grads[1] is None


def test_a_restored_optimiser_goes_on_to_the_bit():
    def minimise(optim, times):
        for _ in range(times):
            optim.minimise((optim.parameters[0] - 3).square().sum())

    straight, broken = (Optim([line(1.0)], 6, lr=0.1, schedule=Schedule(power=0.9)) for _ in range(2))
    minimise(straight, 6)
    minimise(broken, 3)
    resumed = Optim([line(*broken.parameters[0].tolist())], 6, lr=0.1, schedule=Schedule(power=0.9))
    resumed.load_state_dict(broken.state_dict())
    minimise(resumed, 3)
    assert torch.equal(resumed.parameters[0], straight.parameters[0])
    assert resumed.taken == 6


def test_what_cannot_be_optimised_is_refused():
    with pytest.raises(ValueError, match="no trainable parameter"):
        Optim([line(1.0).requires_grad_(False)], 1, lr=0.1)
    with pytest.raises(ValueError, match='no optimiser "adagrad"; known: adam adamw sgd'):
        Optim([line(1.0)], 1, lr=0.1, kind="adagrad")


def test_frozen_parameters_are_left_out():
    frozen, free = line(1.0).requires_grad_(False), line(1.0)
    assert Optim([frozen, free], 1, lr=0.1).parameters == [free]
