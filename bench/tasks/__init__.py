"""The tasks: a file each, found by name. To add a task, add a file that exports TASK."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.tasks.contract import Task

PARTS = ("contract", "delta")  # files of this folder that are no task; none may be called task, as the function is


def names() -> tuple[str, ...]:
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in PARTS))


@cache
def task(name: str) -> Task:
    """The task of that name: the TASK of bench/tasks/<name>.py."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown task {name!r}: the tasks are {', '.join(names())}{hint}")
    found: Task = importlib.import_module(f"bench.tasks.{name}").TASK
    return found
