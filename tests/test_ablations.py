"""The command lines in the methods' docstrings are understood, all runs of each, and are of that very method."""

from __future__ import annotations

import importlib
import re
import shlex

import pytest

from bench import plugins
from bench.config import compose_run, sweep

LINES = [
    (name, line)
    for name, module in sorted(plugins.methods().items())
    if module.startswith("methods.")
    for line in re.findall(
        r"python -m bench\.run ([^\n]*(?:\\\n[^\n]*)*)", importlib.import_module(module).__doc__ or ""
    )
]
SYSTEMS = {  # what the four systems are asked to be taken apart by
    "umadapt": ("method.lam=10,0",),
    "diga": ("method.mix=true,false", "method.consensus=true,false"),
    "dakd": ("method.paradigm=source,target,both,sequential",),
    "universal_uda": ("method.teachers=adapted,source",),
}


@pytest.mark.parametrize(("method", "line"), LINES)
def test_a_docstrings_command_is_understood(method, line):
    words = [word for word in shlex.split(line) if word != "--multirun"]
    runs = [compose_run(found) for found in sweep(words)]
    assert runs and {run.method for run in runs} == {method}


@pytest.mark.parametrize("method", SYSTEMS)
def test_each_system_says_how_it_is_taken_apart(method):
    lines = [line for name, line in LINES if name == method]
    assert all(any(words in line for line in lines) for words in SYSTEMS[method])
