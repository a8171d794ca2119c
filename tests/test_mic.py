"""MIC: blocks of the target image are hidden, and the student must give the teacher's label of the whole."""

from __future__ import annotations

import pytest
import torch

from bench.nets.backbone import MEAN
from bench.rng import reseed
from methods import daformer, mic
from tests import shapes
from tests.shapes import same, source, target

PROBLEM = shapes.problem()
MIDDLE = torch.tensor(MEAN).view(3, 1, 1)


def build(method=mic, **settings):
    reseed("build")
    return method.Method(method.Method.Config(**settings), PROBLEM, {}).train()


def hidden(image, before):
    """B H W bool; a pixel is as it was, or of the mean colour."""
    gone = (image == MIDDLE).all(1)
    assert torch.equal(torch.where(gone[:, None], before, image), before)
    return gone


def test_whole_blocks_are_hidden_behind_the_mean_colour():
    stage, image = build(block=1 / 8), target().image  # 4x4 pixels of 32x64
    gone = hidden(stage.hide(0, image, target().ids), image)
    blocks = gone.view(2, 8, 4, 16, 4).permute(0, 1, 3, 2, 4).reshape(2, 128, 16)
    assert (blocks.all(2) | ~blocks.any(2)).all()
    assert not torch.equal(blocks[0], blocks[1])


def test_seven_of_ten_blocks_are_hidden():
    stage, ids = build(), torch.arange(64)
    gone = hidden(stage.hide(0, torch.ones(64, 3, 32, 64), ids), torch.ones(64, 3, 32, 64))
    assert gone.float().mean().item() == pytest.approx(0.7, abs=0.01)
    clear = build(ratio=0.0).hide(0, target().image, target().ids)
    assert torch.equal(clear, target().image)


def test_blocks_are_a_sixteenth_of_the_shorter_side_and_need_not_fit():
    stage = build(block=0.3)  # 10 pixels
    gone = hidden(stage.hide(0, torch.ones(1, 3, 32, 64), torch.tensor([3])), torch.ones(1, 3, 32, 64))[0]
    assert torch.equal(gone[:10, :10].all(), gone[0, 0]) and torch.equal(gone[30:, 60:].all(), gone[31, 63])
    assert mic.Method.Config().block * 512 == 32 and mic.Method.Config().block * 1024 == 64


def test_what_is_hidden_of_an_image_does_not_depend_on_its_batch_but_on_the_step():
    stage, image, ids = build(), torch.ones(2, 3, 32, 64), torch.tensor([4, 9])
    both = stage.hide(5, image, ids)
    assert torch.equal(stage.hide(5, image[1:], ids[1:])[0], both[1])
    assert not torch.equal(stage.hide(6, image, ids), both)


def test_the_student_sees_the_mask_and_the_teacher_the_whole_clean_image(monkeypatch):
    stage, seen = build(), {}
    stage.net.register_forward_hook(lambda _, inputs, __: seen.setdefault("student", []).append(inputs[0]))
    stage.teacher.register_forward_hook(lambda _, inputs, __: seen.setdefault("teacher", []).append(inputs[0]))
    monkeypatch.setattr(stage, "strong", lambda t, what, image, ids: 0.5 * image if what == "masked" else image)
    stage.step(0, source(), target())
    assert len(seen["teacher"]) == 1 and torch.equal(seen["teacher"][0], target().clean)
    gone = hidden(seen["student"][-1], 0.5 * target().image)  # the mask is over the changed colours
    assert 0.5 < gone.float().mean() < 0.9


def test_the_masked_loss_is_weighted_by_the_share_of_sure_pixels_and_by_its_own_weight():
    terms = {}
    stage = build(weight=3.0, threshold=0.0)
    loss = shapes.caught(stage.optim, lambda: terms.update(stage.step(0, source(), target())))
    assert terms["sure"] == 1
    others = sum(terms[name] for name in ("semseg", "depth", "normals", "mixed_semseg"))
    assert loss.item() == pytest.approx((others + 3 * terms["masked_semseg"]).item())
    never = build(threshold=2.0).step(0, source(), target())
    assert never["sure"] == 0 and never["masked_semseg"] == 0


def test_a_weight_of_0_is_daformer_to_the_bit():
    plain, off = build(daformer), build(weight=0.0)
    for t in range(2):
        assert same(plain.step(t, source(t), target(t)), off.step(t, source(t), target(t)))
    assert same(plain.state_dict(), off.state_dict())


def test_masked_images_leave_no_trace_in_the_stored_statistics_but_the_network_learns_from_them():
    stage = build(threshold=0.0)
    stored = {name: buffer.clone() for name, buffer in stage.net.named_buffers()}
    pseudo = stage.pseudo(target().clean)
    (term,) = stage.masked_losses(0, target(), pseudo).values()
    now = dict(stage.net.named_buffers())
    assert all(torch.equal(now[name], value) for name, value in stored.items())
    assert shapes.gradient(term, stage.net.encoder.parameters()) > 0
    stage.net(target().image)
    assert not all(torch.equal(now[name], value) for name, value in stored.items())


def test_consistency_all_reaches_behind_the_mask_for_depth_and_normals():
    terms = build(consistency="all", threshold=0.0).step(0, source(), target())
    assert {"masked_semseg", "masked_depth", "masked_normals"} <= terms.keys()


@pytest.mark.parametrize("settings", [{"ratio": 1.0}, {"ratio": -0.1}, {"block": 0.0}, {"block": 2.0}])
def test_shares_that_are_none_are_refused(settings):
    with pytest.raises(ValueError, match="expected shares"):
        mic.Method.Config(**settings).check(PROBLEM)
