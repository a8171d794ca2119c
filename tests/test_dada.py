"""DADA: inverse depth, the reverse Huber loss, the depth branch, and what the discriminator sees."""

from __future__ import annotations

import math

import pytest
import torch

from bench.rng import reseed
from methods import dada
from methods.parts.depth_aware import DepthAware
from methods.parts.discriminator import SOURCE as LIKE_SOURCE
from methods.parts.discriminator import called
from methods.parts.information import self_information
from methods.parts.inverse_depth import berhu, depth_of, inverse, inverse_loss, metres
from tests import shapes

PROBLEM = shapes.problem()
SOURCE, TARGET = shapes.render(2, 5, shifted=False), shapes.unlabelled(shapes.render(2, 6, shifted=True))


def build(**settings):
    reseed("build")
    return dada.Method(dada.Method.Config(**settings), PROBLEM, {}).train()


def test_inverse_depth_is_65536_over_centimetres_and_1_and_comes_back():
    depth = torch.tensor([0.0, 1.0, 10.0, 655.35])
    assert torch.allclose(inverse(depth), 65536 / (100 * depth + 1), rtol=1e-5)
    assert torch.allclose(metres(inverse(depth)), depth, atol=1e-3)


def test_a_raw_output_of_0_is_the_middle_of_the_range_in_ln_metres():
    middle = math.sqrt(shapes.NEAR * shapes.FAR)
    found = depth_of(torch.zeros(1, 1, 2, 2), (4, 4), PROBLEM)
    assert found.shape == (1, 1, 4, 4) and torch.allclose(found, torch.full_like(found, middle))


def test_berhu_is_linear_up_to_a_fifth_of_the_largest_error_and_quadratic_beyond():
    error = torch.tensor([10.0, -1.0, 2.0, -5.0, 99.0]).view(1, 1, 1, 5)
    valid = torch.tensor([True, True, True, True, False]).view(1, 1, 1, 5)
    c = 0.2 * 10
    parts = [(100 + c**2) / (2 * c), 1.0, 2.0, (25 + c**2) / (2 * c)]
    assert berhu(error, valid).item() == pytest.approx(sum(parts) / 4)
    assert berhu(3 * error, valid).item() == pytest.approx(3 * sum(parts) / 4)
    assert berhu(error, torch.zeros_like(valid)) == 0 == berhu(torch.zeros_like(error), valid)


def test_berhu_turns_at_each_images_own_largest_error():
    first, second = torch.rand(1, 1, 2, 3), 50 * torch.rand(1, 1, 2, 3)
    every = torch.ones(2, 1, 2, 3, dtype=torch.bool)
    alone = (berhu(first, every[:1]) + berhu(second, every[:1])) / 2
    assert berhu(torch.cat([first, second]), every).item() == pytest.approx(alone.item())


def test_the_gradient_of_berhu_is_finite_where_nothing_is_valid_and_where_all_is_right():
    error = torch.zeros(1, 1, 1, 3, requires_grad=True)
    for valid in (torch.zeros(1, 1, 1, 3, dtype=torch.bool), torch.ones(1, 1, 1, 3, dtype=torch.bool)):
        assert torch.autograd.grad(berhu(error, valid), error)[0].isfinite().all()


def test_the_depth_loss_is_berhu_on_inverse_depth_where_depth_is_known():
    u = torch.zeros(1, 1, 1, 2)
    middle = math.sqrt(shapes.NEAR * shapes.FAR)
    label = torch.tensor([4.0, 0.0]).view(1, 1, 1, 2)  # 0: invalid
    error = abs(655.36 / (middle + 0.01) - 655.36 / 4.01)
    c = 0.2 * error
    assert inverse_loss(u, label, PROBLEM).item() == pytest.approx((error**2 + c**2) / (2 * c), rel=1e-4)
    raw = u.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(inverse_loss(raw, label, PROBLEM), raw)
    assert gradient[0, 0, 0, 0] > 0 and gradient[0, 0, 0, 1] == 0  # 4 m are nearer than the guess


def test_the_depth_is_the_mean_of_the_code_which_also_weighs_the_features():
    reseed(0)
    net = DepthAware(PROBLEM).eval()
    features, code = net.branch(SOURCE.image)
    outputs = net(SOURCE.image)
    assert torch.allclose(outputs["depth"], code.mean(1, keepdim=True))
    assert torch.allclose(outputs["semseg"], net.net.decoders["semseg"](features * net.back(code)))
    assert set(net.net.decoders) == {"semseg", "normals"} and net.back(code).shape == features.shape
    assert shapes.gradient(outputs["semseg"].square().mean(), net.code.parameters()) > 0


def test_the_discriminator_sees_self_information_times_relative_inverse_depth():
    stage = build()
    raw = torch.randn(1, 4, 32, 64)
    nearest = {"semseg": raw, "depth": torch.full((1, 1, 32, 64), 50.0)}  # sigmoid: 0 is near, 1 is far
    (seen,) = stage.views(nearest | {"depth": -nearest["depth"]}).values()
    assert torch.allclose(seen, self_information(raw), atol=1e-5)
    (seen,) = stage.views(nearest).values()
    assert torch.allclose(seen, self_information(raw) * (shapes.NEAR + 0.01) / (shapes.FAR + 0.01), atol=1e-5)


def test_the_adversary_moves_classes_and_depth_towards_source():
    stage = build()
    outputs = {name: raw.detach().requires_grad_() for name, raw in stage.net(TARGET.image).items()}

    def verdict(outputs):
        return stage.discriminators["joint"](stage.views(outputs)["joint"])

    wanted = [outputs["semseg"], outputs["depth"]]
    gradients = torch.autograd.grad(called(verdict(outputs), LIKE_SOURCE), wanted)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)
    stepped = [raw - 0.1 * g / g.norm() for raw, g in zip(wanted, gradients, strict=True)]
    assert verdict(dict(zip(("semseg", "depth"), stepped, strict=True))).mean() < verdict(outputs).mean()


def test_a_step_weighs_the_terms_as_published_and_the_discriminators_loss_is_not_halved():
    stage, terms = build(), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, SOURCE, TARGET)))
    own = sum(value.item() for name, value in terms.items() if not name.endswith("_discriminator"))
    assert loss.item() == pytest.approx(own)
    full = build(depth=1.0, adversarial=1.0).step(0, SOURCE, TARGET)
    for name, weight in (("depth", 1e-3), ("joint_adversarial", 1e-3), ("semseg", 1), ("normals", 1)):
        assert terms[name].item() == pytest.approx(weight * full[name].item(), rel=1e-4)
    assert dada.Method.SHARE == 1.0
    assert terms["joint_discriminator"].item() == pytest.approx(2 * math.log(2), abs=0.05)  # it knows nothing yet


def test_depth_is_scored_in_metres_and_needs_labels_on_the_source():
    found = build().eval().predict(SOURCE.image)
    assert found.keys() == set(PROBLEM.tasks) and found["depth"].shape[1] == 1
    with pytest.raises(ValueError, match="depth labels of the source"):
        dada.Method.Config().check(shapes.problem(tasks=("semseg", "normals")))
    with pytest.raises(ValueError, match="needs the task semseg"):
        dada.Method.Config().check(shapes.problem(tasks=("depth",)))
