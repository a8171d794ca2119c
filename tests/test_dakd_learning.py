"""D10 of DAKD's specification, on a toy world of rendered shapes and three seeds: what a teacher is worth."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from bench.nets.multitask import Small
from bench.rng import reseed
from bench.tasks.semseg import confusion, mean_iou
from methods import dakd
from methods.parts.auxiliary import level_losses
from methods.parts.compression import PlainStudent, Teacher
from tests import shapes

PLAIN, TAUGHT, BATCH = 150, 100, 8  # steps, steps, images

pytestmark = pytest.mark.slow


class Confused(torch.nn.Module):
    """A teacher that takes every class for the next."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        return {level: {n: raw.roll(1, 1) for n, raw in maps.items()} for level, maps in self.net(image).items()}


@pytest.fixture(scope="module", params=[0, 1, 2])
def world(request):
    """Images of both domains, a plain student, and a teacher that is better: it has learnt from target labels."""
    seed = request.param
    problem = shapes.problem(
        seed=seed, budget=PLAIN, batch=BATCH, tasks=("semseg",), network=Small(width=8, auxiliary_width=4)
    )
    world = SimpleNamespace(
        problem=problem,
        source=shapes.render(96, 1000 + seed, shifted=False),
        target=shapes.render(96, 2000 + seed, shifted=True),
        test=shapes.render(64, 3000 + seed, shifted=True),
    )
    reseed(seed)
    teacher = Teacher(Teacher.Config(share=1.0), problem, {}).train()
    for t in range(PLAIN):
        batch = shapes.draw(world.target, BATCH, seed, t, 3)
        teacher.optim.minimise(sum(level_losses(teacher.net(batch.image), batch.labels, problem, 0.1).values()))
    world.teacher = teacher
    world.plain = train(PlainStudent(PlainStudent.Config(), problem, {}), PLAIN, world)
    world.alone = score(distilled(world, lambda_kl=0.0, lambda_mse=0.0, lambda_pt=0.0), world)
    return world


def train(stage, steps, world):
    for t in range(steps):
        reseed(world.problem.seed, t)
        source = shapes.draw(world.source, BATCH, world.problem.seed, t, 1)
        stage.train().step(t, source, shapes.unlabelled(shapes.draw(world.target, BATCH, world.problem.seed, t, 2)))
    return stage


def distilled(world, teacher=None, **settings):
    """The plain student after as many steps with the teacher, in paradigm (c)."""
    given = {"teacher": shapes.product(teacher or world.teacher), "start": shapes.product(world.plain)}
    config = dakd.Method.Config(paradigm="both", share=1.0, **settings)
    return train(config.stage(config, dataclasses.replace(world.problem, budget=TAUGHT), given), TAUGHT, world)


@torch.no_grad()
def score(stage, world) -> float:
    """mIoU on the target's test images, percent."""
    raw = stage.eval().predict(world.test.image)["semseg"]
    guess = torch.nn.functional.interpolate(raw, world.test.image.shape[-2:], mode="bilinear").argmax(1)
    matrix = confusion(guess.byte().numpy(), world.test.labels["semseg"].byte().numpy(), len(shapes.CLASSES))
    return mean_iou(matrix, range(len(matrix)))


def test_d10_a_better_teacher_makes_a_better_student_than_as_many_steps_alone(world):
    assert score(world.teacher, world) > world.alone
    assert score(distilled(world), world) > world.alone + 5


def test_d10_a_teacher_that_confuses_classes_makes_a_worse_one(world):
    wrong = Teacher(Teacher.Config(), world.problem, {})
    wrong.net = Confused(world.teacher.net)
    assert score(distilled(world, teacher=wrong), world) < world.alone
