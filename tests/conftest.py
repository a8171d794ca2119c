"""What every test runs under: one thread, no ranks, no terminal, random numbers that depend on the test alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from bench.rng import reseed

FROM_OUTSIDE = (  # words of torchrun, Slurm and terminals that would change what a test sees
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
    "SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID", "FORCE_COLOR", "TTY_COMPATIBLE",
)  # fmt: skip


def pytest_configure() -> None:
    """Here and in every process that a test starts."""
    for name in FROM_OUTSIDE:
        os.environ.pop(name, None)
    os.environ |= {"OMP_NUM_THREADS": "1", "NO_COLOR": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent / "speed" in item.path.parents:
            item.add_marker("speed")


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> None:
    """A test draws the same numbers alone as in any order with others."""
    reseed("test", request.node.nodeid)
