"""The same sweep on this machine: in this process, in processes that are killed, and straight; the same bits."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bench import failure, record
from bench import job as bench_job
from bench.run import main as bench_run
from slurm import launch, resume, state
from slurm.job import lives
from tests.slurm import tiny

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A store that bench.run filled, without any job."""
    store = tmp_path_factory.mktemp("straight")
    words = [word for word in tiny.words(store, "method=adabn") if not word.startswith("slurm.")]
    assert bench_run(words) == 0
    return store


def test_in_this_process_every_job_is_done_and_the_record_is_that_of_a_straight_run(straight, tmp_path, capsys):
    assert launch.main(tiny.words(tmp_path, "method=adabn", "slurm.cluster=debug")) == 0
    assert tiny.kinds(tmp_path) == {"pack": ["done"], "stage": ["done"] * 2, "predict": ["done"], "score": ["done"],
                                    "collect": ["done"]}  # fmt: skip
    tiny.same_bits(tmp_path, straight)
    assert "adabn" in (tiny.opened(tmp_path).folder / "table.md").read_text()
    assert launch.main(tiny.words(tmp_path, "method=adabn", "slurm.cluster=debug")) == 0
    assert "nothing to submit: 6 done" in capsys.readouterr().out


def test_a_failed_run_stops_nobody_else_and_says_why(tmp_path, monkeypatch, capsys):
    def no_luck(run, asked, folder):
        if run.method == "minent" and asked["work"] == "stage":
            raise MemoryError("no memory left")
        return train(run, asked, folder)

    train = bench_job.train
    monkeypatch.setattr(bench_job, "train", no_luck)
    words = tiny.words(tmp_path, "method=minent,source_only", "slurm.cluster=debug")
    assert launch.main(words) == 1
    kinds = tiny.kinds(tmp_path)
    assert kinds["predict"] == kinds["score"] == ["failed", "done"]
    found = state.states(tiny.opened(tmp_path), None)
    assert sorted(one.note for one in found.values() if one.kind == "failed") == ["needs", "needs", "out of memory"]
    assert "source_only" in (tiny.opened(tmp_path).folder / "table.md").read_text()
    monkeypatch.setattr(bench_job, "train", train)
    capsys.readouterr()
    assert resume.main([f"store={tmp_path}", "failed=yes"]) == 0
    assert {kind for each in tiny.kinds(tmp_path).values() for kind in each} == {"done"}


@pytest.mark.slow
def test_jobs_that_are_killed_at_any_moment_end_with_the_same_bits(tmp_path):
    """SIGKILL to whatever works, three times; the launcher, too. Then resume."""
    words = ("method=adabn", "split.budget=200", "save_minutes=0.02")
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert bench_run([word for word in tiny.words(straight, *words) if not word.startswith("slurm.")]) == 0
    ours = tiny.words(killed, *words, "slurm.cluster=local", "slurm.parallel=2")
    dice, kills = random.Random(0), 0
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-m", "slurm.launch", *ours], start_new_session=True) as launcher:
            victim = threading.Event()
            while launcher.poll() is None and not victim.wait(0.2):
                if kills < 3 and (running := at_work(killed)):
                    time.sleep(dice.uniform(0, 2))
                    for pid in running:
                        kill_tree(pid)
                    os.killpg(launcher.pid, signal.SIGKILL)
                    kills += 1
                    victim.set()
        if launcher.returncode == 0:
            break
    assert kills == 3 and launcher.returncode == 0
    tiny.same_bits(killed, straight)


def at_work(store):
    """The numbers of the stages' processes that have begun to log."""
    try:
        sweep = tiny.opened(store)
    except ValueError:
        return []
    found = []
    for job in sweep.jobs.values():
        folder, known = state.work_folder(sweep.of(job)), lives(sweep.of(job))
        if (
            job.work == "stage"
            and known
            and known[-1]["event"] == "start"
            and folder
            and (folder / "log.jsonl").exists()
        ):
            found.append(known[-1]["pid"])
    return found


def kill_tree(pid):
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in file.read_text().split():
            kill_tree(int(child))
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


@pytest.mark.slow
def test_two_ranks_of_a_stage_are_started_by_torchrun_and_rank_zero_alone_writes(tmp_path):
    words = tiny.words(tmp_path, "method=source_only", "slurm.cluster=local", "slurm.gpus=2")
    assert launch.main(words) == 0
    (record,) = tmp_path.glob("runs/*/*/record.json")
    assert json.loads(record.read_text())["world"] == 2
    (stage,) = [job for job in tiny.opened(tmp_path).jobs.values() if job.work == "stage"]
    assert len((tiny.opened(tmp_path).of(stage) / "starts").read_text().splitlines()) == 1


def test_a_sweep_runs_from_a_copy_of_the_code(tmp_path):
    from slurm import copies

    copies.copy(tmp_path)
    program = "import bench, slurm; print(bench.__file__, slurm.__file__)"
    environment = os.environ | copies.environment(tmp_path)
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment,
                          cwd=ROOT)  # fmt: skip
    assert told.stdout.split() == [str(tmp_path / "code" / name / "__init__.py") for name in ("bench", "slurm")]
    assert (tmp_path / "code" / "COMMIT").exists()


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (MemoryError("no memory"), "out of memory"),
        (failure.NotFinite("step 3"), "not finite"),
        (failure.MissingData("no folder"), "data"),
        (failure.Blocked("base"), "needs"),
        (failure.StoreError("disk full"), "store"),
        (RuntimeError("something"), "error"),
    ],
)
def test_every_failure_has_a_class(error, name):
    assert failure.reason(error) == name


def test_a_failure_in_a_methods_code_is_the_plug_ins(tmp_path):
    frame = {"__name__": "methods.mine"}
    exec("def step():\n    raise IndexError('list index')", frame)
    with pytest.raises(IndexError) as error:
        frame["step"]()
    assert failure.reason(error.value) == "plug-in"


def test_the_first_rank_to_fail_says_why(tmp_path):
    for error in (failure.NotFinite("step 3"), RuntimeError("lost its partner")):
        failure.tell(tmp_path, error)
    assert record.failure(tmp_path) == ("not finite", "NotFinite: step 3")
