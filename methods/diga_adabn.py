"""DiGA on the target's BatchNorm statistics (ours): diga, then one pass of adabn over its student.

Not the paper's method. DiGA's stored statistics are those of its source views and mixed images; where the shift is
mostly one of statistics, adabn beats it for that alone. Beside adabn, this row shows what its training adds.
Every word of methods/diga.py is `method.base.` here, and the chain is trained once for both.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from methods.parts.rounds import Rounds
from methods.parts.target_statistics import TargetStatistics


class Method(TargetStatistics):
    @dataclass(kw_only=True)
    class Config(TargetStatistics.Config):
        base: Rounds.Config = field(default_factory=Rounds.Config)
