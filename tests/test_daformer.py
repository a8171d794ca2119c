"""DAFormer: dacs with rare classes, features held to a pretrained encoder if there is one, and a warm-up."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from bench.nets.multitask import Small
from bench.rng import reseed
from methods import dacs, daformer
from methods.parts.anchored import feature_distance, thing_cells
from tests import shapes
from tests.shapes import same, source, target

CLASSES = ("road", "car", "person", "sky")


@dataclass(kw_only=True)
class Pretrained(Small):
    """The small network, said to start from pretrained weights."""

    def weights_used(self):
        return "a hash"


SMALL = Small(width=4, auxiliary_width=4)
PRETRAINED = Pretrained(width=4, auxiliary_width=4)


def build(network=SMALL, **settings):
    reseed("build")
    problem = shapes.problem(classes=CLASSES, network=network, budget=400)
    return daformer.Method(daformer.Method.Config(**settings), problem, {}).train()


def test_rare_classes_are_drawn_at_temperature_001_unless_it_is_0():
    assert daformer.Method.Config().rare().temperature == 0.01
    assert daformer.Method.Config().rare().least == pytest.approx(3000 / (1914 * 1052), rel=0.01)
    assert daformer.Method.Config().rare().crop == 0.5
    assert daformer.Method.Config(temperature=0.0).rare() is None
    assert dacs.Method.Config().rare() is None


def test_without_pretrained_weights_the_distance_is_off_and_asking_for_it_is_refused():
    stage = build()
    assert stage.frozen is None and "distance" not in stage.step(0, source(), target())
    problem = shapes.problem(classes=CLASSES)
    for allowed in (None, 0.0):
        daformer.Method.Config(distance=allowed).check(problem)
    with pytest.raises(ValueError, match="needs a pretrained encoder, this one has none: distance=0$"):
        daformer.Method.Config(distance=0.005).check(problem)
    daformer.Method.Config(distance=0.005).check(shapes.problem(classes=CLASSES, network=PRETRAINED))


def test_with_pretrained_weights_it_is_on_unless_it_is_0():
    assert "distance" in build(PRETRAINED).step(0, source(), target())
    assert "distance" not in build(PRETRAINED, distance=0.0).step(0, source(), target())
    one, two = (build(PRETRAINED, distance=w).source_losses(0, source())["distance"] for w in (None, 0.01))
    assert two.item() == pytest.approx(2 * one.item())


def test_the_frozen_encoder_is_the_start_in_evaluation_mode_and_never_moves():
    stage = build(PRETRAINED)
    start = {name: value.clone() for name, value in stage.net.encoder.state_dict().items()}
    for t in range(3):
        stage.step(t, source(t), target(t))
        assert same(stage.frozen.state_dict(), start)
    assert not same(stage.net.encoder.state_dict(), start)
    assert not any(p.requires_grad for p in stage.frozen.parameters())


def test_the_distance_moves_the_encoder_and_no_decoder():
    stage = build(PRETRAINED)
    stage.step(0, source(), target())
    term = stage.source_losses(0, source())["distance"]
    assert shapes.gradient(term, stage.net.encoder.parameters()) > 0
    assert shapes.gradient(term, stage.net.decoders.parameters()) == 0


def test_a_cell_counts_when_one_thing_class_covers_three_quarters_of_it():
    label = torch.zeros(1, 4, 16, dtype=torch.long)  # four cells of 4x4
    label[..., :4] = 1  # car
    label[..., 4:8] = 1
    label[:, 1:3, 4:8] = 2  # half car, half person
    label[:, :3, 8:12] = 2  # three quarters person
    label[:, :, 12:] = 3  # sky
    assert thing_cells(label, CLASSES, (1, 4), 0.75).tolist() == [[[True, False, True, False]]]
    assert thing_cells(label, CLASSES, (1, 4), 0.5).tolist() == [[[True, True, True, False]]]
    assert not thing_cells(label, ("road", "sky", "wall", "fence"), (1, 4), 0.5).any()


def test_the_distance_is_the_mean_euclidean_one_over_the_chosen_cells():
    features, frozen = torch.zeros(1, 2, 1, 3), torch.zeros(1, 2, 1, 3)
    features[0, :, 0] = torch.tensor([[3.0, 6.0, 1.0], [4.0, 8.0, 1.0]])
    features.requires_grad_(True)
    cells = torch.tensor([[[True, True, False]]])
    assert feature_distance(features, frozen, cells).item() == pytest.approx((5 + 10) / 2)
    none = feature_distance(features, features.detach(), torch.zeros_like(cells))
    (gradient,) = torch.autograd.grad(none, features)
    assert none.item() == 0 and (gradient == 0).all()
    (gradient,) = torch.autograd.grad(feature_distance(features, features.detach(), cells), features)
    assert gradient.isfinite().all()


def test_the_rate_rises_for_a_27th_of_the_steps_and_falls_linearly_to_0():
    factor, steps = build().optim.schedule.factor, 400
    assert [factor(t, steps) for t in (0, 6)] == pytest.approx([1 / 15, 7 / 15 * (1 - 6 / 400)])
    assert [factor(t, steps) for t in (15, 200, 400)] == pytest.approx([1 - 15 / 400, 0.5, 0])


def test_the_teacher_has_the_papers_memory_at_the_papers_length():
    config = daformer.Method.Config()
    assert config.momentum(shapes.problem(budget=40000)) == pytest.approx(0.999)
    assert config.momentum(shapes.problem(budget=400)) == pytest.approx(0.9)


def test_the_step_is_that_of_dacs_when_nothing_is_added():
    settings = {"share": 0.1, "ema": 0.99, "memory": 1.0, "jitter": 0.25, "decay": 0.0, "power": 0.9, "warmup": 0.0}
    stages = []
    for method in (dacs, daformer):
        reseed("build")
        problem = shapes.problem(classes=CLASSES)
        stages.append(method.Method(method.Method.Config(**settings), problem, {}).train())
    for t in range(3):
        one, two = (stage.step(t, source(t), target(t)) for stage in stages)
        assert same(one, two)
    assert same(stages[0].state_dict(), stages[1].state_dict())


def test_everything_survives_a_kill_to_the_bit(tmp_path):
    straight, resumed = build(PRETRAINED), build(PRETRAINED)
    assert shapes.ends_alike_after_a_kill(straight, resumed, lambda s, t: s.step(t, source(t), target(t)), tmp_path)
