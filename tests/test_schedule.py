"""Schedules: factors of the base rate as functions of the step."""

from __future__ import annotations

import pytest

from bench.schedule import Schedule


def test_the_default_is_constant():
    assert {Schedule().factor(t, 10) for t in range(10)} == {1.0}


def test_polynomial_decay_starts_at_one_and_ends_at_nothing():
    factors = [Schedule(power=0.9).factor(t, 10) for t in range(11)]
    assert factors == pytest.approx([(1 - t / 10) ** 0.9 for t in range(11)])
    assert (factors[0], factors[10]) == (1.0, 0.0)


def test_warm_up_rises_in_a_line_and_its_last_step_is_full():
    assert [Schedule(warmup=4).factor(t, 10) for t in range(6)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_warm_up_and_decay_multiply():
    assert Schedule(power=1.0, warmup=4).factor(1, 10) == pytest.approx(0.5 * 0.9)


@pytest.mark.parametrize("t", [10, 11, 1000])
def test_after_its_end_a_decaying_rate_stays_nothing(t):
    assert Schedule(power=0.9).factor(t, 10) == 0.0
    assert Schedule(power=2.0).factor(t, 0) == 0.0
