"""Child processes: forked from a server that runs no threads and has loaded, once, what each of them needs."""

from __future__ import annotations

import multiprocessing
import sys
from multiprocessing.context import ForkServerContext


def children(*modules: str) -> ForkServerContext:
    """The context to start them from. A forked child of a process that runs threads may hang; a server's does not.

    modules: what the server loads besides what this process has loaded of ours. The first call of a process decides:
    its server starts with the first child. The main module is not among it, for a child runs that again by its name.
    """
    program = getattr(sys.modules["__main__"], "__spec__", None)
    ours = [name for name in sys.modules if name.partition(".")[0] in ("bench", "datasets")]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*(name for name in ours if program is None or name != program.name), *modules])
    return context
