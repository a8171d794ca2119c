"""Published weights: local files that fit to the last tensor, and are known by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

DIGEST = "sha256:"  # before a digest that stands, in a recipe, for a file that may since have moved
COUNTER = ".num_batches_tracked"  # of BatchNorm: no weight, and absent from older files

_replaced: ContextVar[bool] = ContextVar("replaced", default=False)


@contextmanager
def replaced() -> Iterator[None]:
    """Within, networks are built without their weight files: a finished stage's own state is about to be loaded."""
    before = _replaced.set(True)
    try:
        yield
    finally:
        _replaced.reset(before)


def load_exactly(net: nn.Module, path: str) -> None:
    """Load a local weight file; one line of ValueError if it is missing or any tensor does not fit."""
    if _replaced.get():
        return
    file = _file(path)
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        there = {name: value.shape for name, value in state.items()}
    except Exception as error:  # torch.load meets what it does not know with errors of every kind
        raise ValueError(f"network.weights: {path} is no state dict ({type(error).__name__})") from error
    wanted = {name: value.shape for name, value in net.state_dict().items()}
    optional = {name for name in wanted if name.endswith(COUNTER)} - there.keys()
    odd = sorted(name for name in (wanted.keys() | there.keys()) - optional if wanted.get(name) != there.get(name))
    if odd:
        raise ValueError(f"network.weights: {path} does not fit: {len(odd)} tensors differ, first {odd[0]}")
    net.load_state_dict(state, strict=False)


def weight_hash(path: str) -> str:
    """sha256 of a weight file, "none" if there is none: what a record and a key say about the start."""
    if path == "none" or path.startswith(DIGEST):
        return path.removeprefix(DIGEST)
    status = _file(path).stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@lru_cache
def _digest(path: str, changed: int, size: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file(path: str) -> Path:
    if not Path(path).is_file():
        raise ValueError(f'network.weights: no file "{path}"; give a local state dict, or "none" to start from scratch')
    return Path(path)
