"""What UM-Adapt's steps move and what they leave: U4, U5, U6, U9, U10 and U15 of its specification."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from bench import checkpoint
from bench.domains import Domains
from bench.rng import reseed
from bench.split import Domain
from methods import umadapt, umadapt_self, umadapt_semi
from methods.parts.transfer import canonical, energies
from tests import shapes
from tests.shapes import SOURCE, TARGET, same, source, state, target

PROBLEM = shapes.problem()


@pytest.fixture(scope="module")
def given():
    products = shapes.needs(PROBLEM, base_steps=20, pool=SOURCE)
    reseed("adapt")
    adapted = umadapt.Method(umadapt.Method.Config(), PROBLEM, products)
    adapted.step(0, source(0), target(0))
    return products | {"adapt": shapes.product(adapted)}


def lent(t: int):
    return shapes.draw(TARGET, 2, 3, t)


def build(method, given, **settings):
    reseed("build")
    stage = method.Method(method.Method.Config(**settings), PROBLEM, given)
    return stage.train()


def moved(stage, step) -> set[str]:
    """The names in the stage's state that the step changes."""
    before = state(stage)
    step()
    return {name for name, value in stage.state_dict().items() if not torch.equal(value, before[name])}


def parameters(stage, *parts: str) -> set[str]:
    """The names in the stage's state of all parameters of these parts (a shared parameter has several)."""
    wanted = {id(p) for part in parts for p in stage.get_submodule(part).parameters()}
    named = stage.named_parameters(remove_duplicate=False)
    return {name for name, p in named if id(p) in wanted}


def critic_step(stage, t: int):
    _, raw = stage.on_target(target(t).image)
    return stage.critic_step(source(t), canonical(raw, PROBLEM))


def encoder_step(stage, t: int):
    features, raw = stage.on_target(target(t).image)
    return stage.encoder_step(source(t), target(t), features, canonical(raw, PROBLEM))


# U4: census. The specification's HED network is not part of the suite: see U16


@pytest.mark.parametrize("method", [umadapt, umadapt_self])
def test_u04_parameters_are_low_two_highs_decoders_transfer_nets_and_the_contour_decoder(given, method):
    stage = build(method, given)
    parts = [
        stage.source_net.encoder.low, stage.source_net.encoder.high, stage.target_net.encoder.high,
        stage.source_net.decoders, stage.transfer, stage.contour_decoder,
    ]  # fmt: skip
    census = [id(p) for part in parts for p in part.parameters()]
    assert len(census) == len(set(census))  # the parts share nothing
    assert {id(p) for p in stage.parameters()} == set(census)


def test_u04_the_two_highs_start_alike(given):
    stage = build(umadapt, given)
    highs = [net.encoder.high.parameters() for net in (stage.source_net, stage.target_net)]
    assert all(torch.equal(a, b) and a is not b for a, b in zip(*highs, strict=True))


# U5: what moves


@pytest.mark.parametrize("statistics", ["source", "target"])
def test_u05_the_encoder_step_moves_the_targets_high_part_alone(given, statistics):
    stage = build(umadapt, given, statistics=statistics)
    assert moved(stage, lambda: encoder_step(stage, 0)) == parameters(stage, "target_net.encoder.high")


@pytest.mark.parametrize("statistics", ["source", "target"])
def test_u05_the_critic_step_moves_the_transfer_nets_and_the_margin_alone(given, statistics):
    stage = build(umadapt, given, statistics=statistics)
    expected = parameters(stage, "transfer") | {"mean_energy"}
    assert moved(stage, lambda: critic_step(stage, 0)) == expected


def test_u05_source_supervision_moves_the_targets_high_part_alone(given):
    stage = build(umadapt, given, anchor=1.0)
    assert moved(stage, lambda: encoder_step(stage, 0)) == parameters(stage, "target_net.encoder.high")


def test_u05_self_moves_the_targets_high_part_alone(given):
    stage = build(umadapt_self, given)
    assert moved(stage, lambda: stage.step(0, source(0), target(0))) == parameters(stage, "target_net.encoder.high")


@pytest.mark.parametrize("method", [umadapt, umadapt_self])
def test_u05_only_the_policy_target_batch_moves_statistics_and_only_those_of_the_targets_high_part(given, method):
    stage = build(method, given, statistics="target batch")
    buffers = {name for name, _ in stage.named_buffers()}
    high = {name for name in buffers if name.startswith("target_net.encoder.high.")}
    changed = moved(stage, lambda: stage.step(0, source(0), target(0)))
    assert (changed & buffers) - {"mean_energy"} == high


@pytest.mark.parametrize(("statistics", "product"), [("source", "base"), ("target", "statistics")])
def test_u05_the_targets_statistics_are_those_of_the_policy_to_the_end(given, statistics, product):
    stage = build(umadapt, given, statistics=statistics)
    for t in range(3):
        stage.step(t, source(t), target(t))
    stored = {product: dict(given[product].build().net.named_buffers()) for product in ("base", "statistics")}
    assert not same(stored["base"], stored["statistics"])
    assert same(dict(stage.target_net.named_buffers()), stored[product])
    assert same(dict(stage.source_net.named_buffers()), stored["base"])


# U6: the two players. A sign the other way round fails


@torch.no_grad()
def measured(stage) -> tuple[float, float]:
    """E(x_s), E(x_t) over all images."""
    yhat_source = canonical(stage.eval().source_net(SOURCE.image), PROBLEM)
    yhat_target = canonical(stage.on_target(TARGET.image)[1], PROBLEM)
    pairs = [(yhat, stage.through(yhat)) for yhat in (yhat_source, yhat_target)]
    stage.train()
    return tuple(sum(energies(a, b, PROBLEM).values()).item() for a, b in pairs)


def flipped(optim):
    """Let the optimiser climb."""
    descend = optim.minimise
    optim.minimise = lambda loss: descend(-loss)


@pytest.mark.parametrize(("steps", "swapped"), [(50, False), (20, True)])
def test_u06_critic_steps_raise_the_targets_energy_over_the_sources(given, steps, swapped):
    stage = build(umadapt, given, critic_lr=1e-3)
    if swapped:
        flipped(stage.critic_optim)
    before = measured(stage)
    for t in range(steps):
        critic_step(stage, t)
    after = measured(stage)
    assert (after[0] < before[0]) == (not swapped)
    # swapped, both energies grow without bound, and with them their difference: there the ratio tells
    assert swapped or after[1] - after[0] > before[1] - before[0]
    assert (after[1] / after[0] > before[1] / before[0]) == (not swapped)


@pytest.mark.parametrize(("steps", "swapped"), [(50, False), (20, True)])
def test_u06_encoder_steps_lower_the_targets_energy(given, steps, swapped):
    stage = build(umadapt, given)
    if swapped:
        flipped(stage.encoder_optim)
    before = measured(stage)
    for t in range(steps):
        encoder_step(stage, t)
    after = measured(stage)
    assert (after[1] < before[1]) == (not swapped)
    assert after[0] == before[0]


# U9: no target label is read


@pytest.mark.parametrize("method", [umadapt, umadapt_self])
def test_u09_labels_that_are_nan_beside_the_target_change_nothing(given, method):
    weights = []
    for attached in ({}, {name: torch.full((2, 32, 64), torch.nan) for name in PROBLEM.tasks}):
        stage = build(method, given)
        for t in range(3):
            stage.step(t, source(t), dataclasses.replace(target(t), attached=attached))
        weights.append(state(stage))
    assert same(*weights)


# U10: semi-supervised. With a share of 0 the engine hands over no third batch, and since the stage starts where
# `adapt` ended, "fraction 0 equals U9's run" means: then its steps are those of umadapt, from the same start


def test_u10_without_lent_labels_the_steps_are_those_of_umadapt(given):
    semi = build(umadapt_semi, given, target_labels=0.0)
    plain = given["adapt"].build().train()
    assert same(state(semi.adapted), state(plain))
    for t in range(3):
        found, expected = semi.step(t, source(t), target(t)), plain.step(t, source(t), target(t))
        assert same(found, expected)
    assert same(state(semi.adapted), state(plain))
    assert not same(state(plain), state(given["adapt"].build()))


def test_u10_turns_alternate_and_each_moves_its_own_parts(given):
    stage = build(umadapt_semi, given)
    before = state(stage)
    turn = {}
    shared = ("adapted.target_net.encoder.high", "adapted.transfer")
    changed = moved(stage, lambda: turn.update(stage.step(0, source(0), target(0), lent(0))))
    assert changed == parameters(stage, *shared, "adapted.target_net.decoders")
    direct = {f"lent_{name}" for name in PROBLEM.tasks}
    assert turn.keys() == direct | {f"{name}_transferred" for name in direct}
    turn.clear()
    changed = moved(stage, lambda: turn.update(stage.step(1, source(1), target(1), lent(1))))
    assert changed == parameters(stage, *shared) | {"adapted.mean_energy"}
    assert turn.keys() == {"energy_source", "energy_target", "critic_supervised", "energy", "contour", "anchor"}
    still = ("adapted.source_net.encoder.low.", "adapted.source_net.encoder.high.", "adapted.contour_decoder.")
    assert all(torch.equal(v, before[n]) for n, v in stage.state_dict().items() if n.startswith(still))


def test_u10_the_supervised_turn_is_the_direct_plus_alpha_times_the_transferred_terms(given):
    stage = build(umadapt_semi, given, alpha=3.0)
    terms = {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, source(0), target(0), lent(0))))
    direct = sum(terms[f"lent_{name}"] for name in PROBLEM.tasks)
    transferred = sum(terms[f"lent_{name}_transferred"] for name in PROBLEM.tasks)
    assert loss.item() == pytest.approx((direct + 3 * transferred).item())


def test_u10_a_task_that_the_target_has_no_labels_for_is_left_out(given):
    stage = build(umadapt_semi, given)
    few = lent(0)
    few = dataclasses.replace(few, labels={name: few.labels[name] for name in ("semseg", "depth")})
    found = stage.step(0, source(0), target(0), few)
    assert found.keys() == {f"lent_{n}{form}" for n in ("semseg", "depth") for form in ("", "_transferred")}


@pytest.mark.parametrize(("share", "count"), [(0.1, 4), (0.25, 10), (1.0, 40)])
def test_u10_a_share_p_lends_exactly_p_of_the_images_always_the_same(share, count):
    @dataclasses.dataclass(frozen=True)
    class Item:
        stem: str

    class Listed(Domains):
        def index(self, domain):
            return [Item(f"image{i}") for i in range(40)]

        def target_tasks(self):
            return ("semseg",)

        def pack(self, domain, fields, items=None):
            assert fields == ("image", "semseg")
            return {item.stem for item in items}

    class AnySplit:
        target = (Domain(dataset="town", part="train", size=(64, 32)),)

    lent_to = Listed(AnySplit, {}, None).lent
    ((name, stems),) = lent_to(share).items()
    assert len(stems) == count
    assert lent_to(share) == {name: stems}
    assert stems >= lent_to(share / 2)[name]  # a larger share adds to a smaller one


# U15: the margin


def test_u15_the_margin_is_twice_the_first_source_energy_and_then_its_running_mean(given):
    stage = build(umadapt, given)
    assert stage.mean_energy == 0
    seen = [critic_step(stage, t)["energy_source"].item() for t in range(2)]
    stage = build(umadapt, given)
    critic_step(stage, 0)
    assert stage.config.margin * stage.mean_energy.item() == pytest.approx(2 * seen[0])
    critic_step(stage, 1)
    assert stage.mean_energy.item() == pytest.approx(0.99 * seen[0] + 0.01 * seen[1])


def test_u15_the_margin_and_everything_else_survive_a_kill_to_the_bit(given, tmp_path):
    straight = build(umadapt, given)
    for t in range(4):
        straight.step(t, source(t), target(t))
        if t == 1:
            checkpoint.save(tmp_path, straight, 2, 1.0)
            margin = straight.mean_energy.item()
    resumed = build(umadapt, given)
    assert checkpoint.resume(tmp_path, resumed) == (2, 1.0)
    assert resumed.mean_energy.item() == margin > 0
    for t in (2, 3):
        resumed.step(t, source(t), target(t))
    assert same(state(straight), state(resumed))
