"""DAKD-MT (ours): DAKD's distillation for depth and normals too. Not defined by its authors, not their method.

The stages, words and paradigms of dakd, an auxiliary head for every task. Segmentation: dakd's losses. What is ours:
- depth: |ln d_S - ln d_T|, at the auxiliary level with lambda_mse, at the final one with lambda_pt;
- normals: 1 - cos, at the same levels with the same weights;
- final levels only where the teacher's segmentation is not sky; no KL term, and no adversary, beside segmentation's.
For a weighting rule (`method.weighting=pcgrad`) all terms of a task, of both domains, are one.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.tasks import task
from bench.tasks.contract import upsampled
from methods.parts.compression import Distillation
from methods.parts.distances import REGRESSIONS, mean_where


class Method(Distillation):
    @dataclass(kw_only=True)
    class Config(Distillation.Config):
        heads: str = "all"

    def distilled(self, student, teacher):
        terms = super().distilled(student, teacher)
        sky = self.problem.sky
        for name in (name for name in student["final"] if name != "semseg"):
            feature, output = (self.apart(name, level, student, teacher) for level in ("auxiliary", "final"))
            classes = upsampled(teacher["final"]["semseg"], output.shape[-2:]).argmax(1, keepdim=True)
            seen = None if sky is None else classes != sky
            terms[f"{name}_feature"] = self.config.lambda_mse * feature.mean()
            terms[name] = self.config.lambda_pt * mean_where(output, seen)
        return terms

    def apart(self, name, level, student, teacher):
        """How far student and teacher are apart, B 1 h w: |ln d_S - ln d_T| or 1 - cos."""
        a, b = (task(name).canonical(raw, self.problem) for raw in self.paired(name, level, student, teacher))
        return REGRESSIONS[name](a, b, self.problem)
