"""Sweeps of seconds: real methods on a few rendered images, and what their runs left."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from bench import record
from slurm import state, sweep

SMALL = (
    "split=minicity", "split.source.0.size=[64,32]", "split.source.0.limit=6", "split.target.0.size=[64,32]",
    "split.target.0.limit=6", "split.test.size=[64,32]", "split.test.limit=3", "split.crop=[64,32]", "split.budget=6",
    "split.batch=2", "network.width=4", "device=cpu", "slurm.gpus=0", "slurm.cpus=1",
)  # fmt: skip
PASSING = (  # not what was learnt
    "created", "cost", "chain", "throughput", "hardware", "commit", "dirty", "restarts", "panels",
)  # fmt: skip


def words(store: Path, *more: str) -> list[str]:
    return [*SMALL, f"store={store}", *more]


def opened(store: Path) -> sweep.Sweep:
    return sweep.read(sweep.find(store))


def kinds(store: Path, queue=None) -> dict[str, list[str]]:
    """{work: the states of its jobs}."""
    found, planned = state.states(opened(store), queue), opened(store)
    works = dict.fromkeys(job.work for job in planned.jobs.values())
    return {work: [found[n].kind for n, j in planned.jobs.items() if j.work == work] for work in works}


def whole_records(store: Path) -> dict[tuple[str, int], dict]:
    """{(method, seed): its record}."""
    whole = [json.loads(record.read(file).model_dump_json()) for file in store.glob("runs/*/*/record.json")]
    return {(one["method"], one["seed"]): one for one in whole}


def records(store: Path) -> dict[tuple[str, int], dict]:
    """{(method, seed): what its record says of what was learnt}."""
    return {
        run: {name: value for name, value in one.items() if name not in PASSING}
        | {"links": [(link["name"], link["key"], link["steps"]) for link in one["chain"]]}
        for run, one in whole_records(store).items()
    }


def products(store: Path) -> dict[str, dict]:
    """{key: the weights of a finished stage}."""
    files = sorted(store.glob("runs/*/*/product.pt"))
    return {file.parent.name: torch.load(file, weights_only=True)["module"] for file in files}


def same_bits(one: Path, other: Path) -> None:
    """Both stores hold the same stages and the same records, to the bit, and not none."""
    a, b = products(one), products(other)
    assert a.keys() == b.keys() and a
    for key, tensors in a.items():
        assert tensors.keys() == b[key].keys()
        for name, value in tensors.items():
            assert torch.equal(value, b[key][name]), (key, name)
    assert records(one) == records(other) and records(one)
