"""UM-Adapt's transfer networks and the energy of disagreement: U1, U2, U3 and U14 of its specification."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from bench import dist
from methods.parts.transfer import Base, TransferNets, canonical, divergence, energies
from tests import shapes
from tests.shapes import caught, gradient

PROBLEM = shapes.problem()
SKY = PROBLEM.sky


@pytest.fixture(scope="module")
def source():
    return shapes.render(2, 5, shifted=False)


def maps(seed: int):
    """Canonical forms drawn at random, on the grid of half the image."""
    torch.manual_seed(seed)
    channels = {"semseg": 4, "depth": 1, "normals": 3}
    return canonical({name: torch.randn(2, c, 16, 32) for name, c in channels.items()}, PROBLEM)


# U1: wiring


@pytest.mark.parametrize("task", PROBLEM.tasks)
def test_u01_a_transferred_prediction_depends_on_all_other_tasks_and_never_on_its_own(task):
    nets = TransferNets(PROBLEM, 4).eval()
    yhat, other = maps(0), maps(1)
    before = nets(yhat)
    after = nets(yhat | {task: other[task]})
    for name in PROBLEM.tasks:
        assert torch.equal(before[name], after[name]) == (name == task)


def test_u01_no_transfer_net_has_an_input_for_the_image():
    stems = {name: set(net.stems) for name, net in TransferNets(PROBLEM, 4).items()}
    assert stems == {name: set(PROBLEM.tasks) - {name} for name in PROBLEM.tasks}
    inputs = [stem[0][0].in_channels for net in TransferNets(PROBLEM, 4).values() for stem in net.stems.values()]
    assert sorted(inputs) == [1, 1, 3, 3, 4, 4]  # depth, normals and four classes, each read by two nets


def test_u01_with_two_tasks_transfer_is_pairwise():
    nets = TransferNets(shapes.problem(tasks=("semseg", "depth")), 4)
    assert {name: list(net.stems) for name, net in nets.items()} == {"semseg": ["depth"], "depth": ["semseg"]}


def test_u01_the_published_size_has_24_million_parameters_a_transfer_net():
    nets = TransferNets(shapes.problem(classes=tuple("abcdefghijklmnop"), height=256, width=512), 64)
    assert [round(sum(p.numel() for p in net.parameters()) / 1e6, 1) for net in nets.values()] == [24.2] * 3


# U2: the source loss


def base(alpha: float) -> Base:
    torch.manual_seed(0)
    return Base(Base.Config(alpha=alpha), PROBLEM, {})


@pytest.mark.parametrize("alpha", [0.0, 10.0])
def test_u02_the_source_loss_is_the_direct_plus_alpha_times_the_transferred_terms(source, alpha):
    stage = base(alpha)
    scalars = {}
    loss = caught(stage.optim, lambda: scalars.update(stage.step(0, source, None)))
    direct = sum(scalars[name] for name in PROBLEM.tasks)
    transferred = sum(scalars[f"{name}_transferred"] for name in PROBLEM.tasks)
    assert loss.item() == pytest.approx((direct + alpha * transferred).item())
    reaches_transfer_nets = gradient(loss, stage.transfer.parameters()) > 0
    assert reaches_transfer_nets == (alpha > 0)


def test_u02_the_transferred_terms_reach_the_encoder_through_the_transfer_nets(source):
    stage = base(10.0)
    _, transferred = stage.terms(source)
    assert gradient(sum(transferred.values()), stage.net.encoder.parameters()) > 0
    for parameter in stage.transfer.parameters():
        parameter.data.zero_()  # nothing passes H any more, and there is no other way
    _, transferred = stage.terms(source)
    assert gradient(sum(transferred.values()), stage.net.encoder.parameters()) == 0


# U3: the energy


def test_u03_the_energy_is_never_negative_and_nothing_where_all_predictions_agree():
    for seed in range(5):
        yhat = maps(seed)
        apart = energies(yhat, maps(seed + 100), PROBLEM)
        assert all(e > 0.01 for e in apart.values())
        assert sum(energies(yhat, yhat, PROBLEM).values()).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("task", PROBLEM.tasks)
def test_u03_one_task_that_disagrees_is_enough_for_a_positive_energy(task):
    yhat = maps(0)
    found = energies(yhat, yhat | {task: maps(1)[task]}, PROBLEM)
    assert {name for name, e in found.items() if e > 1e-3} == {task}


def test_u03_depth_and_normals_that_disagree_in_the_sky_cost_nothing():
    yhat, other = maps(0), maps(1)
    sky = (yhat["semseg"].argmax(1) == SKY).unsqueeze(1)
    assert 0.1 < sky.float().mean() < 0.9
    moved = {n: torch.where(sky, other[n], yhat[n]) for n in ("depth", "normals")}
    found = energies(yhat, yhat | moved, PROBLEM)
    assert found["depth"] == 0
    assert found["normals"].item() == pytest.approx(0, abs=1e-6)
    without = dataclasses.replace(PROBLEM, classes=("ground", "box", "panel", "wall"))
    assert all(energies(yhat, yhat | moved, without)[n] > 0.01 for n in moved)


def test_u03_all_sky_costs_nothing_and_stays_finite():
    yhat = maps(0)
    yhat["semseg"] = torch.eye(4)[SKY].view(1, 4, 1, 1).expand(2, 4, 16, 32)
    assert energies(yhat, maps(1), PROBLEM)["depth"] == 0


def test_u03_the_energy_of_a_batch_split_over_two_ranks_is_their_mean(monkeypatch):
    yhat, ytil = maps(0), maps(1)
    yhat["semseg"][0, SKY] += 0.3  # the ranks see different shares of the sky
    whole = energies(yhat, ytil, PROBLEM)
    ground = (yhat["semseg"].argmax(1) != SKY).sum((1, 2)).float()
    assert ground[0] < 0.8 * ground[1]
    monkeypatch.setattr(dist, "mean", lambda count: ground.mean())
    halves = [energies(*({n: y[i : i + 1] for n, y in m.items()} for m in (yhat, ytil)), PROBLEM) for i in (0, 1)]
    for name in PROBLEM.tasks:
        assert ((halves[0][name] + halves[1][name]) / 2).item() == pytest.approx(whole[name].item(), rel=1e-5)


# U14: golden values


def test_u14_the_segmentation_energy_has_its_golden_value():
    p, q = (torch.tensor(v, dtype=torch.float64).view(1, 2, 1, 1) for v in ((0.75, 0.25), (0.5, 0.5)))
    kls = [(a * (a / b).log()).sum().item() for a, b in ((p, q), (q, p))]
    assert kls == pytest.approx([0.130812, 0.143841], abs=1e-6)
    assert divergence(p, q).item() == pytest.approx(0.137327, abs=1e-6)


def test_u14_the_depth_energy_is_in_logarithms_of_metres_and_the_normals_one_minus_the_cosine():
    yhat = {"depth": torch.full((1, 1, 2, 2), 0.25), "normals": torch.tensor([0.0, 0, 1]).view(1, 3, 1, 1)}
    ytil = {"depth": torch.full((1, 1, 2, 2), 0.75), "normals": torch.tensor([0.0, 0.6, 0.8]).view(1, 3, 1, 1)}
    found = energies(yhat, ytil, PROBLEM)
    assert found["depth"].item() == pytest.approx(0.5 * math.log(shapes.FAR / shapes.NEAR))
    assert found["normals"].item() == pytest.approx(0.2)
