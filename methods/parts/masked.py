"""Masked image consistency: the student must give a target image, most of its blocks hidden, the label of the whole.

Hoyer, Dai, Wang, Van Gool, "MIC", CVPR 2023. It stands before a self-training stage: `class Method(Masked, Anchored)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench.nets.backbone import MEAN
from bench.nets.norm import batch_statistics
from bench.rng import uniforms
from methods.parts.selftraining import Believed


class Masked:
    @dataclass(kw_only=True)
    class Config:
        weight: float = 1.0  # of the masked pass
        ratio: float = 0.7  # share of hidden blocks
        block: float = 1 / 16  # side of a block, share of the crop's shorter side

        def check(self, problem):
            super().check(problem)
            if not 0 <= self.ratio < 1 or not 0 < self.block <= 1:
                raise ValueError(f"ratio {self.ratio}, block {self.block}; expected shares, the ratio below 1")

        def batchnorm(self):
            return f"{super().batchnorm()}; masked images leave no trace"

    def target_losses(self, t, source, target, pseudo):
        terms = super().target_losses(t, source, target, pseudo)
        return terms | self.masked_losses(t, target, pseudo) if self.config.weight else terms

    def weighed(self, terms):
        return {n: self.config.weight * v if n.startswith("masked_") else v for n, v in terms.items()}

    def masked_losses(self, t, target, pseudo):
        """The student on the colour-augmented target image behind a mask, against the teacher on the whole image."""
        image = self.hide(t, self.strong(t, "masked", target.image, target.ids), target.ids)
        with batch_statistics(self.net):
            return self.student_losses(t, "masked", Believed(image, pseudo.labels, pseudo.weight))

    def hide(self, t, image, ids):
        """The image with each block hidden with the chance `ratio`, each image by numbers of its own."""
        height, width = image.shape[-2:]
        side = max(1, round(self.config.block * min(height, width)))
        rows, columns = -(-height // side), -(-width // side)
        dealt = uniforms(ids, rows * columns, self.problem.seed, "blocks", t).view(-1, 1, rows, columns)
        seen = (dealt >= self.config.ratio).repeat_interleave(side, 2).repeat_interleave(side, 3)
        return torch.where(seen[..., :height, :width], image, image.new_tensor(MEAN).view(3, 1, 1))
