"""MIC: masked image consistency on top of DAFormer (Hoyer, Dai, Wang, Van Gool, CVPR 2023).

"MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation", arXiv 2212.01322. One stage: daformer's step,
and a third pass of the student over the target image with 70 % of its blocks hidden, against the label that the teacher
gives the whole image, weighted by the same share of sure pixels. The student is evaluated.

`method.weight=0` is daformer; `method.ratio=0` hides nothing. With `method.consistency=all` (ours) the hidden pixels of
depth and normals are learnt too. The published headline is MIC on HRDA; this is MIC on DAFormer, their second base.

Differs: blocks are 1/16 of the crop's shorter side, what 32 and 64 pixels are of the paper's crops; hidden blocks show
ImageNet's mean colour (the authors': 0 after normalisation, the same); the masked pass leaves no trace in the stored
BatchNorm statistics, which grey blocks would spoil (the authors' encoder has layer norms). Else as daformer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench.nets.backbone import MEAN
from bench.rng import uniforms
from methods.parts.anchored import Anchored
from methods.parts.selftraining import Believed, untracked


class Method(Anchored):
    @dataclass(kw_only=True)
    class Config(Anchored.Config):
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
        with untracked(self.net):
            raw = self.net(image)
        return self.believed_losses("masked", raw, Believed(image, pseudo.labels, pseudo.weight))

    def hide(self, t, image, ids):
        """The image with each block hidden with the chance `ratio`, each image by numbers of its own."""
        height, width = image.shape[-2:]
        side = max(1, round(self.config.block * min(height, width)))
        rows, columns = -(-height // side), -(-width // side)
        dealt = uniforms(ids, rows * columns, self.problem.seed, "blocks", t).view(-1, 1, rows, columns)
        seen = (dealt >= self.config.ratio).repeat_interleave(side, 2).repeat_interleave(side, 3)
        return torch.where(seen[..., :height, :width], image, image.new_tensor(MEAN).view(3, 1, 1))
