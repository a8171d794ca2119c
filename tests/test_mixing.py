"""What an image is dealt, which classes are pasted, and how a teacher follows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.problem import VOID
from bench.rng import uniforms
from methods.parts import mixing, strong, teacher

IDS = torch.arange(1000)


def test_what_an_image_is_dealt_depends_on_itself_and_the_words_alone():
    dealt = uniforms(IDS, 4, 0, "mix", 7)
    assert torch.equal(uniforms(IDS.flip(0), 4, 0, "mix", 7).flip(0), dealt)
    assert torch.equal(uniforms(IDS[500:510], 4, 0, "mix", 7), dealt[500:510])
    assert torch.equal(uniforms(IDS, 2, 0, "mix", 7), dealt[:, :2])
    for words in ((1, "mix", 7), (0, "cut", 7), (0, "mix", 8)):
        assert not (uniforms(IDS, 4, *words) == dealt).all(1).any()


def test_what_is_dealt_is_uniform_and_unrelated():
    dealt = uniforms(IDS, 8, "here")
    assert 0 <= dealt.min() and dealt.max() < 1
    assert (torch.histc(dealt, 10, 0, 1) / dealt.numel()).sub(0.1).abs().max() < 0.01
    assert torch.corrcoef(dealt.T).fill_diagonal_(0).abs().max() < 0.1
    assert torch.corrcoef(torch.stack([dealt[:-1, 0], dealt[1:, 0]]))[0, 1].abs() < 0.1


@pytest.fixture
def labels():
    maps = torch.full((3, 4, 6), VOID)
    maps[0, :, :3], maps[0, 0, :3] = 1, 4  # classes 1 and 4
    maps[1] = torch.arange(24).view(4, 6) % 5  # 0 to 4
    return maps  # the third image is void


def test_the_classes_of_a_map_are_those_with_a_pixel(labels):
    there = mixing.classes_in(labels, 6)
    assert [row.nonzero().flatten().tolist() for row in there] == [[1, 4], [0, 1, 2, 3, 4], []]


@pytest.mark.parametrize(("up", "counts"), [(True, [1, 3, 0]), (False, [1, 2, 0])])
def test_half_of_the_present_classes_are_chosen_each_as_often_as_another(labels, up, counts):
    there = mixing.classes_in(labels, 6)
    seen = torch.zeros(3, 6)
    for t in range(600):
        chosen = mixing.half(there, uniforms(torch.arange(3), 6, t), up=up)
        assert chosen.sum(1).tolist() == counts
        assert not (chosen & ~there).any()
        seen += chosen
    assert (seen[1, :5] / 600 - counts[1] / 5).abs().max() < 0.08


@pytest.mark.parametrize("void", [True, False])
def test_each_class_is_taken_wholly_from_one_image(labels, void):
    chosen = torch.zeros(3, 6, dtype=torch.bool)
    chosen[0, 4] = chosen[1, 2] = True
    mask = mixing.pixels_of(labels, chosen, void=void)
    assert torch.equal(mask[0, 0], (labels[0] == 4) | ((labels[0] == VOID) & void))
    assert torch.equal(mask[1, 0], labels[1] == 2)
    assert mask[2].all() == void
    inside, outside = torch.rand(3, 3, 4, 6), torch.rand(3, 3, 4, 6)
    mixed = mixing.paste(mask, inside, outside)
    assert torch.equal(mixed, mask * inside + ~mask * outside)
    assert torch.equal(mixing.paste(mask, labels, labels + 1), torch.where(mask[:, 0], labels, labels + 1))


@pytest.mark.parametrize(("k", "a"), [(0, 0.0), (1, 0.5), (9, 0.9), (999, 0.999), (5000, 0.999)])
def test_a_teacher_starts_as_the_student_and_then_follows_ever_slower(k, a):
    assert teacher.momentum(k, 0.999) == pytest.approx(a)
    student = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    copied = teacher.teacher_of(student)
    assert not any(p.requires_grad for p in copied.parameters())
    before = student[0].weight.detach().clone()
    with torch.no_grad():
        student[0].weight += 1
        student[1].running_mean += 3
    teacher.follow(copied, student, k, 0.999)
    assert torch.allclose(copied[0].weight, before + (1 - a), atol=1e-6)
    assert torch.equal(copied[1].running_mean, student[1].running_mean)


def test_a_teacher_predicts_in_evaluation_mode_and_goes_on_as_it_was():
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5)).train()
    image = torch.rand(2, 3, 4, 4)
    assert torch.allclose(teacher.predicted(net, image), image, atol=1e-4)
    assert net.training and net[0].num_batches_tracked == 0


IMAGE = torch.rand(4, 3, 12, 16, generator=torch.Generator().manual_seed(0))
ONE = torch.ones(4)


def test_changes_of_no_strength_change_nothing():
    for same in (
        strong.jitter(IMAGE, torch.rand(4, 4), (0, 0, 0, 0)),
        strong.sharpness(IMAGE, 0 * ONE),
        strong.blur(IMAGE, 0 * ONE, 2),
        strong.where(torch.zeros(4, dtype=torch.bool), 1 - IMAGE, IMAGE),
    ):
        assert torch.allclose(same, IMAGE, atol=1e-6)


def test_changes_do_what_their_names_say():
    assert torch.allclose(strong.brightness(IMAGE, 0.5 * ONE), IMAGE / 2)
    assert strong.contrast(IMAGE, 0 * ONE).flatten(1).std(1).max() < 1e-6
    assert torch.allclose(strong.saturation(IMAGE, 0 * ONE), strong.grey(IMAGE), atol=1e-6)
    assert torch.allclose(strong.hue(IMAGE, ONE / 3), IMAGE.roll(1, 1), atol=1e-5)  # red becomes green
    assert (strong.blur(IMAGE, 2 * ONE, 4).std((2, 3)) < 0.6 * IMAGE.std((2, 3))).all()
    assert (strong.sharpness(0.5 * IMAGE, ONE).std((2, 3)) > 0.5 * IMAGE.std((2, 3))).all()


def test_every_image_is_changed_by_its_own_numbers():
    sigma = torch.tensor([0.2, 0.5, 1.0, 2.0])
    together = strong.blur(IMAGE, sigma, 3)
    for k in range(4):
        assert torch.allclose(strong.blur(IMAGE[k : k + 1], sigma[k : k + 1], 3)[0], together[k], atol=1e-6)
