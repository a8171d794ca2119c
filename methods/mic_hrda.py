"""MIC on HRDA: masked image consistency at two scales (Hoyer, Dai, Wang, Van Gool, CVPR 2023), their headline.

"MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation", arXiv 2212.01322. One stage: hrda's step, and
mic's pass over the hidden target image, at both scales like every other: context, and details in a window of its own,
with the details' own share of the loss. `method.weight=0` is hrda. Differs: as mic, and as hrda.
"""

from __future__ import annotations

from dataclasses import dataclass

from methods.parts.high_resolution import HighResolution
from methods.parts.masked import Masked


class Method(Masked, HighResolution):
    @dataclass(kw_only=True)
    class Config(Masked.Config, HighResolution.Config):
        pass
