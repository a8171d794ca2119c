"""MinEnt: the entropy of classes, normalised by log2 C, at two levels."""

from __future__ import annotations

import pytest
import torch

from bench.rng import reseed
from methods import minent
from methods.parts.auxiliary import TwoLevels
from methods.parts.information import entropy, self_information
from tests import shapes

PROBLEM = shapes.problem()
SOURCE, TARGET = shapes.render(2, 5, shifted=False), shapes.unlabelled(shapes.render(2, 6, shifted=True))


def build(problem=PROBLEM, **settings):
    reseed("build")
    return minent.Method(minent.Method.Config(**settings), problem, {}).train()


def scores(*probabilities):
    return torch.tensor(probabilities).log().view(1, -1, 1, 1)


def test_self_information_is_minus_p_log2_p_over_log2_c():
    found = self_information(scores(0.5, 0.25, 0.125, 0.125)).flatten().tolist()
    assert found == pytest.approx([0.5 / 2, 0.5 / 2, 0.375 / 2, 0.375 / 2])  # log2 of 4 classes is 2


def test_entropy_is_its_sum_between_0_and_1():
    assert entropy(scores(0.5, 0.25, 0.125, 0.125)).item() == pytest.approx(1.75 / 2)
    assert entropy(torch.zeros(2, 18, 3, 3)).item() == pytest.approx(1)
    certain = torch.tensor([300.0, 0.0, 0.0]).view(1, 3, 1, 1)
    assert entropy(certain).item() == 0
    pixels = torch.cat([torch.zeros(1, 3, 1, 1), certain], 3)
    assert entropy(pixels).item() == pytest.approx(0.5)  # the mean over the pixels


def test_a_descent_makes_the_target_surer():
    raw = torch.tensor([0.3, 0.1, 0.0]).view(1, 3, 1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(entropy(raw), raw)
    assert gradient[0, 0] < 0 < gradient[0, 2]
    assert entropy(raw - gradient) < entropy(raw)
    extreme = torch.tensor([300.0, 0.0]).view(1, 2, 1, 1).requires_grad_()
    assert torch.autograd.grad(entropy(extreme), extreme)[0].isfinite().all()


def test_a_step_weighs_the_terms_as_published_and_sums_them():
    stage, terms = build(), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, SOURCE, TARGET)))
    assert loss.item() == pytest.approx(sum(value.item() for value in terms.values()))
    assert terms.keys() == {*PROBLEM.tasks, "auxiliary_semseg", "entropy", "auxiliary_entropy"}
    full = build(auxiliary=1.0, entropy_final=1.0, entropy_auxiliary=1.0).step(0, SOURCE, TARGET)
    for name, weight in (("auxiliary_semseg", 0.1), ("entropy", 1e-3), ("auxiliary_entropy", 2e-4), ("depth", 1)):
        assert terms[name].item() == pytest.approx(weight * full[name].item(), rel=1e-5)


def test_target_images_teach_classes_alone():
    stage = build()
    on_target = stage.net(TARGET.image)
    value = entropy(on_target["final"]["semseg"])
    assert shapes.gradient(value, stage.net.net.decoders["semseg"].parameters()) > 0
    assert shapes.gradient(value, stage.net.net.encoder.high.parameters()) > 0
    assert shapes.gradient(value, stage.net.net.decoders["depth"].parameters()) == 0


def test_the_auxiliary_head_is_linear_on_low_and_no_part_of_prediction():
    stage = build().eval()
    assert isinstance(stage.net, TwoLevels)
    low = stage.net.net.encoder.low(SOURCE.image)
    outputs = stage.net(SOURCE.image)
    assert torch.allclose(outputs["auxiliary"]["semseg"], stage.net.heads["semseg"](low))
    assert outputs["auxiliary"].keys() == {"semseg"} and stage.net.heads["semseg"].kernel_size == (1, 1)
    before = stage.predict(SOURCE.image)
    assert all(torch.equal(before[name], raw) for name, raw in outputs["final"].items())
    del stage.net.heads
    assert torch.equal(stage.predict(SOURCE.image)["semseg"], before["semseg"])


def test_a_split_without_classes_is_refused():
    with pytest.raises(ValueError, match="needs the task semseg"):
        minent.Method.Config().check(shapes.problem(tasks=("depth", "normals")))
    minent.Method.Config().check(shapes.problem(tasks=("semseg",)))
    assert build(shapes.problem(tasks=("semseg",))).step(0, SOURCE, TARGET)["entropy"].isfinite()
