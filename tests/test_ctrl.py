"""CTRL: soft depth bins, the joint view of three predictions, the refinement head, and self-training."""

from __future__ import annotations

import math

import pytest
import torch

from bench.problem import VOID
from bench.rng import reseed
from methods import ctrl
from methods.parts.information import self_information
from methods.parts.inverse_depth import bin_scores
from tests import shapes
from tests.shapes import state

PROBLEM = shapes.problem()
SOURCE, TARGET = shapes.render(2, 5, shifted=False), shapes.unlabelled(shapes.render(2, 6, shifted=True))


def relate(**settings):
    reseed("relate")
    return ctrl.Relate(ctrl.Relate.Config(**settings), PROBLEM, {}).train()


def build(**settings):
    given = {"base": shapes.product(relate())}
    reseed("build")
    return ctrl.Method(ctrl.Method.Config(**settings), PROBLEM, given).train()


def test_15_bins_are_log_spaced_from_1_to_655_36_metres():
    at_bins = bin_scores(torch.zeros(1, 1, 1, 1)).flatten().neg().sqrt()
    assert len(at_bins) == 15 and at_bins[0].item() == pytest.approx(1) and at_bins[-1].item() == pytest.approx(655.36)
    steps = at_bins[1:] / at_bins[:-1]
    assert torch.allclose(steps, torch.full_like(steps, 655.36 ** (1 / 14)), rtol=1e-4)


def test_the_assignment_is_exp_of_minus_the_squared_distance_made_to_sum_to_1():
    bins = [655.36 ** (k / 14) for k in range(15)]
    weights = [math.exp(-((2.0 - b) ** 2)) for b in bins]
    soft = bin_scores(torch.full((1, 1, 1, 1), 2.0)).softmax(1).flatten()
    assert soft.tolist() == pytest.approx([w / sum(weights) for w in weights], abs=1e-5)
    far = bin_scores(torch.full((1, 1, 1, 1), 300.0)).softmax(1)  # where every exponential is 0 in float32
    assert far.isfinite().all() and far.sum().item() == pytest.approx(1)


def seen_of_depth(metres):
    """The entropy of the assignment, as a share of the largest possible."""
    return self_information(bin_scores(torch.tensor(metres).view(-1, 1, 1, 1))).sum(1).flatten()


def test_beyond_10_metres_depth_is_seen_as_lines_midway_between_bins():
    near = seen_of_depth([1.0, 1.5, 2.0, 3.0, 5.0])
    assert near.min() > 0.2
    bins = torch.tensor([655.36 ** (k / 14) for k in range(5, 10)])
    middles = (bins[1:] + bins[:-1]) / 2
    assert seen_of_depth(bins.tolist()).max() < 1e-4 and seen_of_depth(middles.tolist()).min() > 0.2
    for off in (-1.0, 1.0):
        assert seen_of_depth((middles + off).tolist()).max() < 0.02


def test_the_discriminator_sees_the_self_information_of_classes_depth_and_refined_classes():
    stage = relate()
    outputs = stage.net(SOURCE.image)
    (seen,) = stage.views(outputs).values()
    assert seen.shape == (2, 4 + 15 + 4, 32, 64) and stage.discriminators["joint"][0].in_channels == 23
    assert torch.allclose(seen[:, :4], self_information(stage.large(outputs["semseg"])), atol=1e-6)
    assert torch.allclose(seen[:, 19:], self_information(stage.large(outputs["refined"])), atol=1e-6)
    bins = seen[:, 4:19].sum(1)
    assert bins.min() >= 0 and bins.max() <= 1 + 1e-5
    between = {
        "depth": torch.zeros(1, 1, 32, 64),
        "semseg": torch.zeros(1, 4, 1, 1),
        "refined": torch.zeros(1, 4, 1, 1),
    }
    (even,) = stage.views(between).values()
    assert torch.allclose(even[:, :4].sum(1), torch.ones(1, 32, 64))


def test_the_refinement_reads_classes_off_the_depth_branch():
    net = relate().net
    outputs = net(SOURCE.image)
    assert outputs["refined"].shape[1] == len(PROBLEM.classes)
    assert shapes.gradient(outputs["refined"].square().mean(), net.code.parameters()) > 0
    assert shapes.gradient(outputs["refined"].square().mean(), net.net.decoders["semseg"].parameters()) == 0
    assert relate().eval().predict(SOURCE.image).keys() == set(PROBLEM.tasks)


def test_stage_1_weighs_the_terms_as_published_and_sums_them():
    stage, terms = relate(), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, SOURCE, TARGET)))
    own = sum(value.item() for name, value in terms.items() if not name.endswith("_discriminator"))
    assert loss.item() == pytest.approx(own)
    full = relate(depth=1.0, adversarial=1.0).step(0, SOURCE, TARGET)
    for name, weight in (("depth", 1e-3), ("joint_adversarial", 1e-3), ("refined", 1), ("semseg", 1)):
        assert terms[name].item() == pytest.approx(weight * full[name].item(), rel=1e-4)


def test_each_side_of_the_game_learns_from_its_own_loss_alone():
    stage = relate()
    critics = state(stage.discriminators)
    loss = shapes.caught(stage.critic_optim, lambda: stage.step(0, SOURCE, TARGET))
    assert shapes.gradient(loss, stage.net.parameters()) == 0 < shapes.gradient(loss, stage.discriminators.parameters())
    assert all(torch.equal(critics[name], value) for name, value in stage.discriminators.state_dict().items())


def test_self_training_goes_on_from_stage_1_at_half_its_rate_for_20_steps_of_55():
    stage, before = build(), relate()
    assert all(torch.equal(value, stage.net.state_dict()[name]) for name, value in before.net.state_dict().items())
    assert all(
        torch.equal(v, stage.discriminators.state_dict()[n]) for n, v in before.discriminators.state_dict().items()
    )
    assert stage.optim.lr == pytest.approx(before.optim.lr / 2)
    assert stage.config.steps(PROBLEM) == 36 and before.config.steps(PROBLEM) == 100


def test_labels_are_stage_1s_classes_where_it_is_surer_than_the_threshold():
    stage = build()
    raw = torch.tensor([[4.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]).view(2, 4, 1, 1).expand(2, 4, 16, 32)
    stage.before.forward = lambda image: {"semseg": raw.roll(2, 1)}  # 0.948 and 0.475 sure of class 2
    label = stage.pseudo_label(TARGET.clean)
    assert label.shape == (2, 32, 64) and (label[0] == 2).all() and (label[1] == VOID).all()


def test_the_frozen_stage_1_labels_and_both_heads_learn():
    stage = build(threshold=0.0, self_training=2.0)
    before = state(stage.before)
    terms = stage.step(0, SOURCE, TARGET)
    assert all(torch.equal(before[name], value) for name, value in stage.before.state_dict().items())
    assert terms["semseg_target"] > 0 and terms["refined_target"] > 0
    half = build(threshold=0.0).step(0, SOURCE, TARGET)
    assert terms["semseg_target"].item() == pytest.approx(2 * half["semseg_target"].item(), rel=1e-4)
    own = {id(p) for p in stage.optim.parameters}
    assert not own & {id(p) for p in stage.before.parameters()}
    assert build(threshold=1.0).step(0, SOURCE, TARGET)["semseg_target"] == 0


def test_it_needs_classes_and_depth_on_the_source():
    with pytest.raises(ValueError, match="depth labels of the source"):
        ctrl.Method.Config().check(shapes.problem(tasks=("semseg", "normals")))
    with pytest.raises(ValueError, match="needs the task semseg"):
        ctrl.Method.Config().check(shapes.problem(tasks=("depth",)))
