"""N12 of Universal Representations' specification, on a toy world of rendered shapes and three seeds.

Two tasks, the depth loss a thousand times as loud. docs/results/universal_toy.md has the strengths that were tried:
the distances alone bring most of the segmentation back and do not keep both tasks within 5 %; with scale-invariant
task losses they do.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from bench import tasks
from bench.nets.multitask import Small
from bench.rng import reseed
from bench.tasks import depth
from bench.tasks.semseg import confusion, mean_iou
from methods import universal
from methods.parts.supervised import Supervised
from tests import shapes

LOUD, STEPS, BATCH = 1000.0, 200, 8  # times, steps, images

pytestmark = pytest.mark.slow


class Loud(depth.Depth):
    def loss(self, raw, label, problem):
        return LOUD * super().loss(raw, label, problem)


@pytest.fixture(scope="module", params=[0, 1, 2])
def world(request):
    """Source images, a network a task, and one that learns both tasks as they come."""
    seed = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depth, "TASK", Loud())
        tasks.task.cache_clear()
        problem = shapes.problem(
            seed=seed,
            budget=STEPS,
            batch=BATCH,
            tasks=("semseg", "depth"),
            network=Small(width=8, auxiliary_width=4, lr=4e-3),
        )
        world = SimpleNamespace(
            problem=problem,
            source=shapes.render(96, 1000 + seed, shifted=False),
            test=shapes.render(100, 3000 + seed, shifted=False),
        )
        alone = {n: trained(Supervised, world, tasks=(n,)) for n in problem.tasks}
        world.given = {name: shapes.product(stage) for name, stage in alone.items()}
        world.alone = {name: score(stage, world)[name] for name, stage in alone.items()}
        world.uniform = score(trained(Supervised, world), world)
        yield world
    tasks.task.cache_clear()


def trained(method, world, **settings):
    reseed(world.problem.seed)
    stage = method(method.Config(**settings), world.problem, getattr(world, "given", {})).train()
    for t in range(STEPS):
        reseed(world.problem.seed, t)
        stage.train().step(t, shapes.draw(world.source, BATCH, world.problem.seed, t, 1), None)
    return stage.eval()


@torch.no_grad()
def score(stage, world):
    """mIoU in percent, and the error of ln depth, of the tasks that the stage predicts, on images not trained on."""
    raw, labels, found = stage.predict(world.test.image), world.test.labels, {}
    if "semseg" in raw:
        classes = len(world.problem.classes)
        guess = tasks.task("semseg").decode(raw["semseg"], labels["semseg"].shape[-2:], world.problem)
        found["semseg"] = mean_iou(confusion(guess.numpy(), labels["semseg"].byte().numpy(), classes), range(classes))
    if "depth" in raw:
        found["depth"] = float(depth.Depth().loss(raw["depth"], labels["depth"], world.problem))
    return found


def test_N12_uniform_learning_of_two_tasks_hurts_the_quiet_one(world):
    assert world.uniform["semseg"] < world.alone["semseg"] - 5


def test_N12_the_distances_bring_the_quiet_task_back_towards_its_own_network(world):
    found = score(trained(universal.Method, world, distil=LOUD), world)
    lost = world.alone["semseg"] - world.uniform["semseg"]
    assert found["semseg"] > world.uniform["semseg"] + lost / 3


def test_N12_with_scale_invariant_task_losses_both_tasks_stay_within_five_percent_of_their_own_networks(world):
    found = score(trained(universal.Method, world, distil=1.0, weighting="si"), world)
    assert found["semseg"] > 0.95 * world.alone["semseg"]
    assert found["depth"] < 1.05 * world.alone["depth"]
