"""FDA: low amplitudes from the target, phase and the rest from the source, labels untouched; nothing at test time."""

from __future__ import annotations

import math

import pytest
import torch

from bench.rng import reseed
from methods import fda
from methods.fda import charbonnier_entropy, restyled
from tests import shapes

PROBLEM = shapes.problem()
SOURCE, TARGET = shapes.render(2, 5, shifted=False), shapes.render(2, 6, shifted=True)
MID = 0.4 + 0.2 * torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))  # far from 0 and 1
OTHER = 0.45 + 0.1 * torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def build(**settings):
    reseed("build")
    return fda.Method(fda.Method.Config(**settings), PROBLEM, {}).train()


def spectrum(image):
    return torch.fft.fftshift(torch.fft.fft2(image.double()), dim=(-2, -1))


def window(reach):
    low = torch.zeros(16, 24, dtype=torch.bool)
    low[8 - reach : 9 + reach, 12 - reach : 13 + reach] = True
    return low


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_low_amplitudes_are_the_targets_and_everything_else_is_the_sources(reach):
    result, source, target = spectrum(restyled(MID, OTHER, reach)), spectrum(MID), spectrum(OTHER)
    low = window(reach)
    assert torch.allclose(result.abs()[..., low], target.abs()[..., low], atol=1e-3)
    assert torch.allclose(result[..., ~low], source[..., ~low], atol=1e-3)
    turned = (result[..., low] * source[..., low].conj()).angle().abs()  # phases
    assert turned.max() < 1e-3


def test_an_image_in_its_own_colours_is_itself():
    assert torch.allclose(restyled(MID, MID, 2), MID, atol=1e-5)


def test_a_reach_of_0_takes_the_mean_colour_alone():
    shifted = MID + (OTHER - MID).mean((2, 3), keepdim=True)
    assert torch.allclose(restyled(MID, OTHER, 0), shifted, atol=1e-5)


def test_the_result_is_cut_to_what_an_image_can_be():
    bright = restyled(torch.rand(2, 3, 16, 16), torch.full((2, 3, 16, 16), 0.95), 1)
    assert bright.min() >= 0 and bright.max() == 1


def test_every_image_takes_the_colours_of_its_own_partner():
    alone = restyled(MID[1:], OTHER[1:], 1)
    assert torch.allclose(restyled(MID, OTHER, 1)[1:], alone, atol=1e-6)


@pytest.mark.parametrize(("beta", "reach"), [(0.0, 0), (0.01, 1), (0.1, 3)])
def test_the_window_is_a_share_of_the_shorter_side_and_at_least_one_frequency(monkeypatch, beta, reach):
    seen = []
    monkeypatch.setattr(fda, "restyled", lambda source, target, reach: seen.append(reach) or source)
    build(beta=beta).step(0, SOURCE, shapes.unlabelled(TARGET))
    assert seen == [reach]  # of 32 pixels


def test_all_tasks_learn_from_the_restyled_image_with_the_sources_labels():
    stage = build(beta=0.1)
    terms = {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, SOURCE, shapes.unlabelled(TARGET))))
    assert terms.keys() == set(PROBLEM.tasks)
    assert loss.item() == pytest.approx(sum(v.item() for v in terms.values()))
    again = fda.losses(build().net(restyled(SOURCE.image, TARGET.image, 3)), SOURCE.labels, PROBLEM)
    assert all(terms[name].item() == pytest.approx(again[name].item(), rel=1e-4) for name in terms)


def test_the_entropy_is_off_by_default_and_then_no_target_passes_the_network():
    stage = build()
    passes = []
    stage.net.register_forward_hook(lambda *_: passes.append(1))
    stage.step(0, SOURCE, shapes.unlabelled(TARGET))
    assert len(passes) == 1
    stage = build(entropy=0.5)
    terms = {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, SOURCE, shapes.unlabelled(TARGET))))
    supervised = sum(terms[name] for name in PROBLEM.tasks)
    assert loss.item() == pytest.approx((supervised + 0.5 * terms["entropy"]).item())
    assert "target" in stage.config.batchnorm() and stage.config.batchnorm() != build().config.batchnorm()


def test_the_entropy_is_1_for_even_classes_and_next_to_0_for_certain_ones():
    even, certain = torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)
    certain[:, 1] = 50
    assert charbonnier_entropy(even, 2.0).item() == pytest.approx(1)
    assert charbonnier_entropy(certain, 2.0).item() < 1e-12
    two = torch.tensor([0.0, 0.0, -1e4, -1e4]).view(1, 4, 1, 1)
    assert charbonnier_entropy(two, 2.0).item() == pytest.approx((math.log(2) / math.log(4)) ** 4, rel=1e-4)


def test_prediction_knows_no_fourier():
    stage = build().eval()
    assert torch.equal(stage.predict(SOURCE.image)["depth"], stage.net(SOURCE.image)["depth"])


@pytest.mark.parametrize(
    ("settings", "tasks"),
    [({"beta": 0.5}, PROBLEM.tasks), ({"beta": -0.1}, PROBLEM.tasks), ({"entropy": 1.0}, ("depth",))],
)
def test_what_cannot_run_is_refused_in_one_line(settings, tasks):
    with pytest.raises(ValueError, match="expected a share|entropy=0"):
        fda.Method.Config(**settings).check(shapes.problem(tasks=tasks))
    fda.Method.Config().check(shapes.problem(tasks=("depth",)))
