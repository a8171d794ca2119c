"""A job on its node: its lives, its end, signals, requeue; the work itself is a script of a line here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slurm import job
from slurm.job import BEAT, DONE, FAILED, STOPPED, lives

ROOT = Path(__file__).parents[2]
START = """
import sys
from slurm import job
job.SECONDS = 0.2
job.command = lambda asked, place: [sys.executable, "-c", {!r}]
job.run({!r})
"""
SLEEP = "import time; time.sleep(60)"
STOPS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(tmp_path):
    """The folder of a job of a sweep."""
    folder = tmp_path / "sweep" / "jobs" / "stage-1"
    folder.mkdir(parents=True)
    describe(folder)
    return folder


def describe(folder, **more):
    about = {"work": "stage", "needs": [], "gpus": 0, "nodes": 1, "words": [], "cwd": "."}
    (folder / "job.json").write_text(json.dumps(about | more))


def begin(place, work, **environment):
    words = [sys.executable, "-c", START.format(work, str(place)), "submitit"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(place, work, **environment) -> int:
    with begin(place, work, **environment) as process:
        process.communicate(timeout=60)
    return process.returncode


def events(place):
    return [life["event"] for life in lives(place)]


def failure(place):
    return json.loads((place / FAILED).read_text())["reason"]


def test_work_that_ends_well_is_done(place):
    assert run(place, "") == 0
    assert (place / DONE).exists()
    assert events(place) == ["start", "done"]


def test_work_that_fails_says_so_and_stops_nobody_else(place):
    assert run(place, "raise SystemExit(3)") == 1
    assert failure(place) == "error" and events(place) == ["start", "failed"]
    assert not (place / DONE).exists()


def test_the_reason_that_the_work_gave_is_kept(place):
    text = '{"reason": "not finite", "message": ""}'
    work = f"open({str(place / FAILED)!r}, 'w').write({text!r}); raise SystemExit(1)"
    run(place, work)
    assert failure(place) == "not finite"


def test_work_killed_for_its_memory_has_a_reason_of_its_own(place):
    assert run(place, "import os; os.kill(os.getpid(), 9)") == 1
    assert failure(place) == "killed"


def test_a_job_whose_need_is_not_done_fails_at_once_and_starts_nothing(place):
    describe(place, needs=["stage-0"])
    assert run(place, "raise SystemExit(3)") == 1
    assert failure(place) == "needs" and events(place) == ["failed"]
    (place.parent / "stage-0").mkdir()
    (place.parent / "stage-0" / DONE).touch()
    assert run(place, "") == 0 and not (place / FAILED).exists()


def test_a_collector_takes_what_is_there(place):
    describe(place, needs=["stage-0"], work="collect")
    assert run(place, "") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_each_signal_that_a_scheduler_sends_stops_the_work_which_asks_to_be_run_again(place, number):
    with begin(place, STOPS) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 75
    assert events(place) == ["start", "stopped"] and not (place / FAILED).exists()
    assert run(place, "") == 0


def test_work_that_a_signal_ends_before_it_listens_is_stopped_and_not_failed(place):
    with begin(place, SLEEP) as process:
        wait_for(lambda: events(place) == ["start"])
        time.sleep(0.5)
        process.send_signal(signal.SIGUSR2)
        process.communicate(timeout=60)
    assert process.returncode == 75 and events(place) == ["start", "stopped"]


def test_a_stop_of_one_rank_of_many_is_a_stop_though_torchrun_calls_it_a_failure(place):
    work = f"open({str(place / STOPPED)!r}, 'w'); open({str(place / FAILED)!r}, 'w'); raise SystemExit(1)"
    assert run(place, work) == 75
    assert events(place) == ["start", "stopped"] and not (place / FAILED).exists()


def test_a_killed_job_leaves_a_life_without_an_end_and_the_next_one_starts(place):
    with begin(place, SLEEP) as process:
        wait_for(lambda: (place / BEAT).exists())
        process.kill()
        process.communicate(timeout=60)
    assert events(place) == ["start"]
    assert run(place, "") == 0
    assert events(place) == ["start", "start", "done"]


def test_two_jobs_never_work_in_one_folder(place):
    with begin(place, SLEEP) as first:
        wait_for(lambda: events(place) == ["start"])
        with begin(place, "") as second:
            assert second.stdout.readline().startswith("waiting:")
            assert events(place) == ["start"]
            first.terminate()
            first.communicate(timeout=60)
            second.communicate(timeout=60)
    assert second.returncode == 0 and events(place) == ["start", "stopped", "start", "done"]


def test_a_job_that_was_started_anew_on_another_node_ends_itself_and_touches_nothing(place):
    with begin(place, SLEEP) as process:
        wait_for(lambda: events(place) == ["start"])
        with open(place / "lives.jsonl", "a") as file:
            file.write(json.dumps({"event": "start", "host": "elsewhere", "pid": 1, "time": 0, "step": -1}) + "\n")
        process.communicate(timeout=60)
    assert process.returncode == 1 and events(place) == ["start", "start"]


def test_a_job_of_another_host_is_alive_while_it_beats(place):
    life = {"event": "start", "host": "elsewhere", "pid": 1}
    assert not job.alive(place, life)
    (place / BEAT).touch()
    assert job.alive(place, life)
    os.utime(place / BEAT, (0, time.time() - job.STALE - 1))
    assert not job.alive(place, life)


def test_the_number_of_a_process_that_is_another_program_now_is_not_the_job(place):
    with subprocess.Popen(["sleep", "60"]) as other:
        assert not job.alive(place, {"host": os.uname().nodename, "pid": other.pid})
        other.kill()


def test_a_job_that_starts_again_and_again_from_the_same_checkpoint_is_given_up(place):
    for _ in range(job.LIVES_WITHOUT_PROGRESS):
        job.start(place)
        assert not job.stuck(place)
    assert run(place, "") == 1 and failure(place) == "stuck"
    assert run(place, "") == 0  # asked for once more, it gets as many chances again


def test_a_job_that_gets_further_every_time_may_start_as_often_as_it_needs(place, tmp_path):
    (place / "key.json").write_text(json.dumps({"folder": str(tmp_path)}))
    for hour in range(3 * job.LIVES_WITHOUT_PROGRESS):
        (tmp_path / "state.pt").touch()
        os.utime(tmp_path / "state.pt", (0, 3600 * hour))
        job.start(place)
        assert not job.stuck(place)


def test_a_torn_line_of_lives_is_no_life(place):
    job.start(place)
    with open(place / "lives.jsonl", "a") as file:
        file.write('{"event": "do')
    assert events(place) == ["start"]


# several GPUs, several nodes


def test_one_gpu_needs_no_launcher():
    asked = {"work": "stage", "gpus": 1, "nodes": 1}
    assert job.command(asked, Path("f"))[1:] == ["-m", "bench.job", "f"]
    assert job.command(asked | {"work": "score", "gpus": 4, "nodes": 2}, Path("f"))[1:] == ["-m", "bench.job", "f"]


def test_the_gpus_of_a_node_are_ranks_of_one_torchrun():
    words = job.command({"work": "stage", "gpus": 4, "nodes": 1}, Path("f"))
    assert words[1:] == ["-m", "torch.distributed.run", "--nproc-per-node=4", "--standalone", "-m", "bench.job", "f"]


def test_the_ranks_of_several_nodes_find_each_other_from_slurms_environment(monkeypatch):
    found = []
    for node in "01":
        monkeypatch.setenv("SLURM_NODEID", node)
        monkeypatch.setenv("SLURM_JOB_ID", "4711")
        monkeypatch.setenv("SLURM_LAUNCH_NODE_IPADDR", "10.0.0.3")
        found.append(job.command({"work": "stage", "gpus": 2, "nodes": 2}, Path("f")))
    assert "--node-rank=0" in found[0] and "--node-rank=1" in found[1]
    for words in found:
        assert {"--nnodes=2", "--master-addr=10.0.0.3", "--master-port=24711"} < set(words)


def test_only_the_first_node_writes(place):
    assert run(place, "", SLURM_NODEID="1") == 0
    assert events(place) == [] and not (place / DONE).exists()


# requeue


def scontrol(folder, state):
    """A scontrol that knows one job and notes what it is asked."""
    program = folder / "scontrol"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/asked\n[ "$1" = show ] && echo "JobId=7 JobState={state}"\nexit 0\n'
    )
    program.chmod(0o755)
    return folder / "asked"


def requeues(place, tmp_path, monkeypatch, state):
    asked = scontrol(tmp_path, state)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    answer = job.requeue(place)
    return answer, asked.read_text() if asked.exists() else ""


def test_a_stopped_job_asks_slurm_to_run_it_again(place, tmp_path, monkeypatch):
    answer, asked = requeues(place, tmp_path, monkeypatch, "RUNNING")
    assert answer and asked.splitlines()[-1] == "requeue 7_3"


@pytest.mark.parametrize("state", ["CANCELLED", "PENDING", "COMPLETING"])
def test_a_job_that_somebody_cancelled_or_that_slurm_put_back_itself_does_not(place, tmp_path, monkeypatch, state):
    answer, asked = requeues(place, tmp_path, monkeypatch, state)
    assert not answer and "requeue" not in asked


def test_a_job_of_a_cancelled_sweep_does_not_come_back(place, tmp_path, monkeypatch):
    (place.parents[1] / "cancelled").touch()
    assert requeues(place, tmp_path, monkeypatch, "RUNNING") == (False, "")


def test_without_scontrol_the_resume_command_has_to_do_it(place, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert job.requeue(place) is False


def test_what_a_node_runs_imports_nothing_heavy_before_its_ears_are_open():
    program = "import sys, slurm.job; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"torch", "numpy", "hydra", "submitit", "bench"} & set(done.stdout.split())


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
