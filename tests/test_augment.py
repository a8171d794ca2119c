"""Augmentation keeps image, labels and camera in step, and an image's colours do not depend on its neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bench.data.augment import FAINT, NUM_UNIFORMS, View, check, draw_photometry, draw_view, photometry, whole_view
from bench.data.geometry import Camera, normals_from_depth, resize_image
from bench.data.sampling import uniforms
from bench.split import Augmentation

PACKED, CROP = (128, 80), (64, 32)
CAMERA = Camera(150.0, 150.0, 60.0, 37.5)


def views(augment, number=300, packed=PACKED, crop=CROP):
    return [draw_view(uniforms(NUM_UNIFORMS, "views", i), augment, packed, crop) for i in range(number)]


def depth_of(normal, distance=4.0, camera=CAMERA, size=PACKED):
    normal = np.array(normal) / np.linalg.norm(normal)
    return (-distance / (camera.rays(size) @ normal)).astype(np.float32)


def cut(view, name, whole):
    return view.apply(name, whole[view.top : view.top + view.height, view.left : view.left + view.width])


def test_a_flip_mirrors_everything_and_turns_normals():
    r = np.random.default_rng(0)
    flip = View(0, 0, 32, 64, CROP, True)
    maps = {
        "image": r.integers(0, 256, (32, 64, 3), np.uint8),
        "semseg": r.integers(0, 9, (32, 64), np.uint8),
        "depth": r.random((32, 64), np.float32),
        "normals": r.standard_normal((32, 64, 3)).astype(np.float16),
    }
    for name, values in maps.items():
        expected = values[:, ::-1] * np.array((-1, 1, 1), np.float16) if name == "normals" else values[:, ::-1]
        assert np.array_equal(flip.apply(name, values), expected)
        assert flip.apply(name, values).dtype == values.dtype


def test_mirrored_normals_are_those_of_the_mirrored_depth_under_the_mirrored_camera():
    depth = depth_of((0.4, -0.3, -1))
    flip = View(0, 0, 80, 128, PACKED, True)
    normals = normals_from_depth(flip.apply("depth", depth), CAMERA.flipped(128))
    assert normals.any(-1).all() and CAMERA.flipped(128).cx == 127 - CAMERA.cx
    assert normals == pytest.approx(flip.apply("normals", normals_from_depth(depth, CAMERA)), abs=1e-5)


def test_normals_of_a_crop_are_those_of_the_cropped_depth_under_the_cropped_camera():
    depth = depth_of((0.4, -0.3, -1))
    view = View(11, 23, 32, 64, CROP, False)
    normals = normals_from_depth(cut(view, "depth", depth), CAMERA.cropped(view.left, view.top))
    assert normals == pytest.approx(cut(view, "normals", normals_from_depth(depth, CAMERA)), abs=1e-5)


@pytest.mark.parametrize("zoom", [1.25, 2, 0.8])
def test_zoom_divides_depth_so_that_things_keep_their_size(zoom):
    """A wall's width in metres, read off its width in pixels with one and the same camera, does not change."""
    view = View(10, 20, round(32 / zoom), round(64 / zoom), CROP, False)
    depth = cut(view, "depth", np.full(PACKED[::-1], 12.0, np.float32))
    assert view.zoom == pytest.approx(zoom, rel=0.02)
    assert depth.shape == (32, 64) and depth.dtype == np.float32
    metres_seen = depth[0, 0] * 64 / CAMERA.fx
    assert metres_seen == pytest.approx(12.0 * view.width / CAMERA.fx, rel=0.02)


def test_zoom_keeps_what_is_invalid_invalid_and_mixes_nothing():
    r = np.random.default_rng(0)
    ids = r.choice(np.array([0, 7, 255], np.uint8), PACKED[::-1])
    depth = np.where(ids == 255, 0, 5 + ids).astype(np.float32)
    normals = np.where((ids == 255)[..., None], 0, (0, 0, -1)).astype(np.float16)
    view = View(7, 9, 21, 43, CROP, False)
    found = {name: cut(view, name, whole) for name, whole in (("semseg", ids), ("depth", depth), ("normals", normals))}
    assert set(np.unique(found["semseg"])) == {0, 7, 255}
    assert np.array_equal(found["depth"] == 0, found["semseg"] == 255)
    assert np.allclose(found["depth"][found["semseg"] == 7], 12 / view.zoom)
    assert np.array_equal(found["normals"].any(-1), found["semseg"] != 255)


def test_without_zoom_not_a_bit_is_touched():
    depth = np.random.default_rng(0).random(PACKED[::-1], np.float32)
    image = np.random.default_rng(0).integers(0, 256, (80, 128, 3), np.uint8)
    view = View(5, 6, 32, 64, CROP, False)
    assert view.zoom == 1
    assert np.array_equal(cut(view, "depth", depth), depth[5:37, 6:70])
    assert np.array_equal(cut(view, "image", image), image[5:37, 6:70])


def test_image_and_labels_stay_in_step():
    """Where the label's boundaries are, there are the image's."""
    ids = np.kron(np.random.default_rng(0).integers(0, 2, (10, 16), np.uint8), np.ones((8, 8), np.uint8))
    image = np.repeat(ids[..., None] * np.uint8(250), 3, -1)
    for view in views(Augmentation(zoom=(0.8, 2.0)), 40):
        agree = (cut(view, "image", image)[..., 0] > 125) == (cut(view, "semseg", ids) == 1)
        assert agree.mean() > 0.93


def test_every_view_lies_in_the_image_and_together_they_reach_its_borders():
    seen = np.zeros(PACKED[::-1], bool)
    for view in views(Augmentation(zoom=(0.8, 2.0)), 500):
        assert 0 <= view.top <= 80 - view.height and 0 <= view.left <= 128 - view.width
        seen[view.top : view.top + view.height, view.left : view.left + view.width] = True
    assert seen.mean() > 0.95 and all(edge.any() for edge in (seen[0], seen[-1], seen[:, 0], seen[:, -1]))


def test_half_of_the_images_are_mirrored_or_none():
    assert 120 < sum(view.mirrored for view in views(Augmentation())) < 180
    assert not any(view.mirrored for view in views(Augmentation(flip=False)))


def test_zoom_is_drawn_from_its_range():
    zooms = [view.zoom for view in views(Augmentation(zoom=(1.0, 2.0)))]
    assert 0.97 < min(zooms) < 1.05 and 1.95 < max(zooms) < 2.05 and 1.4 < np.mean(zooms) < 1.6


def test_an_image_of_the_crops_size_is_not_cropped():
    assert {(v.top, v.left, v.height, v.width) for v in views(Augmentation(), packed=CROP)} == {(0, 0, 32, 64)}


def test_one_option_does_not_shift_the_numbers_of_another():
    plain, flipped = views(Augmentation(flip=False)), views(Augmentation(flip=True))
    assert [(v.top, v.left) for v in plain] == [(v.top, v.left) for v in flipped]


@pytest.mark.parametrize(
    ("augment", "packed", "fault"),
    [
        (Augmentation(), (60, 80), "crop 64x32: the images are 60x80, expected no smaller"),
        (Augmentation(zoom=(0.5, 1)), (100, 80), "crop 64x32 at zoom 0.5 needs 128x64: the images are 100x80"),
        (Augmentation(zoom=(0, 1)), PACKED, r"augment.zoom is 0..1, expected a range above 0"),
        (Augmentation(zoom=(2, 1)), PACKED, r"augment.zoom is 2..1, expected a range above 0"),
        (Augmentation(jitter=1.5), PACKED, "augment: jitter 1.5, blur 0.0; expected 0..1, and pixels from 0"),
        (Augmentation(blur=-1), PACKED, "augment: jitter 0.0, blur -1; expected"),
    ],
)
def test_what_cannot_be_drawn_is_refused(augment, packed, fault):
    with pytest.raises(ValueError, match=f"^{fault}"):
        check(augment, packed, CROP)


def test_a_small_map_over_the_whole_image_is_read_under_each_pixel():
    small = np.random.default_rng(0).integers(0, 99, (20, 32), np.uint8)
    large = np.kron(small, np.ones((4, 4), np.uint8))
    for view in views(Augmentation(zoom=(0.8, 2.0)), 30):
        assert np.array_equal(view.gather("map", small, PACKED), cut(view, "map", large))
    assert np.array_equal(whole_view(PACKED).gather("map", large, PACKED), large)


def batch(number=3):
    pixels = torch.randint(0, 256, (number, 20, 30, 3), dtype=torch.uint8)
    return pixels.permute(0, 3, 1, 2).float() / 255, pixels


def parameters(number, brightness=1.0, contrast=1.0, saturation=1.0, sigma=0.0):
    half = np.exp(-0.5 * (np.arange(math.ceil(3 * sigma) + 1) / max(sigma, 1e-9)) ** 2)
    blur = half / (2 * half.sum() - half[0])
    return torch.tensor(np.float32([[brightness, contrast, saturation, *blur]] * number))


def test_neutral_parameters_change_nothing():
    clean, pixels = batch()
    assert torch.allclose(photometry(clean, pixels, parameters(3)), clean, atol=1e-6)


def test_brightness_scales_and_stays_in_range():
    clean, pixels = batch()
    bright = photometry(clean, pixels, parameters(3, brightness=1.5))
    assert torch.allclose(bright, (clean * 1.5).clamp(0, 1), atol=1e-6)


def test_contrast_turns_about_the_mean_grey():
    clean, pixels = batch()
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    grey = (clean * weights).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    flat = photometry(clean, pixels, parameters(3, contrast=0.0))
    assert torch.allclose(flat, grey.expand_as(flat), atol=1e-6)
    half = photometry(clean, pixels, parameters(3, contrast=0.5))
    assert torch.allclose(half, (clean + grey) / 2, atol=1e-6)


def test_without_saturation_all_is_grey_of_the_same_brightness():
    clean, pixels = batch()
    grey = photometry(clean, pixels, parameters(3, saturation=0.0))
    assert torch.allclose(grey[:, 0], grey[:, 1]) and torch.allclose(grey[:, 0], grey[:, 2])
    assert torch.allclose(grey[:, 0], 0.299 * clean[:, 0] + 0.587 * clean[:, 1] + 0.114 * clean[:, 2], atol=1e-6)


def test_blur_is_a_gaussian():
    clean, pixels = batch()
    sigma, radius = 1.3, 4
    x = torch.arange(-radius, radius + 1).float()
    kernel = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(clean, (radius,) * 4, mode="replicate")
    window = (kernel[:, None] * kernel)[None, None].repeat(3, 1, 1, 1)
    expected = F.conv2d(padded, window, groups=3)
    assert torch.allclose(photometry(clean, pixels, parameters(3, sigma=sigma)), expected, atol=1e-5)


def test_photometry_is_drawn_from_its_ranges():
    augment = Augmentation(jitter=0.3, blur=1.5)
    drawn = np.stack([draw_photometry(uniforms(NUM_UNIFORMS, i), augment) for i in range(400)])
    factors, kernels = drawn[:, :3], drawn[:, 3:]
    assert 0.7 <= factors.min() < 0.72 and 1.28 < factors.max() <= 1.3
    assert abs(np.corrcoef(factors.T) - np.eye(3)).max() < 0.2
    assert kernels.shape[1] == 6 and np.allclose(2 * kernels.sum(1) - kernels[:, 0], 1, atol=1e-6)
    assert kernels[:, 0].max() == 1 and kernels[:, 0].min() == pytest.approx(1 / (1.5 * np.sqrt(2 * np.pi)), rel=0.02)


def test_without_jitter_or_blur_their_parameters_are_neutral():
    numbers = uniforms(NUM_UNIFORMS, "any")
    assert draw_photometry(numbers, Augmentation(blur=1.0))[:3].tolist() == [1, 1, 1]
    assert draw_photometry(numbers, Augmentation(jitter=0.5))[3:].tolist() == [1]


def test_an_image_comes_out_the_same_in_every_batch_to_the_bit():
    clean, pixels = batch(7)
    augment = Augmentation(jitter=0.4, blur=1.0)
    drawn = torch.tensor(np.stack([draw_photometry(uniforms(NUM_UNIFORMS, i), augment) for i in range(7)]))
    together = photometry(clean, pixels, drawn)
    assert not torch.allclose(together, clean, atol=0.05)
    for some in ([0], [3], [6, 2], [1, 2, 3, 4, 5]):
        assert torch.equal(photometry(clean[some], pixels[some], drawn[some]), together[some])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("size", [(40, 50), (21, 63), (32, 33)])
def test_an_enlarged_view_has_the_bits_of_pillows_bilinear(size, mirrored):
    window = np.random.default_rng(0).integers(0, 256, (size[0] // 2, size[1], 3), np.uint8)
    expected = resize_image(window, CROP)
    seen = View(0, 0, *window.shape[:2], CROP, mirrored).apply("image", window)
    assert np.array_equal(seen, expected[:, ::-1] if mirrored else expected)


def test_the_faint_weights_of_a_blur_are_left_out():
    drawn = [draw_photometry(uniforms(NUM_UNIFORMS, i), Augmentation(blur=1.5))[3:] for i in range(50)]
    assert all((half[half > 0] > FAINT * half[0]).all() for half in drawn)
    assert {int((half > 0).sum()) for half in drawn} == {1, 2, 3, 4, 5, 6}
