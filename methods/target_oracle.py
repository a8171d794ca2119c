"""Target oracle: the source-only recipe on the labelled target training set; the upper bound, never ranked."""

from __future__ import annotations

from dataclasses import dataclass

from methods.parts.supervised import Supervised


class Method(Supervised):
    @dataclass(kw_only=True)
    class Config(Supervised.Config):
        oracle = True
        role = ""

        def batchnorm(self):
            return "batch statistics of the labelled target"
