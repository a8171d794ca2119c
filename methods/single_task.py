"""Single task: one network a task with the source-only recipe; what the multi-task delta is measured from.

One supervised stage a task, each of the full budget, and a last stage that only puts the networks side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import nn

from bench.stage import Stage
from methods.parts.supervised import Supervised


class Method(Stage):
    @dataclass(kw_only=True)
    class Config(Stage.Config):
        reads = ()
        role = "single"
        share: float = 0.0
        each: Supervised.Config = field(default_factory=Supervised.Config)

        def needs(self, problem):
            return {name: replace(self.each, tasks=(name,)) for name in problem.tasks}

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.nets = nn.ModuleDict({name: given[name].build().net for name in problem.tasks})

    def predict(self, image):
        return {name: net(image)[name] for name, net in self.nets.items()}
