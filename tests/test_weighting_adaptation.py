"""Task weighting crossed with adaptation: a task's source and target terms are one loss, and every rule works on it."""

from __future__ import annotations

import pytest
import torch

from bench import checkpoint
from bench.problem import Unlabelled
from bench.rng import reseed
from methods import (
    advent,
    ctrl,
    dacs,
    dada,
    daformer,
    dakd,
    dakd_mt,
    diga_mt,
    fda,
    hrda,
    mic,
    mic_hrda,
    minent,
    umadapt,
    umadapt_self,
    umadapt_semi,
    xtam,
)
from methods.parts import transfer, weighting
from methods.parts.cross_view import WarmUp
from tests import shapes
from tests.shapes import same, source, state

PROBLEM = shapes.problem()
TASKS = PROBLEM.tasks
OFFLINE = shapes.TARGET.labels["semseg"].to(torch.uint8)  # DiGA's labels, right for once


class Base:
    """UM-Adapt's first stage, as a method's file is written."""

    Method = transfer.Base


# {what is logged: what it counts within its task}
SOURCE = dict.fromkeys(TASKS, 1)
MIXED = SOURCE | {f"mixed_{name}": 1 for name in TASKS}
LEVELS = SOURCE | dict.fromkeys(("auxiliary_semseg", "final_adversarial", "auxiliary_adversarial"), 1)
TAUGHT = LEVELS | {f"{domain}_{what}": 1 for domain in ("source", "target") for what in ("kl", "mse", "labels")}
ALIGNED = {
    "minent": (minent, {"entropy_final": 0.5, "entropy_auxiliary": 0.5},
               SOURCE | dict.fromkeys(("auxiliary_semseg", "entropy", "auxiliary_entropy"), 1)),
    "advent": (advent, {"adv_final": 0.5, "adv_auxiliary": 0.5}, LEVELS),
    "dada": (dada, {"depth": 1.0, "adversarial": 0.5}, SOURCE | {"joint_adversarial": 1}),
    "ctrl": (ctrl, {"depth": 1.0, "adversarial": 0.5, "threshold": 0.0}, SOURCE | dict.fromkeys(
        ("refined", "semseg_target", "refined_target", "joint_adversarial"), 1)),
    "xtam": (xtam, {"adversarial": 0.5}, {f"{scale}_{name}{what}": 1 for scale in ("final", "initial")
                                          for name in TASKS for what in ("", "_adversarial")}),
    "dakd": (dakd, {"paradigm": "both", "adv_final": 0.5}, TAUGHT),
    "dakd_mt": (dakd_mt, {"paradigm": "both"}, TAUGHT | dict.fromkeys(("auxiliary_depth", "auxiliary_normals"), 1) | {
        f"{domain}_{name}{what}": 1 for domain in ("source", "target") for name in ("depth", "normals")
        for what in ("", "_feature")}),
    "umadapt's base": (Base, {"alpha": 0.5}, SOURCE | {f"{name}_transferred": 0.5 for name in TASKS}),
}  # fmt: skip
CROSSED = ALIGNED | {
    "dacs": (dacs, {"consistency": "all"}, MIXED),
    "daformer": (daformer, {"consistency": "all"}, MIXED),
    "mic": (mic, {"consistency": "all", "weight": 3.0}, MIXED | {f"masked_{name}": 3 for name in TASKS}),
    "hrda": (hrda, {"consistency": "all"}, MIXED | {"detail": 1, "mixed_detail": 1}),
    "mic_hrda": (mic_hrda, {"weight": 3.0}, SOURCE | {"mixed_semseg": 1, "masked_semseg": 3, "detail": 1,
                                                      "mixed_detail": 1, "masked_detail": 3}),
    "fda": (fda, {"entropy": 0.5}, SOURCE | {"entropy": 0.5}),
    "diga_mt": (diga_mt, {"distil": 0.25, "translator": None, "consensus": False},
                SOURCE | {f"{name}_adapted": 1 for name in TASKS} | {f"{name}_distilled": 0.25 for name in TASKS}),
}  # fmt: skip


def target(t):
    batch = shapes.target(t)
    return Unlabelled(batch.image, batch.clean, batch.ids, batch.domain, {"labels.semseg": OFFLINE[batch.ids]})


def build(name, **settings):
    method, own, _ = CROSSED[name]
    config = method.Method.Config(**own, **settings)
    needs = {"before": WarmUp.Config()} if method is diga_mt else config.needs(PROBLEM)
    given = {need: shapes.product(untrained(stage)) for need, stage in needs.items()}
    return untrained(config, given)


def untrained(config, given=None):
    """The stage after those that it needs, none of them trained."""
    if given is None:
        given = {name: shapes.product(untrained(need)) for name, need in config.needs(PROBLEM).items()}
    reseed("build")
    return config.stage(config, PROBLEM, given).train()


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
    counts = CROSSED[name][2]
    judged = {term for term in logged if term.endswith("_discriminator")}
    assert losses.keys() == set(TASKS) and logged.keys() - {"sure", "kept"} - judged == counts.keys()
    for task in TASKS:
        others = [other for other in TASKS if other != task]
        own = [term for term in counts if task in term or (task == "semseg" and not any(o in term for o in others))]
        expected = sum(counts[term] * logged[term].item() for term in own)
        assert losses[task].item() == pytest.approx(expected, rel=1e-5)


def shared(stage):
    if hasattr(stage, "encoder"):
        return stage.encoder
    return stage.net.shared if hasattr(stage.net, "shared") else stage.net.encoder


def applied(stage, t=0):
    """The gradients that a step applies, the encoder's and all others', and each task's own."""
    losses, encoder = {}, {id(p) for p in shared(stage).parameters()}
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
     ("hrda", "pcgrad"), ("hrda", "famo"), ("fda", "nash"), ("fda", "rlw"), ("diga_mt", "famo"), ("diga_mt", "pcgrad"),
     ("minent", "famo"), ("advent", "uncertainty"), ("ctrl", "famo"), ("xtam", "famo"), ("dakd", "pcgrad"),
     ("umadapt's base", "famo")],
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


@pytest.mark.parametrize("name", ["dacs", "mic", "diga_mt", *ALIGNED])
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


@pytest.mark.parametrize("word", weighting.WEIGHTINGS)
@pytest.mark.parametrize("name", ["minent", "advent", "xtam", "umadapt's base"])  # the others' step is advent's
def test_alignment_takes_a_step_by_every_rule_and_discriminators_learn_as_ever(name, word):
    stage, plain = build(name, weighting=word), build(name)
    before = state(stage.net)
    terms = stage.step(0, source(0), target(0))
    plain.step(0, source(0), target(0))
    assert all(term.isfinite() for term in terms.values()) and not same(before, state(stage.net))
    if hasattr(stage, "discriminators"):
        assert same(state(stage.discriminators), state(plain.discriminators))


@pytest.mark.parametrize("name", ALIGNED)
def test_equal_is_the_gradient_of_all_terms_by_their_weights_to_the_bit(name):
    stage, logged = build(name), {}
    if hasattr(stage, "discriminators"):
        stage.critic_optim.minimise = lambda loss: None
    loss = shapes.caught(stage.optim, lambda: logged.update(stage.step(0, source(0), target(0))))
    whole = sum(weight * logged[term] for term, weight in CROSSED[name][2].items())
    pairs = zip(stage.optim.grads(loss, keep=True), stage.optim.grads(whole), strict=True)
    assert all(a is b is None or torch.equal(a, b) for a, b in pairs)


# UM-Adapt's adaptation: what is learnt, the high part of the target's encoder, is shared as a whole

ADAPTED = {"umadapt": umadapt, "umadapt_self": umadapt_self}


@pytest.fixture(scope="module")
def given():
    return shapes.needs(PROBLEM)


def adaptation(name, given, **settings):
    reseed("build")
    method = ADAPTED[name].Method
    stage = method(method.Config(**settings), PROBLEM, given).train()
    return stage, stage.encoder_optim if name == "umadapt" else stage.optim


def directions(stage, optim):
    """The gradient that a step applies, each task's own, and that of the term that is no task's; what is logged."""
    found, minimise, apply = {}, stage.weighting.minimise, optim.apply

    def flat(grads):
        return torch.cat([g.flatten() for g in grads])

    def spying(t, terms, shared, optim, *, again=None, extra=None):
        found.update({name: flat(optim.grads(loss, keep=True)) for name, loss in (terms | {"extra": extra}).items()})
        minimise(t, terms, shared, optim, again=again, extra=extra)

    stage.weighting.minimise = spying
    optim.apply = lambda grads: (found.update(update=flat(grads)), apply(grads))
    return found, stage.step(0, source(0), target(0))


@pytest.mark.parametrize("name", ADAPTED)
def test_surgery_turns_energies_or_pseudo_labels_with_their_anchors_and_leaves_the_contours(name, given):
    found, _ = directions(*adaptation(name, given, weighting="mgda", clip=0.0))
    plain, _ = directions(*adaptation(name, given, clip=0.0))
    update = (found["update"] - found["extra"]) / len(TASKS)
    for task in TASKS:
        assert torch.equal(found[task], plain[task])
        assert (update @ found[task]) >= (update @ update) * (1 - 1e-3)
    whole = sum(plain[task] for task in (*TASKS, "extra"))
    assert torch.allclose(plain["update"], whole, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(plain["update"], found["update"], rtol=1e-2)


@pytest.mark.parametrize("word", weighting.WEIGHTINGS)
@pytest.mark.parametrize("name", ADAPTED)
def test_adaptation_takes_a_step_by_every_rule_and_the_critic_learns_as_ever(name, word, given):
    (stage, _), (plain, _) = adaptation(name, given, weighting=word), adaptation(name, given)
    before = state(stage.high)
    terms = stage.step(0, source(0), target(0))
    plain.step(0, source(0), target(0))
    assert all(term.isfinite() for term in terms.values()) and not same(before, state(stage.high))
    assert same(state(stage.transfer), state(plain.transfer))


@pytest.mark.parametrize("statistics", ["target", "target batch"])
@pytest.mark.parametrize("name", ADAPTED)
def test_famos_second_pass_of_an_adaptation_sees_what_the_first_saw(name, statistics, given):
    stage, optim = adaptation(name, given, weighting="famo", statistics=statistics)
    optim.apply = lambda grads: None
    stage.step(0, source(0), target(0))
    assert stage.weighting.xi.abs().max() < 1e-4 and stage.weighting.optim.taken == 1


def test_the_semi_supervised_stage_goes_on_with_the_rule_of_the_adaptation(given):
    adapted, _ = adaptation("umadapt", given, weighting="dwa", share=0.4)  # an epoch a step
    method = umadapt_semi.Method
    stage = method(method.Config(), PROBLEM, {"adapt": shapes.product(adapted)}).train()
    lent = shapes.draw(shapes.TARGET, 2, 3, 0)
    for t in range(4):
        stage.step(t, source(t), target(t), lent)
    first, second = stage.adapted.weighting.means[1:]
    assert (first > 0).all() and (second > 0).all()  # epochs 0 and 1, though the steps were 1 and 3


@pytest.mark.parametrize("method", ADAPTED.values(), ids=ADAPTED)
def test_adaptation_refuses_an_unknown_word(method):
    with pytest.raises(ValueError, match='^no weighting "nahs"'):
        method.Method.Config(weighting="nahs").check(PROBLEM)
