"""Keys: they change when and only when something that can change the bits does; what is shared is planned once."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bench import plan as planning
from bench.nets.multitask import ResNet50, Small
from bench.plan import chain, plan, roles
from bench.stage import Stage
from methods import adabn, single_task, source_only, target_oracle, umadapt, umadapt_self, umadapt_semi
from methods.parts.contour import Contour
from methods.parts.supervised import Supervised
from methods.parts.transfer import Base
from tests import shapes

PROBLEM = shapes.problem()
DATA = shapes.DATA
OTHER = dict.fromkeys(("source", "target"), "other")


class First(Stage):
    @dataclass(kw_only=True)
    class Config(Stage.Config):
        reads = ("source",)
        rate: float = 0.1


class Last(Stage):
    @dataclass(kw_only=True)
    class Config(Stage.Config):
        first: First.Config = field(default_factory=First.Config)
        weight: float = 1.0


class Lent(Last):
    @dataclass(kw_only=True)
    class Config(Last.Config):
        pass

    def step(self, t, source, target, lent=None):
        return {}


def key(config=None, problem=PROBLEM, data=DATA, precision="fp32", name="m") -> str:
    return plan(name, config or Last.Config(), problem, data, precision).key


def test_the_same_settings_have_the_same_key_whatever_the_methods_name():
    assert key() == key(Last.Config(), shapes.problem(), dict(reversed(DATA.items())), name="other")
    assert len(key()) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"config": Last.Config(weight=2.0)},
        {"config": Last.Config(share=0.5)},
        {"config": Last.Config(batch=1)},
        {"config": Lent.Config(target_labels=0.1)},
        {"config": Last.Config(first=First.Config(rate=0.2))},
        {"problem": shapes.problem(seed=1)},
        {"problem": shapes.problem(budget=101)},
        {"problem": shapes.problem(batch=4)},
        {"problem": shapes.problem(split="other")},
        {"problem": shapes.problem(targets=("other",)), "data": DATA | {"target": OTHER | {"other": "target b"}}},
        {"problem": shapes.problem(depth_range=(2.0, 41.0))},
        {"problem": shapes.problem(class_frequencies=(0.5, 0.3, 0.1, 0.1))},
        {"problem": shapes.problem(network=Small(width=8))},
        {"problem": shapes.problem(network=ResNet50(auxiliary_width=4, weights="none"))},
        {"data": DATA | {"source": OTHER}},
        {"data": DATA | {"target": OTHER}},
        {"precision": "bf16"},
    ],
)
def test_what_can_change_the_bits_changes_the_key(change):
    assert key(**change) != key()


def test_the_engines_number_and_the_stages_code_change_the_key(monkeypatch):
    before = key()
    with monkeypatch.context() as patch:
        patch.setattr(planning, "ENGINE", planning.ENGINE + 1)
        assert key() != before
    monkeypatch.setattr(planning, "fingerprint", lambda module: "code that does something else")
    assert key() != before


@pytest.mark.parametrize("role", ["lent", "labelled target"])
def test_data_that_no_stage_reads_changes_nothing(role):
    assert key(data=DATA | {role: OTHER}) == key()


def test_a_method_that_takes_no_lent_labels_cannot_be_lent_any():
    with pytest.raises(ValueError, match="^m learns from no lent labels"):
        key(Last.Config(target_labels=0.1))
    key(umadapt_semi.Method.Config(target_labels=0.1))


def test_a_stage_reads_what_it_declares():
    assert roles(First.Config()) == ("source",)
    assert roles(Last.Config()) == ("source", "target")
    assert roles(Last.Config(target_labels=0.1)) == ("source", "target", "lent")
    assert roles(adabn.Method.Config()) == ("target",)
    assert roles(target_oracle.Method.Config()) == ("labelled target",)
    assert roles(single_task.Method.Config()) == ()


@pytest.mark.parametrize(("role", "firsts"), [("source", 0), ("target", 1)])
def test_data_changes_the_keys_of_the_stages_that_read_it_and_of_those_after(role, firsts):
    roots = [plan("m", Last.Config(), PROBLEM, data, "fp32") for data in (DATA, DATA | {role: OTHER})]
    assert (roots[0].needs["first"].key == roots[1].needs["first"].key) == bool(firsts)
    assert roots[0].key != roots[1].key


def test_a_stage_that_learns_from_one_source_has_the_images_of_no_other_in_its_key():
    problem = shapes.problem(sources=("a", "b"))
    data = DATA | {"source": {"a": "1", "b": "2"}}

    def root(domain, **sources):
        return plan("m", Supervised.Config(domain=domain), problem, data | {"source": data["source"] | sources}, "fp32")

    assert root("a").recipe["data"] == {"source": {"a": "1"}}
    assert root("a").key == root("a", b="3").key != root("a", a="3").key
    assert root(None).key not in (root(None, b="3").key, root("a").key, root("b").key)


def test_a_source_that_the_split_does_not_have_is_one_clear_line():
    with pytest.raises(ValueError, match='^no source "x" in this split; it has source$'):
        key(Supervised.Config(domain="x"))


def test_a_needs_setting_is_in_the_needs_key_and_a_stages_own_is_not():
    one, weight, rate = (
        plan("m", c, PROBLEM, DATA, "fp32")
        for c in (Last.Config(), Last.Config(weight=2.0), Last.Config(first=First.Config(rate=0.2)))
    )
    assert one.needs["first"].key == weight.needs["first"].key != rate.needs["first"].key
    assert "first" not in one.recipe["config"]
    assert one.recipe["needs"] == {"first": one.needs["first"].key}


def test_another_process_finds_the_same_key():
    code = (
        "from bench.plan import plan; from methods import umadapt; from tests import shapes;"
        f"print(plan('m', umadapt.Method.Config(), shapes.problem(), {DATA}, 'fp32').key)"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == key(umadapt.Method.Config())


# sharing


def keys(method, **settings) -> dict[str, str]:
    """{name of the need: key} over the whole tree, the last stage under "last"."""
    found = {}

    def visit(name, node):
        found.setdefault(name, node.key)
        assert found[name] == node.key  # a name means one stage in a tree
        for need, below in node.needs.items():
            visit(need, below)

    visit("last", plan("m", method.Method.Config(**settings), PROBLEM, DATA, "fp32"))
    return found


def test_the_chain_has_every_stage_once_after_what_it_needs():
    root = plan("m", umadapt_semi.Method.Config(), PROBLEM, DATA, "fp32")
    ordered = chain(root)
    assert [node.name for node in ordered] == ["base", "contour", "statistics", "adapt", "m"]
    done = set()
    for node in ordered:
        assert {need.key for need in node.needs.values()} <= done
        done.add(node.key)


def test_umadapts_variants_share_all_but_their_last_stage():
    plain, teacher, semi = keys(umadapt), keys(umadapt_self), keys(umadapt_semi)
    for name in ("base", "contour", "statistics"):
        assert plain[name] == teacher[name] == semi[name]
    assert semi["adapt"] == plain["last"]
    assert len({plain["last"], teacher["last"], semi["last"]}) == 3


def test_an_ablation_of_the_last_stage_trains_nothing_before_it_anew():
    one, other = keys(umadapt), keys(umadapt, lam=0.0)
    assert {name for name in one if one[name] != other[name]} == {"last"}


def test_a_base_that_differs_changes_everything_after_it():
    one, other = keys(umadapt), keys(umadapt, base=Base.Config(alpha=2.0))
    assert {name for name in one if one[name] != other[name]} == {"base", "contour", "statistics", "last"}


def test_the_contour_stage_learns_on_the_methods_base():
    other = keys(umadapt, contour=Contour.Config(lr=0.5, base=Base.Config(alpha=7.0)))
    assert other["base"] == keys(umadapt)["base"]
    assert other["contour"] != keys(umadapt)["contour"]


def test_without_target_statistics_no_such_stage_is_planned():
    assert set(keys(umadapt, statistics="source")) == {"last", "base", "contour"}


def test_single_task_has_a_stage_a_task():
    root = plan("m", single_task.Method.Config(), PROBLEM, DATA, "fp32")
    assert set(root.needs) == set(PROBLEM.tasks)
    assert len({node.key for node in root.needs.values()}) == 3
    assert (root.steps, root.needs["depth"].steps) == (0, 100)


def test_an_oracle_is_not_source_only():
    assert keys(target_oracle)["last"] != keys(source_only)["last"]


@pytest.mark.parametrize(
    ("share", "budget", "steps"), [(1.0, 100, 100), (0.125, 100, 12), (0.001, 100, 1), (0.0, 100, 0), (0.5, 7, 4)]
)
def test_steps_are_a_share_of_the_budget_and_at_least_one_if_there_is_any(share, budget, steps):
    config = replace(Supervised.Config(), share=share)
    assert plan("m", config, dataclasses.replace(PROBLEM, budget=budget), DATA, "fp32").steps == steps
