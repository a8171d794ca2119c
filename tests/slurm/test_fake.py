"""Against a scheduler that only keeps a list: arrays, dependencies, refusals, relaunch, and one call a command."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from slurm import cancel, launch, logs, resume, state, status, sweep
from slurm.job import DONE, FAILED, note
from tests.slurm import tiny

FAKE = Path(__file__).parent / "fake" / "fake_slurm.py"


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """The scheduler's folder; its programs are on the PATH."""
    folder, programs = tmp_path / "scheduler", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    for name in ("sbatch", "squeue", "scancel", "scontrol", "srun"):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {FAKE} {name} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def go(store, *words):
    return launch.main(tiny.words(store, "method=source_only,adabn", "slurm.partition=low", "slurm.copy=false", *words))


def listed(fake):
    file = fake / "queue.json"
    return json.loads(file.read_text()) if file.exists() else []


def calls(fake, name):
    return (fake / "calls").read_text().split().count(name)


def opened(store):
    return sweep.read(sweep.find(store))


def place(store, work, number=0):
    planned = opened(store)
    return planned.of([job for job in planned.jobs.values() if job.work == work][number])


def end(store, fake, work, number=0):
    """A job has ended well: its folder says so, the queue knows it no more."""
    folder = place(store, work, number)
    note(folder, "start", id="", step=-1)
    note(folder, "done")
    (folder / DONE).touch()
    leave(store, fake, folder.name)


def leave(store, fake, name):
    handed = state.ids(opened(store).folder)[name]
    (fake / "queue.json").write_text(json.dumps([job for job in listed(fake) if job["id"] != handed]))


# arrays


def test_each_level_and_kind_of_resources_is_one_array_after_the_arrays_it_needs(fake, store):
    assert go(store, "seed=0,1,2") == 0
    arrays = {job["id"].partition("_")[0]: job["options"] for job in listed(fake)}
    sizes = [sum(job["id"].partition("_")[0] == one for job in listed(fake)) for one in arrays]
    assert sizes == [1, 3, 6, 6, 3, 1]  # pack; base; adapt, predict; predict, score; score; collect
    after = [options.get("dependency", "") for options in arrays.values()]
    assert after[0] == "" and after[1] == "afterany:101"
    assert all("afterok" not in one for one in after)  # one failure would keep a whole level from starting


def test_an_array_is_cut_at_what_the_scheduler_takes_and_the_cuts_share_the_parallelism(fake, store):
    (fake / "limit").write_text("2")
    assert go(store, "seed=0,1,2", "slurm.parallel=4") == 0
    arrays = [job["options"].get("array", "") for job in listed(fake)]
    assert {one for one in arrays if one} == {"0-1%1", "0-1%2"}


def test_jobs_are_requeueable_and_are_told_in_time(fake, store):
    go(store)
    for job in listed(fake):
        assert "requeue" in job["options"] and job["options"]["signal"] == "USR2@120"


def test_the_pickle_of_a_job_holds_a_path_and_nothing_else(fake, store):
    go(store)
    files = list((opened(store).folder / "submitit").glob("*_submitted.pkl"))
    assert len(files) == len(opened(store).jobs)
    assert all(file.stat().st_size < 2000 for file in files)


# refusals: one clear line, nothing in the queue


@pytest.mark.parametrize(
    ("words", "files", "message"),
    [
        (["slurm.partition=lwo"], {}, "Invalid partition name"),
        (["slurm.array=9999"], {"limit": "2"}, "Invalid job array specification"),
        ([], {"accept": "2", "refusal": "Job violates accounting/QOS policy"}, "the queue takes no more"),
        ([], {"accept": "3", "refusal": "Slurm temporarily unable to accept job"}, "queue is full"),
    ],
    ids=["bad partition", "array too large", "submit limit", "queue full"],
)  # fmt: skip
def test_a_refusal_is_one_clear_line_and_nothing_is_half_submitted(fake, store, capsys, words, files, message):
    for name, content in files.items():
        (fake / name).write_text(content)
    assert go(store, "seed=0,1,2", *words) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert message in told[-1] and told[-1].endswith("nothing was submitted")
    assert all(line.startswith("sbatch: error:") for line in told[:-1])  # sbatch's own words, passed on by submitit
    assert listed(fake) == []
    assert state.ids(opened(store).folder) == {}


def test_what_was_refused_is_submitted_whole_when_it_is_launched_again(fake, store):
    (fake / "accept").write_text("2")
    assert go(store) == 1
    (fake / "accept").unlink()
    assert go(store) == 0
    assert len(listed(fake)) == len(opened(store).jobs)


def test_without_sbatch_one_line_says_where_to_go(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert go(store) == 1
    assert "run this on a login node" in capsys.readouterr().err


# again


def test_a_second_launch_submits_nothing(fake, store, capsys):
    assert go(store) == go(store) == 0
    assert "nothing to submit" in capsys.readouterr().out
    assert len(listed(fake)) == len(opened(store).jobs)


def test_resume_submits_what_left_the_queue_without_an_end_and_nothing_else(fake, store):
    go(store)
    end(store, fake, "pack")
    leave(store, fake, place(store, "stage").name)  # a node that died, PreemptMode=CANCEL, a scancel
    before = len(listed(fake))
    assert resume.main([f"store={store}"]) == 0
    assert len(listed(fake)) == before + 1
    assert resume.main([f"store={store}"]) == 0
    assert len(listed(fake)) == before + 1


def test_what_failed_is_tried_again_only_on_request_and_with_all_that_needs_it(fake, store):
    go(store, "seed=0,1")
    end(store, fake, "pack")
    folder = place(store, "stage")
    note(folder, "failed")
    (folder / FAILED).write_text('{"reason": "not finite", "message": "step 3: loss is nan"}')
    (fake / "queue.json").write_text("[]")
    assert resume.main([f"store={store}"]) == 0
    names = {
        name for name, handed in state.ids(opened(store).folder).items() if handed in {j["id"] for j in listed(fake)}
    }
    assert folder.name not in names and names
    assert all(folder.name not in opened(store).jobs[name].needs or name == "collect" for name in names)
    assert resume.main([f"store={store}", "failed=yes"]) == 0
    names = {
        name for name, handed in state.ids(opened(store).folder).items() if handed in {j["id"] for j in listed(fake)}
    }
    assert folder.name in names and not (folder / FAILED).exists()
    assert names == {name for name, job in opened(store).jobs.items() if job.work != "pack"}


def test_an_id_that_another_job_has_now_is_not_ours(fake, store):
    go(store)
    queue = listed(fake)
    for job in queue:
        job["options"]["job-name"] = "somebody-elses"
    (fake / "queue.json").write_text(json.dumps(queue))
    assert resume.main([f"store={store}"]) == 0
    assert len(listed(fake)) == 2 * len(queue)


# status, cancel, logs


def test_status_asks_squeue_once_and_accounting_never(fake, store, capsys):
    go(store)
    before = calls(fake, "squeue")
    assert status.main([f"store={store}"]) == 3
    assert calls(fake, "squeue") == before + 1
    assert "pending" in capsys.readouterr().out


def test_status_names_what_failed_its_class_and_its_log(fake, store, capsys):
    go(store)
    folder = place(store, "stage")
    (folder / FAILED).write_text('{"reason": "out of memory", "message": "CUDA out of memory"}')
    leave(store, fake, folder.name)
    log = opened(store).folder / "submitit" / f"{state.ids(opened(store).folder)[folder.name]}_0_log.out"
    log.write_text("a line of the log\n")
    capsys.readouterr()
    assert status.main([f"store={store}"]) == 1
    told = capsys.readouterr().out
    assert "out of memory: CUDA out of memory" in told and str(log) in told.replace("\n", "") and "failed=yes" in told
    assert logs.main([folder.name.partition("-")[2][:8], f"store={store}"]) == 0
    assert "a line of the log" in capsys.readouterr().out


def test_cancel_leaves_no_job_and_none_requeues_itself(fake, store, capsys):
    go(store)
    assert cancel.main([f"store={store}"]) == 0
    assert listed(fake) == [] and (opened(store).folder / "cancelled").exists()
    assert resume.main([f"store={store}"]) == 0
    assert len(listed(fake)) == len(opened(store).jobs) and not (opened(store).folder / "cancelled").exists()


def test_without_squeue_the_files_alone_tell(fake, store, monkeypatch, tmp_path):
    go(store)
    end(store, fake, "pack")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tiny.kinds(store) == {"pack": ["done"], "stage": ["pending"] * 2, "predict": ["pending"] * 2,
                                 "score": ["pending"] * 2, "collect": ["pending"]}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("slurmstepd: error: *** STEP 1.0 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***", "time limit"),
        ("slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO NODE FAILURE ***", "node failure"),
        ("slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***", "cancelled"),
        ("slurmstepd: error: Detected 1 oom-kill event(s) in StepId=1.0", "out of memory"),
    ],
)
def test_what_ended_a_job_that_could_not_say_so_is_read_off_its_log(fake, store, line, note):
    go(store)
    folder = place(store, "pack")
    handed = state.ids(opened(store).folder)[folder.name]
    leave(store, fake, folder.name)
    (opened(store).folder / "submitit" / f"{handed}_0_log.out").write_text(f"working\n{line}\n")
    one = state.state(opened(store), opened(store).jobs[folder.name], handed, {})
    assert (one.kind, one.note) == ("lost", note)


def test_a_stage_without_a_sign_of_life_is_stalled_and_one_that_reports_has_a_time_left(fake, store, tmp_path):
    go(store)
    planned, folder = opened(store), place(store, "stage")
    job = planned.jobs[folder.name]
    note(folder, "start", id="", step=-1)
    work = tmp_path / "work"
    work.mkdir()
    (folder / "key.json").write_text(json.dumps({"folder": str(work)}))
    (folder / "beat").touch()
    (work / "log.jsonl").write_text('{"t": 1, "seconds": 60.0}\n{"t": 2, "sec')
    assert state.state(planned, job, "1", None).note == "step 2/6, 2 min 0 s left"
    old = 1.0
    os.utime(work / "log.jsonl", (old, old))
    assert state.state(planned, job, "1", None).kind == "stalled"  # its process beats, its loop does not
    (folder / "beat").touch()
    os.utime(folder / "beat", (old, old))
    assert state.state(planned, job, "1", None).kind == "stalled"
