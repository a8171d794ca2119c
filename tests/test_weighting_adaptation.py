"""Task weighting crossed with adaptation: a task's source and target terms are one loss, and every rule works on it."""

from __future__ import annotations

import pytest
import torch

from bench import checkpoint
from bench.problem import Unlabelled
from bench.rng import reseed
from methods import dacs, daformer, diga_mt, fda, hrda, mic, mic_hrda
from methods.parts import weighting
from methods.parts.cross_view import WarmUp
from tests import shapes
from tests.shapes import same, source

PROBLEM = shapes.problem()
TASKS = PROBLEM.tasks
OFFLINE = shapes.TARGET.labels["semseg"].to(torch.uint8)  # DiGA's labels, right for once

# {what is logged: what it counts within its task}
MIXED = {f"mixed_{name}": 1 for name in TASKS}
CROSSED = {
    "dacs": (dacs, {"consistency": "all"}, MIXED),
    "daformer": (daformer, {"consistency": "all"}, MIXED),
    "mic": (mic, {"consistency": "all", "weight": 3.0}, MIXED | {f"masked_{name}": 3 for name in TASKS}),
    "hrda": (hrda, {"consistency": "all"}, MIXED | {"detail": 1, "mixed_detail": 1}),
    "mic_hrda": (mic_hrda, {"weight": 3.0}, {"mixed_semseg": 1, "masked_semseg": 3, "detail": 1, "mixed_detail": 1,
                                             "masked_detail": 3}),
    "fda": (fda, {"entropy": 0.5}, {"entropy": 0.5}),
    "diga_mt": (diga_mt, {"distil": 0.25, "translator": None, "consensus": False},
                {f"{name}_adapted": 1 for name in TASKS} | {f"{name}_distilled": 0.25 for name in TASKS}),
}  # fmt: skip


def target(t):
    batch = shapes.target(t)
    return Unlabelled(batch.image, batch.clean, batch.ids, batch.domain, {"labels.semseg": OFFLINE[batch.ids]})


def build(name, **settings):
    method, own, _ = CROSSED[name]
    reseed("build")
    given = {}
    if method is diga_mt:
        given["before"] = shapes.product(WarmUp(WarmUp.Config(), PROBLEM, {}))
    return method.Method(method.Method.Config(**own, **settings), PROBLEM, given).train()


def seen(stage, t=0):
    """What the rule is given in a step, {task: loss}, and what is logged."""
    found, whole = {}, stage.weighting.minimise
    stage.weighting.minimise = lambda t, terms, *rest, **more: (found.update(terms), whole(t, terms, *rest, **more))
    logged = stage.step(t, source(t), target(t))
    del stage.weighting.minimise
    return found, logged


@pytest.mark.parametrize("name", CROSSED)
def test_a_rule_is_given_each_task_with_all_its_terms_by_their_own_weights(name):
    losses, logged = seen(build(name))
    counts = dict.fromkeys(TASKS, 1) | CROSSED[name][2]
    assert losses.keys() == set(TASKS) and logged.keys() - {"sure", "kept"} == counts.keys()
    for task in TASKS:
        others = [other for other in TASKS if other != task]
        own = [term for term in counts if task in term or (task == "semseg" and not any(o in term for o in others))]
        expected = sum(counts[term] * logged[term].item() for term in own)
        assert losses[task].item() == pytest.approx(expected, rel=1e-5)


def applied(stage, t=0):
    """The gradients that a step applies, the encoder's and all others', and each task's own."""
    shared = stage.encoder if hasattr(stage, "encoder") else stage.net.encoder
    losses, encoder = {}, {id(p) for p in shared.parameters()}
    minimise, update = stage.weighting.minimise, []

    def spying(t, terms, *rest, **more):
        grads = {name: stage.optim.grads(loss, keep=True) for name, loss in terms.items()}
        losses.update(grads)
        minimise(t, terms, *rest, **more)

    stage.weighting.minimise, stage.optim.apply = spying, update.extend
    stage.step(t, source(t), target(t))
    inside = [id(p) in encoder for p in stage.optim.parameters]

    def flat(grads, here):
        chosen = zip(grads, stage.optim.parameters, inside, strict=True)
        return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p, i in chosen if i == here])

    return [{name: flat(g, here) for name, g in ({"update": update} | losses).items()} for here in (True, False)]


@pytest.mark.parametrize("name", CROSSED)
def test_surgery_turns_the_encoders_gradient_against_no_task_and_leaves_the_decoders_theirs(name):
    """MGDA's update has at least its own squared length along each task's gradient, source and target together."""
    encoder, decoders = applied(build(name, weighting="mgda"))
    update = encoder["update"] / len(TASKS)
    for task in TASKS:
        assert (update @ encoder[task]) >= (update @ update) * (1 - 1e-3)
    assert torch.allclose(decoders["update"], sum(decoders[task] for task in TASKS), atol=1e-5)
    plain, _ = applied(build(name))
    assert torch.allclose(plain["update"], sum(plain[task] for task in TASKS), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(plain["update"], encoder["update"], rtol=1e-2)


@pytest.mark.parametrize(
    ("name", "word"),
    [("dacs", "famo"), ("dacs", "cagrad"), ("daformer", "si"), ("mic", "famo"), ("mic", "uncertainty"),
     ("hrda", "pcgrad"), ("hrda", "famo"), ("fda", "nash"), ("fda", "rlw"), ("diga_mt", "famo"), ("diga_mt", "pcgrad")],
)  # fmt: skip
def test_a_rule_learns_beside_adaptation_and_survives_a_kill_to_the_bit(name, word, tmp_path):
    straight, resumed = build(name, weighting=word), build(name, weighting=word)
    before = [p.detach().clone() for p in straight.net.parameters()]
    for t in range(4):
        terms = straight.step(t, source(t), target(t))
        assert all(term.isfinite() for term in terms.values())
        if t == 1:
            checkpoint.save(tmp_path, straight, 2, 1.0)
    assert any(not torch.equal(a, b) for a, b in zip(before, straight.net.parameters(), strict=True))
    checkpoint.resume(tmp_path, resumed)
    for t in (2, 3):
        resumed.step(t, source(t), target(t))
    assert same(straight.state_dict(), resumed.state_dict())


@pytest.mark.parametrize("name", ["dacs", "mic", "diga_mt"])
def test_famos_second_pass_sees_what_the_first_saw(name):
    """With an update that moves nothing, no loss falls, so xi stays."""
    stage = build(name, weighting="famo")
    stage.optim.apply = lambda grads: None
    stage.step(0, source(0), target(0))
    assert stage.weighting.xi.abs().max() < 1e-4 and stage.weighting.optim.taken == 1


def test_terms_that_carry_no_tasks_name_are_segmentations():
    terms = {"semseg": 1, "depth": 2, "mixed_depth": 4, "detail": 8, "distance": 16}
    assert weighting.by_task(terms, TASKS) == {"semseg": 25, "depth": 6}


@pytest.mark.parametrize("name", CROSSED)
def test_an_unknown_word_is_one_clear_line(name):
    method, own, _ = CROSSED[name]
    with pytest.raises(ValueError, match='^no weighting "nahs"; known: equal .* mgda$'):
        method.Method.Config(**own, weighting="nahs").check(PROBLEM)
