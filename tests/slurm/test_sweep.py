"""What a sweep is planned to be: every distinct job once, after what it needs; fast; the same from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import job as bench_job
from bench.config import ConfigError, compose_run, compose_runs
from bench.config import sweep as expand
from bench.job import Planner
from bench.plan import chain, reseeded
from bench.plugins import Unknown, methods
from slurm import launch, state, submit, sweep
from slurm.settings import Settings
from tests.slurm import tiny


def planned(tmp_path, *words):
    return sweep.plan([word for word in tiny.words(tmp_path, *words) if not word.startswith("slurm.")])


def by_work(found, work):
    return [job for job in found.jobs.values() if job.work == work]


def test_a_teacher_that_several_runs_need_is_one_job(tmp_path):
    found = planned(tmp_path, "method=source_only,adabn", "seed=0,1")
    assert len(found.lines) == 4
    assert len(by_work(found, "stage")) == 4  # a base and an adaptation a seed, not six stages
    assert len(by_work(found, "predict")) == len(by_work(found, "score")) == 4
    assert [len(job.chain) for job in by_work(found, "predict")] == [1, 1, 2, 2]


def test_a_job_comes_after_all_that_it_needs_and_on_a_higher_level(tmp_path):
    found = planned(tmp_path, "method=umadapt_semi,adabn")
    seen = set()
    for name, job in found.jobs.items():
        assert seen.issuperset(job.needs)
        assert all(found.jobs[need].level < job.level for need in job.needs)
        seen.add(name)
    assert list(found.jobs)[-1] == "collect"


def test_data_that_is_not_packed_is_packed_by_one_job_that_every_stage_waits_for(tmp_path):
    found = planned(tmp_path, "method=source_only", "seed=0,1")
    (pack,) = by_work(found, "pack")
    assert all(pack.name in job.needs and job.key == "" for job in by_work(found, "stage"))


def test_what_is_packed_is_all_that_the_runs_read_whichever_of_them_the_job_is_a_part_of(tmp_path):
    found = planned(tmp_path, "method=source_only,adabn")  # the first reads no target
    (pack,) = by_work(found, "pack")
    submit.write_folders(found, [pack], Settings())
    assert bench_job.perform(found.of(pack)) == 0
    again = planned(tmp_path, "method=source_only,adabn")
    assert not by_work(again, "pack") and len(by_work(again, "stage")) == 2


def test_other_images_are_packed_by_another_job_and_share_no_stage(tmp_path):
    found = planned(tmp_path, "method=source_only", "split.target.0.limit=5,6")
    assert len(by_work(found, "pack")) == len(by_work(found, "stage")) == 2


def test_the_same_runs_are_the_same_sweep_whatever_order_they_were_named_in(tmp_path):
    names = {planned(tmp_path, "method=source_only,adabn", f"seed={seeds}").name for seeds in ("0,1", "1,0")}
    assert len(names) == 1
    assert planned(tmp_path, "method=source_only", "seed=0,1").name not in names


def test_a_planned_sweep_reads_back_as_it_was_written(tmp_path):
    found = planned(tmp_path, "method=adabn")
    found.write()
    assert sweep.read(found.folder) == found
    assert sweep.find(tmp_path) == found.folder == sweep.find(tmp_path, found.name[:4])


def test_a_sweep_has_one_store_and_names_what_it_does_not_know(tmp_path):
    with pytest.raises(ConfigError, match="one folder for all runs"):
        planned(tmp_path, "method=adabn", f"store={tmp_path},{tmp_path}/other")
    with pytest.raises(Unknown, match="did you mean adabn"):
        planned(tmp_path, "method=adabm")
    with pytest.raises(ValueError, match="no sweep in .*; store= names the folder"):
        sweep.find(tmp_path)


def test_launching_plans_everything_before_anything_is_written(tmp_path, capsys):
    assert launch.main(tiny.words(tmp_path, "method=adabn,dakf")) == 2
    assert "did you mean dakd" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_tells_the_sharing_the_hours_and_the_wall_time_and_leaves_nothing(tmp_path, capsys):
    assert launch.main(tiny.words(tmp_path, "method=source_only,adabn", "slurm.gpus=1", "--dry-run")) == 0
    told = capsys.readouterr().out
    for words in (
        "2 distinct for the 3",
        "shared: source_only",
        "GPU hours:",
        "simulated wall time",
        "level 0, 1 pack",
    ):
        assert words in told
    assert list(tmp_path.iterdir()) == []


def test_python_that_is_told_to_optimise_is_refused_in_one_line(tmp_path):
    """Under -O Hydra's grammar ends in an AttributeError at seed=range(3)."""
    words = [sys.executable, "-O", "-m", "slurm.launch", "method=adabn", "split=minicity", "seed=range(3)", "--dry-run"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("slurm.launch: Python runs with -O")
    assert len(done.stderr.splitlines()) == 1


# composing and planning many runs


LINES = [
    "method=source_only,adabn split=minicity seed=0,1",
    "method=adabn split=minicity,minicity_night method.base.share=0.5,1 network.width=8 split.target.0.limit=3",
    "method=umadapt split=minicity method.base.lr=null,1e-3 device=cpu snapshots=2",
    "method=source_only split=minicity split.crop=[64,32] split.test.limit=null data.minicity=somewhere seed=7",
    "method=source_only split=minicity network=resnet50 network.weights=none,imagenet save_minutes=3",
]


@pytest.mark.parametrize("line", LINES)
def test_runs_composed_together_are_what_each_is_alone(line):
    lines = list(expand(line.split()))
    assert list(compose_runs(lines)) == [compose_run(one) for one in lines]


@pytest.mark.parametrize("word", ["method.shar=1", "split.limit=3", "precision=fp16", "seed=x", "network.width=wide"])
def test_a_wrong_word_is_told_as_it_is_of_one_run(word):
    line = ["method=adabn", "split=minicity", word]
    with pytest.raises(ConfigError) as alone:
        compose_run(line)
    with pytest.raises(ConfigError) as together:
        list(compose_runs([line]))
    assert str(alone.value) == str(together.value)


@pytest.mark.parametrize("method", sorted(methods()))
def test_a_plan_for_another_seed_is_what_planning_again_gives(method, tmp_path):
    zero, one = compose_runs([[f"method={method}", "split=minicity", f"store={tmp_path}", f"seed={s}"] for s in (0, 1)])
    root, again = Planner().root(zero)[0], Planner().root(one)[0]
    assert [node.key for node in chain(reseeded(root, 1))] == [node.key for node in chain(again)]
    assert root.key != again.key


def test_the_state_of_a_sweep_that_was_never_submitted_is_waiting(tmp_path):
    found = planned(tmp_path, "method=adabn")
    assert {one.kind for one in state.states(found, {}).values()} == {"waiting"}
