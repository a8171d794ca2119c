"""Freed memory stays with the process: what one step gave back, the next one does not ask the kernel for."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

STEPS = """
import resource, torch
{before}
def step():
    maps = [torch.ones(2_000_000) for _ in range(8)]  # 8 MB each
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step(); step()
began = faults()
for _ in range(10): step()
print(faults() - began)
"""


def faults_of_ten_steps(before: str) -> int:
    run = subprocess.run(
        [sys.executable, "-c", STEPS.format(before=before)], check=True, capture_output=True, text=True
    )
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_steps_stop_asking_the_kernel_for_memory_that_they_have_just_freed():
    as_it_is = faults_of_ten_steps("")
    kept = faults_of_ten_steps("from bench.memory import keep_freed_memory; keep_freed_memory()")
    assert as_it_is > 100 and kept < as_it_is / 4  # how many there are depends on the kernel's pages
