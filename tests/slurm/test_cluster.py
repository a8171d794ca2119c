"""A real Slurm, real preemption, a dead node, a scancel: the records end as those of a straight sweep, to the bit.

A stage is held in mid-training until Slurm's signal wakes it, so that what is done to it always meets it there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slurm import cancel, launch, resume, scheduler, state
from slurm.job import lives
from tests.slurm import tiny
from tests.slurm.cluster import LARGEST_ARRAY, Cluster, tail, why_not

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]
METHODS = "method=source_only,adabn"
LONG = ("split.budget=200", "save_minutes=0.01")  # a checkpoint every 0.6 s, the first before a tenth of the steps
PATIENCE = 600.0  # seconds in which nothing at all happens
ON_A_GPU = ("slurm.gpus=1", "slurm.cpus=2", "slurm.partition=low", "slurm.minutes=40")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    if reason := why_not():
        if os.environ.get("CI"):
            pytest.fail(f"in CI this must run: {reason}")
        pytest.skip(reason)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (cluster.environment | {"PYTHONPATH": str(Path(__file__).parents[2])}).items():
                patch.setenv(name, value)
            yield cluster
    finally:
        cluster.stop()


@pytest.fixture(autouse=True)
def _here(slurm, monkeypatch, tmp_path):
    """Each test begins with an empty queue, whatever became of the one before."""
    monkeypatch.chdir(tmp_path)
    yield
    slurm.clear()


@pytest.fixture(scope="module")
def straight(slurm, tmp_path_factory):
    """Waits for the store of the same sweep by one process that nobody disturbs; it runs while Slurm waits."""
    store = tmp_path_factory.mktemp("straight")
    ours = [word for word in tiny.words(store, METHODS, *LONG) if not word.startswith("slurm.")]
    running = subprocess.Popen([sys.executable, "-m", "bench.run", "--multirun", *ours])

    def wait() -> Path:
        assert running.wait(1800) == 0
        return store

    yield wait
    running.kill()
    running.wait()


def go(store, *words):
    return launch.main(tiny.words(store, *ON_A_GPU, *words))


def found(store):
    sweep = tiny.opened(store)
    return state.states(sweep, scheduler.queue(sweep.name))


def until(slurm, store, condition, what, every=1.0):
    """Wait for what the states say, as long as they change; if it does not come, they and their logs are told."""
    last, since = None, time.monotonic()
    while not condition(states := found(store)):
        if states != last:
            last, since = states, time.monotonic()
        assert not slurm.ended(), slurm.ended()
        told = [f"{n}: {s.kind} {s.note} {s.message} {tail(s.log) if s.log else ''}" for n, s in states.items()]
        assert time.monotonic() < since + PATIENCE, "\n".join([f"it does not come: {what}", slurm.queue(), *told])
        time.sleep(every)


def until_done(slurm, store):
    until(slurm, store, lambda states: {one.kind for one in states.values()} == {"done"}, "all jobs are done")


def hold(slurm, store):
    """Let a stage stand still in mid-training, a checkpoint of this life behind it; its job's name.

    It is awake again when Slurm signals it.
    """
    sweep, held = tiny.opened(store), []

    def caught(states):
        stages = [name for name, job in sweep.jobs.items() if job.work == "stage"]
        assert {states[name].kind for name in stages} != {"done"}, "all stages ended before one was held"
        held.extend(name for name in stages if freeze(sweep, sweep.jobs[name]))
        return held

    until(slurm, store, caught, "a stage has saved and still trains", every=0.1)
    return held[0]


def freeze(sweep, job):
    """Stop the process of a stage that has saved since it started."""
    folder, known = state.work_folder(sweep.of(job)), lives(sweep.of(job))
    saved = folder / "state.pt" if folder else None
    if not (saved and saved.exists() and known[-1]["event"] == "start" and saved.stat().st_mtime > known[-1]["time"]):
        return False
    process = int((sweep.of(job) / "starts").read_text().split()[-1])
    try:
        os.kill(process, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    return not (folder / "product.pt").exists()


def starts(store, name):
    sweep = tiny.opened(store)
    return [life for life in lives(sweep.of(sweep.jobs[name])) if life["event"] == "start"]


def restarts(store):
    """{method: how often the jobs that trained it were started again}, by the records."""
    return {method: one["restarts"] for (method, _), one in tiny.whole_records(store).items()}


def node_of(slurm, store, name):
    return slurm.call("squeue", "-h", "-j", state.ids(tiny.opened(store).folder)[name], "-o", "%N").strip()


def test_a_sweep_preempted_by_a_job_of_higher_priority_and_hit_by_a_dead_node_goes_on_by_itself(
    slurm, straight, tmp_path
):
    assert go(tmp_path, METHODS, *LONG) == 0
    name = hold(slurm, tmp_path)
    more = ("--gres=gpu:1", "-c", "2", "-t", "5", "-o", "/dev/null", "--wrap=sleep 1")
    slurm.call("sbatch", "-p", "high", "-w", node_of(slurm, tmp_path, name), *more)
    until(slurm, tmp_path, lambda states: states[name].kind == "preempted", f"{name} is preempted")
    sent = (tiny.opened(tmp_path).folder / "submitted.jsonl").read_text()
    assert go(tmp_path, METHODS, *LONG) == 0  # launching again submits nothing: all of it is queued
    assert (tiny.opened(tmp_path).folder / "submitted.jsonl").read_text() == sent
    assert hold(slurm, tmp_path) == name
    node = node_of(slurm, tmp_path, name)
    slurm.kill_node(node)
    slurm.start_node(node)
    until_done(slurm, tmp_path)
    assert len(starts(tmp_path, name)) == 3
    tiny.same_bits(tmp_path, straight())
    assert restarts(tmp_path) == {"source_only": 2, "adabn": 2}  # it is the base of both
    assert "source_only" in (tiny.opened(tmp_path).folder / "table.md").read_text()


def test_a_sweep_of_which_a_job_was_scancelled_and_then_all_were_cancelled_is_resumed(slurm, straight, tmp_path):
    assert go(tmp_path, METHODS, *LONG) == 0
    name = hold(slurm, tmp_path)
    slurm.call("scancel", state.ids(tiny.opened(tmp_path).folder)[name])
    until(slurm, tmp_path, lambda states: not slurm.queue(), "what needed it has given up")
    assert found(tmp_path)[name].kind in ("lost", "preempted")
    assert resume.main([f"store={tmp_path}"]) == 0
    assert hold(slurm, tmp_path) == name
    assert cancel.main([f"store={tmp_path}"]) == 0
    until(slurm, tmp_path, lambda states: not slurm.queue(), "cancel leaves no job")
    assert resume.main([f"store={tmp_path}"]) == 0
    until_done(slurm, tmp_path)
    assert len(starts(tmp_path, name)) == 3
    tiny.same_bits(tmp_path, straight())


def test_more_jobs_than_an_array_may_have_go_in_several_and_all_are_done(slurm, tmp_path):
    assert scheduler.largest_array() == LARGEST_ARRAY
    seeds = ",".join(map(str, range(LARGEST_ARRAY + 3)))
    assert go(tmp_path, "slurm.gpus=0", "slurm.cpus=1", "method=source_only", f"seed={seeds}") == 0
    sent = (tiny.opened(tmp_path).folder / "submitted.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["jobs"]) for line in sent] == [1, 4, 3, 4, 3, 4, 3, 1]
    stages = [name for name in tiny.opened(tmp_path).jobs if name.startswith("stage")]
    until(slurm, tmp_path, lambda states: {states[name].kind for name in stages} == {"done"}, "all stages are done")
    assert cancel.main([f"store={tmp_path}"]) == 0  # scoring them all would show no more


def test_a_partition_that_is_not_there_leaves_nothing_in_the_queue(slurm, tmp_path, capsys):
    assert go(tmp_path, METHODS, "slurm.partition=lwo") == 1
    assert "nothing was submitted" in capsys.readouterr().err
    assert not tiny.opened(tmp_path).folder.joinpath("submitted.jsonl").read_text()
    assert not slurm.queue()


def test_two_nodes_train_one_stage_together(slurm, tmp_path):
    """The ranks find each other; the record says that there were two."""
    assert go(tmp_path, "slurm.nodes=2", "method=source_only") == 0
    until_done(slurm, tmp_path)
    (record,) = tmp_path.glob("runs/*/*/record.json")
    assert json.loads(record.read_text())["world"] == 2
