"""HRDA: where context and details look, how their scores are fused, and what each of them is taught."""

from __future__ import annotations

import pytest
import torch

from bench.nets.multitask import Small
from bench.rng import reseed
from methods import hrda
from methods.parts.scales import Window, fused
from methods.parts.selftraining import Believed
from methods.parts.supervised import losses
from tests import shapes

PROBLEM = shapes.problem(height=64, width=128)
MAPS = torch.arange(64 * 128).view(1, 1, 64, 128)


def tall(batch):
    """The 32x64 world at twice the size, every pixel four times."""
    grown = {n: v.repeat_interleave(2, -1).repeat_interleave(2, -2) for n, v in batch.labels.items()}
    image = batch.image.repeat_interleave(2, -1).repeat_interleave(2, -2)
    return type(batch)(image, image, batch.ids, batch.domain, grown)


SOURCE, TARGET = (tall(shapes.render(2, seed, shifted=seed == 6)) for seed in (5, 6))
VIEW = shapes.unlabelled(TARGET)


def build(problem=PROBLEM, **settings):
    reseed("build")
    return hrda.Method(hrda.Method.Config(**settings), problem, {}).train()


@pytest.mark.parametrize(
    ("crop", "window"),
    [((1024, 1024), (512, 512)), ((512, 512), (256, 256)), ((96, 96), (64, 64)), ((352, 480), (192, 256))],
)
def test_a_window_has_half_the_crops_sides_rounded_up_to_what_networks_ask_for(crop, window):
    problem = shapes.problem(height=crop[0], width=crop[1])
    assert build(problem).net.window == window


def test_the_context_of_a_crop_is_as_large_as_a_window_and_other_images_come_at_the_same_scale():
    net = build().net
    assert net.window == (32, 64)
    assert net.shrunk(torch.zeros(1, 3, 64, 128)).shape[2:] == (32, 64)
    assert net.shrunk(torch.zeros(1, 3, 128, 256)).shape[2:] == (64, 128)


def test_windows_are_drawn_all_over_on_multiples_of_8():
    drawn = {Window.drawn(k, (64, 128), (32, 64)) for k in range(45)}
    assert len(drawn) == 45
    assert {w.top for w in drawn} == {0, 8, 16, 24, 32} and {w.left for w in drawn} == set(range(0, 72, 8))
    assert Window.drawn(7, (64, 64), (64, 64)) == Window(0, 0, 64, 64)


def test_a_window_takes_out_and_puts_back():
    window = Window(8, 16, 32, 64)
    part = window.of(MAPS)
    assert part[0, 0, 0, 0] == MAPS[0, 0, 8, 16] and part.shape[2:] == (32, 64)
    whole = window.within(part + 1, (64, 128))
    assert torch.equal(window.of(whole), part + 1) and whole.sum() == (part + 1).sum()
    assert window.halved == Window(4, 8, 16, 32)


def test_slid_windows_cover_the_image_by_half_steps_to_its_borders():
    windows = build().net.slid((64, 160))
    assert [w.top for w in windows[::4]] == [0, 16, 32] and [w.left for w in windows[:4]] == [0, 32, 64, 96]
    seen = sum(w.within(torch.ones(1, 1, w.height, w.width), (64, 160)) for w in windows)
    assert seen.min() == 1 and len(windows) == 12


def test_attention_decides_between_context_and_detail():
    context, detail = torch.zeros(1, 2, 1, 3), torch.ones(1, 2, 1, 3)
    a = torch.tensor([[0.0, 0.25, 1.0], [1.0, 1.0, 0.0]]).view(1, 2, 1, 3)  # for each class and place
    assert torch.equal(fused(context, detail, a), a)


def looking(stage, a):
    """Let the attention be `a` everywhere, and count what the network looks at."""
    stage.net.attention.register_forward_hook(lambda _, __, out: torch.full_like(out, torch.tensor(a).logit()))
    sizes = []
    stage.net.net.encoder.register_forward_hook(lambda _, inputs, __: sizes.append(tuple(inputs[0].shape[2:])))
    return sizes


def test_learning_looks_at_the_context_and_at_one_window_and_outside_of_it_the_context_decides():
    stage = build()
    sizes = looking(stage, 0.9999999)
    window = Window(16, 32, 32, 64)
    _, raw, scores = stage.net.learn(SOURCE.image, window)
    assert sizes == [(32, 64), (32, 64)] and scores.shape[2:] == (16, 32) and raw["semseg"].shape[2:] == (32, 64)
    assert torch.allclose(window.halved.of(raw["semseg"]), scores, atol=1e-4)
    context = stage.net.context(SOURCE.image)[1]["semseg"]
    outside = window.halved.within(torch.ones(1, 1, 16, 32), (32, 64)) == 0
    assert torch.equal(raw["semseg"].masked_select(outside), context.masked_select(outside))


def test_predicting_averages_overlapping_windows():
    stage = build().eval()
    sizes = looking(stage, 0.9999999)
    with torch.no_grad():
        found = stage.predict(VIEW.image)
    assert sizes == [(32, 64)] * (1 + 9)
    assert found["semseg"].shape == (2, 4, 32, 64) and found.keys() == set(PROBLEM.tasks)
    with torch.no_grad():
        corner, right = (stage.net.detail(Window(0, left, 32, 64).of(VIEW.image)) for left in (0, 32))
    assert torch.allclose(found["semseg"][..., :8, :16], corner[..., :8, :16], atol=1e-4)  # seen in one window
    both = (corner[..., :8, 16:] + right[..., :8, :16]) / 2
    assert torch.allclose(found["semseg"][..., :8, 16:32], both, atol=1e-4)  # and here in two


def test_depth_and_normals_are_the_contexts():
    stage = build().eval()
    with torch.no_grad():
        found, context = stage.predict(VIEW.image), stage.net.context(VIEW.image)[1]
    assert all(torch.equal(found[name], context[name]) for name in ("depth", "normals"))
    window = Window(0, 0, 32, 64)
    detail = stage.net.detail(window.of(SOURCE.image)).sum()
    assert shapes.gradient(detail, stage.net.net.decoders["depth"].parameters()) == 0


def test_details_have_a_tenth_of_the_class_loss_on_source_and_mixed_images():
    whole, own = build(detail=0.0), build(detail=0.1)
    with torch.no_grad():
        one, two = (stage.source_losses(0, SOURCE) for stage in (whole, own))
    assert two["semseg"].item() == pytest.approx(0.9 * one["semseg"].item(), rel=1e-5) and one["detail"] == 0
    window = own.window(0, "source", SOURCE.image)
    with torch.no_grad():
        _, _, scores = build().net.learn(SOURCE.image, window)
    expected = losses({"semseg": scores}, {"semseg": window.of(SOURCE.labels["semseg"])}, PROBLEM)["semseg"]
    assert two["detail"].item() == pytest.approx(0.1 * expected.item(), rel=1e-5)
    terms = {}
    loss = shapes.caught(own.optim, lambda: terms.update(own.step(0, SOURCE, VIEW)))
    names = {"semseg", "detail", "mixed_semseg", "mixed_detail", "depth", "normals", "sure"}
    assert terms.keys() == names
    assert loss.item() == pytest.approx(sum(v.item() for n, v in terms.items() if n != "sure"), rel=1e-5)


def test_details_of_mixed_images_are_weighted_pixel_by_pixel_like_the_whole():
    stage, label = build(detail=0.5), SOURCE.labels["semseg"]
    window = stage.window(0, "mixed", SOURCE.image)
    weight = 1 - window.within(torch.ones(2, window.height, window.width), (64, 128))  # 0 in the window
    with torch.no_grad():
        terms = stage.student_losses(0, "mixed", Believed(SOURCE.image, {"semseg": label}, weight))
        assert terms["mixed_detail"] == 0 and terms["mixed_semseg"] > 0
        half = stage.student_losses(0, "mixed", Believed(SOURCE.image, {"semseg": label}, torch.full(label.shape, 0.5)))
        full = stage.student_losses(0, "mixed", Believed(SOURCE.image, {"semseg": label}, torch.ones(label.shape)))
    assert all(half[name].item() == pytest.approx(full[name].item() / 2, rel=1e-5) for name in full)


def test_the_window_follows_from_the_step_and_differs_for_source_and_mixed_images():
    stage = build()
    drawn = [(stage.window(t, "source", SOURCE.image), stage.window(t, "mixed", SOURCE.image)) for t in range(30)]
    assert len({w for w, _ in drawn}) > 10 and sum(a != b for a, b in drawn) > 20
    assert drawn[3][0] == build().window(3, "source", SOURCE.image)


def test_the_attention_learns_and_the_teacher_has_its_own():
    stage = build()
    before = {n: p.clone() for n, p in stage.net.attention.named_parameters()}
    for t in range(2):
        stage.step(t, SOURCE, VIEW)
    assert all(not torch.equal(p, before[n]) for n, p in stage.net.attention.named_parameters())
    assert not {id(p) for p in stage.net.parameters()} & {id(p) for p in stage.teacher.parameters()}


def test_rare_classes_need_four_times_the_pixels_of_daformers_views():
    assert hrda.Method.Config().rare().crop == 2.0 and hrda.Method.Config(temperature=0.0).rare() is None


def test_everything_survives_a_kill_to_the_bit(tmp_path):
    straight, resumed = build(consistency="all"), build(consistency="all")
    assert shapes.ends_alike_after_a_kill(
        straight, resumed, lambda stage, t: stage.step(t, SOURCE, VIEW), tmp_path, at=1, steps=3
    )


def test_a_pretrained_encoder_holds_the_contexts_features():
    class Pretrained(Small):
        def weights_used(self):
            return "a hash"

    problem = shapes.problem(
        height=64, width=128, classes=("ground", "car", "person", "sky"), network=Pretrained(width=4)
    )
    stage = build(problem)
    assert stage.frozen is not None and stage.source_losses(0, SOURCE)["distance"].isfinite()


def test_a_share_of_1_or_more_is_refused():
    with pytest.raises(ValueError, match="expected a share of the loss below 1"):
        hrda.Method.Config(detail=1.0).check(PROBLEM)
