"""A plug-in whose predictions have the wrong channels: the contract suite must name them."""

from dataclasses import dataclass

from methods.parts.supervised import Supervised


class Method(Supervised):
    @dataclass(kw_only=True)
    class Config(Supervised.Config):
        role = ""

    def predict(self, image):
        return {name: raw[:, :1] for name, raw in self.net(image).items()}
