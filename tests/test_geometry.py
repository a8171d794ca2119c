"""Intrinsics follow the picture, resampling invents nothing, and normals from depth are those of the planes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data.geometry import Camera, nearest, normals_from_depth, planar_depth, resize_image, resize_nearest

CAMERA = Camera(150.0, 140.0, 61.0, 37.5)
SIZE = (128, 80)
SELMA = Path(os.environ.get("SELMA_SAMPLE") or Path(__file__).parents[2] / "shared/data/selma_sample")
selma = pytest.mark.skipif(not SELMA.is_dir(), reason=f"no SELMA sample at {SELMA}; set SELMA_SAMPLE")
POINTS = np.array([(0.3, -0.2, 4.0), (-1.0, 0.5, 7.0), (0.0, 0.0, 2.0)])


def project(camera, points):
    return np.stack([camera.fx * points[:, 0] / points[:, 2] + camera.cx,
                     camera.fy * points[:, 1] / points[:, 2] + camera.cy], -1)  # fmt: skip


def unit(*vector):
    return np.array(vector) / np.linalg.norm(vector)


def plane(normal, distance, camera=CAMERA, size=SIZE):
    """Depth of the plane n . p = -distance, 0 where the rays miss it."""
    inverse = -(camera.rays(size) @ normal) / distance
    return np.where(inverse > 1 / 500, 1 / np.maximum(inverse, 1 / 500), 0).astype(np.float32)


def degrees(normals, truth):
    """Angles to the truth where there are normals."""
    there = normals.any(-1)
    return np.degrees(np.arccos(np.clip((normals * truth).sum(-1), -1, 1)))[there]


def test_a_resized_picture_shows_points_where_its_camera_says():
    pixels = project(CAMERA, POINTS)
    expected = (pixels + 0.5) * (64 / 128, 20 / 80) - 0.5  # areas scale about the picture's corner
    assert project(CAMERA.resized((128, 80), (64, 20)), POINTS) == pytest.approx(expected)


def test_a_resize_and_back_is_nothing():
    back = CAMERA.resized((128, 80), (96, 48)).resized((96, 48), (128, 80))
    assert np.allclose(list(vars(back).values()), list(vars(CAMERA).values()))


def test_a_crop_moves_the_principal_point():
    assert project(CAMERA.cropped(10, 5), POINTS) == pytest.approx(project(CAMERA, POINTS) - (10, 5))
    assert (CAMERA.cropped(10, 5).cx, CAMERA.cropped(10, 5).cy) == (51.0, 32.5)


def test_a_mirror_picture_shows_mirror_points():
    flipped = project(CAMERA.flipped(128), POINTS * (-1, 1, 1))
    assert flipped == pytest.approx(project(CAMERA, POINTS) * (-1, 1) + (127, 0))
    assert CAMERA.flipped(128).cx == 127 - CAMERA.cx and CAMERA.flipped(128).cy == CAMERA.cy


def test_rays_pass_through_their_pixels():
    rays = CAMERA.rays(SIZE)
    assert rays.shape == (80, 128, 3)
    assert project(CAMERA, rays[[7, 60], [100, 3]] * 9) == pytest.approx(np.array([(100, 7), (3, 60)]))


def test_ray_length_becomes_planar_depth():
    wall = np.full((80, 128), 6.0)
    lengths = np.linalg.norm(CAMERA.rays(SIZE) * wall[..., None], axis=-1)
    assert lengths.max() > 6.5
    assert planar_depth(lengths, CAMERA) == pytest.approx(wall, rel=1e-6)


@pytest.mark.parametrize(("num_from", "num_to"), [(10, 5), (5, 10), (7, 3), (760, 512), (6, 6)])
def test_nearest_is_the_pixel_under_the_centre(num_from, num_to):
    centres = (np.arange(num_to) + 0.5) * num_from / num_to
    assert nearest(num_from, num_to).tolist() == np.floor(centres + 1e-9).tolist()


def test_nearest_agrees_with_pillow():
    ids = np.random.default_rng(0).integers(0, 256, (37, 53), np.uint8)
    theirs = np.asarray(Image.fromarray(ids).resize((31, 23), Image.Resampling.NEAREST))
    assert np.array_equal(resize_nearest(ids, (31, 23)), theirs)


def test_a_shrunk_image_is_a_mean_over_what_it_covers():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    inner = resize_image(stripes, (16, 16))[:, 1:-1]
    assert (abs(inner.astype(int) - 100) <= 13).all()  # without antialias it would be 0 or 200


def test_a_picture_of_the_right_size_is_left_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    assert resize_image(image, (9, 8)) is image and resize_nearest(image, (9, 8)) is image


@pytest.mark.parametrize(
    "normal", [(0, 0, -1), (0.5, 0, -1), (-0.8, 0.4, -0.6), (0, -1, 0), (0, -1, 0.08), (0.9, 0, -0.1)]
)
def test_a_plane_has_its_normal_everywhere(normal):
    depth = plane(unit(*normal), 2.0)
    normals = normals_from_depth(depth, CAMERA)
    seen = depth > 0
    assert seen.mean() > 0.3
    assert normals.any(-1)[seen].mean() > 0.95 and not normals[~seen].any()
    assert degrees(normals, unit(*normal)).max() < 0.5


def test_towards_the_camera_is_along_the_ray_and_not_against_z():
    floor = unit(0, -1, 0.1)  # as a camera that looks up sees it
    normals = normals_from_depth(plane(floor, 1.5), CAMERA)
    there = normals.any(-1)
    assert (normals[there][:, 2] > 0).all()
    assert ((normals * CAMERA.rays(SIZE)).sum(-1)[there] < 0).all()


def test_normals_are_unit_or_zero():
    depth = plane(unit(0.3, -0.9, -0.1), 2.0)
    depth[20:40, 30:60] = 0
    length = np.linalg.norm(normals_from_depth(depth, CAMERA), axis=-1)
    assert (length[20:40, 30:60] == 0).all()
    assert np.allclose(length[length > 0], 1, atol=1e-6)


@pytest.mark.parametrize("invalid", [0.0, -1.0, np.nan, np.inf])
def test_depth_that_is_none_has_no_normal_and_spoils_no_neighbour(invalid):
    normal = unit(0.2, -0.1, -1)
    depth = plane(normal, 4.0)
    depth[:, 64:] = invalid
    normals = normals_from_depth(depth, CAMERA)
    assert not normals[:, 64:].any()
    assert normals[:, :64].any(-1).all() and degrees(normals, normal).max() < 0.1


@pytest.mark.parametrize("scale", [0.01, 1000])
def test_the_unit_of_depth_does_not_matter(scale):
    r = np.random.default_rng(0)
    depth = np.where(np.arange(128) < 64, plane(unit(0.4, 0, -1), 3.0), 9.0) * (1 + 1e-4 * r.standard_normal((80, 128)))
    assert normals_from_depth(depth * scale, CAMERA) == pytest.approx(normals_from_depth(depth, CAMERA), abs=1e-5)


@pytest.mark.parametrize("step", [1.002, 1.01, 1.1, 3.0])
def test_surfaces_on_both_sides_of_a_depth_edge_keep_their_normals(step):
    depth = np.full((80, 128), 8.0)
    depth[:, 50:] *= step
    normals = normals_from_depth(depth, CAMERA)
    assert degrees(normals, unit(0, 0, -1)).max() < 15
    if step >= 1.01:
        assert normals.any(-1).mean() > 0.99 and degrees(normals, unit(0, 0, -1)).max() < 0.1


def thinned(depth, share, seed=0):
    """Depth of a share of the pixels, as a laser scanner leaves it."""
    return np.where(np.random.default_rng(seed).random(depth.shape) < share, depth, 0)


@pytest.mark.parametrize(("share", "served"), [(0.2, 0.7), (0.33, 0.9), (0.7, 0.95)])
@pytest.mark.parametrize("normal", [(0, 0, -1), (-0.8, 0.4, -0.6), (0, -1, 0.08)])
def test_sparse_depth_has_normals_where_it_was_measured(normal, share, served):
    depth = thinned(plane(unit(*normal), 2.0), share)
    normals = normals_from_depth(depth, CAMERA)
    assert not normals[depth == 0].any()
    assert normals.any(-1)[depth > 0].mean() > served
    assert degrees(normals, unit(*normal)).max() < 0.5


@pytest.mark.parametrize("step", [1.1, 3.0])
def test_no_plane_is_laid_across_an_edge_of_sparse_depth(step):
    depth = np.full((80, 128), 8.0)
    depth[:, 50:] *= step
    normals = normals_from_depth(thinned(depth, 0.3), CAMERA)
    assert normals.any(-1)[:, 46:54].mean() > 0.2
    assert degrees(normals, unit(0, 0, -1)).max() < 15


@pytest.mark.parametrize("rows", [1, 2])
def test_a_few_lines_of_depth_are_no_plane(rows):
    depth = np.zeros((80, 128))
    depth[np.arange(80) % 4 < rows] = 5.0
    normals = normals_from_depth(depth, CAMERA)
    assert not normals.any() if rows == 1 else normals.any(-1)[depth > 0].mean() > 0.9
    depth[np.arange(80) % 8 > 3] = 0
    assert not normals_from_depth(depth, CAMERA).any()


def test_holes_change_no_normal_of_a_pixel_that_whole_windows_serve():
    depth = np.where(np.arange(128) < 70, plane(unit(0.4, 0, -1), 3.0), plane(unit(-0.3, -0.9, -0.2), 3.0))
    holed = depth.copy()
    holed[40, 30] = 0
    before, after = normals_from_depth(depth, CAMERA), normals_from_depth(holed, CAMERA)
    assert (np.delete(after, np.s_[36:45], 0) == np.delete(before, np.s_[36:45], 0)).all()
    around = after[36:45, 26:35]
    assert around.any(-1).sum() == 80 and degrees(around, before[36:45, 26:35]).max() < 0.1


def test_a_crease_is_sharp():
    wall, floor = unit(0, 0, -1), unit(0, -1, 0)
    far, near = plane(wall, 12.0), plane(floor, 1.5)
    is_floor = (near > 0) & (near < far)
    depth = np.where(is_floor, near, far)
    truth = np.where(is_floor[..., None], floor, wall)
    angles = degrees(normals_from_depth(depth, CAMERA), truth)
    assert 0.2 < is_floor.mean() < 0.8
    assert np.count_nonzero(angles > 1) <= 128  # the row through which it runs


def test_what_is_thinner_than_a_window_has_no_normal():
    depth = np.zeros((80, 128))
    depth[:, 40:43] = 5.0
    assert not normals_from_depth(depth, CAMERA).any()
    assert normals_from_depth(depth, CAMERA, window=3)[:, 40:43].any(-1).all()


def test_a_picture_smaller_than_a_window_has_no_normals():
    assert not normals_from_depth(np.ones((3, 3)), CAMERA).any()


@pytest.mark.parametrize("window", [2, 4, 1, 0])
def test_a_window_without_a_centre_is_refused(window):
    with pytest.raises(ValueError, match=f"window {window}, expected an odd number"):
        normals_from_depth(np.ones((9, 9)), CAMERA, window)


@pytest.mark.parametrize("size", [(64, 40), (96, 48), (50, 31)])
def test_planes_resized_by_nearest_keep_their_normals(size):
    normal = unit(0.3, -0.8, -0.4)
    depth = resize_nearest(plane(normal, 2.0), size)
    normals = normals_from_depth(depth, CAMERA.resized(SIZE, size))
    assert normals.any(-1)[depth > 0].mean() > 0.9
    assert degrees(normals, normal).mean() < 5


def test_quantised_depth_keeps_normals():
    normal = unit(0.4, 0, -1)
    depth = np.round(plane(normal, 8.0), 2)  # centimetres
    assert degrees(normals_from_depth(depth, CAMERA), normal).mean() < 2


def test_noise_that_hides_the_surface_is_masked():
    noisy = 8 + 0.5 * np.random.default_rng(0).standard_normal((80, 128))
    assert normals_from_depth(noisy, CAMERA).any(-1).mean() < 0.05


def test_a_mirror_picture_has_mirror_normals():
    depth = np.where(np.arange(128) < 70, plane(unit(0.4, 0, -1), 3.0), plane(unit(-0.3, -0.9, -0.2), 3.0))
    mirrored = normals_from_depth(depth[:, ::-1], CAMERA.flipped(128))
    assert mirrored == pytest.approx(normals_from_depth(depth, CAMERA)[:, ::-1] * (-1, 1, 1), abs=1e-5)


def test_a_cropped_picture_has_the_same_normals():
    depth = plane(unit(0.3, -0.8, -0.4), 2.0)
    cropped = normals_from_depth(depth[12:70, 20:120], CAMERA.cropped(20, 12))
    both = cropped.any(-1) & normals_from_depth(depth, CAMERA)[12:70, 20:120].any(-1)
    assert both.mean() > 0.5
    assert cropped[both] == pytest.approx(normals_from_depth(depth, CAMERA)[12:70, 20:120][both], abs=1e-5)


@selma
@pytest.mark.parametrize(("view", "truth"), [("FRONT", (0, -0.9963, 0.0864)), ("DESK", (0, -0.9847, -0.1744))])
def test_the_road_of_selma_has_the_normal_that_was_measured(view, truth):
    (scene,) = [path for path in SELMA.iterdir() if path.is_dir()]
    (file,), (labels,) = (scene / f"DEPTHCAM_{view}").glob("*.png"), (scene / f"SEGCAM_{view}").glob("*.png")
    red, green, blue = np.moveaxis(np.asarray(Image.open(file)).astype(np.float64), -1, 0)
    depth = 1000 * (red + 256 * green + 65536 * blue) / (2**24 - 1)
    camera = Camera(640, 640, 640, 320)
    road = (np.asarray(Image.open(labels)) == 7) & (depth > 3) & (depth < 15)
    normals = normals_from_depth(np.where(depth < 1000, depth, 0), camera)
    assert road.sum() > 50_000 and normals.any(-1)[road].mean() > 0.95
    on_road = np.where(road[..., None], normals, 0)
    assert degrees(on_road, unit(*truth)).mean() < 1
    assert ((on_road * camera.rays((1280, 640))).sum(-1)[on_road.any(-1)] < 0).all()
    small = resize_nearest(depth, (640, 320))
    halved = normals_from_depth(np.where(small < 1000, small, 0), camera.resized((1280, 640), (640, 320)))
    assert degrees(np.where(resize_nearest(road, (640, 320))[..., None], halved, 0), unit(*truth)).mean() < 5


@selma
def test_selma_says_the_camera_that_these_tests_use():
    (file,) = SELMA.rglob("calibrated_sensor.json")
    matrices = [sensor["camera_intrinsic"] for sensor in json.loads(file.read_text()) if sensor["camera_intrinsic"]]
    assert len(matrices) >= 7 and all(m == [[640, 640, 0], [320, 0, -640], [1, 0, 0]] for m in matrices)
