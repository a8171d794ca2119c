"""Supervised multi-task training: the source-only stage, and the summed task losses that other stages add theirs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from bench.optim import Optim
from bench.problem import Problem
from bench.schedule import Schedule
from bench.stage import Stage
from bench.tasks import task
from methods.parts import weighting


def losses(raw: Mapping[str, Tensor], labels: Mapping[str, Tensor], problem: Problem) -> dict[str, Tensor]:
    """Each task's supervised loss, task weights 1."""
    return {name: task(name).loss(output, labels[name], problem) for name, output in raw.items()}


class Supervised(Stage):
    """All tasks from the labels of one domain; how their losses become one update: parts/weighting.py."""

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        reads = ("source",)
        role = "baseline"
        tasks: tuple[str, ...] | None = None  # None: all of the split's
        domain: str | None = None  # the one of the split's sources that is learnt from; None: all
        lr: float | None = None  # None: the network's
        power: float = 0.9  # of the polynomial decay of the learning rate
        weighting: str = "equal"

        def check(self, problem):
            weighting.check(self.weighting)
            if self.domain is not None and self.domain not in problem.sources:
                raise ValueError(f'no source "{self.domain}" in this split; it has {" ".join(problem.sources)}')

        def sources(self, problem):
            return problem.sources if self.domain is None else (self.domain,)

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = problem.network.build(problem, config.tasks or problem.tasks)
        self.optim = Optim(
            self.net.parameters(),
            config.steps(problem),
            lr=problem.rate(config.lr),
            schedule=Schedule(power=config.power),
        )
        self.weighting = weighting.make(config.weighting, tuple(self.net.decoders), self.optim, problem.seed)

    def step(self, t, source, target):
        def forward():
            terms = losses(self.net(source.image), source.labels, self.problem)
            return terms, terms

        return self.weighting.learn(t, forward, self.net, self.net.encoder, self.optim)

    def predict(self, image):
        return self.net(image)
