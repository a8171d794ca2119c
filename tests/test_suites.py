"""The suites of bench.check, over every method of the tree, and over plug-ins that must be caught.

`make test` takes a method of each kind, `make test-all` every one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import check, plugins

PLUGINS = Path(__file__).parent / "plugins"
DAILY = ("adabn", "single_task", "target_oracle", "umadapt", "umadapt_semi", "dacs")
IN_TREE = [pytest.param(name, marks=() if name in DAILY else pytest.mark.slow) for name in sorted(plugins.methods())]


@pytest.fixture
def strangers(monkeypatch):
    """The plug-ins of tests/plugins, found by their entry points like any installed package."""
    monkeypatch.syspath_prepend(str(PLUGINS))
    plugins.forget()
    yield
    plugins.forget()


@pytest.mark.parametrize("method", IN_TREE)
def test_a_method_fulfils_the_contract(method, tmp_path):
    check.contract(method, tmp_path)


@pytest.mark.parametrize("method", IN_TREE)
def test_a_method_killed_at_every_step_ends_with_the_same_bits(method, tmp_path):
    stages = {"source_only": 1, "target_oracle": 1}.get(method, 2)
    assert check.resume(method, tmp_path) >= stages * (check.BUDGET // 2 - 1)


@pytest.mark.parametrize("method", IN_TREE)
def test_target_labels_have_no_influence_on_a_method(method, tmp_path):
    check.firewall(method, tmp_path)


@pytest.mark.parametrize("method", IN_TREE)
def test_two_ranks_learn_what_one_process_learns(method, tmp_path):
    assert check.ranks(method, tmp_path) < check.ROUNDING


@pytest.mark.parametrize("method", IN_TREE)
def test_keys_change_when_they_should_and_only_then(method, tmp_path):
    check.keys(method, tmp_path)


def test_a_hidden_python_counter_is_caught(strangers, tmp_path):
    with pytest.raises(check.CheckFailed, match="not the same to the bit"):
        check.resume("hidden_counter", tmp_path)


def test_labels_read_from_the_file_system_are_noticed(strangers, tmp_path):
    with pytest.raises(check.CheckFailed, match="target labels replaced by noise|a target image"):
        check.firewall("label_thief", tmp_path)


@pytest.mark.parametrize("door", ["batch", "problem", "products", "streams"])
def test_no_door_of_the_contract_leads_to_target_labels(strangers, tmp_path, door):
    learnt = check.apart(check.learn, check.tiny("label_thief", tmp_path, words=[f"method.door={door}"]))
    assert [state["found"].item() for state in learnt.values() if "found" in state] == [0]


def test_the_file_system_door_is_open_for_now(strangers, tmp_path):
    learnt = check.apart(check.learn, check.tiny("label_thief", tmp_path, words=["method.door=split"]))
    assert [state["found"].item() for state in learnt.values() if "found" in state] == [check.BUDGET]


def test_wrong_predictions_are_named(strangers, tmp_path):
    with pytest.raises(check.CheckFailed, match=r"semseg has shape \(2, 1, 16, 32\), expected \(2, 18, h, w\)"):
        check.contract("noisy_predictor", tmp_path)


def test_what_an_in_order_pass_writes_travels_with_the_images(strangers, tmp_path):
    learnt = check.apart(check.learn, check.tiny("attacher", tmp_path))
    assert len(learnt) == 2
    check.resume("attacher", tmp_path / "killed")


def test_the_check_of_a_plug_in_is_one_command(tmp_path):
    env = {**os.environ, "PYTHONPATH": f"{PLUGINS}{os.pathsep}{Path(__file__).parent.parent}"}
    done = subprocess.run(
        [sys.executable, "-m", "bench.check", "noisy_predictor"], env=env, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert "contract  FAILED" in done.stdout and "resume    passed" in done.stdout
