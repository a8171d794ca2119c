"""UM-Adapt on a toy world of rendered shapes: U11 and U12 of its specification. Learns for a while."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.nets.norm import stored_statistics
from bench.rng import reseed
from bench.tasks import task
from methods import umadapt, umadapt_self
from methods.parts.contour import Contour
from methods.parts.supervised import losses
from methods.parts.transfer import Base, canonical, energies
from tests import shapes

BASE, CONTOUR, ADAPT, BATCH = 300, 100, 20, 8  # steps, steps, steps, images

pytestmark = pytest.mark.slow


def train(stage, steps, world):
    for t in range(steps):
        reseed(world.problem.seed, t)
        target = shapes.unlabelled(shapes.draw(world.target, BATCH, world.problem.seed, t, 2))
        stage.train().step(t, shapes.draw(world.source, BATCH, world.problem.seed, t, 1), target)
    return stage.eval()


@pytest.fixture(scope="module", params=[0, 1, 2])
def world(request):
    """Images of both domains, more to score on, and a trained base and contour decoder."""
    seed = request.param
    problem = shapes.problem(seed=seed, budget=BASE, batch=BATCH)
    images = {
        "source": shapes.render(96, 1000 + seed, shifted=False),
        "target": shapes.render(96, 2000 + seed, shifted=True),
        "test": shapes.render(48, 3000 + seed, shifted=True),
    }
    world = SimpleNamespace(problem=problem, **images)
    reseed(seed)
    world.base = train(Base(Base.Config(), problem, {}), BASE, world)
    world.given = {"base": shapes.product(world.base)}
    contour = Contour(Contour.Config(), problem, world.given)
    world.given["contour"] = shapes.product(train(contour, CONTOUR, world))
    return world


def adapted(world, method, **settings):
    """The source's statistics stay: what is seen is the method's own work."""
    reseed(world.problem.seed)
    problem = dataclasses.replace(world.problem, budget=2 * ADAPT)
    stage = method.Method(method.Method.Config(statistics="source", **settings), problem, world.given)
    return train(stage, ADAPT, world)


@torch.no_grad()
def errors(stage, world) -> np.ndarray:
    """Each task's loss on the target's test images."""
    terms = losses(stage.predict(world.test.image), world.test.labels, world.problem)
    return np.array([terms[name].item() for name in world.problem.tasks])


@pytest.mark.parametrize("method", [umadapt, umadapt_self])
def test_u11_adaptation_lowers_the_targets_error_on_the_average_over_tasks(world, method):
    before = errors(world.base, world)
    after = errors(adapted(world, method), world)
    print(world.problem.seed, method.__name__, before.round(3), after.round(3), (after / before).round(3))
    assert (after / before).mean() < 1


@torch.no_grad()
def test_u11_the_energy_tells_which_target_images_are_wrong_before_adaptation(world):
    energy, error = [], []
    for i in range(len(world.test.ids)):
        raw = world.base.eval().net(world.test.image[i : i + 1])
        yhat = canonical(raw, world.problem)
        pair = (yhat, canonical(world.base.transfer(yhat), world.problem))
        labels = {name: label[i : i + 1] for name, label in world.test.labels.items()}
        energy.append(sum(energies(*pair, world.problem).values()).item())
        error.append(sum(losses(raw, labels, world.problem).values()).item())
    print(world.problem.seed, np.corrcoef(energy, error)[0, 1])
    assert np.corrcoef(energy, error)[0, 1] > 0.3


@torch.no_grad()
def contour_loss(stage, world) -> float:
    features, _ = stage.on_target(world.test.image)
    return stage.contour_term(features, world.test).item()


@pytest.mark.parametrize("method", [umadapt, umadapt_self])
def test_u11_without_the_contour_term_contours_are_harder_to_read_from_the_features(world, method):
    found = [contour_loss(adapted(world, method, lam=lam), world) for lam in (10.0, 0.0)]
    print(world.problem.seed, method.__name__, found)
    assert found[0] < found[1]


@torch.no_grad()
def test_u12_transfer_nets_beat_the_trivial_predictor_on_ground_truth_inputs(world):
    problem, labels = world.problem, shapes.render(48, 4000 + world.problem.seed, shifted=False).labels
    near, far = problem.depth_range
    half = {name: label[..., ::2, ::2] for name, label in labels.items()}  # the grid of predictions
    truth = {
        "semseg": torch.nn.functional.one_hot(half["semseg"], 4).permute(0, 3, 1, 2).float(),
        "depth": (half["depth"].clamp(near, far) / near).log() / np.log(far / near),
        "normals": half["normals"],
    }
    with stored_statistics(world.base.transfer):
        raw = world.base.transfer(truth)
    found = losses(raw, labels, problem)
    seen = labels["depth"] > 0
    share = labels["semseg"].flatten().bincount(minlength=4) / labels["semseg"].numel()
    middle = labels["depth"][seen].log().mean()
    z = (middle - np.log(near)) / np.log(far / near)
    mean_normal = labels["normals"].sum((0, 2, 3))
    trivial_raw = {"semseg": share.log(), "depth": torch.logit(z).view(1), "normals": mean_normal}
    trivial = {
        name: task(name).loss(value.view(1, -1, 1, 1).expand(48, -1, 32, 64), labels[name], problem)
        for name, value in trivial_raw.items()
    }
    print(world.problem.seed, {n: (found[n].item(), trivial[n].item()) for n in found})
    assert all(found[name] < trivial[name] for name in problem.tasks)
