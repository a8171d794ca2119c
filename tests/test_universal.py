"""Universal Representations: teachers, adapters and the step; N5 to N11 of its specification."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest
import torch

from bench.optim import Optim
from bench.problem import VOID
from bench.rng import reseed
from bench.tasks.delta import delta
from methods import source_only, universal, universal_uda
from methods.parts.distil import Adapters, Cosine, passed
from methods.parts.supervised import Supervised
from tests import shapes
from tests.shapes import SOURCE, same, source, state, target

PROBLEM = shapes.problem()
TASKS = PROBLEM.tasks


@cache
def networks():
    """A briefly trained network a task, as products."""
    products = {}
    for k, name in enumerate(TASKS):
        reseed("single", k)
        stage = Supervised(Supervised.Config(tasks=(name,)), PROBLEM, {}).train()
        for t in range(5):
            stage.step(t, source(t), None)
        products[name] = shapes.product(stage)
    return products


@pytest.fixture(scope="module")
def given():
    return networks()


def build(method, given, **settings):
    reseed("build")
    return method.Method(method.Method.Config(**settings), PROBLEM, given).train()


def step(stage, t=0):
    return stage.step(t, source(t), target(t))


def reached(loss, module) -> set[str]:
    """The names of the parameters that the loss has a gradient for."""
    named = dict(module.named_parameters())
    grads = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    return {name for name, g in zip(named, grads, strict=True) if g is not None and g.abs().sum() > 0}


# N5, N9: with no distance left it is plain multi-task learning


def test_n05_the_distances_fade_from_1_over_a_half_to_0(given):
    stage = build(universal, given, anneal=0.5)  # of 100 steps
    assert [stage.strength(t) for t in (0, 25, 50, 80)] == [1, 0.5, 0, 0]
    assert build(universal, given).strength(99) == 1


def test_n05_once_faded_the_loss_is_that_of_the_tasks_and_the_adapters_rest(given):
    stage = build(universal, given, anneal=0.5)
    adapters, terms = state(stage.adapters), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(step(stage, 50)))
    assert terms.keys() == set(TASKS)
    assert loss.item() == sum(terms.values()).item()
    assert same(adapters, state(stage.adapters))


@pytest.mark.parametrize("method", [universal, universal_uda])
def test_n09_without_distances_it_learns_the_bits_of_the_multi_task_baseline(given, method):
    reseed("build")
    plain = source_only.Method(source_only.Method.Config(), PROBLEM, {}).train()
    stage = build(method, given, distil=0.0)
    for t in range(4):
        plain.step(t, source(t), None)
        step(stage, t)
    assert same(state(plain.net), state(stage.net))


# N6 to N8, N10: teachers and adapters


@pytest.mark.parametrize("method", [universal, universal_uda])
def test_n06_teachers_are_frozen_with_their_buffers_and_off_the_graph(given, method):
    stage = build(method, given)
    before = state(stage.teachers)
    for t in range(2):
        stage.train()
        step(stage, t)
    assert same(before, state(stage.teachers))
    assert not any(p.requires_grad for p in stage.teachers.parameters())
    assert not any(m.training for m in stage.teachers.modules())
    taught = stage.teachers(source(0).image)
    assert not any(x.requires_grad for levels, raw in taught.values() for x in (*levels, raw))


def test_n06_each_task_has_the_teacher_of_its_own_checkpoint(given):
    stage = build(universal, given)
    for name in TASKS:
        assert same(state(stage.teachers[name]), state(given[name].build().net))
        assert list(stage.teachers[name].decoders) == [name]
    needs = universal.Method.Config().needs(PROBLEM)
    assert [need.tasks for need in needs.values()] == [(name,) for name in TASKS]


def test_n07_adapters_have_their_own_optimiser_and_a_gradient_from_their_own_task_alone(given):
    stage = build(universal, given)
    assert {id(p) for p in stage.adapter_optim.parameters} == {id(p) for p in stage.adapters.parameters()}
    assert not {id(p) for p in stage.optim.parameters} & {id(p) for p in stage.adapters.parameters()}
    levels, raw = passed(stage.net, SOURCE.image)
    for name, distance in stage.features(levels, stage.teachers(SOURCE.image)).items():
        assert reached(distance, stage.adapters) == {f"{name}.{level}.weight" for level in (0, 1)}
    assert not any(reached(r.sum(), stage.adapters) for r in raw.values())
    before = state(stage.adapters)
    step(stage)
    assert not any(torch.equal(value, before[name]) for name, value in stage.adapters.state_dict().items())


def test_n07_predictions_need_the_network_alone(given):
    stage = build(universal, given).eval()
    before = stage.predict(SOURCE.image)
    del stage.adapters, stage.teachers
    assert same(before, stage.predict(SOURCE.image))


def test_n07_adapters_of_the_papers_network_are_less_than_a_hundredth_of_it():
    counted = sum(p.numel() for p in Adapters(["one"], (512, 64), (64, 64)).parameters())
    assert counted == 36_864
    assert 3 * counted < 0.01 * 24.94e6


def test_n07_their_rate_falls_along_a_cosine():
    assert [Cosine().factor(t, 100) for t in (0, 50, 100)] == pytest.approx([1, 0.5, 0])


@pytest.mark.parametrize("swapped", TASKS)
def test_n08_another_teacher_changes_the_terms_of_its_own_task_alone(given, swapped):
    terms = []
    for settings in ({}, {swapped: given[next(n for n in TASKS if n != swapped)]}):
        stage = build(universal_uda, given)
        for name, product in settings.items():
            other = product.build().net
            stage.teachers[name].encoder = other.encoder.requires_grad_(False).eval()
        terms.append(step(stage))
    changed = {name for name in terms[0] if not torch.equal(terms[0][name], terms[1][name])}
    assert changed == {f"{swapped}_{what}" for what in ("features", "target_features", "target")}


@pytest.mark.parametrize("method", [universal, universal_uda])
def test_n10_a_task_without_labels_still_has_its_distance(given, method):
    stage = build(method, given)
    void = {"semseg": torch.full_like(SOURCE.labels["semseg"][:2], VOID), "depth": torch.zeros(2, 1, 32, 64)}
    batch = dataclasses.replace(source(0), labels=source(0).labels | void)
    terms = stage.step(0, batch, target(0))
    assert [terms[name].item() for name in TASKS][:2] == [0, 0]
    assert all(terms[f"{name}_features"] > 0 for name in TASKS)
    assert all(value.isfinite().all() for value in stage.state_dict().values())


def test_n11_delta_gives_the_published_rows():
    # the slots stand for the paper's metrics: mIoU, aErr (lower is better) and mErr
    def row(*values):
        return dict(zip(("miou", "rmse", "angle_mean"), values, strict=True))

    single = row(40.5355, 0.627602, 24.284388)
    for values, expected in (((45.52, 0.4912, 24.57), 10.95), ((40.22, 0.5196, 29.09), -1.12)):
        assert delta(row(*values), single, list(single)).value == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("settings", [{}, {"align": "level", "df": "cka", "dp": "kl", "weighting": "uncertainty"}])
def test_it_survives_a_kill_to_the_bit(given, tmp_path, settings):
    straight, resumed = build(universal, given, **settings), build(universal, given, **settings)
    assert shapes.ends_alike_after_a_kill(straight, resumed, step, tmp_path)


@pytest.mark.parametrize("word", ["align", "df", "dp", "weighting"])
def test_an_unknown_word_is_one_clear_line(word):
    with pytest.raises(ValueError, match=f'^no {word} "wrong"; known: .*$'):
        universal.Method.Config(**{word: "wrong"}).check(PROBLEM)


def test_the_loss_is_the_tasks_plus_1_1_2_times_their_distances(given):
    stage, terms = build(universal, given), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(step(stage)))
    expected = sum(terms[name] + (2 if name == "normals" else 1) * terms[f"{name}_features"] for name in TASKS)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert isinstance(stage.adapter_optim, Optim)
