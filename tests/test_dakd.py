"""DAKD: D1, D3 to D9 and D11 of its specification; D2 is in test_dakd_losses.py, D10 in test_dakd_learning.py."""

from __future__ import annotations

import copy
import dataclasses
from collections import defaultdict

import pytest
import torch

from bench.nets.backbone import Normalise
from bench.nets.multitask import ResNet50, Small
from bench.plan import chain as chain_of
from bench.plan import plan
from bench.predict import raw_outputs
from bench.problem import VOID
from bench.rng import reseed
from methods import dakd, dakd_plain_student
from methods.parts.compression import kl_divergence, student_network
from methods.parts.discriminator import SOURCE as LIKE_SOURCE
from methods.parts.discriminator import Discriminators, called
from methods.parts.teacher import predicted
from tests import shapes
from tests.shapes import same, state

PROBLEM = shapes.problem()
SOURCE, TARGET = shapes.render(2, 5, shifted=False), shapes.unlabelled(shapes.render(2, 6, shifted=True))
NOISE = torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(0))
WEIGHTS = {"kl": 0.1, "mse": 0.01, "labels": 1.0}  # lambda_KL, lambda_MSE, lambda_pT


def chain(config):
    """The stage after those that it needs, none of them trained."""
    config.check(PROBLEM)
    given = {name: shapes.product(chain(need)) for name, need in config.needs(PROBLEM).items()}
    reseed(config.stage.__qualname__)
    return config.stage(config, PROBLEM, given).train()


def build(**settings):
    return chain(dakd.Method.Config(**settings))


@pytest.fixture(scope="module")
def both():
    return build(paradigm="both")


def seen(stage, source=SOURCE, target=TARGET):
    """The terms of a step that updates nothing."""
    stage = copy.deepcopy(stage)
    stage.optim.minimise = stage.critic_optim.minimise = lambda loss: None
    return {name: value.item() for name, value in stage.step(0, source, target).items()}


def taught(terms, domain=""):
    """The distillation of a step's terms."""
    losses = [n for n in terms if n.startswith(("source_", "target_")) and n.startswith(domain)]
    return sum(terms[n] for n in losses)


def instead(batch, image):
    return dataclasses.replace(batch, image=image, clean=image)


def test_d01_a_student_equal_to_its_teacher_has_nothing_left_but_the_cross_entropy_to_its_own_labels(both):
    outputs = predicted(both.teacher, SOURCE.image)
    terms = both.distilled(outputs, outputs)
    assert terms["kl"] == 0 and terms["mse"] == 0
    own = -outputs["final"]["semseg"].log_softmax(1).amax(1).mean()
    assert terms["labels"].item() == pytest.approx(own.item()) and own > 0.1


def test_d03_the_teacher_stays_as_it_is():
    stage = build(paradigm="both")
    before = state(stage.teacher)
    stage.step(0, SOURCE, TARGET)
    assert same(before, state(stage.teacher))
    assert not any(p.requires_grad for p in stage.teacher.parameters())
    own = {id(p) for optim in (stage.optim, stage.critic_optim) for p in optim.parameters}
    assert not own & {id(p) for p in stage.teacher.parameters()}
    outputs = stage.ask_teacher(SOURCE.image)
    assert not any(raw.requires_grad for level in outputs.values() for raw in level.values())


def test_the_teacher_normalises_by_each_batch_or_by_what_it_has_stored(both):
    stored = predicted(both.teacher, SOURCE.image)["final"]["semseg"]
    by_batch = copy.deepcopy(both.teacher).train()(SOURCE.image)["final"]["semseg"]
    assert not torch.allclose(stored, by_batch)
    assert torch.equal(both.ask_teacher(SOURCE.image)["final"]["semseg"], by_batch)
    assert torch.equal(build(teacher_mode="eval").ask_teacher(SOURCE.image)["final"]["semseg"], stored)


@pytest.mark.parametrize(("paradigm", "other"), [("source", "target"), ("target", "source")])
def test_d04_images_that_a_paradigm_does_not_distil_on_do_not_matter_to_it(paradigm, other):
    stage = build(paradigm=paradigm)
    before = seen(stage)
    noisy = {"source": SOURCE, "target": TARGET}
    noisy[other] = instead(noisy[other], NOISE)
    assert taught(seen(stage, **noisy)) == taught(before) > 0
    noisy[paradigm] = instead(noisy[paradigm], NOISE)
    assert taught(seen(stage, **noisy)) != taught(before)


def test_d04_both_is_source_and_weighted_target(both):
    a, b = taught(seen(build(paradigm="source"))), taught(seen(build(paradigm="target")))
    assert taught(seen(both)) == pytest.approx(a + b)
    assert taught(seen(build(paradigm="both", lambda_target=0.5))) == pytest.approx(a + 0.5 * b)
    assert taught(seen(build(paradigm="both", lambda_target=0.0))) == pytest.approx(a)


def test_d04_sequential_goes_on_from_both_with_target_distillation_alone(both):
    config = dakd.Method.Config()
    needs = config.needs(PROBLEM)
    assert config.paradigm == "sequential" and needs["start"] == dakd.Method.Config(paradigm="both")
    assert config.steps(PROBLEM) == 10 and needs["start"].steps(PROBLEM) == 25
    before = copy.deepcopy(both)
    before.step(0, SOURCE, TARGET)
    teacher = chain(needs["teacher"])
    stage = config.stage(config, PROBLEM, {"teacher": shapes.product(teacher), "start": shapes.product(before)})
    assert same(state(stage.net), state(before.net)) and same(state(stage.discriminators), state(before.discriminators))
    assert stage.optim.lr == pytest.approx(before.optim.lr / 10) and stage.optim.taken == 0
    terms = seen(stage.train())
    assert taught(terms, "source") == 0 and taught(terms, "target") > 0


def perturbed(conv, stage):
    """The distillation, without its weights, before and after a change of one layer."""
    found = []
    outputs = predicted(stage.teacher, SOURCE.image)
    for size in (0.0, 0.5):
        with torch.no_grad():
            conv.weight.add_(size * torch.randn_like(conv.weight))
        mine = stage.net(SOURCE.image)
        kl = {level: kl_divergence(mine[level]["semseg"], outputs[level]["semseg"]).item() for level in mine}
        terms = {name: loss.item() / WEIGHTS[name] for name, loss in stage.distilled(mine, outputs).items()}
        found.append({"output": kl["final"], "feature": kl["auxiliary"], **terms})
        assert terms["kl"] == pytest.approx(kl["final"] + 0.1 * kl["auxiliary"], rel=1e-5)
    return {name for name in found[0] if found[0][name] != found[1][name]}


def test_d05_each_level_has_its_own_losses(both):
    for level, moved in (("auxiliary", {"feature", "mse", "kl"}), ("final", {"output", "labels", "kl"})):
        stage = copy.deepcopy(both).eval()
        conv = stage.net.heads["semseg"] if level == "auxiliary" else stage.net.net.decoders["semseg"][1]
        assert perturbed(conv, stage) == moved


def test_d06_void_of_the_source_does_not_matter_to_the_teachers_labels(both):
    void = dataclasses.replace(SOURCE, labels={**SOURCE.labels, "semseg": SOURCE.labels["semseg"] | VOID})
    assert taught(seen(both, source=void)) == taught(seen(both))


def test_d07_the_targets_truth_is_not_used(both):
    assert not hasattr(TARGET, "labels")
    labelled = dataclasses.replace(TARGET, attached={"semseg": torch.randint(4, (2, 32, 64))})
    assert seen(both, target=labelled) == seen(both)


def test_d08_a_discriminator_that_separates_has_less_loss_and_the_student_moves_towards_source():
    reseed(0)
    critics = Discriminators({"final": 4}, 4)
    source, target = torch.zeros(1, 4, 32, 64), torch.ones(1, 4, 32, 64)
    optim = torch.optim.Adam(critics.parameters(), 1e-2)
    losses = []
    for _ in range(20):
        loss = critics.judged({"final": source}, {"final": target}, 0.5)["final"]
        losses.append(loss.item())
        optim.zero_grad()
        loss.backward()
        optim.step()
    assert losses[-1] < 0.5 * losses[0]
    maps = target.clone().requires_grad_()
    before = critics["final"](maps)
    (gradient,) = torch.autograd.grad(critics.fooled({"final": maps})["final"], maps)
    assert critics["final"](maps - gradient / gradient.norm()).mean() < before.mean()


def test_d08_each_side_leaves_the_other_alone_and_weights_are_respected(both):
    stage = copy.deepcopy(both)
    net, critics = state(stage.net), state(stage.discriminators)
    stage.optim.minimise = lambda loss: None
    terms = stage.step(0, SOURCE, TARGET)
    assert all(torch.equal(value, net[name]) for name, value in stage.net.named_parameters())
    assert not same(critics, state(stage.discriminators))
    stage = copy.deepcopy(both)
    stage.critic_optim.minimise = lambda loss: None
    on_target = stage.net(TARGET.image)
    for level, weight in (("final", 1e-3), ("auxiliary", 2e-4)):
        view = stage.large(on_target[level]["semseg"]).softmax(1)
        expected = weight * called(stage.discriminators[level](view), LIKE_SOURCE)
        assert terms[f"{level}_adversarial"].item() == pytest.approx(expected.item(), rel=1e-4)
    stage.step(0, SOURCE, TARGET)
    assert same(critics, state(stage.discriminators)) and not same(net, state(stage.net))


def test_d09_the_student_is_smaller_and_predicts_alone(both):
    size, limit = (sum(p.numel() for p in net.parameters()) for net in (both.net, both.teacher))
    assert size < limit
    stage = copy.deepcopy(both).eval()
    before = stage.predict(SOURCE.image)
    del stage.teacher, stage.discriminators
    assert same(stage.predict(SOURCE.image), before) and before.keys() == set(PROBLEM.tasks)


def test_d09_students_are_narrower_by_rule_and_a_network_of_one_width_has_a_small_one():
    assert student_network(shapes.problem(network=Small(width=16)), None) == Small(width=12)
    assert student_network(shapes.problem(network=Small(width=16)), 5) == Small(width=5)
    large = shapes.problem(network=ResNet50(weights="none"))
    beside = student_network(large, None)
    assert beside == Small(width=48, auxiliary_width=64)
    with torch.device("meta"):
        nets = [network.build(large, PROBLEM.tasks) for network in (beside, large.network)]
    assert len({sum(p.numel() for p in net.parameters()) // 10**7 for net in nets}) == 2  # 7 and 75 million or more


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"paradigm": "d"}, "known: source target both sequential"), ({"kl": "off"}, "known: paper as_released"),
        ({"student_width": 4}, "narrower than the teacher's network.width=4"), ({"mse_on": "maps"}, "logprob prob"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_in_one_line(settings, said):
    with pytest.raises(ValueError, match=said):
        dakd.Method.Config(**settings).check(PROBLEM)
    with pytest.raises(ValueError, match="needs the task semseg"):
        dakd.Method.Config().check(shapes.problem(tasks=("depth",)))


def test_as_released_there_is_no_kl_and_the_student_may_start_untaught():
    assert {n for n in seen(build(kl="as_released")) if n.startswith("target_")} == {"target_mse", "target_labels"}
    assert dakd.Method.Config(student_init="initial", paradigm="both").needs(PROBLEM).keys() == {"teacher"}


@pytest.mark.parametrize("settings", [{}, {"student_width": 2}, {"heads": "all"}])
def test_the_plain_students_row_is_the_stage_that_dakd_starts_from_trained_once(settings):
    data = {"source": defaultdict(lambda: "a"), "target": defaultdict(lambda: "b")}
    whole = plan("dakd", dakd.Method.Config(**settings), PROBLEM, data, "fp32")
    row = plan("dakd_plain_student", dakd_plain_student.Method.Config(**settings), PROBLEM, data, "fp32")
    assert row.key in {node.key for node in chain_of(whole)} and row.key != whole.key
    terms = seen(chain(dakd_plain_student.Method.Config(**settings)))
    assert not any(name.startswith(("source_", "target_")) for name in terms)  # nobody teaches it


def test_d11_training_and_prediction_prepare_an_image_alike():
    stage, prepared, modes = build(paradigm="source", student_init="initial"), [], []
    (normalise,) = (m for m in stage.net.modules() if isinstance(m, Normalise))
    normalise.register_forward_hook(lambda module, inputs, output: prepared.append(output))
    stage.net.net.register_forward_hook(lambda module, *_: modes.append([m.training for m in module.modules()]))
    stage.step(0, SOURCE, TARGET)
    raw_outputs(stage.eval(), SOURCE.image)
    assert torch.equal(prepared[0], prepared[-1]) and modes and not any(modes[-1])
