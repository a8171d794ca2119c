"""A real Slurm, real preemption, a dead node, a scancel: the records end as those of a straight sweep, to the bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slurm import cancel, launch, resume, scheduler, state
from slurm.job import lives
from tests.slurm import tiny
from tests.slurm.cluster import Cluster, why_not

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]
METHODS = "method=source_only,adabn"
SECONDS = 40.0  # of a stage: long enough to be preempted in, on any machine


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
def _here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def straight_run(store, *words):
    """One process that nobody disturbs."""
    ours = [word for word in tiny.words(store, *words) if not word.startswith("slurm.")]
    subprocess.run([sys.executable, "-m", "bench.run", "--multirun", *ours], check=True)


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """The words of a stage that takes SECONDS on this machine."""
    store = tmp_path_factory.mktemp("pace")
    straight_run(store, "method=source_only")
    (log,) = store.glob("runs/*/*/log.jsonl")
    pace = json.loads(log.read_text().splitlines()[-1])["seconds"] / 6
    return (f"split.budget={min(4000, max(20, round(SECONDS / pace)))}", "save_minutes=0.03")


@pytest.fixture(scope="module")
def straight(tmp_path_factory, long):
    """The store of the same sweep."""
    store = tmp_path_factory.mktemp("straight")
    straight_run(store, METHODS, *long)
    return store


def go(store, *words):
    more = ("slurm.gpus=1", "slurm.cpus=2", "slurm.partition=low", "slurm.minutes=40", "slurm.copy=false", *words)
    return launch.main(tiny.words(store, METHODS, *more))


def found(store):
    sweep = tiny.opened(store)
    return state.states(sweep, scheduler.queue(sweep.name))


def until(store, condition, seconds=900):
    """Wait for what the states say; they are printed if it does not come."""
    end = time.monotonic() + seconds
    while not condition(one := found(store)):
        assert time.monotonic() < end, {name: (s.kind, s.note, s.message) for name, s in one.items()}
        time.sleep(2)


def all_done(states):
    return {one.kind for one in states.values()} == {"done"}


def in_training(store):
    """The name of a stage that has saved a checkpoint and still runs; "" if there is none."""
    sweep = tiny.opened(store)
    for name, job in sweep.jobs.items():
        folder = state.work_folder(sweep.of(job))
        known = lives(sweep.of(job))
        if job.work == "stage" and folder and (folder / "state.pt").exists() and known[-1]["event"] == "start":
            return name
    return ""


def starts(store, name):
    sweep = tiny.opened(store)
    return [life for life in lives(sweep.of(sweep.jobs[name])) if life["event"] == "start"]


def test_a_sweep_preempted_by_a_job_of_higher_priority_ends_with_the_same_records(slurm, straight, long, tmp_path):
    assert go(tmp_path, *long) == 0
    until(tmp_path, lambda _: bool(in_training(tmp_path)))
    name = in_training(tmp_path)
    for node in ("n1", "n2"):
        slurm.call(
            "sbatch",
            "-p",
            "high",
            "--gres=gpu:1",
            "-c",
            "2",
            "-t",
            "5",
            "-w",
            node,
            "-o",
            "/dev/null",
            "--wrap=sleep 20",
        )
    until(tmp_path, lambda states: states[name].kind == "preempted")
    assert go(tmp_path, *long) == 0  # launching again submits nothing: all of it is queued or done
    assert len((tiny.opened(tmp_path).folder / "submitted.jsonl").read_text().splitlines()) == len(
        {job.level for job in tiny.opened(tmp_path).jobs.values()}
    ) + extra_arrays(tmp_path)
    until(tmp_path, all_done)
    assert len(starts(tmp_path, name)) == 2
    tiny.same_bits(tmp_path, straight)
    records = [json.loads(file.read_text()) for file in tmp_path.glob("runs/*/*/record.json")]
    assert {one["restarts"] for one in records} == {1}  # it is the base of both
    assert "source_only" in (tiny.opened(tmp_path).folder / "table.md").read_text()


def extra_arrays(store):
    """Levels of which one part asks for a GPU and the other does not."""
    jobs = tiny.opened(store).jobs.values()
    return len({(job.level, job.gpu) for job in jobs}) - len({job.level for job in jobs})


def test_a_sweep_whose_node_died_and_whose_job_was_scancelled_ends_with_the_same_records(
    slurm, straight, long, tmp_path
):
    assert go(tmp_path, *long) == 0
    until(tmp_path, lambda _: bool(in_training(tmp_path)))
    name = in_training(tmp_path)
    handed = state.ids(tiny.opened(tmp_path).folder)[name]
    node = slurm.call("squeue", "-h", "-j", handed, "-o", "%N").strip()
    slurm.kill_node(node)
    slurm.start_node(node)
    until(tmp_path, lambda _: len(starts(tmp_path, name)) == 2)
    until(tmp_path, lambda _: in_training(tmp_path) == name)
    slurm.call("scancel", handed)
    until(tmp_path, lambda states: states[name].kind in ("lost", "preempted") and not queued(slurm))
    assert resume.main([f"store={tmp_path}"]) == 0
    until(tmp_path, all_done)
    assert len(starts(tmp_path, name)) == 3
    tiny.same_bits(tmp_path, straight)


def queued(slurm):
    return slurm.call("squeue", "-h").strip()


def test_cancel_leaves_no_job_and_resume_continues(slurm, straight, long, tmp_path):
    assert go(tmp_path, *long) == 0
    until(tmp_path, lambda _: bool(in_training(tmp_path)))
    assert cancel.main([f"store={tmp_path}"]) == 0
    end = time.monotonic() + 120
    while queued(slurm):
        assert time.monotonic() < end
        time.sleep(1)
    assert resume.main([f"store={tmp_path}"]) == 0
    until(tmp_path, all_done)
    tiny.same_bits(tmp_path, straight)


def test_more_jobs_than_an_array_may_have_go_in_several(slurm, tmp_path):
    """MaxArraySize 11 allows the indices 0 to 10."""
    assert scheduler.largest_array() == 11
    seeds = ",".join(map(str, range(14)))
    words = ("slurm.gpus=1", "slurm.partition=low", "slurm.copy=false", "method=source_only", f"seed={seeds}")
    assert launch.main(tiny.words(tmp_path, *words)) == 0
    sent = [
        json.loads(line)["jobs"] for line in (tiny.opened(tmp_path).folder / "submitted.jsonl").read_text().splitlines()
    ]
    assert [len(jobs) for jobs in sent] == [1, 11, 3, 11, 3, 11, 3, 1]
    assert cancel.main([f"store={tmp_path}"]) == 0


def test_a_partition_that_is_not_there_leaves_nothing_in_the_queue(slurm, tmp_path, capsys):
    assert go(tmp_path, "slurm.partition=lwo") == 1
    assert "nothing was submitted" in capsys.readouterr().err
    assert not tiny.opened(tmp_path).folder.joinpath("submitted.jsonl").read_text()


def test_two_nodes_train_one_stage_together(slurm, tmp_path):
    """The ranks find each other; the record says that there were two."""
    words = ("slurm.gpus=1", "slurm.nodes=2", "slurm.partition=low", "slurm.copy=false", "method=source_only")
    assert launch.main(tiny.words(tmp_path, *words)) == 0
    until(
        tmp_path, lambda states: not {"pending", "running", "waiting", "preempted"} & {s.kind for s in states.values()}
    )
    (record,) = tmp_path.glob("runs/*/*/record.json")
    assert json.loads(record.read_text())["world"] == 2
