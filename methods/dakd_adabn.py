"""DAKD on the target's BatchNorm statistics (ours): dakd, then one pass of adabn over its student.

Not the paper's method, though near to what its release scores: networks in train mode, normalised by each test image.
DAKD's stored statistics are those of source and target in turn; beside adabn, this row shows what its training adds.
Every word of methods/dakd.py is `method.base.` here, and the chain is trained once for both.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from methods.parts.compression import Distillation
from methods.parts.target_statistics import TargetStatistics


class Method(TargetStatistics):
    @dataclass(kw_only=True)
    class Config(TargetStatistics.Config):
        base: Distillation.Config = field(default_factory=Distillation.Config)

        def network(self, problem):
            return self.base.network(problem)

    def network(self, base):
        return base.net.net  # without the auxiliary heads
