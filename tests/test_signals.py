"""What a scheduler's signals reach: the process that listens, and no worker of its."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from bench import engine
from bench.signals import ASKING, deaf


@pytest.mark.parametrize("number", ASKING)
def test_a_worker_started_deaf_lives_on_when_slurm_signals_every_process_of_a_job(number):
    with deaf():
        worker = subprocess.Popen([sys.executable, "-c", "print('up', flush=True); input(); print('alive')"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
    with worker:
        assert worker.stdout.readline() == "up\n"
        worker.send_signal(number)
        told, _ = worker.communicate("\n", timeout=30)
    assert told == "alive\n" and worker.returncode == 0


@pytest.mark.parametrize("number", ASKING)
def test_the_process_itself_hears_what_came_while_it_started_workers(number):
    with engine.listening() as stop:
        with deaf():
            os.kill(os.getpid(), number)
        assert stop.wait(5)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []).isdisjoint(ASKING)
