"""AdvEnt: discriminators of self-information at two levels, and a game in which each side leaves the other alone."""

from __future__ import annotations

import math

import pytest
import torch

from bench.rng import reseed
from methods import advent
from methods.parts.discriminator import SOURCE as LIKE_SOURCE
from methods.parts.discriminator import TARGET as LIKE_TARGET
from methods.parts.discriminator import Discriminator, Discriminators, called
from methods.parts.information import self_information
from tests import shapes

PROBLEM = shapes.problem()
SOURCE, TARGET = shapes.render(2, 5, shifted=False), shapes.unlabelled(shapes.render(2, 6, shifted=True))


def build(**settings):
    reseed("build")
    return advent.Method(advent.Method.Config(**settings), PROBLEM, {}).train()


def weights(module):
    return [p.detach().clone() for p in module.parameters()]


def moved(before, module):
    return any(not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_a_patch_discriminator_is_the_published_one_at_width_64_and_takes_small_maps():
    net = Discriminator(19, 64)
    convs = [layer for layer in net if isinstance(layer, torch.nn.Conv2d)]
    assert [c.out_channels for c in convs] == [64, 128, 256, 512, 1]
    assert {(c.kernel_size, c.stride, c.padding) for c in convs} == {((4, 4), (2, 2), (1, 1))}
    assert {layer.negative_slope for layer in net if isinstance(layer, torch.nn.LeakyReLU)} == {0.2}
    assert len(net) == 9  # nothing after the last convolution: logits
    small = Discriminator(18, 4)
    assert small(torch.rand(1, 18, 32, 32)).shape == small(torch.rand(1, 18, 48, 48)).shape == (1, 1, 1, 1)
    assert small(torch.rand(2, 18, 96, 160)).shape == (2, 1, 3, 5)
    assert build().discriminators["final"][0].out_channels == PROBLEM.network.auxiliary_width


def test_the_domains_are_0_and_1_by_binary_cross_entropy():
    logits = torch.tensor([math.log(3), -math.log(3)])  # D = 3/4, 1/4
    assert called(logits, LIKE_TARGET).item() == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)
    assert called(logits[:1], LIKE_SOURCE).item() == pytest.approx(-math.log(0.25))
    assert called(torch.tensor([-1e4]), LIKE_TARGET).isfinite()


def test_a_discriminators_loss_has_half_of_each_domain_and_reaches_no_map():
    critics = Discriminators({"final": 4}, 4)
    source, target = (torch.rand(1, 4, 32, 64, requires_grad=True) for _ in range(2))
    loss = critics.judged({"final": source}, {"final": target}, advent.Method.SHARE)["final"]
    expected = called(critics["final"](source), LIKE_SOURCE) + called(critics["final"](target), LIKE_TARGET)
    assert loss.item() == pytest.approx(expected.item() / 2)
    loss.backward()
    assert source.grad is None and target.grad is None


def test_discriminators_see_self_information_as_large_as_the_image():
    stage = build()
    views = stage.views(stage.net(SOURCE.image))
    assert {view: tuple(seen.shape) for view, seen in views.items()} == dict.fromkeys(
        ("final", "auxiliary"), (2, 4, 32, 64)
    )
    raw = stage.large(stage.net(SOURCE.image)["auxiliary"]["semseg"])
    assert torch.allclose(views["auxiliary"], self_information(raw), atol=1e-6)


def test_the_network_moves_the_targets_maps_towards_source():
    stage = build()
    raw = stage.net(TARGET.image)["final"]["semseg"].detach().requires_grad_()

    def verdict(scores):
        return stage.discriminators["final"](self_information(stage.large(scores))).mean()

    loss = called(stage.discriminators["final"](self_information(stage.large(raw))), LIKE_SOURCE)
    (gradient,) = torch.autograd.grad(loss, raw)
    assert verdict(raw - 0.1 * gradient / gradient.norm()) < verdict(raw)


def test_each_side_learns_from_its_own_loss_alone():
    stage = build()
    net, critics = weights(stage.net), weights(stage.discriminators)
    loss = shapes.caught(stage.critic_optim, lambda: stage.step(0, SOURCE, TARGET))
    assert moved(net, stage.net) and not moved(critics, stage.discriminators)
    assert shapes.gradient(loss, stage.net.parameters()) == 0
    stage = build()
    shapes.caught(stage.optim, lambda: stage.step(0, SOURCE, TARGET))
    assert not moved(net, stage.net) and moved(critics, stage.discriminators)


def test_a_step_weighs_the_terms_as_published_and_sums_them():
    stage, terms = build(), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, SOURCE, TARGET)))
    own = sum(value.item() for name, value in terms.items() if not name.endswith("_discriminator"))
    assert loss.item() == pytest.approx(own)
    full = build(auxiliary=1.0, adv_final=1.0, adv_auxiliary=1.0).step(0, SOURCE, TARGET)
    for name, weight in (("auxiliary_semseg", 0.1), ("final_adversarial", 1e-3), ("auxiliary_adversarial", 2e-4)):
        assert terms[name].item() == pytest.approx(weight * full[name].item(), rel=1e-4)


def test_discriminators_learn_at_two_fifths_of_the_networks_rate_if_not_told_otherwise():
    stage = build()
    assert stage.critic_optim.lr == pytest.approx(0.4 * stage.optim.lr) and stage.optim.lr == PROBLEM.network.lr
    assert build(lr=1.0, critic_lr=0.5).critic_optim.lr == 0.5
    assert build(horizon=2.0).optim.steps == 2 * build().optim.steps == 200


def test_prediction_is_the_final_outputs_of_all_tasks():
    stage = build().eval()
    final = stage.net(SOURCE.image)["final"]
    found = stage.predict(SOURCE.image)
    assert found.keys() == set(PROBLEM.tasks) and all(torch.equal(found[name], final[name]) for name in found)


def test_a_split_without_classes_is_refused():
    with pytest.raises(ValueError, match="needs the task semseg"):
        advent.Method.Config().check(shapes.problem(tasks=("depth", "normals")))
