"""MinEnt: the entropy of the target's classes as a loss (Vu, Jain, Bucher, Cord, Perez, "ADVENT", CVPR 2019).

arXiv 1811.12833, the paper's direct form; code: valeoai/ADVENT. One stage, one network, no discriminator:

    sum_i L_i(x_s) + 0.1 CE(auxiliary, x_s) + 1e-3 E(x_t) + 2e-4 E(auxiliary, x_t)

E is the mean over pixels of -sum_c p log2 p / log2 C. The auxiliary level is a 1x1 head on the encoder's low features.
Depth and normals learn from source labels alone (MinEnt-MT, ours). Ablation: `method.auxiliary=0
method.entropy_auxiliary=0` the final level alone. Sensitive to its tiny weights: it can end in one class.
`method.weighting=pcgrad` and its like weigh the tasks (parts/weighting.py), both entropies with segmentation.

Differs: the suite's optimiser and network rate with poly 0.9 to the end (the release: SGD 2.5e-4, poly over 250k steps,
stopped at 120k); BatchNorm on batch statistics, theirs mostly frozen; a linear head for their dilated one; entropy on
the network's output grid.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.optim import Optim
from bench.schedule import Schedule
from bench.stage import Stage
from methods.parts import weighting
from methods.parts.auxiliary import TwoLevels, level_losses
from methods.parts.information import entropy
from methods.parts.weighting import by_task


class Method(Stage):
    @dataclass(kw_only=True)
    class Config(Stage.Config):
        lr: float | None = None  # None: the network's
        power: float = 0.9
        auxiliary: float = 0.1  # weight of the auxiliary level's cross entropy
        entropy_final: float = 1e-3
        entropy_auxiliary: float = 2e-4
        weighting: str = "equal"  # of the tasks (parts/weighting.py); both entropies are of segmentation's losses

        def check(self, problem):
            weighting.check(self.weighting)
            if "semseg" not in problem.tasks:
                raise ValueError(f"the entropy is that of classes and needs the task semseg; {problem.split} has none")

        def batchnorm(self):
            return "batch statistics of source and target in turn"

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = TwoLevels(problem.network.build(problem, problem.tasks), problem, ("semseg",))
        lr = problem.rate(config.lr)
        self.optim = Optim(self.net.parameters(), config.steps(problem), lr=lr, schedule=Schedule(power=config.power))
        self.weighting = weighting.make(config.weighting, problem.tasks, self.optim, problem.seed)

    def step(self, t, source, target):
        def forward():
            terms = level_losses(self.net(source.image), source.labels, self.problem, self.config.auxiliary)
            on_target = self.net(target.image)
            terms["entropy"] = self.config.entropy_final * entropy(on_target["final"]["semseg"])
            terms["auxiliary_entropy"] = self.config.entropy_auxiliary * entropy(on_target["auxiliary"]["semseg"])
            return terms, by_task(terms, self.problem.tasks)

        return self.weighting.learn(t, forward, self.net, self.net.shared, self.optim)

    def predict(self, image):
        return self.net.net(image)
