"""UM-Adapt on a toy world of rendered shapes: U11 and U12 of its specification, on three seeds, a minute each."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from bench.rng import reseed
from methods import umadapt, umadapt_self
from methods.parts.contour import Contour
from methods.parts.supervised import losses
from methods.parts.target_statistics import TargetStatistics
from methods.parts.transfer import Base, canonical, energies
from tests import shapes

BASE, CONTOUR, STATISTICS, ADAPT, BATCH = 450, 100, 12, 20, 8  # steps of each stage, images

pytestmark = pytest.mark.slow


def train(stage, steps, world):
    for t in range(steps):
        reseed(world.problem.seed, t)
        target = shapes.unlabelled(shapes.draw(world.target, BATCH, world.problem.seed, t, 2))
        stage.train().step(t, shapes.draw(world.source, BATCH, world.problem.seed, t, 1), target)
    return stage.eval()


@pytest.fixture(scope="module", params=[0, 1, 2])
def world(request):
    """Images of both domains, more to score on, and what UM-Adapt needs before it adapts. The spec's alpha."""
    seed = request.param
    problem = shapes.problem(seed=seed, budget=BASE, batch=BATCH)
    images = {
        "source": shapes.render(96, 1000 + seed, shifted=False),
        "target": shapes.render(96, 2000 + seed, shifted=True),
        "test": shapes.render(100, 3000 + seed, shifted=True),
    }
    world = SimpleNamespace(problem=problem, adapted={}, **images)
    reseed(seed)
    world.base = train(Base(Base.Config(alpha=10.0), problem, {}), BASE, world)
    world.given = {"base": shapes.product(world.base)}
    for name, stage, steps in (("contour", Contour, CONTOUR), ("statistics", TargetStatistics, STATISTICS)):
        world.given[name] = shapes.product(train(stage(stage.Config(), problem, world.given), steps, world))
    return world


def adapted(world, method, **settings):
    """The adapted stage; each is trained once a world."""
    key = (method.__name__, *settings.items())
    if key not in world.adapted:
        reseed(world.problem.seed)
        problem = dataclasses.replace(world.problem, budget=2 * ADAPT)
        stage = method.Method(method.Method.Config(**settings), problem, world.given)
        world.adapted[key] = train(stage, ADAPT, world)
    return world.adapted[key]


@torch.no_grad()
def errors(stage, world) -> np.ndarray:
    """Each task's loss on the target's test images."""
    terms = losses(stage.predict(world.test.image), world.test.labels, world.problem)
    return np.array([terms[name].item() for name in world.problem.tasks])


@pytest.mark.parametrize("method", [umadapt, umadapt_self])
def test_u11_adaptation_lowers_the_targets_error_on_the_average_over_tasks(world, method):
    """Most of this is the statistics' work: they alone leave 0.50, 0.56 and 0.66 of the source-only error on the three
    seeds, with Adv after them 0.51, 0.55 and 0.65, with Self 0.63, 0.56 and 0.74."""
    change = errors(adapted(world, method, statistics="target"), world) / errors(world.base, world)
    assert change.mean() < 0.95, change


def test_u11_the_adversary_lowers_it_on_the_sources_statistics_too(world):
    """As published, without target statistics and source supervision: what is seen is the adversary's own work.

    It leaves 0.81, 0.76 and 0.85. Self is not asserted here: 0.89, 0.74 and 1.03. It is as good as what is transferred.
    """
    change = errors(adapted(world, umadapt, statistics="source", anchor=0.0), world) / errors(world.base, world)
    assert change.mean() < 1, change


@torch.no_grad()
def test_u11_the_energy_tells_which_target_images_are_wrong_before_adaptation(world):
    energy, error = [], []
    for i in range(len(world.test.ids)):
        raw = world.base.net(world.test.image[i : i + 1])
        yhat = canonical(raw, world.problem)
        ytil = canonical(world.base.transfer(yhat), world.problem)
        labels = {name: label[i : i + 1] for name, label in world.test.labels.items()}
        energy.append(sum(energies(yhat, ytil, world.problem).values()).item())
        error.append(sum(losses(raw, labels, world.problem).values()).item())
    assert np.corrcoef(energy, error)[0, 1] > 0.2


@torch.no_grad()
def contour_loss(stage, world) -> float:
    features, _ = stage.on_target(world.test.image)
    return stage.contour_term(features, world.test).item()


@pytest.mark.parametrize("method", [umadapt, umadapt_self])
def test_u11_without_the_contour_term_contours_are_harder_to_read_from_the_features(world, method):
    settings = {"statistics": "source", "anchor": 0.0} if method is umadapt else {"statistics": "source"}
    kept, lost = (contour_loss(adapted(world, method, **settings, **more), world) for more in ({}, {"lam": 0.0}))
    assert kept < lost


@torch.no_grad()
def test_u12_transfer_nets_beat_the_trivial_predictor_on_ground_truth_inputs(world):
    """In the sky, where depth and normals have no truth, they read the direct predictions they have learnt with."""
    problem, images = world.problem, shapes.render(48, 4000 + world.problem.seed, shifted=False)
    near, far = problem.depth_range
    half = {name: label[..., ::2, ::2] for name, label in images.labels.items()}  # the grid of predictions
    seen = half["depth"] > 0
    yhat = canonical(world.base.net(images.image), problem)
    truth = {
        "semseg": one_hot(half["semseg"], len(problem.classes)).permute(0, 3, 1, 2).float(),
        "depth": torch.where(seen, (half["depth"] / near).log() / math.log(far / near), yhat["depth"]),
        "normals": torch.where(seen, half["normals"], yhat["normals"]),
    }
    found = losses(world.base.transfer(truth), images.labels, problem)

    share = images.labels["semseg"].flatten().bincount() / images.labels["semseg"].numel()
    depth = images.labels["depth"]
    middle = ((depth[depth > 0] / near).log() / math.log(far / near)).mean()
    trivial = {"semseg": share.log(), "depth": middle.logit(), "normals": images.labels["normals"].sum((0, 2, 3))}
    everywhere = {name: value.view(1, -1, 1, 1).expand(48, -1, 16, 32) for name, value in trivial.items()}
    beaten = losses(everywhere, images.labels, problem)
    assert all(found[name] < beaten[name] for name in problem.tasks), (found, beaten)
