"""The simulated cluster: exact where it can be reckoned by hand, never faster than the work or the longest chain."""

from __future__ import annotations

import pytest

from slurm.settings import Settings
from slurm.simulate import simulate
from slurm.sweep import Job


def job(name, level=0, needs=(), work="stage"):
    return Job(name, work, name, 0, level, tuple(needs))


def jobs(count):
    return [job(f"a{i}") for i in range(count)]


def run(members, seconds, slots, **words):
    return simulate(members, seconds, Settings(**words), slots)


@pytest.mark.parametrize(("slots", "wall"), [(1, 60.0), (2, 30.0), (4, 20.0), (6, 10.0), (100, 10.0)])
def test_equal_jobs_take_as_many_rounds_as_do_not_fit_at_once(slots, wall):
    members = jobs(6)
    found = run(members, {one.name: 10.0 for one in members}, slots)
    assert (found.wall, found.busy) == (wall, 60.0)


def test_a_stage_starts_when_the_whole_array_of_what_it_needs_has_ended():
    members = [job("a"), job("b"), job("c", 1, ["a"])]
    found = run(members, {"a": 1.0, "b": 5.0, "c": 2.0}, 9)
    assert (found.wall, found.longest) == (7.0, 5.0)


def test_a_job_without_a_gpu_takes_no_gpu_from_another():
    members = [job("a"), job("s", work="score")]
    assert run(members, {"a": 5.0, "s": 5.0}, 1).wall == 5.0


def test_preemptions_cost_time_are_counted_and_are_the_same_for_a_seed():
    members = jobs(40)
    seconds = {one.name: 36000.0 for one in members}
    calm = run(members, seconds, 8)
    struck, again = (run(members, seconds, 8, preemptions=2.0) for _ in range(2))
    assert struck == again
    assert struck.preemptions > 10 and struck.wall > calm.wall and struck.busy > calm.busy


def test_no_cluster_beats_the_longest_chain_or_the_work_divided_by_its_size():
    members = [job("a"), *[job(f"b{i}", 1, ["a"]) for i in range(7)]]
    seconds = {one.name: 3.0 + i for i, one in enumerate(members)}
    for slots in (1, 2, 3, 8):
        found = run(members, seconds, slots)
        assert found.wall >= max(found.longest, sum(seconds.values()) / slots)


def test_nothing_to_do_takes_no_time():
    assert run([], {}, 4).wall == 0.0
