"""UM-Adapt's adaptation losses, its contours and what it refuses: U6, U7, U8, U13 and U16 of its specification."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from bench.nets.multitask import ResNet50, Small
from bench.plan import plan
from bench.problem import Unlabelled
from methods import umadapt, umadapt_self, umadapt_semi
from methods.parts.adversary import Adversarial
from methods.parts.contour import Contour, contour_loss, sobel_contour
from methods.parts.transfer import canonical, energies
from tests import shapes
from tests.shapes import caught, gradient

PROBLEM = shapes.problem()
SKY = PROBLEM.sky


@pytest.fixture(scope="module")
def given():
    return shapes.needs(PROBLEM)


@pytest.fixture(scope="module")
def source():
    return shapes.render(2, 5, shifted=False)


@pytest.fixture(scope="module")
def target():
    return shapes.unlabelled(shapes.render(2, 6, shifted=True))


def encoder_step(stage, source, target):
    features, raw = stage.on_target(target.image)
    return stage.encoder_step(source, target, features, canonical(raw, PROBLEM))


# U6: the critic's signs


@pytest.mark.parametrize(("energy_target", "slope"), [(0.1, -1.0), (0.59, -1.0), (0.61, 0.0), (5.0, 0.0)])
def test_u06_the_critic_lowers_the_source_energy_and_raises_the_targets_up_to_the_margin(given, energy_target, slope):
    stage = Adversarial(Adversarial.Config(beta=0.7, anchor=0.0), PROBLEM, given)
    on_source, on_target, supervised = (torch.tensor(v, requires_grad=True) for v in (0.3, energy_target, 1.0))
    loss = stage.critic_loss(on_source, on_target, supervised)  # the first margin: 2 x 0.3
    assert loss.item() == pytest.approx(0.3 + max(0.0, 0.6 - energy_target) + 0.7)
    loss.backward()
    assert (on_source.grad, on_target.grad) == (1.0, slope)
    assert supervised.grad.item() == pytest.approx(0.7)


def test_u06_the_encoders_gradient_flows_through_the_direct_and_the_transferred_predictions(given, source, target):
    stage = Adversarial(Adversarial.Config(lam=0.0, anchor=0.0), PROBLEM, given)
    whole = torch.autograd.grad(
        caught(stage.encoder_optim, lambda: encoder_step(stage, source, target)), stage.high.parameters()
    )
    yhat = canonical(stage.on_target(target.image)[1], PROBLEM)
    fixed = {n: y.detach() for n, y in yhat.items()}
    pairs = [(yhat, stage.through(fixed)), (fixed, stage.through(yhat))]
    direct, transferred = (sum(energies(a, b, PROBLEM).values()) for a, b in pairs)
    for loss in (direct, transferred):
        assert gradient(loss, stage.high.parameters()) > 0
    parts = torch.autograd.grad(direct + transferred, stage.high.parameters())
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(whole, parts, strict=True))


# U7: self


def test_u07_pseudo_labels_carry_no_gradient_and_direct_predictions_do(given, target):
    stage = umadapt_self.Method(umadapt_self.Method.Config(lam=0.0, anchor=0.0), PROBLEM, given)
    labels = stage.pseudo_labels(stage.on_target(target.image)[1])
    assert not any(label.requires_grad for label in labels.values())
    loss = caught(stage.optim, lambda: stage.step(0, None, target))
    assert gradient(loss, stage.transfer.parameters()) == 0
    assert gradient(loss, stage.high.parameters()) > 0


def test_u07_pseudo_labels_are_the_transferred_predictions_outside_the_sky(given, target):
    stage = umadapt_self.Method(umadapt_self.Method.Config(), PROBLEM, given)
    _, raw = stage.on_target(target.image)
    raw["semseg"][:, SKY, :8] += 100  # the upper half of the grid
    labels, ytil = stage.pseudo_labels(raw), stage.through(canonical(raw, PROBLEM))
    assert torch.equal(labels["semseg"], ytil["semseg"].argmax(1))
    below = labels["depth"][:, :, 8:].log()
    expected = math.log(shapes.NEAR) + ytil["depth"][:, :, 8:] * math.log(shapes.FAR / shapes.NEAR)
    ground = (raw["semseg"].argmax(1) != SKY)[:, None, 8:]
    assert ground.any()
    assert torch.allclose(below[ground], expected[ground], atol=1e-5)
    for name in ("depth", "normals"):
        assert not labels[name][:, :, :8].any()
    assert torch.equal(labels["normals"][:, :, 8:], ytil["normals"][:, :, 8:] * ground)


# U8: the contour term


def test_u08_the_contour_stage_learns_the_same_whatever_the_labels(given, source):
    shuffled = {name: label.flip(0) for name, label in source.labels.items()}
    weights = []
    for labels in (source.labels, shuffled):
        torch.manual_seed(0)
        stage = Contour(Contour.Config(), PROBLEM, given)
        stage.step(0, dataclasses.replace(source, labels=labels), None)
        weights.append([p.clone() for p in stage.decoder.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_u08_the_contour_is_read_off_the_clean_image(given, target):
    stage = Adversarial(Adversarial.Config(anchor=0.0), PROBLEM, given)
    features, _ = stage.on_target(target.image)
    dark = dataclasses.replace(target, image=target.image * 0.1)
    assert torch.equal(stage.contour_term(features, target), stage.contour_term(features, dark))
    blank = dataclasses.replace(target, clean=torch.zeros_like(target.clean))
    assert stage.contour_term(features, target) != stage.contour_term(features, blank)


def test_u08_the_contour_loss_is_nothing_where_the_contour_is_predicted(target):
    assert contour_loss(lambda features: sobel_contour(target.clean), torch.zeros(1), target.clean) == 0


@pytest.mark.parametrize("method", [umadapt.Method, umadapt_self.Method])
@pytest.mark.parametrize("lam", [0.0, 10.0])
def test_u08_lambda_weighs_the_contour_terms_way_into_the_high_part(given, source, target, method, lam):
    stage = method(method.Config(lam=lam, anchor=0.0), PROBLEM, given)
    features, _ = stage.on_target(target.image)
    contour = stage.contour_term(features, target)
    assert gradient(contour, stage.high.parameters()) > 0
    scalars = {}
    if method is umadapt.Method:
        loss = caught(stage.encoder_optim, lambda: scalars.update(encoder_step(stage, source, target)))
        rest = scalars["energy"]
    else:
        loss = caught(stage.optim, lambda: scalars.update(stage.step(0, source, target)))
        rest = sum(scalars[name] for name in PROBLEM.tasks)
    assert scalars["contour"].item() == pytest.approx(contour.item())
    assert loss.item() == pytest.approx((rest + lam * contour).item())
    share = torch.autograd.grad(loss - rest, stage.high.parameters(), retain_graph=True)
    alone = torch.autograd.grad(contour, stage.high.parameters())
    assert all(torch.allclose(a, lam * b, rtol=1e-3, atol=1e-4) for a, b in zip(share, alone, strict=True))


def test_u08_constant_features_give_a_large_contour_loss(given):
    pool = shapes.render(16, 7, shifted=False)
    stage = Contour(Contour.Config(lr=1e-2), PROBLEM, given)
    for t in range(120):
        stage.step(t, shapes.draw(pool, 4, t), None)
    features = stage.encoder.eval()(pool.image)
    constant = features.mean((0, 2, 3), keepdim=True).expand_as(features)
    lost = contour_loss(stage.decoder, constant, pool.clean)
    assert lost > 0.9 * sobel_contour(pool.clean).var()  # what one who knows nothing loses
    assert lost > 1.5 * contour_loss(stage.decoder, features, pool.clean)


# U13: golden values of the contour


def half_white(dtype):
    image = torch.zeros(1, 3, 32, 32, dtype=dtype)
    image[..., 16:] = 1
    return image


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_u13_the_contour_of_an_edge_has_its_golden_values(dtype):
    found = sobel_contour(half_white(dtype))[0, 0]
    assert found.shape == (16, 16)
    side = [0.5720, 0.2082, 0.0687, 0.0185]
    assert found[0, 4:12].tolist() == pytest.approx([*reversed(side), *side], abs=1e-4)
    assert torch.allclose(found, found[:1].expand(16, 16), atol=1e-12 if dtype == torch.float64 else 1e-5)


def test_u13_half_precision_elsewhere_leaves_the_contour_as_it_is():
    image = shapes.render(1, 0, shifted=False).clean
    with torch.autocast("cpu", torch.bfloat16):
        found = sobel_contour(image)
    assert torch.equal(found, sobel_contour(image))


def test_u13_a_constant_image_has_no_contour():
    assert sobel_contour(torch.full((1, 3, 32, 32), 0.4)).abs().max() < 1e-5
    assert sobel_contour(torch.full((1, 3, 32, 32), 0.4, dtype=torch.float64)).abs().max() < 1e-12


def test_u13_contrast_and_brightness_change_no_contour():
    for image in (half_white(torch.float32), shapes.render(1, 0, shifted=False).clean):
        assert torch.allclose(sobel_contour(image), sobel_contour(0.5 * image + 0.25), atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_u13_the_contour_of_the_mirrored_image_is_the_mirrored_contour(dtype, tolerance):
    image = shapes.render(1, 0, shifted=False).clean.to(dtype)
    assert torch.allclose(sobel_contour(image.flip(-1)), sobel_contour(image).flip(-1), rtol=0, atol=tolerance)
    assert not torch.allclose(sobel_contour(image), sobel_contour(image).flip(-1), atol=0.1)


# U16: what is refused


@pytest.mark.parametrize("method", [umadapt.Method, umadapt_self.Method, umadapt_semi.Method])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ("semseg",)}, "at least two tasks"),
        ({"height": 48}, "divisible by 32; got 64x48"),
        ({"width": 80}, "divisible by 32; got 80x32"),
    ],
)
def test_u16_a_problem_that_does_not_fit_is_refused_in_one_line(method, changes, message):
    with pytest.raises(ValueError, match=message) as refusal:
        plan("m", method.Config(), shapes.problem(**changes), shapes.DATA, "fp32")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (umadapt.Method.Config(contour=Contour.Config(contour="hed")), 'no contour target "hed"; known: sobel'),
        (umadapt.Method.Config(statistics="sorce"), 'no statistics "sorce"; known: source, target, target batch'),
        (umadapt_semi.Method.Config(target_labels=10), "0 to 1; got 10"),
    ],
)
def test_u16_a_setting_that_is_not_known_is_refused_in_one_line(config, message):
    with pytest.raises(ValueError, match=message) as refusal:
        plan("m", config, PROBLEM, shapes.DATA, "fp32")
    assert "\n" not in str(refusal.value)


def test_u16_what_fits_is_not_refused():
    root = plan("m", umadapt.Method.Config(), PROBLEM, shapes.DATA, "fp32")
    assert set(root.needs) == {"base", "contour", "statistics"}


# what no id covers


def test_an_unlabelled_batch_has_no_place_for_a_label():
    assert {f.name for f in dataclasses.fields(Unlabelled)} == {"image", "clean", "ids", "domain", "attached"}


def test_learning_rates_follow_the_networks_when_none_is_given(given):
    for network, rate in ((ResNet50(weights="none"), 1e-4), (Small(width=4), 2e-3)):
        stage = Adversarial(Adversarial.Config(), dataclasses.replace(PROBLEM, network=network), given)
        assert stage.encoder_optim.lr == pytest.approx(rate / 20)
        assert stage.critic_optim.lr == pytest.approx(rate / 4)
