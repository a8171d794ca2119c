"""Task weighting within a stage: `equal` is the sum, every rule learns and resumes, famo's second pass is pure."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench import checkpoint
from bench.rng import reseed
from methods import source_only
from methods.parts import weighting
from methods.parts.second_pass import repeatable
from methods.parts.supervised import losses
from tests import shapes
from tests.shapes import same, source, state

PROBLEM = shapes.problem()
WORDS = list(weighting.WEIGHTINGS)


def build(**settings):
    reseed("build")
    return source_only.Method(source_only.Method.Config(**settings), PROBLEM, {}).train()


def test_equal_learns_the_bits_of_the_plain_sum_and_is_what_nothing_said_means():
    plain, equal, silent = build(), build(weighting="equal"), build()
    for t in range(3):
        plain.optim.minimise(sum(losses(plain.net(source(t).image), source(t).labels, PROBLEM).values()))
        equal.step(t, source(t), None)
        silent.step(t, source(t), None)
    assert same(state(plain), state(equal)) and same(state(equal), state(silent))


@pytest.mark.parametrize("word", WORDS)
def test_every_rule_learns_and_survives_a_kill_to_the_bit(word, tmp_path):
    straight = build(weighting=word, share=0.4)  # dwa: an epoch a step
    first = sum(straight.step(0, source(0), None).values()).item()
    for t in range(1, 8):
        last = sum(straight.step(t, source(0), None).values()).item()
        if t == 3:
            checkpoint.save(tmp_path, straight, 4, 0.0)
    assert last < first
    resumed = build(weighting=word, share=0.4)
    checkpoint.resume(tmp_path, resumed)
    for t in range(4, 8):
        resumed.step(t, source(0), None)
    assert same(state(straight), state(resumed))


@pytest.mark.parametrize("word", [w for w in WORDS if w not in ("equal", "pcgrad", "cagrad", "nash", "mgda")])
def test_weighted_losses_leave_no_other_trace_in_the_network(word):
    stage = build(weighting=word)
    assert {id(p) for p in stage.optim.parameters} == {id(p) for p in stage.net.parameters()}


def test_the_second_pass_sees_the_same_numbers_and_moves_no_buffer():
    net = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(64))
    x = torch.randn(8, 64)
    again = repeatable(lambda: net(x), net)
    first = net(x)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    following = torch.get_rng_state()
    assert torch.equal(again(), first)
    assert not torch.equal(net[0](x), net[0](x))  # dropout does draw
    torch.set_rng_state(following)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_an_unknown_word_is_one_clear_line():
    with pytest.raises(ValueError, match='^no weighting "nahs"; known: equal .* mgda$'):
        source_only.Method.Config(weighting="nahs").check(PROBLEM)
