"""Why a run failed: the class of the reason and one line, in a file beside what was asked for."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from bench import plugins
from bench.checkpoint import StoreError
from bench.config import ConfigError
from bench.domains import MissingData
from bench.engine import NotFinite
from bench.record import FAILED


class Blocked(LookupError):
    """What a job needs is not in the store."""


def reason(error: BaseException) -> str:
    """The class of a failure: what a user does about it is the same for all of a class."""
    classes: tuple[tuple[str, tuple[type[BaseException], ...]], ...] = (
        ("needs", (Blocked,)),
        ("data", (MissingData,)),
        ("settings", (ConfigError, plugins.Unknown)),
        ("not finite", (NotFinite,)),
        ("out of memory", (torch.OutOfMemoryError, MemoryError)),
        ("store", (StoreError,)),
    )
    for name, kinds in classes:
        if isinstance(error, kinds):
            return name
    modules = set(plugins.methods().values())
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = {module.rpartition(".")[0] or module for module in modules}
    if any(str(frame.f_globals.get("__name__", "")).startswith(tuple(packages)) for frame in frames):
        return "plug-in"
    return "error"


def tell(folder: Path, error: BaseException) -> None:
    """Of several ranks the first one knows why; the others only lost their partner."""
    message = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        with open(folder / FAILED, "x") as file:
            json.dump({"reason": reason(error), "message": message[:1000]}, file)
    except OSError as fault:
        if not isinstance(fault, FileExistsError):  # a full disk: the error itself is what matters
            print(f"cannot note the failure in {folder}: {fault}", file=sys.stderr)


def forget(folder: Path) -> None:
    (folder / FAILED).unlink(missing_ok=True)


@contextmanager
def noted(folder: Path) -> Iterator[None]:
    """What goes wrong within is told in the folder. To be asked to stop is no failure, and no Exception."""
    try:
        yield
    except Exception as error:
        tell(folder, error)
        raise
