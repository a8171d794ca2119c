"""DiGA-MT (ours): DiGA's distillation and self-training for every task. Not defined by its authors, not their method.

The stages of methods/diga.py, on one encoder with a decoder a task. What is ours:
- distillation across the two views for every task: |ln d' - ln d| for depth, 1 - cos for normals, weights 1 and r
  like segmentation's. CrDoMix keeps the geometry, so both views show the same depth and normals;
- self-training: depth and normals inside M are the source's labels, outside the teacher's outputs, only where the
  consensus of segmentation holds and is not sky.
Translator, offline labels and centroids stay segmentation's. Words and ablations are those of methods/diga.py:
    python -m bench.run --multirun method=diga_mt split=minicity seed=0,1,2 method.consensus=true,false
`method.tasks=[semseg,depth]` adapts some tasks only; `method.weighting=pcgrad` and its like (parts/weighting.py): a
rule for the tasks, each with its source, target and distillation terms, in the warm-up and in every round.
"""

from __future__ import annotations

from dataclasses import dataclass

from methods.parts.rounds import Rounds


class Method(Rounds):
    @dataclass(kw_only=True)
    class Config(Rounds.Config):
        tasks: tuple[str, ...] | None = None  # all of the split's
