"""SELMA: towns and weathers, 24-bit depth, CARLA's axes; and one real scene of seven cameras, where it is there."""

from __future__ import annotations

import json
import os
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bench.data.geometry import Camera, normals_from_depth
from datasets import selma
from datasets.trees.carla import in_24_bits
from tests import fixtures, fixtures_weather

ALL = ("image", "semseg", "depth")
FIRST = "Town01_Opt_ClearNight_14825380774802470444"
REAL = Path(os.environ.get("SELMA_SAMPLE") or Path(__file__).parents[2] / "shared/data/selma_sample")
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no scene of SELMA at {REAL}; set SELMA_SAMPLE")
CAMERAS = ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "LEFT", "RIGHT", "BACK", "DESK")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fixtures_weather.selma(tmp_path / "CAM SEGCAM.d")
    return tmp_path / "CAM SEGCAM.d"


def stems(root: Path, part: str) -> list[str]:
    return [item.stem for item in selma.index(root, part)]


def fault(root: Path, part: str = "all", what: tuple[str, ...] = ALL) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        for item in selma.index(root, part):
            selma.read(item, what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_scenes_come_back_as_written(tmp_path: Path) -> None:
    truths = fixtures_weather.selma(tmp_path)
    for item in selma.index(tmp_path, "all"):
        found, truth = selma.read(item, ALL), truths[item.stem]
        assert (found["semseg"] == truth.semseg).all()
        assert np.abs(found["depth"] - np.minimum(truth.depth, 1000)).max() < 1e-4
        assert np.abs(found["image"].astype(int) - truth.image).mean() < 3  # a JPEG
        assert found["camera"] == Camera(*truth.camera)
        assert (found["image"].dtype, found["semseg"].dtype, found["depth"].dtype) == (np.uint8, np.uint8, np.float32)


def test_a_plane_at_one_metre_comes_back_as_one_and_the_sky_as_a_thousand(root: Path) -> None:
    metres = np.ones((54, 96))
    metres[0] = np.inf
    item = selma.index(root, "all")[0]
    fixtures.png(item.files["depth"], in_24_bits(metres))
    depth = selma.read(item, ["depth"])["depth"]
    assert np.abs(depth[1:] - 1).max() < 1e-4 and (depth[0] == 1000).all()


def test_a_part_is_a_town_or_a_weather_or_both(root: Path) -> None:
    everything = stems(root, "all")
    assert stems(root, "Town01_Opt") == everything[:3] and stems(root, "Town10HD_Opt") == everything[3:]
    assert stems(root, "HardFogNoon") == everything[2:3]
    assert stems(root, "ClearNight") == [everything[i] for i in (0, 1, 3)]
    assert stems(root, "Town01_Opt_ClearNight") == everything[:2]


def test_another_camera_is_said_after_the_part(root: Path) -> None:
    item = selma.index(root, "ClearNight-DESK")[0]
    assert item.stem == FIRST
    assert item.files["depth"].parent.name == "DEPTHCAM_DESK"
    assert not selma.read(item, ALL)["image"].any()


def test_an_unknown_part_or_camera_comes_with_the_nearest_known_one(root: Path) -> None:
    known = "all Town01_Opt ClearNight HardFogNoon Town10HD_Opt"
    assert fault(root, "ClearNigth") == f'selma: no part "ClearNigth"; did you mean ClearNight? known: {known}'
    assert fault(root, "all-DESC").startswith('selma: no part "all-DESC"; did you mean all-DESK? known: all-FRONT ')


def test_a_camera_that_was_not_downloaded_is_named_beside_those_that_were(root: Path) -> None:
    shutil.rmtree(root / "Town01_Opt_HardFogNoon/CAM_FRONT")
    line = "selma: Town01_Opt_HardFogNoon/CAM_FRONT is missing; there is DESK: say it with part=all-DESK and the like"
    assert fault(root) == line
    assert len(stems(root, "ClearNight")) == 3


def test_the_downloaders_own_folder_will_do(root: Path) -> None:
    (root / "CV").mkdir()
    for path in root.glob("Town*"):
        path.rename(root / "CV" / path.name)
    assert len(stems(root, "all")) == 4


def test_lane_markings_are_road_and_every_void_id_is_known_by_name(root: Path) -> None:
    found = selma.read(selma.index(root, "all")[0], ALL)["semseg"]
    assert found[6, :12].tolist() == [0, *[255] * 11]


def test_id_20_which_the_authors_list_omits_is_void(root: Path) -> None:
    item = selma.index(root, "all")[0]
    fixtures.png(item.files["semseg"], np.full((54, 96), 20, np.uint8))
    assert (selma.read(item, ["semseg"])["semseg"] == 255).all()


def test_an_unknown_id_is_counted_and_placed(root: Path) -> None:
    ids = np.full((54, 96), 7, np.uint8)
    ids[12:23, 40:52] = 77
    fixtures.png(selma.index(root, "all")[0].files["semseg"], ids)
    assert fault(root).endswith(": id 77 on 132 pixels, known ids 0-105; first at row 12, column 40")


def test_depth_in_grey_is_refused(root: Path) -> None:
    fixtures.png(selma.index(root, "all")[0].files["depth"], np.zeros((54, 96), np.uint8))
    assert fault(root).endswith(": 8-bit grey, expected 8-bit RGB or 8-bit RGBA (24-bit depth)")


def test_a_pair_of_unequal_sizes_is_refused(root: Path) -> None:
    fixtures.png(selma.index(root, "all")[0].files["depth"], np.zeros((27, 48, 3), np.uint8))
    assert fault(root).endswith(f"DEPTHCAM_FRONT/{FIRST}.png: 48x27, image 96x54; expected equal sizes")


def test_without_a_json_the_camera_is_that_of_the_data_set(root: Path) -> None:
    (root / "Town10HD_Opt_ClearNight/calibrated_sensor.json").unlink()
    assert selma.read(selma.index(root, "Town10HD_Opt")[0], ALL)["camera"] == Camera(640, 640, 640, 320)


@pytest.mark.parametrize("text", ["<html>", "{}", '["CAM_FRONT"]', "[]"])
def test_a_rig_that_is_none_is_refused(root: Path, text: str) -> None:
    (root / "Town01_Opt_ClearNight/calibrated_sensor.json").write_text(text)
    line = (
        "Town01_Opt_ClearNight/calibrated_sensor.json: not the json of a rig; expected CAM_FRONT with camera_intrinsic"
    )
    assert f"{line} [[cx, fx, 0], [cy, 0, -fy], [1, 0, 0]]" in fault(root)


def test_a_matrix_on_other_axes_is_refused(root: Path) -> None:
    path = root / "Town01_Opt_ClearNight/calibrated_sensor.json"
    rig = json.loads(path.read_text())
    rig[2]["camera_intrinsic"] = [[640, 0, 640], [0, 640, 320], [0, 0, 1]]
    path.write_text(json.dumps(rig))
    assert "not the json of a rig" in fault(root)


@cache
def real_scene(view: str) -> dict[str, np.ndarray]:
    (item,) = selma.index(REAL, f"all-{view}")
    return selma.read(item, ALL)


@real
@pytest.mark.parametrize("view", CAMERAS)
def test_a_real_scene_is_whole_for_each_camera(view: str) -> None:
    found = real_scene(view)
    assert found["image"].shape == (640, 1280, 3)
    assert found["camera"] == selma.CAMERA == Camera(640, 640, 640, 320)


@real
@pytest.mark.parametrize(
    ("view", "sky", "nearest", "median"),
    [
        ("FRONT", 3.9, 3.632, 14.76),
        ("FRONT_LEFT", 4.0, 3.632, 14.87),
        ("FRONT_RIGHT", 3.8, 3.632, 14.62),
        ("LEFT", 30.1, 2.540, 25.72),
        ("RIGHT", 17.8, 2.960, 12.96),
        ("BACK", 40.5, 2.984, 62.66),
        ("DESK", 0.01, 0.400, 6.185),
    ],
)
def test_real_depth_and_sky_are_as_measured(view: str, sky: float, nearest: float, median: float) -> None:
    found = real_scene(view)
    at_limit, is_sky = found["depth"] == 1000, found["semseg"] == selma.CLASSES.id("sky")
    assert abs(100 * at_limit.mean() - sky) < 0.06
    assert at_limit[is_sky].all() and (at_limit & ~is_sky).mean() < 0.001
    assert abs(found["depth"].min() - nearest) < 6e-4 and abs(np.median(found["depth"]) - median) < 6e-3


@real
def test_real_classes_are_as_measured() -> None:
    names = "pole road sidewalk vegetation, traffic sign, sky terrain person rider car bicycle".replace(", ", ",")
    words = {word for part in names.split(",") for word in ([part] if part == "traffic sign" else part.split())}
    found = set(np.unique(real_scene("FRONT")["semseg"]).tolist())
    assert {selma.CLASSES.classes[i] for i in found} == words
    assert 255 in np.unique(real_scene("DESK")["semseg"])  # the own car


@real
@pytest.mark.parametrize(
    ("view", "normal", "height"), [("FRONT", (0, -0.9963, 0.0864), 1.490), ("DESK", (0, -0.9847, -0.1744), 1.125)]
)
def test_the_real_road_is_a_plane_so_depth_is_planar(
    view: str, normal: tuple[float, float, float], height: float
) -> None:
    found = real_scene(view)
    road = (found["semseg"] == 0) & (found["depth"] > 3) & (found["depth"] < 15)
    rays = found["camera"].rays((1280, 640))[road]
    points = rays * found["depth"][road][:, None].astype(np.float64)
    distance = points @ (np.array(normal) / np.linalg.norm(normal))
    assert abs(-distance.mean() - height) < 2e-3 and distance.std() < 1e-3  # the normal has four digits
    as_length = (points / np.linalg.norm(rays, axis=1, keepdims=True)) @ np.array(normal)
    assert as_length.std() > 0.01


@real
def test_the_real_roads_normals_follow_from_its_depth_and_face_the_camera() -> None:
    found = real_scene("FRONT")
    near = np.where(found["depth"] < 300, found["depth"], 0)
    normals = normals_from_depth(near, found["camera"])
    road = (found["semseg"] == 0) & (found["depth"] < 15) & normals.any(-1)
    degrees = np.degrees(np.arccos(np.clip(normals[road] @ np.array((0, -0.9963, 0.0864)), -1, 1)))
    assert np.median(degrees) < 0.2
    assert np.median(normals[road][:, 2]) > 0  # it looks up: towards the camera is n . p < 0, not nz < 0
    assert ((normals * found["camera"].rays((1280, 640))).sum(-1)[road] < 0).all()
