"""HRDA's training: every loss on scores fused of context and details, with a share for the details alone.

Hoyer, Dai, Van Gool, "HRDA", ECCV 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.data.sampling import Rare
from bench.rng import fold
from methods.parts.anchored import Anchored
from methods.parts.scales import TwoScales, Window
from methods.parts.selftraining import weighted_cross_entropy
from methods.parts.supervised import losses


class HighResolution(Anchored):
    """DAFormer's step with context and details."""

    @dataclass(kw_only=True)
    class Config(Anchored.Config):
        detail: float = 0.1  # weight of the details' own loss; that of the fused scores has the rest

        def check(self, problem):
            super().check(problem)
            if not 0 <= self.detail < 1:
                raise ValueError(f"detail is {self.detail}, expected a share of the loss below 1")

        def rare(self):
            return Rare(temperature=self.temperature, crop=2.0) if self.temperature else None

        def batchnorm(self):
            return f"{super().batchnorm()}; of contexts and details in turn"

    def build(self):
        return TwoScales(super().build(), self.problem)

    @property
    def encoder(self):
        return self.net.net.encoder

    def source_losses(self, t, source):
        """The supervised losses on the source, the details' own among them, and the feature distance."""
        window = self.window(t, "source", source.image)
        features, raw, scores = self.net.learn(source.image, window)
        terms = losses(raw, source.labels, self.problem)
        label = source.labels["semseg"]
        own = losses({"semseg": scores}, {"semseg": window.of(label)}, self.problem)["semseg"]
        terms |= self.shared("", terms, own)
        return terms | self.distance(features, self.net.shrunk(source.image), label)

    def student_losses(self, t, what, believed):
        """The terms of such images by what is believed of them, the details' own among them."""
        window = self.window(t, what, believed.image)
        _, raw, scores = self.net.learn(believed.image, window)
        terms = self.believed_losses(what, raw, believed)
        label = believed.labels["semseg"]
        own = weighted_cross_entropy(scores, window.of(label), window.of(believed.weight.expand(label.shape)))
        return terms | self.shared(f"{what}_", terms, own)

    def window(self, t, what, image):
        """The window of a step, one for all images."""
        return Window.drawn(fold(self.problem.seed, "window", what, t), image.shape[-2:], self.net.window)

    def shared(self, prefix, terms, own):
        """(1 - detail) of the fused scores' loss, and detail of the details' own."""
        name, share = f"{prefix}semseg", self.config.detail
        return {name: (1 - share) * terms[name], f"{prefix}detail": share * own}
