"""The signals that ask a process to stop, and how the processes it starts are kept from hearing them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

ASKING = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)  # a scheduler sends any of them, to every process of a job


@contextmanager
def deaf() -> Iterator[None]:
    """What is started in this block never hears them: a worker that a signal kills takes its batch along.

    A blocked signal stays blocked in children, through fork and exec; a handler or "ignore" set in Python would not.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
