"""xTAM-UDA: cross-task attention, and an adversary for every task at two scales."""

from __future__ import annotations

import math

import pytest
import torch

from bench.rng import reseed
from methods import xtam
from methods.parts.exchange import CELLS, Attention, CrossTask, Exchange
from methods.parts.information import self_information
from tests import shapes

PROBLEM = shapes.problem()
SOURCE, TARGET = shapes.render(2, 5, shifted=False), shapes.unlabelled(shapes.render(2, 6, shifted=True))


def build(tasks=PROBLEM.tasks, **settings):
    reseed("build")
    return xtam.Method(xtam.Method.Config(**settings), shapes.problem(tasks=tasks), {}).train()


def plain(channels):
    """Attention whose projections are the identity."""
    net = Attention(channels)
    for layer in (net.query, net.key, net.value):
        torch.nn.init.dirac_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return net.eval()


def test_correlation_weighs_the_other_tasks_places_by_a_softmax_of_inner_products():
    mine, other = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 2.0]])  # channels x places
    net = plain(2)
    weights = net.correlation(mine.view(1, 2, 1, 2), other.view(1, 2, 1, 2))
    first = math.exp(2 / math.sqrt(2))
    expected = torch.tensor([[[first / (first + 1), 1 / (first + 1)], [0.5, 0.5]]])  # of each of my places
    assert torch.allclose(weights, expected)
    taken = net.correlated(mine.view(1, 2, 1, 2), other.view(1, 2, 1, 2)).view(2, 2)
    assert torch.allclose(taken, other @ expected[0].T)


def test_self_attention_is_a_gate_on_the_other_tasks_features_and_is_added():
    net, mine, other = plain(3), torch.randn(2, 3, 4, 6), torch.randn(2, 3, 4, 6)
    gated = net.feature(other) * net.mask(other).sigmoid()
    assert torch.allclose(net(mine, other), net.correlated(mine, other) + gated)
    assert net(mine, other).shape == mine.shape


@pytest.mark.parametrize("size", [(4, 6), (1, 1), (3, 70), (64, 96)])
def test_large_maps_are_compared_on_a_coarser_grid(size):
    net, maps = plain(2), torch.randn(1, 2, *size)
    places = []
    correlation = net.correlation
    net.correlation = lambda a, b: places.append(a.shape[-2:]) or correlation(a, b)
    assert net(maps, maps).shape == maps.shape
    assert max(places[0]) <= CELLS and (max(size) > CELLS or places[0] == size)


def test_a_task_takes_from_every_other_and_keeps_its_own():
    reseed(0)
    net = Exchange(PROBLEM.tasks, 4).eval()
    assert {i: set(nets) for i, nets in net.taken.items()} == {i: {*PROBLEM.tasks} - {i} for i in PROBLEM.tasks}
    features = {name: torch.randn(2, 4, 3, 5, requires_grad=True) for name in PROBLEM.tasks}
    refined = net(features)
    assert all(refined[name].shape == features[name].shape for name in features)
    for name in PROBLEM.tasks:
        grads = torch.autograd.grad(refined[name].square().sum(), list(features.values()), retain_graph=True)
        assert all(g.abs().sum() > 0 for g in grads)
    for layer in net.mixed.values():
        torch.nn.init.zeros_(layer[0].weight)
    assert all(torch.equal(value, features[name]) for name, value in net(features).items())


def test_there_are_predictions_before_and_after_the_exchange_from_any_network():
    outputs = CrossTask(PROBLEM).eval()(SOURCE.image)
    sizes = {scale: {name: tuple(raw.shape) for name, raw in maps.items()} for scale, maps in outputs.items()}
    assert sizes["final"] == {"semseg": (2, 4, 16, 32), "depth": (2, 1, 16, 32), "normals": (2, 3, 16, 32)}
    assert sizes["initial"] == {"semseg": (2, 4, 8, 16), "depth": (2, 1, 8, 16), "normals": (2, 3, 8, 16)}
    stage = build().eval()
    final = stage.net(SOURCE.image)["final"]
    assert all(torch.equal(final[name], raw) for name, raw in stage.predict(SOURCE.image).items())


def test_each_task_and_scale_has_a_discriminator_with_spectral_norm():
    stage = build()
    views = stage.views(stage.net(SOURCE.image))
    names = {f"{scale}_{name}" for scale in ("final", "initial") for name in PROBLEM.tasks}
    assert views.keys() == set(stage.discriminators) == names
    assert {view: seen.shape[1] for view, seen in views.items() if "final" in view} == {
        "final_semseg": 4, "final_depth": 1, "final_normals": 3,
    }  # fmt: skip
    assert all(seen.shape[-2:] == (32, 64) for seen in views.values())
    layer = stage.discriminators["final_semseg"][2]
    for _ in range(50):
        weight = layer.weight  # a power iteration each
    assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_discriminators_see_self_information_bounded_depth_and_unit_normals():
    stage = build()
    raw = {name: 3 * torch.randn(1, c, 2, 2) for name, c in (("semseg", 4), ("depth", 1), ("normals", 3))}
    assert torch.equal(stage.shown("semseg", raw["semseg"]), self_information(raw["semseg"]))
    assert torch.equal(stage.shown("depth", raw["depth"]), raw["depth"].sigmoid())
    assert torch.allclose(stage.shown("normals", raw["normals"]).square().sum(1), torch.ones(1, 2, 2))


def test_a_step_weighs_the_terms_as_published_and_sums_them():
    stage, terms = build(), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, SOURCE, TARGET)))
    own = sum(value.item() for name, value in terms.items() if not name.endswith("_discriminator"))
    assert loss.item() == pytest.approx(own, rel=1e-5)
    full = build(semseg=1.0, depth=1.0, normals=1.0, adversarial=1.0).step(0, SOURCE, TARGET)
    weights = {"semseg": 50, "depth": 1, "normals": 50}
    for scale in ("final", "initial"):
        for name, weight in weights.items():
            view = f"{scale}_{name}"
            assert terms[view].item() == pytest.approx(weight * full[view].item(), rel=1e-4)
            adversarial = f"{view}_adversarial"
            assert terms[adversarial].item() == pytest.approx(0.005 * full[adversarial].item(), rel=1e-3)


def test_each_side_of_the_game_learns_from_its_own_loss_alone():
    stage = build(("semseg", "depth"))
    net = [p.detach().clone() for p in stage.net.parameters()]
    loss = shapes.caught(stage.critic_optim, lambda: stage.step(0, SOURCE, TARGET))
    assert any(not torch.equal(a, b) for a, b in zip(net, stage.net.parameters(), strict=True))
    assert shapes.gradient(loss, stage.net.parameters()) == 0 < shapes.gradient(loss, stage.discriminators.parameters())
    critics = [p.detach().clone() for p in stage.discriminators.parameters()]
    shapes.caught(stage.critic_optim, lambda: stage.step(1, SOURCE, TARGET))
    assert all(torch.equal(a, b) for a, b in zip(critics, stage.discriminators.parameters(), strict=True))


def test_one_task_alone_has_nothing_to_attend_to():
    with pytest.raises(ValueError, match="two or more"):
        xtam.Method.Config().check(shapes.problem(tasks=("semseg",)))
    xtam.Method.Config().check(shapes.problem(tasks=("semseg", "normals")))
