"""DiGA's stages: what a round mixes, reads, moves and leaves (T6, T8 to T11), and DiGA-MT."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from bench.problem import VOID, Unlabelled
from bench.rng import reseed
from bench.tasks import task
from methods import diga, diga_mt
from methods.parts.consensus import Centroids, OfflineLabels
from methods.parts.cross_view import WarmUp
from methods.parts.translator import Translation
from tests import shapes
from tests.shapes import SOURCE, TARGET, same, source, state

PROBLEM = shapes.problem()
ROUGH = (TARGET.labels["semseg"] + (torch.rand(8, 32, 64) < 0.2)).clamp(max=3).to(torch.uint8)  # offline labels


def target(t=0, offline=ROUGH):
    batch = shapes.draw(TARGET, 2, 2, t)
    return dataclasses.replace(shapes.unlabelled(batch), attached={"labels.semseg": offline[batch.ids]})


@pytest.fixture(scope="module")
def given():
    reseed("given")
    products = {"translator": shapes.product(Translation(Translation.Config(), PROBLEM, {}))}
    warm = WarmUp(WarmUp.Config(), PROBLEM, products).train()
    for t in range(40):
        warm.step(t, source(t), None)
    products["before"] = shapes.product(warm)
    bank = Centroids(Centroids.Config(), PROBLEM, products)
    bank.step(0, None, shapes.unlabelled(TARGET))
    return products | {"centroids": shapes.product(bank)}


def build(given, method=diga, problem=PROBLEM, **settings):
    reseed("build")
    return method.Method(method.Method.Config(**settings), problem, given).train()


# T8: the mix of self-training


@pytest.mark.parametrize("method", [diga, diga_mt])
def test_t08_labels_inside_are_the_sources_outside_the_pseudo_ones(given, method):
    stage, s, x = build(given, method), source(), target()
    features, raw = stage.ask_teacher(x.clean)
    pseudo = stage.pseudo_labels(features, raw, x)
    image, labels = stage.pasted(0, s, x, pseudo)
    mask = stage.some_classes(s, "paste", 0)
    assert 0 < mask.float().mean() < 1
    augmented = stage.augmented(x.image, x.ids, "target", 0)
    assert torch.equal(image, torch.where(mask, s.image, augmented))
    assert set(labels) == ({"semseg"} if method is diga else {"semseg", "depth", "normals"})
    for name, label in labels.items():
        inside = mask[:, 0] if name == "semseg" else mask
        assert torch.equal(label, torch.where(inside, s.labels[name], pseudo[name]))


def test_t08_target_pixels_under_the_pasted_ones_never_contribute(given):
    stage, s, x = build(given), source(), target()
    under = stage.some_classes(s, "paste", 0)
    blurless = {"jitter": 0.0, "grey": 0.0, "sharpness": 0.0, "strength": 0.0}  # no pixel is spread over others
    stage = build(given, **blurless)
    other = dataclasses.replace(x, image=torch.where(under, torch.rand_like(x.image), x.image))
    pseudo = {"semseg": torch.full((2, 32, 64), VOID)}
    assert torch.equal(stage.pasted(0, s, x, pseudo)[0], stage.pasted(0, s, other, pseudo)[0])


def test_t08_the_two_masks_of_a_step_are_drawn_apart(given):
    stage = build(given)
    masks = [[stage.some_classes(SOURCE, what, t) for t in range(4)] for what in ("crdomix", "paste")]
    assert not all(torch.equal(a, b) for a, b in zip(*masks, strict=True))


def test_the_loss_of_a_round_is_that_of_the_source_and_the_mix_and_the_distillation(given):
    stage = build(given, distil=0.25)
    terms = {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, source(), target())))
    expected = sum(terms[name] for name in ("semseg", "depth", "normals", "semseg_adapted"))
    assert loss.item() == pytest.approx((expected + 0.25 * terms["semseg_distilled"]).item(), rel=1e-5)
    assert 0 < terms["kept"] < 1


def test_without_consensus_every_offline_label_is_believed(given):
    stage, x = build(given, consensus=False), target()
    pseudo = stage.pseudo_labels(*stage.ask_teacher(x.clean), x)
    assert torch.equal(pseudo["semseg"], x.attached["labels.semseg"].long())


def test_t06_a_rounds_labels_are_a_part_of_the_offline_ones_and_follow_the_centroids(given):
    stage, x = build(given), target()
    seen = stage.ask_teacher(x.clean)
    first = stage.pseudo_labels(*seen, x)["semseg"]
    kept = first != VOID
    assert kept.any() and not kept.all()
    assert torch.equal(first[kept], x.attached["labels.semseg"].long()[kept])
    stage.bank.vectors[0] += 100
    assert not torch.equal(stage.pseudo_labels(*seen, x)["semseg"], first)


# T9 and T10: what is read


def test_t09_a_round_has_no_way_to_target_labels(given):
    outcomes = []
    for noise in (False, True):
        stage = build(given)
        for t in range(3):
            batch = target(t)
            if noise:
                false = {name: torch.randint(0, 4, maps.shape) for name, maps in TARGET.labels.items()}
                batch = dataclasses.replace(batch, attached={**batch.attached, **false})
            terms = stage.step(t, source(t), batch)
        outcomes.append((state(stage), terms))
    assert same(outcomes[0][0], outcomes[1][0]) and same(outcomes[0][1], outcomes[1][1])
    assert {f.name for f in dataclasses.fields(Unlabelled)} == {"image", "clean", "ids", "domain", "attached"}


def test_t10_the_warm_up_reads_no_target_image_unless_told_to(given):
    for leak in (False, True):
        reseed("leak")
        stage = WarmUp(WarmUp.Config(target_bn=leak), PROBLEM, given).train()
        blank = shapes.unlabelled(dataclasses.replace(SOURCE, image=torch.full_like(SOURCE.image, torch.nan)))
        stage.step(0, source(), blank)
        finite = all(value.isfinite().all() for value in stage.net.state_dict().values())
        assert finite == (not leak)
        assert ("target" in stage.config.reads) == leak
    assert all(p.isfinite().all() for p in stage.net.parameters())  # the leak is of statistics


def test_t11_the_encoders_affine_parameters_and_the_translator_stay(given):
    frozen = WarmUp(WarmUp.Config(freeze_affine=True), PROBLEM, given).train()
    for stage in (frozen, build(given, freeze_affine=True)):
        translator = state(stage.translator)
        affine = {n: p.clone() for n, p in stage.net.encoder.named_parameters() if p.ndim == 1}
        low = stage.net.encoder.low[1]
        before = low[0].weight.clone(), low[1].running_mean.clone()
        stage.step(0, source(), target())
        now = dict(stage.net.encoder.named_parameters())
        assert affine and all(torch.equal(now[n], value) for n, value in affine.items())
        assert not torch.equal(low[0].weight, before[0]) and not torch.equal(low[1].running_mean, before[1])
        assert same(state(stage.translator), translator)
    free = build(given)  # from scratch, everything learns
    weight = free.net.encoder.low[1][1].weight.clone()
    free.step(0, source(), target())
    assert not torch.equal(free.net.encoder.low[1][1].weight, weight)


def test_the_translators_step_moves_all_of_it_and_both_critics():
    stage = Translation(Translation.Config(), PROBLEM, {}).train()
    before = state(stage)
    terms = stage.step(0, source(), shapes.unlabelled(TARGET))
    now = state(stage)
    for part in ("to_target.encoder", "to_target.decoder", "to_source", "critics.source", "critics.target"):
        assert any(n.startswith(part) and not torch.equal(before[n], now[n]) for n in now), part
    assert set(terms) == {"fooled", "cycle", "edge", "reconstruction", "critic"}


def test_offline_labels_take_the_larger_logit_of_two_scales(given):
    stage = OfflineLabels(OfflineLabels.Config(), PROBLEM, given)
    sizes = []
    stage.net.register_forward_pre_hook(lambda net, images: sizes.append(tuple(images[0].shape[-2:])))
    statistics = state(stage)
    batch = shapes.unlabelled(shapes.render(2, 7, shifted=True))
    labels = stage.train().step(0, None, batch)["semseg"]
    assert sizes == [(32, 64), (32, 32)] and labels.shape == (2, 32, 64)  # sides are multiples of 32
    assert same(state(stage), statistics)


# DiGA-MT (ours)


def test_every_task_is_distilled_and_self_trained(given):
    terms = build(given, diga_mt).step(0, source(), target())
    for name in PROBLEM.tasks:
        assert {name, f"{name}_adapted", f"{name}_distilled"} <= set(terms)
    assert not any("depth_" in name for name in build(given).step(0, source(), target()))


def test_depth_and_normals_are_the_teachers_where_the_consensus_holds_and_is_not_sky(given):
    stage, x = build(given, diga_mt), target()
    features, raw = stage.ask_teacher(x.clean)
    pseudo = stage.pseudo_labels(features, raw, x)
    solid = ((pseudo["semseg"] != VOID) & (pseudo["semseg"] != PROBLEM.sky)).unsqueeze(1)
    assert 0 < solid.float().mean() < 1
    depth = task("depth").decode(raw["depth"], (32, 64), PROBLEM).unsqueeze(1)
    normals = task("normals").decode(raw["normals"], (32, 64), PROBLEM)
    assert torch.equal(pseudo["depth"], solid * depth) and torch.equal(pseudo["normals"], solid * normals)
