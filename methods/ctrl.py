"""CTRL: classes, depth and their relation aligned at once, then self-training (Saha et al., CVPR 2021).

Saha, Obukhov, Paudel, Kanakis, Chen, Georgoulis, Van Gool: "Learning to Relate Depth and Semantics for Unsupervised
Domain Adaptation", arXiv 2105.07830. Their code has no licence: this is written from the description alone. It needs
depth labels on the source.

1. relate: dada's trunk, and a head that reads classes off the depth branch's code (refinement). One discriminator sees
   the self-information maps of the classes, of the depth and of the refined classes. Depth becomes classes by 15 bins,
   log-spaced from 1 to 655.36 m: exp(-(d - bin)^2), normalised. 55k steps.
   CE + CE(refined) + 1e-3 berHu(inverse depth) + 1e-3 L_adv
2. self-training (the last stage): the same game, and the classes of stage 1 on target images, where it is surer than
   0.9, for both heads. 20k steps, 0.36 of stage 1.

Predictions are the class head's. 44.3 +- 0.6 mIoU (16 classes) is the authors' mean of five; 44.9 is their best run.
A normals head learns from source labels (CTRL-MT, ours). Ablations: `method.base.refined=0`, `method.base.adversarial=0
method.adversarial=0`, `method.self_training=0`; `method.threshold=0.9`.
`method.weighting=pcgrad` and, of stage 1, `method.base.weighting=pcgrad` and their like weigh the tasks as in dada: the
refined classes, the pseudo labels and L_adv count with segmentation.

The bins are as published. Beyond 10 m they lie so far apart that squared metres make the assignment all but hard: what
is seen of the depth there is lines, half a metre deep, midway between bins (13, 21, 33 m). Bins over the split's own
range would change little (hard beyond 13 m of 2 to 80); only another distance would, which would be another method.

Differs: the refinement head, a 3x3 and a 1x1 convolution, reads the map that the branch's code is spread to; labels are
made by the frozen stage 1 as the images come, not for all in advance; stage 2 is one round, at half the network's rate,
its optimisers new. Also what dada says of its optimisers, its depth and its berHu.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from bench.nets.backbone import conv
from bench.problem import VOID
from bench.tasks import task
from methods.parts.depth_aware import DepthAligned, DepthAware
from methods.parts.information import self_information
from methods.parts.inverse_depth import NUM_BINS, bin_scores, depth_of
from methods.parts.teacher import predicted


class Related(DepthAware):
    """forward: DepthAware's outputs, and "refined": classes read off the depth branch."""

    def __init__(self, problem):
        super().__init__(problem)
        channels = self.net.encoder.channels
        self.refine = nn.Sequential(conv(channels, channels), nn.Conv2d(channels, len(problem.classes), 1))

    def forward(self, image):
        features, code = self.branch(image)
        spread = self.back(code)
        extra = {"depth": code.mean(1, keepdim=True), "refined": self.refine(spread)}
        return self.net.decode(features * spread) | extra


class Relate(DepthAligned):
    """Stage 1."""

    @dataclass(kw_only=True)
    class Config(DepthAligned.Config):
        refined: float = 1.0  # weight of the refined classes' losses

    def start(self, given):
        return Related(self.problem), self.judges({"joint": 2 * len(self.problem.classes) + NUM_BINS})

    def supervised(self, outputs, labels):
        tasks = {name: raw for name, raw in outputs.items() if name != "refined"}
        refined = task("semseg").loss(outputs["refined"], labels["semseg"], self.problem)
        return super().supervised(tasks, labels) | {"refined": self.config.refined * refined}

    def views(self, outputs):
        depth = depth_of(outputs["depth"], (self.problem.height, self.problem.width), self.problem)
        scores = (self.large(outputs["semseg"]), bin_scores(depth), self.large(outputs["refined"]))
        return {"joint": torch.cat([self_information(raw) for raw in scores], 1)}

    def predict(self, image):
        return {name: raw for name, raw in self.net(image).items() if name != "refined"}


class Method(Relate):
    @dataclass(kw_only=True)
    class Config(Relate.Config):
        base: Relate.Config = field(default_factory=Relate.Config)
        share: float = 0.36
        slower: float = 0.5  # the learning rates, times stage 1's
        threshold: float = 0.9
        self_training: float = 1.0  # weight of the losses by pseudo labels

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.before = given["base"].build().net.requires_grad_(False)

    def pace(self):
        return self.config.slower

    def start(self, given):
        base = given["base"].build()
        return base.net, base.discriminators

    def terms(self, on_source, on_target, source, target):
        label = {"semseg": self.pseudo_label(target.clean)}
        terms = self.supervised(on_source, source.labels)
        for name in ("semseg", "refined"):
            loss = task("semseg").loss(on_target[name], label["semseg"], self.problem)
            terms[f"{name}_target"] = self.config.self_training * loss
        return terms

    def pseudo_label(self, image):
        """The classes that stage 1 sees, void where it is not surer than the threshold. B H W."""
        sureness, classes = self.large(predicted(self.before, image, "batch")["semseg"]).softmax(1).max(1)
        return torch.where(sureness > self.config.threshold, classes, VOID)
