"""HRDA: context at half scale and details at full scale, fused by learnt attention (Hoyer, Dai, Van Gool, ECCV 2022).

"HRDA: Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation", arXiv 2204.13132. One stage: daformer's
step on class scores (1 - a) y_c + a y_d. y_c is seen in the whole crop at half scale; y_d in a window of the crop at
full scale, by the same network; a, in [0, 1] for every class and place, is read off the context's features, and is 0
where no detail was looked at (parts/scales.py). A step draws one window for the source and one for the mixed images;
the teacher, and `predict`, slide the window over the whole image by half its size and average.

    loss of a label:  (1 - 0.1) CE(fused, label) + 0.1 CE(y_d, label in the window)

`method.detail=0`: no loss of the details' own. Depth and normals (HRDA-MT, ours) are read off the context alone, whose
scale is always the same: in a window, far looks like near, and the place in the image is lost as a cue.

Differs: window and context have sides of 32 ceil(crop / 64) pixels: half the crop where that is a multiple of 32 (of a
96-pixel crop 64, so the scale is 2/3); at test the context is the whole image, once; the attention's head is a 3x3 and
a 1x1 convolution; a view shows a rare class by four times daformer's pixels (min_crop_ratio 2.0), on any crop. The
feature distance is the context's, as the authors' at scale 0.5. The rest as daformer.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.data.sampling import Rare
from bench.rng import fold
from methods.parts.anchored import Anchored
from methods.parts.scales import TwoScales, Window
from methods.parts.selftraining import weighted_cross_entropy
from methods.parts.supervised import losses


class Method(Anchored):
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

    def mixed_losses(self, t, mixed):
        """The terms of the mixed images by what is believed of them, the details' own among them."""
        window = self.window(t, "mixed", mixed.image)
        _, raw, scores = self.net.learn(mixed.image, window)
        terms = self.believed_losses("mixed", raw, mixed)
        own = weighted_cross_entropy(scores, window.of(mixed.labels["semseg"]), window.of(mixed.weight))
        return terms | self.shared("mixed_", terms, own)

    def window(self, t, what, image):
        """The window of a step, one for all images."""
        return Window.drawn(fold(self.problem.seed, "window", what, t), image.shape[-2:], self.net.window)

    def shared(self, prefix, terms, own):
        """(1 - detail) of the fused scores' loss, and detail of the details' own."""
        name, share = f"{prefix}semseg", self.config.detail
        return {name: (1 - share) * terms[name], f"{prefix}detail": share * own}
