"""The average of a network: parameters averaged, buffers copied, no gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench import ema


def net(weight: float, mean: float) -> nn.Module:
    """A convolution without parameters but one, and BatchNorm statistics."""
    found = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1))
    nn.init.constant_(found[0].weight, weight)
    nn.init.constant_(found[1].running_mean, mean)
    found[1].num_batches_tracked.fill_(int(10 * mean))
    return found


def test_parameters_are_averaged_and_buffers_copied():
    average, student = net(1.0, 0.0), net(2.0, 0.5)
    ema.update(average, student, 0.9)
    assert average[0].weight.item() == pytest.approx(1.1)
    assert (average[1].running_mean.item(), average[1].num_batches_tracked.item()) == (0.5, 5)
    assert student[0].weight.item() == 2.0


def test_after_many_updates_the_average_has_arrived():
    average, student = net(1.0, 0.0), net(2.0, 0.5)
    for n in range(1, 51):
        ema.update(average, student, 0.9)
        assert average[0].weight.item() == pytest.approx(2 - 0.9**n, rel=1e-5)


@pytest.mark.parametrize(("momentum", "expected"), [(1.0, 1.0), (0.0, 2.0)])
def test_momentum_one_keeps_the_average_and_nothing_takes_the_student(momentum, expected):
    average = net(1.0, 0.0)
    ema.update(average, net(2.0, 0.5), momentum)
    assert average[0].weight.item() == expected


def test_the_average_is_a_network_of_its_own_without_gradient():
    average, student = net(1.0, 0.0), net(2.0, 0.5)
    ema.update(average, student, 0.5)
    assert average[0].weight.grad_fn is None
    with torch.no_grad():
        student[0].weight.fill_(9.0)
        student[1].running_mean.fill_(9.0)
    assert (average[0].weight.item(), average[1].running_mean.item()) == (1.5, 0.5)


def test_networks_of_different_make_are_refused():
    with pytest.raises((RuntimeError, ValueError)):
        ema.update(net(1.0, 0.0), nn.Conv2d(1, 1, 1), 0.5)
