"""Universal Representations over domains: N1 to N10 of the specification, a teacher being a source's."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest
import torch
from torch import nn

from bench import check, plan
from bench.config import compose_run
from bench.problem import VOID
from bench.rng import reseed
from methods import source_only, universal_domains
from methods.parts.distil import passed
from methods.parts.supervised import Supervised
from tests import shapes

PROBLEM = shapes.problem(sources=("day", "dusk.1"))  # names may hold a dot
POOLS = [shapes.render(8, 5, shifted=False), shapes.render(8, 6, shifted=True)]
TASKS = PROBLEM.tasks


def joined(*batches):
    """The domains' images by turns, as a stream has them."""
    order = torch.arange(sum(len(b.ids) for b in batches)).view(len(batches), -1).T.flatten()
    domain = torch.cat([torch.full_like(b.ids, k) for k, b in enumerate(batches)])
    image = torch.cat([b.image for b in batches])[order]
    labels = {name: torch.cat([b.labels[name] for b in batches])[order] for name in TASKS}
    whole = dataclasses.replace(batches[0], image=image, clean=image, labels=labels)
    return dataclasses.replace(whole, ids=torch.arange(len(order)), domain=domain[order])


def source(t: int, count: int = 2):
    return joined(*(shapes.draw(pool, count, k, t) for k, pool in enumerate(POOLS)))


@cache
def networks(steps: int = 5, seed: int = 0):
    """A network a source, as products."""
    products = {}
    for k, name in enumerate(PROBLEM.sources):
        reseed("single", k, seed)
        stage = Supervised(Supervised.Config(domain=name), PROBLEM, {}).train()
        for t in range(steps):
            stage.step(t, shapes.draw(POOLS[k], 2, k, t), None)
        products[name] = shapes.product(stage)
    return products


def build(problem=PROBLEM, given=None, seed=0, **settings):
    reseed("build", seed)
    stage = universal_domains.Method(universal_domains.Method.Config(**settings), problem, given or networks())
    return stage.train()


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def step(stage, t=0):
    return stage.step(t, source(t), None)


def distances(stage, batch):
    """D_f of each source, D_p of each task."""
    (_, high), raw = passed(stage.net, batch.image)
    theirs, outputs = stage.teachers(batch.image, batch.domain)
    return stage.features(high, theirs, batch.domain)[0], stage.matched(raw, outputs)


@pytest.mark.parametrize("df", ["cka", "l2"])
def test_n01_a_network_that_is_its_teacher_has_no_distance_to_it(df):
    stage = build(df=df)
    for place in ("0", "1"):
        nn.init.dirac_(stage.adapters[place][0].weight)
    stage.net = stage.teachers["1"]
    features, outputs = distances(stage, dataclasses.replace(POOLS[1], domain=torch.ones(8, dtype=torch.int64)))
    assert features.keys() == {"dusk.1_features"}
    assert [d.item() for d in (*features.values(), *outputs.values())] == pytest.approx([0] * 4, abs=1e-5)


def test_n03_cka_forgives_adapters_a_rotation_and_l2_does_not():
    high = torch.randn(4, 8, 6, 6)
    rotated = torch.einsum("bchw,dc->bdhw", high, torch.linalg.qr(torch.randn(8, 8))[0])
    assert universal_domains.cka_distance(high, rotated).item() == pytest.approx(0, abs=1e-4)
    assert universal_domains.l2(high, rotated).item() > 0.5


def test_n04_classes_are_matched_at_temperature_8_each_image_with_its_own_teacher():
    stage, batch = build(), source(0)
    _, outputs = distances(stage, batch)
    raw = stage.net(batch.image)["semseg"]
    own = torch.cat(
        [stage.teachers[str(int(k))](x[None])["semseg"] for k, x in zip(batch.domain, batch.image, strict=True)]
    )
    p, q = ((x / 8).log_softmax(1) for x in (own, raw))
    assert outputs["semseg"].item() == pytest.approx(64 * (p.exp() * (p - q)).sum(1).mean().item(), rel=1e-4)


def test_n05_distances_fade_over_the_whole_stage_and_then_it_is_plain_learning():
    assert [build().strength(t) for t in (0, 50, 100)] == [1, 0.5, 0]
    stage, terms = build(), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(step(stage, 100)))
    assert terms.keys() == set(TASKS) and loss.item() == sum(terms.values()).item()


def test_n06_teachers_are_frozen_with_their_buffers_and_off_the_graph():
    stage = build()
    before = state(stage.teachers)
    for t in range(2):
        stage.train()
        step(stage, t)
    assert same(before, state(stage.teachers))
    assert not any(m.training for m in stage.teachers.modules())
    theirs, outputs = stage.teachers(source(0).image, source(0).domain)
    assert not any(x.requires_grad for x in (theirs, *outputs.values(), *stage.teachers.parameters()))


def test_n06_each_source_has_the_teacher_of_its_own_checkpoint_which_learnt_from_that_source_alone():
    stage = build()
    for k, name in enumerate(PROBLEM.sources):
        assert same(state(stage.teachers[str(k)]), state(networks()[name].build().net))
    needs = universal_domains.Method.Config().needs(PROBLEM)
    assert {name: need.sources(PROBLEM) for name, need in needs.items()} == {"day": ("day",), "dusk.1": ("dusk.1",)}


def test_n07_adapters_have_their_own_optimiser_and_a_gradient_from_their_own_source_alone():
    stage, batch = build(), source(0)
    assert {id(p) for p in stage.adapter_optim.parameters} == {id(p) for p in stage.adapters.parameters()}
    assert not {id(p) for p in stage.optim.parameters} & {id(p) for p in stage.adapters.parameters()}
    features, _ = distances(stage, batch)
    for k, distance in enumerate(features.values()):
        grads = torch.autograd.grad(distance, [stage.adapters[str(j)][0].weight for j in (0, 1)], retain_graph=True)
        assert [bool(g.any()) for g in grads] == [k == 0, k == 1]


def test_n07_an_adapter_whose_source_is_not_in_the_batch_has_a_gradient_of_zero():
    # on a rank without an image of a source: gradients are averaged by position
    stage, batch = build(), dataclasses.replace(POOLS[0], domain=torch.zeros(8, dtype=torch.int64))
    features, _ = distances(stage, batch)
    held = stage.adapter_optim.grads(features["day_features"])
    assert [g is not None and bool(g.any()) for g in held] == [True, False] and held[1] is not None


def test_n07_predictions_need_the_network_alone():
    stage = build().eval()
    before = stage.predict(POOLS[0].image)
    del stage.adapters, stage.teachers
    assert same(before, stage.predict(POOLS[0].image))


def test_n08_another_teacher_changes_the_features_of_its_own_source_alone():
    found = []
    for swapped in (False, True):
        stage = build()
        if swapped:
            stage.teachers["1"] = stage.teachers["0"]
        found.append(step(stage))
    changed = {name for name in found[0] if not torch.equal(found[0][name], found[1][name])}
    assert changed == {"dusk.1_features", *(f"{name}_outputs" for name in TASKS)}


def test_n08_an_images_teacher_does_not_depend_on_the_batch_it_is_in():
    stage, batch = build(), source(0)
    whole = stage.teachers(batch.image, batch.domain)
    for i in range(4):
        alone = stage.teachers(batch.image[i : i + 1], batch.domain[i : i + 1])
        assert torch.allclose(alone[0][0], whole[0][i], atol=1e-5)
        assert all(torch.allclose(alone[1][name][0], whole[1][name][i], atol=1e-5) for name in TASKS)


def test_n09_without_distances_it_learns_the_bits_of_the_multi_task_baseline():
    reseed("build", 0)
    plain = source_only.Method(source_only.Method.Config(), PROBLEM, {}).train()
    stage = build(distil=0.0)
    for t in range(4):
        plain.step(t, source(t), None)
        step(stage, t)
    assert same(state(plain.net), state(stage.net))


def test_n10_a_source_without_labels_in_a_batch_still_has_its_distances():
    stage, batch = build(), source(0)
    batch.labels["semseg"][batch.domain == 1] = VOID
    batch.labels["depth"][batch.domain == 1] = 0
    batch.labels["normals"][batch.domain == 1] = 0
    terms = stage.step(0, batch, None)
    assert all(terms[f"{name}_features"] > 0 for name in PROBLEM.sources)
    assert all(value.isfinite().all() for value in stage.state_dict().values())


def test_the_loss_is_the_tasks_and_the_mean_of_the_sources_features_and_the_outputs():
    stage, terms = build(), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(50, source(50), None)))
    features = sum(terms[f"{name}_features"] for name in PROBLEM.sources) / 2
    distance = features + sum(terms[f"{name}_outputs"] for name in TASKS)
    assert loss.item() == pytest.approx((sum(terms[name] for name in TASKS) + 0.5 * distance).item(), rel=1e-5)


def test_without_dp_the_outputs_are_free():
    assert step(build(dp="none")).keys() == {*TASKS, *(f"{name}_features" for name in PROBLEM.sources)}


def test_a_single_source_is_the_case_of_one():
    problem = dataclasses.replace(PROBLEM, sources=("day",))
    stage = build(problem, {"day": networks()["day"]})
    terms = stage.step(0, shapes.draw(POOLS[0], 2, 0, 0), None)
    assert "day_features" in terms and all(value.isfinite() for value in terms.values())


def test_it_survives_a_kill_to_the_bit(tmp_path):
    straight, resumed = build(), build()
    assert shapes.ends_alike_after_a_kill(straight, resumed, step, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_what_is_matched_comes_nearer_to_every_sources_own_network_on_the_images_learnt_from(seed):
    problem, apart = dataclasses.replace(PROBLEM, budget=40), {}
    given, learnt = networks(40, seed), joined(*POOLS)
    for distil in (0.0, 1.0):
        stage = build(problem, given, seed, distil=distil, anneal=0.0)
        for t in range(40):
            stage.train().step(t, source(t), None)
        with torch.no_grad():
            apart[distil] = sum(distances(stage.eval(), learnt)[1].values())
    assert apart[1.0] < apart[0.0]


def test_each_source_has_a_stage_that_reads_it_alone():
    run = compose_run(["method=universal_domains", "split=minicity_sources"])
    problem = dataclasses.replace(PROBLEM, sources=tuple(domain.name for domain in run.split.source))
    data = {"source": dict.fromkeys(problem.sources, "hash")}
    root = plan.plan("m", run.config, problem, data, "fp32")
    assert tuple(root.needs) == problem.sources == ("minicity/render-train", "minicity/night-train")
    assert [list(need.recipe["data"]["source"]) for need in root.needs.values()] == [[n] for n in problem.sources]


@pytest.mark.slow
@pytest.mark.parametrize("suite", [check.contract, check.resume, check.firewall, check.ranks, check.keys])
def test_it_passes_the_suites_on_a_split_of_two_sources(suite, tmp_path):
    suite("universal_domains", tmp_path, "minicity_sources")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["source_only", "adabn", "target_oracle", "umadapt_semi", "dacs"])
@pytest.mark.parametrize("suite", [check.contract, check.ranks])
def test_methods_of_every_kind_run_on_a_split_of_two_targets(suite, method, tmp_path):
    suite(method, tmp_path, "minicity_targets")
