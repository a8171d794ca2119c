"""A single-task network adapted by a mean teacher: its outputs hold for the strongly changed image (ours).

The simplest member of the family, for every task: labels from the teacher on the image as it is, the student learns
them on the image under colour jitter and blur, beside its source labels. Arg-max classes where the teacher is surer
than the threshold, the loss times the share of those pixels; depth by L1 of ln depth, normals by 1 - cos, everywhere.
The teacher's BatchNorm is on each batch's statistics, as in DACS and its heirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from bench import ema
from bench.exact import across_ranks
from bench.optim import Optim
from bench.problem import VOID
from bench.rng import uniforms
from bench.schedule import Schedule
from bench.stage import Stage
from bench.tasks import task
from methods.parts import strong
from methods.parts.supervised import Supervised
from methods.parts.teacher import predicted, teacher_of

JITTER = 0.25  # strength of the colour jitter


class Consistent(Stage):
    """`net` is the teacher, the average; it starts from the single-task source network, as the student does."""

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        base: Supervised.Config = field(default_factory=Supervised.Config)
        task: str = ""  # filled in by the method
        share: float = 0.4
        ema: float = 0.99  # the average's momentum, at most
        memory: float = 0.1  # share of the steps that the average remembers, at most
        threshold: float = 0.968
        lr: float | None = None  # None: a quarter of the network's
        power: float = 0.9

        def needs(self, problem):
            return {"base": replace(self.base, tasks=(self.task,))}

        def batchnorm(self):
            return "batch statistics of source and strongly changed target in turn"

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.student = given["base"].build().net
        self.net = teacher_of(self.student)
        lr = problem.rate(config.lr, 0.25)
        steps = config.steps(problem)
        self.momentum = min(config.ema, 1 - 1 / max(1.0, config.memory * steps))
        self.optim = Optim(self.student.parameters(), steps, lr=lr, schedule=Schedule(power=config.power))

    def step(self, t, source, target):
        name = self.config.task
        on_source = task(name).loss(self.student(source.image)[name], source.labels[name], self.problem)
        label, trust = self.pseudo_label(predicted(self.net, target.image, "batch")[name])
        dealt = uniforms(target.ids, strong.DEALT, self.problem.seed, "consistent", t)
        changed = strong.changed(target.image, dealt, JITTER)
        on_target = task(name).loss(self.student(changed)[name], label, self.problem)
        self.optim.minimise(on_source + trust * on_target)
        ema.update(self.net, self.student, self.momentum)
        return {name: on_source, f"{name}_target": on_target, "trust": trust}

    @torch.no_grad()
    def pseudo_label(self, raw):
        """The teacher's output as a label on its own grid, and how much of it counts."""
        decoded = task(self.config.task).decode(raw, raw.shape[-2:], self.problem)
        if self.config.task == "semseg":
            sure = raw.float().softmax(1).amax(1) > self.config.threshold
            return torch.where(sure, decoded.long(), VOID), across_ranks(sure.float().mean())
        return decoded.unsqueeze(1) if self.config.task == "depth" else decoded, raw.new_ones((), dtype=torch.float32)
