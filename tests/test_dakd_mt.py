"""DAKD-MT (ours): what the teacher says of depth and normals, at both levels, outside its sky."""

from __future__ import annotations

import math

import pytest
import torch

from bench.rng import reseed
from methods import dakd, dakd_mt
from methods.parts.teacher import predicted
from tests import shapes

PROBLEM = shapes.problem()
SOURCE, TARGET = shapes.render(2, 5, shifted=False), shapes.unlabelled(shapes.render(2, 6, shifted=True))
SKY = PROBLEM.sky


@pytest.fixture(scope="module")
def stage():
    def chain(config):
        given = {name: shapes.product(chain(need)) for name, need in config.needs(PROBLEM).items()}
        reseed(config.stage.__qualname__)
        return config.stage(config, PROBLEM, given).train()

    return chain(dakd_mt.Method.Config(paradigm="both"))


def outputs(u, normal, classes):
    """Both levels' raw outputs of one value everywhere; the classes' are certain."""
    scores = torch.zeros(1, 4, 2, 2)
    scores.scatter_(1, torch.tensor(classes).view(1, 1, 2, 2), 50.0)
    normals = torch.tensor(normal).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    level = {"semseg": scores, "depth": torch.full((1, 1, 2, 2), u), "normals": normals}
    return {"final": level, "auxiliary": level}


def test_depth_and_normals_are_taught_at_both_levels_with_the_weights_of_labels_and_alignment(stage):
    mine = outputs(0.0, [0.0, -1.0, 0.0], [0, 0, 0, 0])
    teacher = outputs(math.log(3), [0.0, 0.0, -1.0], [0, 1, 2, 0])  # sigmoid: 1/2 and 3/4
    terms = stage.distilled(mine, teacher)
    gap = math.log(shapes.FAR / shapes.NEAR) / 4
    assert terms["depth"].item() == pytest.approx(gap) and terms["normals"].item() == pytest.approx(1)
    assert terms["depth_feature"].item() == pytest.approx(0.01 * gap)
    assert terms["normals_feature"].item() == pytest.approx(0.01)


def test_the_final_level_is_not_taught_in_the_teachers_sky(stage):
    mine, half_sky = outputs(0.0, [0.0, -1.0, 0.0], [0, 0, 0, 0]), outputs(1.0, [0.0, 0.0, -1.0], [SKY, 0, 1, SKY])
    depth = torch.zeros(1, 1, 2, 2)
    depth[0, 0, 0, 0] = 9.0  # in the sky: it must not count
    mine["final"] = mine["final"] | {"depth": depth}
    everywhere = stage.distilled(outputs(0.0, [0.0, -1.0, 0.0], [0, 0, 0, 0]), outputs(1.0, [0.0, 0.0, -1.0], [0] * 4))
    assert stage.distilled(mine, half_sky)["depth"].item() == pytest.approx(everywhere["depth"].item())
    nowhere = stage.distilled(mine, outputs(1.0, [0.0, 0.0, -1.0], [SKY] * 4))
    assert nowhere["depth"] == 0 and nowhere["normals"] == 0 and nowhere["depth_feature"] > 0


def test_segmentation_is_taught_as_in_dakd_and_alone_has_a_kl_and_an_adversary(stage):
    mine, taught = stage.net(SOURCE.image), predicted(stage.teacher, SOURCE.image)
    terms, alone = stage.distilled(mine, taught), dakd.Method.distilled(stage, mine, taught)
    assert all(torch.equal(terms[name], alone[name]) for name in ("kl", "mse", "labels"))
    assert terms.keys() - alone.keys() == {"depth", "depth_feature", "normals", "normals_feature"}
    assert set(stage.discriminators) == {"final", "auxiliary"}
    assert all(net[0].in_channels == len(PROBLEM.classes) for net in stage.discriminators.values())


def test_every_task_has_an_auxiliary_head_in_teacher_and_student_and_dakd_has_one(stage):
    assert set(stage.net.heads) == set(stage.teacher.heads) == set(PROBLEM.tasks)
    needs = dakd_mt.Method.Config(paradigm="both").needs(PROBLEM)
    assert {need.heads for need in needs.values()} == {"all"}
    assert {need.heads for need in dakd.Method.Config(paradigm="both").needs(PROBLEM).values()} == {"semseg"}


def test_a_step_sums_all_that_it_returns_but_the_discriminators_losses(stage):
    terms = {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, SOURCE, TARGET)))
    own = sum(value.item() for name, value in terms.items() if not name.endswith("_discriminator"))
    assert loss.item() == pytest.approx(own, rel=1e-5)
    assert {"source_depth", "target_depth", "source_normals_feature", "auxiliary_depth"} <= terms.keys()
