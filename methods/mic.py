"""MIC: masked image consistency on top of DAFormer (Hoyer, Dai, Wang, Van Gool, CVPR 2023).

"MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation", arXiv 2212.01322. One stage: daformer's step,
and a third pass of the student over the target image with 70 % of its blocks hidden, against the label that the teacher
gives the whole image, weighted by the same share of sure pixels. The student is evaluated.

`method.weight=0` is daformer; `method.ratio=0` hides nothing. With `method.consistency=all` (ours) the hidden pixels of
depth and normals are learnt too. The published headline is MIC on HRDA, mic_hrda; this is MIC on DAFormer.

Differs: blocks are 1/16 of the crop's shorter side, what 32 and 64 pixels are of the paper's crops; hidden blocks show
ImageNet's mean colour (the authors': 0 after normalisation, the same); the masked pass leaves no trace in the stored
BatchNorm statistics, which grey blocks would spoil (the authors' encoder has layer norms). Else as daformer.
"""

from __future__ import annotations

from dataclasses import dataclass

from methods.parts.anchored import Anchored
from methods.parts.masked import Masked


class Method(Masked, Anchored):
    @dataclass(kw_only=True)
    class Config(Masked.Config, Anchored.Config):
        pass
