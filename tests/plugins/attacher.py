"""Two stages: an in-order pass that writes a map an image, and a stage that gets it back with the augmented images."""

from dataclasses import dataclass, field

import torch

from bench.stage import Stage
from methods.parts.supervised import Supervised, losses


class Writer(Stage):
    @dataclass(kw_only=True)
    class Config(Stage.Config):
        draw = "in order"
        reads = ("target",)

    def step(self, t, source, target):
        ones = torch.ones_like(target.image[:, 0])
        identity = target.ids.view(-1, 1, 1) * ones
        return {"identity": identity, "green": target.clean[:, 1], "mean": target.image.mean()}


class Method(Supervised):
    @dataclass(kw_only=True)
    class Config(Supervised.Config):
        reads = ("source", "target")
        role = ""
        attach = ("writer",)
        writer: Writer.Config = field(default_factory=Writer.Config)

    def step(self, t, source, target):
        mine = target.attached["writer.identity"].flatten(1)
        assert (mine == target.ids[:, None]).all(), "the maps of other images travel with these"
        # geometry alike: the green channel written is the green channel seen (no zoom, no photometry here)
        assert torch.equal(target.attached["writer.green"], target.clean[:, 1])
        terms = losses(self.net(source.image), source.labels, self.problem)
        self.optim.minimise(sum(terms.values()))
        return terms
