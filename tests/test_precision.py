"""bf16 is autocast around the step: weights stay single, and a step's later passes see what it has learnt."""

from __future__ import annotations

import json
import threading

import pytest
import torch
from torch import nn

from bench import engine
from bench.engine import Feeds, Settings
from bench.optim import Optim
from bench.stage import Stage
from tests import shapes

PROBLEM = shapes.problem()


def train(stage, folder, steps, precision):
    folder.mkdir(exist_ok=True)
    settings = Settings(torch.device("cpu"), precision=precision, show=False)
    engine.train(stage, "precise", Feeds(), steps, folder, settings, threading.Event())


class Precise(Stage):
    """Trains a layer twice in a step and reports what the second pass saw of it."""

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.layer = nn.Linear(8, 8, bias=False)
        self.optim = Optim(self.layer.parameters(), 4, lr=1.0, kind="sgd", momentum=0.0)

    def step(self, t, source, target):
        x = torch.ones(1, 8)
        first = self.layer(x)
        self.dtype = first.dtype
        self.optim.minimise(first.float().sum())
        return {"moved": (self.layer(x).float() - first.float()).mean()}


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_half_precision_is_autocast_and_weights_stay_single(tmp_path, precision, dtype):
    stage = Precise(Precise.Config(), PROBLEM, {})
    train(stage, tmp_path, 2, precision)
    assert stage.dtype == dtype
    assert stage.layer.weight.dtype == torch.float32


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_a_step_has_learnt_is_seen_by_its_later_passes(tmp_path, precision):
    train(Precise(Precise.Config(), PROBLEM, {}), tmp_path, 1, precision)
    (entry,) = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert entry["moved"] == pytest.approx(-8, abs=0.1)
