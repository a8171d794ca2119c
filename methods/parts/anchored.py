"""What DAFormer adds to class mixing: rare source classes more often, and features held to the pretrained encoder's."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from bench.data.sampling import Rare
from bench.tasks.contract import pooled
from methods.parts.selftraining import SelfTraining
from methods.parts.supervised import losses
from methods.parts.teacher import predicted

THINGS = frozenset(
    ("traffic light", "traffic sign", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
    + ("sign symbol", "pedestrian", "bicyclist", "object", "human", "vehicle")  # what other label spaces call them
)  # ids 6, 7 and 11 to 18 of Cityscapes
PUBLISHED = 0.005  # weight of the feature distance


class Anchored(SelfTraining):
    """Class mixing with the recipe of DAFormer."""

    @dataclass(kw_only=True)
    class Config(SelfTraining.Config):
        power: float = 1.0
        warmup: float = 0.0375  # 1,500 of 40,000
        decay: float = 0.01
        ema: float = 0.999
        memory: float = 0.025  # what 0.999 is of 40,000
        jitter: float = 0.2
        temperature: float = 0.01  # of rare-class sampling; 0: every source image once an epoch
        distance: float | None = None  # weight of the feature distance; None: 0.005 with a pretrained encoder, else 0
        same: float = 0.75  # share of a feature's cell that one thing class must cover

        def check(self, problem):
            super().check(problem)
            if self.distance and problem.network.weights_used() == "none":
                raise ValueError("the feature distance needs a pretrained encoder, this one has none: distance=0")

        def rare(self):
            return Rare(temperature=self.temperature) if self.temperature else None

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        pretrained = config.distance != 0 and problem.network.weights_used() != "none"
        self.weight = (PUBLISHED if config.distance is None else config.distance) if pretrained else 0.0
        self.frozen = copy.deepcopy(self.encoder).requires_grad_(False) if pretrained else None

    def source_losses(self, t, source):
        """The supervised losses on the source, and the feature distance."""
        features = self.net.encoder(source.image)
        terms = losses(self.net.decode(features), source.labels, self.problem)
        return terms | self.distance(features, source.image, source.labels["semseg"])

    def distance(self, features, image, label):
        """weight x the distance to the pretrained encoder's features of these images; nothing without one."""
        if self.frozen is None:
            return {}
        cells = thing_cells(label, self.problem.classes, features.shape[-2:], self.config.same)
        return {"distance": self.weight * feature_distance(features, predicted(self.frozen, image), cells)}


def thing_cells(label, classes, size, same):
    """B h w bool: the cells of a grid of `size` that one thing class covers to the share `same` or more."""
    covered = torch.zeros(len(label), *size, dtype=torch.bool, device=label.device)
    for c in (c for c, name in enumerate(classes) if name in THINGS):
        covered |= F.interpolate((label == c).float().unsqueeze(1), tuple(size), mode="area")[:, 0] >= same
    return covered


def feature_distance(features, frozen, cells):
    """The mean over the chosen cells of all ranks of the Euclidean distance. features B C h w, cells B h w."""
    gap = torch.linalg.vector_norm(features.float() - frozen.float(), dim=1)
    return pooled(torch.where(cells, gap, 0.0), cells)
