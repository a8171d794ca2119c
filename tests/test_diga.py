"""DiGA's losses, views, translator and teacher: T1 to T5 of its specification."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import nn

from bench.problem import VOID
from bench.rng import reseed
from methods.parts.cross_view import WarmUp, class_loss, strengthened, symmetric, taught
from methods.parts.teacher import momentum
from methods.parts.translator import Critic, Reflect, Translation, Translator, edges
from tests import shapes
from tests.shapes import same, state

PROBLEM = shapes.problem()
SOURCE, TARGET = shapes.render(4, 5, shifted=False), shapes.render(4, 6, shifted=True)
LN3 = math.log(3)


def logits(*values):
    return torch.tensor(values).view(1, 2, 1, 1)


def same_view(name, teacher, student, r, problem):
    """What L_skd is not: each view taught by itself."""
    return taught(name, teacher[0], student[0], problem) + r * taught(name, teacher[1], student[1], problem)


def warmup(**settings):
    reseed("translator")
    given = {"translator": shapes.product(Translation(Translation.Config(), PROBLEM, {}))}
    reseed("warmup")
    return WarmUp(WarmUp.Config(**settings), PROBLEM, given).train()


# T1 to T3: distillation


def test_t01_golden_numbers_of_the_symmetric_distillation():
    teacher, student = (logits(LN3, 0), logits(0, 0)), (logits(0, 0), logits(LN3, 0))
    golden = [(1.0, 0.0, 0.562335), (0.0, 1.0, 0.693147)]
    for r, expected in ((0.5, 0.908909), (0.25, 0.735622)):
        assert symmetric("semseg", teacher, student, r, PROBLEM).item() == pytest.approx(expected, abs=1e-6)
    assert same_view("semseg", teacher, student, 0.5, PROBLEM).item() == pytest.approx(1.111641, abs=2e-6)
    assert taught("semseg", teacher[0], student[1], PROBLEM).item() == pytest.approx(golden[0][2], abs=1e-6)
    assert taught("semseg", teacher[1], student[0], PROBLEM).item() == pytest.approx(golden[1][2], abs=1e-6)


def test_t02_a_view_teaches_the_other_one_alone():
    teacher, student = torch.randn(2, 2, 4, 3, 3), torch.randn(2, 2, 4, 3, 3)
    by_clean = symmetric("semseg", teacher, student, 0.0, PROBLEM)  # r = 0 leaves what the clean view teaches
    student[0] += torch.randn(2, 4, 3, 3)
    assert torch.equal(symmetric("semseg", teacher, student, 0.0, PROBLEM), by_clean)
    student[1] += torch.randn(2, 4, 3, 3)
    assert not torch.equal(symmetric("semseg", teacher, student, 0.0, PROBLEM), by_clean)


def test_t03_nothing_flows_to_the_teacher_whose_entropy_bounds_the_loss():
    teacher = [torch.randn(1, 4, 3, 3, requires_grad=True) for _ in range(2)]
    student = [torch.randn(1, 4, 3, 3, requires_grad=True) for _ in range(2)]
    symmetric("semseg", teacher, student, 0.5, PROBLEM).backward()
    assert all(raw.grad is None for raw in teacher) and all(raw.grad is not None for raw in student)
    p = teacher[0].detach().softmax(1)
    entropy = -(p * p.log()).sum(1).mean()
    perfect = taught("semseg", teacher[0], teacher[0], PROBLEM)
    assert perfect.item() == pytest.approx(entropy.item()) and perfect > 0.1
    assert taught("semseg", teacher[0], student[0], PROBLEM) > perfect


# T4: the mixed view


def with_void(batch):
    labels = batch.labels["semseg"].clone()
    labels[:, :4, :8] = VOID
    return dataclasses.replace(batch, labels=batch.labels | {"semseg": labels})


def test_t04_crdomix_takes_half_of_the_classes_and_all_void_from_the_augmented_view():
    stage, source = warmup(), with_void(SOURCE)
    stage.translator.forward = lambda image: torch.full_like(image, 2.0)  # no colour of an image
    before = source.labels["semseg"].clone()
    seen = set()
    for t in range(12):
        view = stage.second_view(t, source)
        augmented = stage.augmented(source.image, source.ids, "source", t)
        translated = (view == 2.0).all(1)
        assert torch.equal(view, torch.where(translated[:, None], 2.0, augmented))
        for label, chosen in zip(before, ~translated, strict=True):
            present = [c for c in range(4) if (label == c).any()]
            inside = [c for c in present if chosen[label == c].all()]
            assert all(chosen[label == c].all() or not chosen[label == c].any() for c in present)
            assert len(inside) == len(present) // 2 and chosen[label == VOID].all()
            seen.update(inside)
    assert seen == {0, 1, 2, 3} and torch.equal(source.labels["semseg"], before)


def test_t04_two_equal_views_mix_to_themselves_and_without_a_translator_nothing_is_mixed():
    stage = warmup()
    augmented = stage.augmented(SOURCE.image, SOURCE.ids, "source", 3)
    stage.translator.forward = lambda image: augmented
    assert torch.equal(stage.second_view(3, SOURCE), augmented)
    alone = WarmUp(WarmUp.Config(), PROBLEM, {})
    assert torch.equal(alone.second_view(3, SOURCE), augmented)


def test_without_mixing_the_second_view_is_translated_throughout():
    stage = warmup(mix=False)
    assert torch.equal(stage.second_view(0, SOURCE), stage.translator(SOURCE.image))


def test_the_augmented_view_is_blended_with_the_image_and_drawn_for_each_image():
    image, dealt = SOURCE.image, torch.zeros(4, 9)
    dealt[:, 1:5] = torch.rand(4, 4)
    quarter = strengthened(image, dealt, WarmUp.Config(strength=0.25))
    whole = strengthened(image, dealt, WarmUp.Config(strength=1.0))
    assert torch.allclose(quarter, 0.25 * whole + 0.75 * image, atol=1e-6)
    assert 0 <= whole.min() and whole.max() <= 1 and not torch.equal(whole, image)
    stage = warmup()
    turned = stage.augmented(image.flip(0), SOURCE.ids.flip(0), "source", 0)
    assert torch.allclose(turned.flip(0), stage.augmented(image, SOURCE.ids, "source", 0), atol=1e-6)
    assert not torch.equal(stage.augmented(image, SOURCE.ids, "source", 1), turned.flip(0))


# T5: the teacher


@pytest.mark.parametrize(("k", "a"), [(0, 0.0), (1, 0.5), (9, 0.9), (999, 0.999), (4000, 0.999)])
def test_t05_the_teachers_momentum(k, a):
    assert momentum(k, 0.999) == pytest.approx(a)


@pytest.mark.parametrize("mode", ["batch", "eval", "train"])
def test_t05_the_teacher_follows_by_the_step_and_no_optimiser_holds_it(mode):
    stage = warmup(teacher_mode=mode)
    with torch.no_grad():
        for mine in stage.teacher.parameters():
            mine.zero_()
    parameters = next(iter(stage.teacher.parameters())), next(iter(stage.net.parameters()))
    stage.follow(1)
    assert torch.allclose(parameters[0], parameters[1] / 2)
    stage.follow(0)
    assert torch.equal(*parameters)
    held = {id(p) for _, optim in stage.optims() for p in optim.parameters}
    assert held and not held & {id(p) for p in stage.teacher.parameters()}
    stage.net.encoder.low[1][1].running_mean += 1
    stage.follow(5)
    copied = torch.equal(stage.teacher.encoder.low[1][1].running_mean, stage.net.encoder.low[1][1].running_mean)
    assert copied == (mode != "train")


@pytest.mark.parametrize("mode", ["batch", "eval"])
def test_t05_the_teachers_buffers_are_the_students_and_what_it_predicts_leaves_no_trace(mode):
    stage = warmup(teacher_mode=mode)
    before = state(stage.teacher)
    stage.teacher.train()
    image = 0.5 * torch.rand(4, 3, 32, 64)
    (_, found), (_, other) = (
        stage.ask_teacher(image),
        stage.ask_teacher(torch.cat([image[:2], torch.ones(2, 3, 32, 64)])),
    )
    assert same(before, state(stage.teacher))
    alone = torch.equal(found["semseg"][:2], other["semseg"][:2])
    assert alone == (mode == "eval")  # on a batch's statistics an image's neighbours matter


# What the tests above stand on


def test_cross_entropy_is_divided_by_all_pixels_or_by_the_valid_ones():
    raw, label = torch.randn(1, 4, 2, 4), torch.randint(4, (1, 2, 4))
    label[0, 0] = VOID
    every, valid = (class_loss(raw, label, norm) for norm in ("all", "valid"))
    expected = nn.functional.cross_entropy(raw, label, ignore_index=VOID)
    assert torch.allclose(valid, expected) and torch.allclose(every, expected / 2)


def test_edges_are_where_the_label_changes():
    labels = torch.zeros(1, 8, 12, dtype=torch.long)
    labels[..., 6:] = 3
    assert edges(labels)[0, 0].any(0).tolist() == [4 <= x < 8 for x in range(12)]


def test_reflection_by_index_is_torchs():
    x = torch.randn(2, 3, 6, 5)
    assert torch.equal(Reflect(3)(x), nn.ReflectionPad2d(3)(x))


def test_a_translated_image_is_an_image_and_a_critic_has_a_score_a_scale():
    out = Translator(4)(SOURCE.image)
    assert out.shape == SOURCE.image.shape and 0 <= out.min() and out.max() <= 1
    critic = Critic(4, 2)
    with torch.no_grad():
        for net in critic.scales:
            net[-1].weight.zero_()
            net[-1].bias.fill_(0.5)
    assert critic.squares(SOURCE.image, 1).item() == pytest.approx(2 * 0.25)
