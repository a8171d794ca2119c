"""MIC on HRDA: both recipes in one, and a masked pass that looks at both scales."""

from __future__ import annotations

import pytest
import torch

from bench.nets.backbone import MEAN
from bench.rng import reseed
from methods import hrda, mic, mic_hrda
from tests import shapes
from tests.shapes import same
from tests.test_hrda import PROBLEM, SOURCE, VIEW

MIDDLE = torch.tensor(MEAN).view(3, 1, 1)


def build(method=mic_hrda, **settings):
    reseed("build")
    return method.Method(method.Method.Config(**settings), PROBLEM, {}).train()


def test_the_settings_are_hrdas_and_mics_and_none_falls_back_to_dacs():
    both, one, other = (vars(method.Method.Config()) for method in (mic_hrda, hrda, mic))
    assert both == one | other
    config = mic_hrda.Method.Config()
    assert config.ema == 0.999 and config.rare().crop == 2.0
    assert config.batchnorm().endswith("of contexts and details in turn; masked images leave no trace")
    for wrong, fault in (({"detail": 1.0}, "share of the loss"), ({"ratio": 1.0}, "expected shares")):
        with pytest.raises(ValueError, match=fault):
            mic_hrda.Method.Config(**wrong).check(PROBLEM)


def test_a_weight_of_0_is_hrda_to_the_bit():
    plain, off = build(hrda), build(weight=0.0)
    for t in range(2):
        assert same(plain.step(t, SOURCE, VIEW), off.step(t, SOURCE, VIEW))
    assert same(plain.state_dict(), off.state_dict())


def test_the_masked_pass_sees_context_and_one_window_of_the_hidden_image():
    stage, seen = build(), []
    stage.net.net.encoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    stage.masked_losses(0, VIEW, stage.pseudo(VIEW.clean))
    context, detail = seen[-2:]
    assert context.shape == detail.shape == (2, 3, 32, 64)
    assert 0.5 < (detail == MIDDLE).all(1).float().mean() < 0.9
    windows = {stage.window(0, what, VIEW.image) for what in ("source", "mixed", "masked")}
    assert len(windows) == 3


def test_the_loss_has_the_masked_terms_of_both_scales_by_their_weight():
    stage, terms = build(weight=3.0, threshold=0.0), {}
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, SOURCE, VIEW)))
    masked = {"masked_semseg", "masked_detail"}
    others = {"semseg", "detail", "depth", "normals", "mixed_semseg", "mixed_detail"}
    assert terms.keys() == masked | others | {"sure"}
    expected = sum(terms[name] for name in others) + 3 * sum(terms[name] for name in masked)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert all(terms[name] > 0 for name in masked)


def test_masked_images_leave_no_trace_in_the_stored_statistics():
    stage = build()
    pseudo = stage.pseudo(VIEW.clean)
    stored = {n: b.clone() for n, b in stage.net.named_buffers() if not n.endswith("num_batches_tracked")}
    stage.masked_losses(0, VIEW, pseudo)
    now = dict(stage.net.named_buffers())
    assert all(torch.equal(now[name], value) for name, value in stored.items())


def test_everything_survives_a_kill_to_the_bit(tmp_path):
    straight, resumed = build(consistency="all"), build(consistency="all")
    assert shapes.ends_alike_after_a_kill(
        straight, resumed, lambda stage, t: stage.step(t, SOURCE, VIEW), tmp_path, at=1, steps=3
    )
