"""The target encoder M_t beside the source encoder M_s: shared weights but the adapted part, own BatchNorm buffers."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import torch

from bench.nets.norm import stored_statistics
from bench.stage import Stage
from methods.parts import weighting
from methods.parts.contour import Contour, contour_loss
from methods.parts.supervised import losses
from methods.parts.target_statistics import TargetStatistics
from methods.parts.transfer import Base, canonical
from methods.parts.weighting import per_task

STATISTICS = ("source", "target", "target batch")


def twin(net, own=()):
    """A copy of `net` that shares every parameter but those of the modules in `own`; all its buffers are its own."""
    apart = {id(p) for module in own for p in module.parameters()}
    return copy.deepcopy(net, {id(p): p for p in net.parameters() if id(p) not in apart})


class Adaptation(Stage):
    """What UM-Adapt's adaptation stages have in common: M_s, M_t, the decoders, H and D_c, and the target's pass.

    M_t shares all weights with M_s but those of `high`, which adapts. The decoders' weights are shared as well.
    For a weighting rule a task's loss on target and its source supervision are one; the contours are no task's.
    """

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        base: Base.Config = field(default_factory=Base.Config)
        contour: Contour.Config = field(default_factory=Contour.Config)
        share: float = 0.4
        lam: float = 10.0  # weight of the contour term
        anchor: float = 1.0  # weight of source supervision through M_t's weights; 0: none, as published
        statistics: str = "target"  # of M_t's BatchNorm: the source's, the target's re-estimated, or "target batch"
        lr: float | None = None  # of M_t; None: a twentieth of the network's
        clip: float = 10.0
        weighting: str = "equal"  # of the tasks (parts/weighting.py); the base has its own: base.weighting

        def needs(self, problem):
            needs = {"base": self.base, "contour": replace(self.contour, base=self.base)}
            if self.statistics != "source":
                needs["statistics"] = TargetStatistics.Config(base=self.base)
            return needs

        def check(self, problem):
            weighting.check(self.weighting)
            if self.statistics not in STATISTICS:
                raise ValueError(f'no statistics "{self.statistics}"; known: {", ".join(STATISTICS)}')

        def batchnorm(self):
            return {
                "source": "stored, of the source",
                "target": "re-estimated on target training images, then stored",
                "target batch": "re-estimated on target training images, then of each target batch (in the high part)",
            }[self.statistics]

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        base = given["base"].build()
        self.source_net, self.transfer = base.net, base.transfer
        self.contour_decoder = given["contour"].build().decoder
        self.target_net = twin(base.net, own=[base.net.encoder.high])
        if config.statistics != "source":
            for mine, estimated in zip(
                self.target_net.buffers(), given["statistics"].build().net.buffers(), strict=True
            ):
                mine.copy_(estimated)
        self.anchor_net = twin(self.target_net)  # M_t's weights on the source's statistics
        for mine, source in zip(self.anchor_net.buffers(), self.source_net.buffers(), strict=True):
            mine.copy_(source)

    @property
    def high(self):
        """What adapts: the target encoder's high part."""
        return self.target_net.encoder.high

    def on_target(self, image):
        """Features F and raw outputs of M_t and the decoders; gradients reach all but `low`."""
        with stored_statistics(self.target_net):
            self.high.train(self.config.statistics == "target batch" and self.training)
            with torch.no_grad():
                low = self.target_net.encoder.low(image)
            features = self.target_net.encoder.high(low)
            return features, self.target_net.decode(features)

    def through(self, yhat):
        """Canonical transferred predictions, H on its stored statistics."""
        with stored_statistics(self.transfer):
            return canonical(self.transfer(yhat), self.problem)

    def learn(self, own, features, source, target, optim, again):
        """One update from {task: loss} on target and what holds the features while the predictions move:
        lam L_ccr(x_t) + anchor sum_i L_i(yhat_i(x_s), y_i); these terms without their weights."""
        contour, anchor = self.contour_term(features, target), self.anchored(source)
        terms, extra = self.weighed(own, anchor), self.config.lam * contour
        # the update's own number: umadapt_semi goes on with this stage at steps of its own
        self.weighting.minimise(optim.taken, terms, self.high.parameters(), optim, again=again, extra=extra)
        return {"contour": contour} | ({"anchor": sum(anchor.values())} if anchor else {})

    def anchored(self, source):
        """{task: L_i(yhat_i(x_s), y_i)} by M_t's weights; empty without an anchor."""
        if not self.config.anchor:
            return {}
        with stored_statistics(self.anchor_net):
            return losses(self.anchor_net(source.image), source.labels, self.problem)

    def weighed(self, own, anchor):
        """Each task's loss on target and, times its weight, on source."""
        return per_task(own, {name: self.config.anchor * loss for name, loss in anchor.items()})

    def contour_term(self, features, target):
        return contour_loss(self.contour_decoder, features, target.clean)

    def predict(self, image):
        return self.target_net(image)
