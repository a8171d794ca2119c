"""UM-Adapt, self: transferred predictions as pseudo labels for the direct ones (Kundu, Lakkakula, Babu, ICCV 2019).

1. base, 2. contour, 3. statistics: as in umadapt.
4. adapt (this stage): L_self = sum_i L_i(yhat_i(x_t), sg[ytil_i(x_t)]) + lam L_ccr(x_t) over the high part of the
   target encoder; the transfer nets are frozen and their output detached, so that they cannot copy a constant.

`method.weighting=pcgrad` and its like weigh the tasks of 4, each with its pseudo labels and its anchor.
What to expect: depth gains, segmentation loses. Frozen transfer nets give back smooth maps of frequent classes, and the
arg-max over all pixels teaches just those. Ablations, without the source anchor (as published) and the contour term:
    python -m bench.run --multirun method=umadapt_self split=minicity seed=0,1,2 method.anchor=1,0
    python -m bench.run --multirun method=umadapt_self split=minicity seed=0,1,2 method.lam=10,0
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench.optim import Optim
from methods.parts import weighting
from methods.parts.distances import sky_free
from methods.parts.supervised import losses
from methods.parts.transfer import canonical
from methods.parts.twins import Adaptation


class Method(Adaptation):
    @dataclass(kw_only=True)
    class Config(Adaptation.Config):
        share: float = 0.2  # longer loses what the transfer nets cannot give back (docs/results/umadapt_development.md)

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        lr = problem.network.lr / 20 if config.lr is None else config.lr
        self.optim = Optim(self.high.parameters(), config.steps(problem), lr=lr, clip=config.clip)
        self.weighting = weighting.make(config.weighting, problem.tasks, self.optim, problem.seed)

    def step(self, t, source, target):
        def own(raw):
            return losses(raw, labels, self.problem)

        again = self.weighting.again(
            lambda: self.weighed(own(self.on_target(target.image)[1]), self.anchored(source)), self.target_net
        )
        features, raw = self.on_target(target.image)
        labels = self.pseudo_labels(raw)  # a second pass learns the same
        terms = own(raw)
        return terms | self.learn(terms, features, source, target, self.optim, again)

    @torch.no_grad()
    def pseudo_labels(self, raw):
        """sg[ytil_i] as labels on the output grid: every pixel of the classes, depth and normals outside the sky."""
        yhat = canonical(raw, self.problem)
        ytil = self.through(yhat)
        near, far = self.problem.depth_range
        seen = sky_free(yhat, self.problem)
        seen = 1.0 if seen is None else seen.float()
        labels = {
            "semseg": lambda p: p.argmax(1),
            "depth": lambda z: near * (far / near) ** z * seen,
            "normals": lambda n: n * seen,
        }
        return {name: labels[name](y) for name, y in ytil.items()}
