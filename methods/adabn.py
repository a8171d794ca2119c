"""AdaBN (Li et al., "Revisiting Batch Normalization For Practical Domain Adaptation", ICLR workshop 2017).

The source-only network, its BatchNorm statistics estimated anew on the target's training images: one in-order pass,
every batch with equal weight, no gradient (parts/target_statistics.py). The cheapest adaptation there is, and the row
beside which others are read; what dakd_adabn and diga_adabn add to it is what their methods learn beyond statistics.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from methods.parts.supervised import Supervised
from methods.parts.target_statistics import TargetStatistics


class Method(TargetStatistics):
    @dataclass(kw_only=True)
    class Config(TargetStatistics.Config):
        base: Supervised.Config = field(default_factory=Supervised.Config)
