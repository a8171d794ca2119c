"""The engine against a hand-written loop over the same network and the same tensors: its share is the overhead."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
import torch

from bench import engine
from bench.engine import Feeds, Settings
from bench.nets.multitask import Small
from bench.problem import Labelled
from bench.rng import reseed
from bench.tasks import task
from methods.parts.supervised import Supervised
from tests import shapes

STEPS = 20
PROBLEM = shapes.problem(budget=STEPS, batch=8, height=96, width=96, network=Small())


class Still:
    """The same batch for every step: what is timed is the loop, not the reading."""

    def __init__(self, batch: Labelled) -> None:
        self.batch = batch

    def iterate(self, start: int, stop: int):
        return (self.batch for _ in range(start, stop))


def batch() -> Labelled:
    image = torch.rand(8, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    classes = len(PROBLEM.classes)
    labels = {
        "semseg": torch.randint(0, classes, (8, 96, 96)),
        "depth": torch.rand(8, 1, 96, 96) * 50 + 2,
        "normals": torch.nn.functional.normalize(torch.randn(8, 3, 96, 96), dim=1),
    }
    return Labelled(image, image, torch.arange(8), torch.zeros(8, dtype=torch.int64), labels)


def stage() -> Supervised:
    reseed(0)
    return Supervised(Supervised.Config(), PROBLEM, {}).to(memory_format=torch.channels_last)


@pytest.mark.benchmark(group="20 training steps")
def test_engine(benchmark, tmp_path):
    feeds, settings = Feeds(source=Still(batch())), Settings(torch.device("cpu"), show=False)

    def fresh():
        folder = Path(tmp_path / "run")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return (stage(), "speed", feeds, STEPS, folder, settings, threading.Event()), {}

    benchmark.pedantic(engine.train, setup=fresh, rounds=7, warmup_rounds=1)


@pytest.mark.benchmark(group="20 training steps")
def test_hand_written_loop(benchmark):
    one = batch()

    def train(learner: Supervised) -> None:
        net, parameters = learner.net, list(learner.net.parameters())
        adam = torch.optim.Adam(parameters, 2e-3, fused=True)
        for t in range(STEPS):
            net.train()
            loss = sum(task(n).loss(raw, one.labels[n], PROBLEM) for n, raw in net(one.image).items())
            adam.zero_grad()
            loss.backward()
            adam.param_groups[0]["lr"] = 2e-3 * (1 - t / STEPS) ** 0.9
            adam.step()
            loss.item()

    benchmark.pedantic(train, setup=lambda: ((stage(),), {}), rounds=7, warmup_rounds=1)
