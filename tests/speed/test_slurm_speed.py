"""Ten thousand runs are planned in seconds and in little memory; simulating them takes as little."""

from __future__ import annotations

import resource
import time

from slurm import estimate, simulate, sweep
from slurm.settings import Settings

RUNS = 10_000
LINE = (
    "method=source_only,adabn,umadapt,dacs,minent", "split=minicity,minicity_night", "network.lr=1e-3,2e-3,4e-3,8e-3",
    "seed=range(250)",
)  # fmt: skip


def test_planning_ten_thousand_runs(benchmark, tmp_path):
    words = [*LINE, f"store={tmp_path}"]
    sweep.plan([*LINE[:3], "seed=0", f"store={tmp_path}"])  # plug-ins are imported once, whoever comes first
    began = time.process_time()
    found = benchmark.pedantic(sweep.plan, args=(words,), rounds=1)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\n{RUNS} runs, {len(found.jobs)} jobs: {seconds:.1f} s of one core, {peak:.2f} GiB at the peak")
    assert len(found.lines) == RUNS
    assert seconds < 10 and peak < 1


def test_simulating_ten_thousand_runs(benchmark, tmp_path):
    planned = sweep.plan([*LINE, f"store={tmp_path}"])
    settings = Settings(parallel=256, preemptions=0.5)
    seconds, _ = estimate.seconds(planned, settings)
    jobs = list(planned.jobs.values())
    found = benchmark.pedantic(simulate.simulate, args=(jobs, seconds, settings, 256), rounds=1)
    assert found.wall > found.longest
