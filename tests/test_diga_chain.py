"""Which stages DiGA's words ask for, what each reads, and what cannot be asked for."""

from __future__ import annotations

import dataclasses

import pytest

from bench import plan
from bench.config import compose_run
from methods.parts.cross_view import WarmUp
from methods.parts.rounds import SOURCES
from tests import shapes

PROBLEM = shapes.problem()


def chain(*words):
    run = compose_run(["split=minicity", *words])
    problem = dataclasses.replace(PROBLEM, budget=400, tasks=run.split.tasks)
    return run, plan.chain(plan.plan("m", run.config, problem, shapes.DATA, "fp32"))


def names(nodes):
    return [node.config.stage.__name__ for node in nodes]


def test_the_chain_is_translator_warm_up_and_twice_labels_and_a_round():
    _, nodes = chain("method=diga")
    assert sorted(names(nodes)) == sorted(
        ["Translation", "WarmUp", "OfflineLabels", "Centroids", "Rounds", "OfflineLabels", "Rounds"]
    )
    last, by = nodes[-1], {node.key: node for node in nodes}
    first = last.needs["before"]
    assert (last.config.rounds, first.config.rounds) == (2, 1) and first.key in by
    assert last.needs["centroids"].key == first.needs["centroids"].key  # the same file in both rounds
    assert last.needs["labels"].needs["before"].key == first.key
    assert first.needs["labels"].needs["before"].key == first.needs["before"].key
    trained = [node for node in nodes if node.config.draw != "in order"]
    assert sum(node.steps for node in trained) <= 3 * 400 - 3 * 600 / 8  # with the three passes, three source-only runs


def test_the_first_round_is_the_same_stage_alone_and_in_the_chain():
    two, one = (chain("method=diga", f"method.rounds={n}")[1] for n in (2, 1))
    assert one[-1].key == two[-1].needs["before"].key and set(node.key for node in one) < {node.key for node in two}


@pytest.mark.parametrize("method", ["diga", "diga_mt"])
def test_domain_generalisation_has_one_stage_that_learns_and_reads_no_target(method):
    run, nodes = chain(f"method={method}", "method.target=none")
    assert names(nodes[:-1]) == ["WarmUp"] and nodes[-1].steps == 0
    assert [node.recipe["data"] for node in nodes] == [{"source": {"source": "source a"}}, {}]
    warm = nodes[0].config
    assert warm.translator is None and warm.sharpness == 0 and warm.strength == 0.4 and warm.distil == 0.5
    stage = run.config.stage(run.config, PROBLEM, {"before": shapes.product(WarmUp(warm, PROBLEM, {}))})
    assert set(stage.predict(shapes.render(2, 5, shifted=False).image)) == set(PROBLEM.tasks)


def test_the_source_sets_the_weights():
    for name, share, l_d, r in (("gta", 0.65, 0.5, 0.5), ("synthia", 0.5, 0.25, 0.25)):
        _, nodes = chain("method=diga", f"method.source={name}")
        warm = next(node.config for node in nodes if isinstance(node.config, WarmUp.Config))
        assert (warm.share, warm.distil, warm.r) == (share, l_d, r)
        assert (nodes[-1].config.distil, nodes[-1].config.r) == (0.25, r)
        assert warm.translator.reconstruction == SOURCES[name].reconstruction


def test_without_a_translator_none_is_trained():
    _, nodes = chain("method=diga", "method.translator=null")
    assert "Translation" not in names(nodes) and "translator" not in nodes[-1].needs


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["method.source=kitti"], 'no "kitti" here; known: gta synthia'),
        (["method.target=val"], 'no "val" here; known: unlabelled none'),
        (["method.ce_norm=sum"], 'no "sum" here; known: all valid'),
        (["method.target=none", "method.target_bn=true"], "choose one"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_trained(words, fault):
    with pytest.raises(ValueError, match=fault):
        chain("method=diga", *words)
