"""URL-UDA (ours): what the target adds to Universal Representations, and the adapted teachers."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from bench import ema
from bench.problem import VOID
from bench.rng import reseed
from bench.tasks import task
from methods import universal, universal_uda
from methods.parts.consistent import Consistent
from methods.parts.supervised import Supervised
from tests import shapes
from tests.shapes import SOURCE, same, source, state, target
from tests.test_universal import PROBLEM, TASKS, build, networks, step


@pytest.fixture(scope="module")
def given():
    return networks()


def test_n08_without_the_targets_weight_it_learns_the_bits_of_universal(given):
    plain, stage = build(universal, given), build(universal_uda, given, target_weight=0.0)
    for t in range(3):
        step(plain, t)
        step(stage, t)
    assert same(state(plain.net), state(stage.net))


def test_n09_the_loss_adds_features_of_both_domains_and_outputs_of_the_target(given):
    stage, terms = build(universal_uda, given, target_weight=0.5), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(step(stage)))
    expected = 0.0
    for name in TASKS:
        on_source, on_target = terms[f"{name}_features"], terms[f"{name}_target_features"]
        weight = 2 if name == "normals" else 1
        expected += terms[name] + weight * (on_source + 0.5 * on_target) + 0.5 * terms[f"{name}_target"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_n09_without_dp_the_outputs_of_the_target_are_free(given):
    assert not {f"{name}_target" for name in TASKS} & step(build(universal_uda, given, dp="none")).keys()


def test_n10_labels_that_are_nan_beside_the_target_change_nothing(given):
    weights = []
    for attached in ({}, {name: torch.full((2, 32, 64), torch.nan) for name in TASKS}):
        stage = build(universal_uda, given)
        stage.step(0, source(0), dataclasses.replace(target(0), attached=attached))
        weights.append(state(stage))
    assert same(*weights)


def test_depth_and_normals_are_not_taught_where_the_network_sees_the_sky(given):
    stage = build(universal_uda, given)
    raw, taught = stage.net(SOURCE.image), stage.teachers(SOURCE.image)
    semseg = torch.full_like(raw["semseg"], -5.0)
    semseg[:, PROBLEM.sky] = 5.0
    outputs = stage.outputs(raw | {"semseg": semseg}, taught)
    assert outputs["depth"] == outputs["normals"] == 0 < outputs["semseg"]
    semseg[:, :, 0, 0] *= -1
    assert all(distance > 0 for distance in stage.outputs(raw | {"semseg": semseg}, taught).values())


@pytest.mark.parametrize("word", ["famo", "pcgrad"])
def test_a_weighting_rule_takes_source_and_target_of_a_task_as_one(given, word):
    stage, seen = build(universal_uda, given, weighting=word), {}
    whole = stage.weighting.minimise
    stage.weighting.minimise = lambda t, terms, *rest, **more: (seen.update(terms), whole(t, terms, *rest, **more))
    terms = step(stage)
    for name in TASKS:
        assert seen[name].item() == pytest.approx((terms[name] + terms[f"{name}_target"]).item())


def test_teachers_are_adapted_networks_of_one_task_or_those_of_the_source():
    needs = universal_uda.Method.Config().needs(PROBLEM)
    assert {name: need.task for name, need in needs.items()} == {name: name for name in TASKS}
    bases = [need.needs(PROBLEM)["base"] for need in needs.values()]
    plain = universal_uda.Method.Config(teachers="source").needs(PROBLEM)
    assert bases == list(plain.values()) == list(universal.Method.Config().needs(PROBLEM).values())


def test_unknown_teachers_are_one_clear_line():
    with pytest.raises(ValueError, match='^no teachers "dac"; known: adapted source$'):
        universal_uda.Method.Config(teachers="dac").check(PROBLEM)


# the adapted teacher


def consistent(given, name, **settings):
    reseed("consistent")
    return Consistent(Consistent.Config(task=name, **settings), PROBLEM, {"base": given[name]}).train()


@pytest.mark.parametrize("name", TASKS)
def test_the_average_follows_the_student_and_starts_where_the_source_network_ended(given, name):
    stage = consistent(given, name)
    start = given[name].build().net
    assert same(state(stage.net), state(start)) and same(state(stage.student), state(start))
    step(stage)
    ema.update(start, stage.student, 0.75)  # of 40 steps it remembers 4
    assert same(state(stage.net), state(start))


@pytest.mark.parametrize("name", TASKS)
def test_the_label_is_the_teachers_own_output(given, name):
    stage = consistent(given, name, threshold=0.0)
    raw = stage.net.eval()(target(0).image)[name]
    label, trust = stage.pseudo_label(raw)
    loss = task(name).loss(raw, label, PROBLEM)
    assert trust == 1
    assert torch.equal(label, raw.argmax(1)) if name == "semseg" else loss.item() == pytest.approx(0, abs=1e-5)


def test_classes_that_the_teacher_is_not_sure_of_are_void_and_the_rest_counts_by_its_share(given):
    stage = consistent(given, "semseg", threshold=0.9)
    raw = torch.zeros(1, 4, 2, 2)
    raw[0, 2, 0, 0] = 50.0
    label, trust = stage.pseudo_label(raw)
    assert label.tolist() == [[[2, VOID], [VOID, VOID]]] and trust == 0.25


def test_nothing_is_sure_nothing_is_learnt_from_the_target(given):
    stage, terms = consistent(given, "semseg", threshold=1.0), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(step(stage)))
    assert loss.item() == terms["semseg"].item() and terms["trust"] == 0
    assert isinstance(given["semseg"].build(), Supervised)
