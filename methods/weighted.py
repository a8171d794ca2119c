"""Weighted multi-task learning: source only, with the rule that makes one update of several task losses as its axis.

One stage, the recipe of source_only; `method.weighting=WORD` (methods/parts/weighting.py says what each rule does):
equal, uncertainty, dwa, rlw, si, famo weigh the losses; pcgrad, cagrad, nash, mgda combine the shared encoder's
gradients and leave the decoders theirs. `equal` learns the bits of source_only's recipe. mgda is there as a negative
control: it follows the smallest gradient.

    python -m bench.run --multirun method=weighted method.weighting=equal,pcgrad,famo split=minicity seed=0,1,2
"""

from __future__ import annotations

from dataclasses import dataclass

from methods.parts.supervised import Supervised


class Method(Supervised):
    @dataclass(kw_only=True)
    class Config(Supervised.Config):
        role = ""  # source_only is the baseline
