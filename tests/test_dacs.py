"""DACS: what is mixed, what it is weighted by, how the teacher follows, and what each task learns."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from bench.problem import VOID
from bench.rng import reseed
from methods import dacs
from methods.parts import selftraining
from methods.parts.selftraining import weighted_cross_entropy
from tests import shapes
from tests.shapes import same, source, target

PROBLEM = shapes.problem()
SKY = shapes.CLASSES.index("sky")


def build(problem=PROBLEM, **settings):
    reseed("build")
    return dacs.Method(dacs.Method.Config(**settings), problem, {}).train()


def answering(stage, classes, sureness):
    """Let the teacher say `classes` (B H W) with a sureness B H W, depth 2 m x 20^0.5 and normals to the front."""
    p = (1 - sureness[:, None]) / 3 * torch.ones(1, 4, 1, 1)
    p = p.scatter(1, classes[:, None], sureness[:, None])
    flat = {"depth": torch.zeros_like(p[:, :1]), "normals": torch.tensor([0, 0, -2.0]).view(1, 3, 1, 1) + 0 * p[:, :3]}
    stage.teacher.forward = lambda image: {"semseg": p.log(), **flat}


HALF = torch.full((2, 32, 64), 0.9)
HALF[0] = 0.99  # the first image is sure, the second is not
BOXES = torch.ones(2, 32, 64, dtype=torch.long)


def test_the_weight_is_the_share_of_sure_pixels_one_number_for_the_batch(monkeypatch):
    stage = build()
    answering(stage, BOXES, HALF)
    pseudo = stage.pseudo(target().clean)
    assert pseudo.weight.shape == () and pseudo.weight.item() == 0.5
    assert torch.equal(pseudo.labels["semseg"], BOXES)  # unsure pixels keep their class
    seen = []
    monkeypatch.setattr(selftraining, "across_ranks", lambda share: seen.append(share) or share / 2)
    assert stage.pseudo(target().clean).weight.item() == 0.25 and seen[0].item() == 0.5


@pytest.mark.parametrize(("threshold", "weight"), [(0.0, 1.0), (0.95, 0.5), (2.0, 0.0)])
def test_the_threshold_decides_who_is_sure(threshold, weight):
    stage = build(threshold=threshold)
    answering(stage, BOXES, HALF)
    assert stage.pseudo(target().clean).weight.item() == weight


def believed(stage):
    """A mixed batch whose teacher says class 1 everywhere, and where source pixels were pasted."""
    answering(stage, BOXES, HALF)
    batch = source()
    batch = dataclasses.replace(batch, labels=batch.labels | {"semseg": torch.zeros_like(BOXES) + 2})
    batch.labels["semseg"][:, :, 32:] = 0
    batch.labels["semseg"][:, :4] = VOID
    mixed = stage.mix(3, batch, target(), stage.pseudo(target().clean))
    return batch, mixed, mixed.labels["semseg"] != 1


def test_half_of_the_classes_are_pasted_with_their_labels_and_weight_1():
    batch, mixed, pasted = believed(build())
    for k in range(2):
        classes = mixed.labels["semseg"][k][pasted[k]].unique().tolist()
        assert classes in ([0], [2])  # one of two
        assert torch.equal(pasted[k], batch.labels["semseg"][k] == classes[0])  # wholly, and no void
    assert (mixed.weight[pasted] == 1).all() and (mixed.weight[~pasted] == 0.5).all()
    assert mixed.labels.keys() == {"semseg"}


def test_the_mixed_image_shows_the_source_where_its_labels_do(monkeypatch):
    stage = build()
    monkeypatch.setattr(stage, "strong", lambda t, what, image, ids: image)
    batch, mixed, pasted = believed(stage)
    assert torch.equal(mixed.image, torch.where(pasted[:, None], batch.image, target().image))


def test_the_teacher_sees_the_target_before_any_change_of_light_and_the_student_never_does():
    stage, view = build(), dataclasses.replace(target(), clean=1 - target().image)
    seen = {"net": [], "teacher": []}
    for name, images in seen.items():
        getattr(stage, name).register_forward_hook(lambda _, inputs, __, images=images: images.append(inputs[0]))
    stage.step(0, source(), view)
    assert len(seen["teacher"]) == 1 and torch.equal(seen["teacher"][0], view.clean)
    assert len(seen["net"]) == 2 and torch.equal(seen["net"][0], source().image)


def test_what_an_image_is_dealt_does_not_depend_on_its_batch():
    stage = build()
    answering(stage, BOXES[:1], HALF[:1])
    whole, few = source(), target()
    first = dataclasses.replace(whole, image=whole.image[:1], ids=whole.ids[:1],
                                labels={n: v[:1] for n, v in whole.labels.items()})  # fmt: skip
    alone = dataclasses.replace(few, image=few.image[:1], clean=few.clean[:1], ids=few.ids[:1])
    one = stage.mix(3, first, alone, stage.pseudo(alone.clean))
    answering(stage, BOXES, HALF)
    both = stage.mix(3, whole, few, stage.pseudo(few.clean))
    assert torch.allclose(one.image[0], both.image[0], atol=1e-5)
    assert torch.equal(one.labels["semseg"][0], both.labels["semseg"][0])


def test_most_mixed_images_are_jittered_and_half_are_blurred():
    stage, ids = build(), torch.arange(400)
    image = torch.zeros(400, 3, 8, 8)
    image[:, :, ::2] = 1
    image[:, 0] *= 0.5
    changed = (stage.strong(0, "mixed", image, ids) - image).abs().amax((1, 2, 3)) > 1e-4
    still = build(jitter=0.0).strong(0, "mixed", image, ids)
    assert changed.float().mean().item() == pytest.approx(0.9, abs=0.05)
    assert ((still - image).abs().amax((1, 2, 3)) > 1e-4).float().mean().item() == pytest.approx(0.5, abs=0.08)


def test_weights_scale_a_pixels_loss_and_do_not_divide_the_mean():
    raw, label = torch.zeros(1, 4, 2, 2), torch.tensor([[[0, 1], [2, VOID]]])
    weight = torch.tensor([[[1.0, 0.5], [0.0, 1.0]]])
    expected = 1.5 * torch.tensor(4.0).log() / 3
    assert weighted_cross_entropy(raw, label, weight).item() == pytest.approx(expected.item())


def test_the_teacher_is_the_student_first_and_then_its_mean_up_to_the_momentum():
    stage = build()
    weight = next(stage.net.parameters())
    values = []
    for t in range(3):
        values.append(weight.detach().clone())
        stage.follow(t)
        assert torch.allclose(next(stage.teacher.parameters()), torch.stack(values).mean(0), atol=1e-6)
        with torch.no_grad():
            weight += t + 1
    before = next(stage.teacher.parameters()).clone()
    stage.follow(10**6)
    assert torch.allclose(next(stage.teacher.parameters()), 0.99 * before + 0.01 * weight, atol=1e-5)


@pytest.mark.parametrize(
    ("memory", "budget", "momentum"), [(1.0, 400, 0.99), (0.025, 40000, 0.99), (0.025, 400, 0.9), (0.025, 20, 0.0)]
)
def test_a_teacher_remembers_a_share_of_the_steps_at_most(memory, budget, momentum):
    problem = shapes.problem(budget=budget)
    assert dacs.Method.Config(memory=memory).momentum(problem) == pytest.approx(momentum)


def test_the_teachers_buffers_are_the_students():
    stage = build()
    stage.step(0, source(), target())
    stage.follow(1)
    assert same(dict(stage.teacher.named_buffers()), dict(stage.net.named_buffers()))
    assert not any(p.requires_grad for p in stage.teacher.parameters())


def test_by_default_the_target_teaches_segmentation_alone():
    stage = build()
    terms = {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, source(), target())))
    assert terms.keys() == {"semseg", "depth", "normals", "mixed_semseg", "sure"}
    assert loss.item() == pytest.approx(sum(v.item() for name, v in terms.items() if name != "sure"), rel=1e-5)
    heads = shapes.gradient(terms["mixed_semseg"], stage.net.decoders["semseg"].parameters())
    others = shapes.gradient(terms["mixed_semseg"], stage.net.decoders["depth"].parameters())
    assert heads > 0 and others == 0


def test_consistency_all_teaches_depth_and_normals_where_pasted_and_where_the_teacher_is_sure():
    stage = build(consistency="all")
    classes = BOXES.clone()
    classes[:, :8] = SKY
    answering(stage, classes, HALF)
    batch, view = source(), target()
    pseudo = stage.pseudo(view.clean)
    solid = (HALF > 0.968) & (classes != SKY)
    assert torch.allclose(pseudo.labels["depth"][:, 0], 40.0**0.5 * 2**0.5 * solid)  # sqrt(2 x 40) metres
    assert torch.allclose(pseudo.labels["normals"][:, 2], -1.0 * solid)
    mixed = stage.mix(0, batch, view, pseudo)
    pasted = mixed.weight == 1
    for name in ("depth", "normals"):
        expected = torch.where(pasted[:, None], batch.labels[name], pseudo.labels[name])
        assert torch.equal(mixed.labels[name], expected)
    assert stage.step(0, batch, view).keys() >= {"mixed_semseg", "mixed_depth", "mixed_normals"}


def test_an_unsure_teacher_teaches_no_depth():
    stage = build(consistency="all", threshold=2.0)
    pseudo = stage.pseudo(target().clean)
    terms = stage.believed_losses("target", stage.net(target().image), pseudo)
    assert len(terms) == 3 and all(term.item() == 0 for term in terms.values())


def test_no_target_label_and_no_other_batch_is_read():
    weights = []
    for attached in ({}, {name: torch.full((2, 32, 64), torch.nan) for name in PROBLEM.tasks}):
        stage = build()
        for t in range(2):
            stage.step(t, source(t), dataclasses.replace(target(t), attached=attached))
        weights.append({name: value.clone() for name, value in stage.state_dict().items()})
    assert same(*weights)


def test_student_and_teacher_survive_a_kill_to_the_bit(tmp_path):
    straight, resumed = build(consistency="all"), build(consistency="all")
    assert shapes.ends_alike_after_a_kill(straight, resumed, lambda s, t: s.step(t, source(t), target(t)), tmp_path)


def test_the_student_is_what_predicts():
    stage = build().eval()
    image = target().image
    assert same(stage.predict(image), stage.net(image))


@pytest.mark.parametrize(
    ("settings", "tasks", "fault"),
    [({}, ("depth",), "needs the task semseg"), ({"consistency": "depth"}, PROBLEM.tasks, "known: semseg all")],
)
def test_what_cannot_run_is_refused_in_one_line(settings, tasks, fault):
    with pytest.raises(ValueError, match=fault):
        dacs.Method.Config(**settings).check(shapes.problem(tasks=tasks))
