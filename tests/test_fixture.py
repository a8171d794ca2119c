"""A fixture is a data set to its loader and to the verifier, and never to a table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench import frames, plugins, record, run, tables
from datasets import cityscapes, fixture, minicity, spaces, verify
from datasets.splits import SPLITS
from datasets.trees import cityscapes as city_tree
from datasets.trees.scenes import ROOM, Scene, fogged, rays, room, scene
from tests.rendered import NAMES, Maker, items, made, module_of, quick, shown

cv2 = pytest.importorskip("cv2", reason="opencv is the second library that reads what the fixtures wrote")

__all__ = ["made", "quick", "shown"]  # fixtures

COMMON = {"vkitti2": spaces.VK8, "cs7": spaces.CS7, "camvid": spaces.CAMVID11}  # space in which names compare; cs19
INSTEAD = {"synthia": {"terrain": "vegetation", "truck": "car"}, "shift": {"rider": "person"}}  # what they do not have
FOGS = {"acdc": (0.02,), "foggy": (0.005, 0.01, 0.02)}  # per metre
ROOMS = ("nyuv2", "nyu13", "hypersim", "scenenet", "pbrs")


def users(name: str) -> list[str]:
    return sorted(key for key, split in SPLITS.items() if name in [domain.dataset for domain in split.domains])


def test_every_data_set_of_files_has_a_fixture_of_its_name() -> None:
    assert set(NAMES) == {name for name in plugins.datasets() if module_of(name).NEEDS_ROOT}


@pytest.mark.parametrize("name", SPLITS)
def test_every_split_can_be_run_without_a_download(name: str) -> None:
    needed = {domain.dataset for domain in SPLITS[name].domains if module_of(domain.dataset).NEEDS_ROOT}
    assert needed <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_verify_says_that_it_is_ready_for_every_split_that_uses_it(
    name: str, made: Maker, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    root, _ = made(name)
    assert verify.main([name, str(root), "--full", "--json", str(tmp_path / "report.json")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["fixture"] and report["ready_for"] == users(name)
    assert f"ready for: {', '.join(users(name)) or 'no split uses it'}" in capsys.readouterr().out.splitlines()[-1]
    odd = ("depth", "check", "orientation", "form", "normals", "size")
    assert [found["line"] for found in report["findings"] if found["kind"] in odd] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_comes_back_through_its_loader_as_it_was_rendered(name: str, made: Maker) -> None:
    root, scenes = made(name)
    module = module_of(name)
    for item in items(module, root):
        there = [task for task in module.TASKS if task in item.files]
        found = module.read(item, ("image", *there))
        truth = nearest(found["image"], scenes, FOGS.get(name, ()))
        if "semseg" in there:
            same_classes(name, found["semseg"], truth)
        if "depth" in there:
            same_depth(found["depth"] if name != "cs7" else from_inverse(found["depth"]), truth, name in ROOMS)
        if "normals" in there:
            facing = found["normals"].any(-1)
            assert facing.mean() > 0.3 and (found["normals"] * truth.normals).sum(-1)[facing].min() > 0.999


def nearest(image: np.ndarray, scenes: list[Scene], fogs: tuple[float, ...]) -> Scene:
    """What a picture shows, through JPEG, fog and a white border."""
    alike = [one for one in scenes if one.image.shape == image.shape]
    views = [[one.image, *(fogged(one, beta) for beta in fogs)] for one in alike]
    off = [min(np.abs(image.astype(int) - view).mean() for view in each) for each in views]
    assert min(off) < 12
    return alike[int(np.argmin(off))]


def same_classes(name: str, found: np.ndarray, truth: Scene) -> None:
    """Each class of the street is one class there, that of its own name where both spaces have it."""
    own, common = module_of(name).CLASSES, COMMON.get(name, spaces.CS19)
    for place, word in enumerate(truth.names):
        ids = np.setdiff1d(found[truth.classes == place], [255])
        assert len(ids) <= 1, f"{word} is {[own.classes[i] for i in ids]}"
        if len(ids) and name not in ROOMS:
            got, right = spaces.mapping(own, common)[ids[0]], spaces.mapping(minicity.CLASSES, common)[place]
            assert got == right or 255 in (got, right) or common.classes[got] == INSTEAD[name][word], word
    assert (found != 255).mean() > 0.5


def same_depth(found: np.ndarray, truth: Scene, indoors: bool) -> None:
    nearest, farthest = (0.75, 9.0) if indoors else (1.0, 60.0)
    there = (found > 0) & (truth.depth > nearest) & (truth.depth < farthest)
    assert there.mean() > 0.1
    assert (np.abs(found - truth.depth)[there] <= 0.01 * truth.depth[there] + 0.011).all()


def from_inverse(depth: np.ndarray) -> np.ndarray:
    p = depth.astype(np.float64) * 65535
    return np.where(p > 1.5, 256 * 0.209313 * 2262.52 / np.maximum(p - 1, 0.5), 0)


def test_a_room_is_a_street_at_a_tenth_of_its_size() -> None:
    street, small = (draw("a", "render", (96, 64), 80.0) for draw in (scene, room))
    assert (small.depth == street.depth * ROOM).all() and (small.image == street.image).all()
    seen = np.isfinite(small.depth)
    assert 0.05 < np.median(small.depth[seen]) < 8 and (small.normals == street.normals).all()


def test_the_principal_point_of_a_scene_is_where_it_is_asked_for() -> None:
    """Points of the road lie in its plane only under the camera that saw them."""
    camera = (80.0, 80.0, 40.25, 37.0)
    street = scene("a", "render", (96, 64), 80.0, camera[2:])
    road = (street.classes == street.names.index("road")) & (street.depth < 8)  # before any hill
    assert road.mean() > 0.05
    points = (rays((96, 64), camera) * street.depth[..., None])[road]
    distances = (points * street.normals[road]).sum(-1)
    assert np.ptp(distances) < 0.05 * abs(distances.mean())


def sound(name: str, root: Path, images: int) -> None:
    found = verify.looked(name, root, whole=True, workers=1, show=False)[1]
    assert found.sound and len(found.seen) == images


def test_synthias_fixture_is_read_by_a_second_library(made: Maker) -> None:
    root, _ = made("synthia")
    sound("synthia", root, 2)
    labels = cv2.imread(str(root / "GT/LABELS/0009399.png"), cv2.IMREAD_UNCHANGED)
    depth = cv2.imread(str(root / "Depth/Depth/0009399.png"), cv2.IMREAD_UNCHANGED)
    assert labels.dtype == depth.dtype == np.uint16 and labels.shape == depth.shape == (760, 1280, 3)
    assert labels[..., 1].max() >= 300 and not labels[..., 0].any()
    assert (depth == depth[..., :1]).all() and depth.max() == 65535


def test_camvids_fixture_has_the_frames_of_every_drive(tmp_path: Path) -> None:
    fixture.make("camvid", tmp_path, images=3)
    sound("camvid", tmp_path, 9)


def test_every_frame_of_nyus_one_file_is_looked_at(made: Maker) -> None:
    sound("nyuv2", made("nyuv2")[0], 4)


def test_a_fixture_may_be_made_again_in_its_folder(tmp_path: Path) -> None:
    for _ in range(2):
        fixture.make("pbrs", tmp_path, images=2)
        sound("pbrs", tmp_path, 2)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert fixture.main(["camvid", str(tmp_path)]) == 2
    assert f"{tmp_path} is not empty and no fixture of camvid; expected a new folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_fixture_of_another_data_set_is_left_alone(made: Maker) -> None:
    root, _ = made("camvid")
    with pytest.raises(ValueError, match="is not empty and no fixture of gta5; expected a new folder$"):
        fixture.make("gta5", root, images=2)


def test_an_unknown_fixture_comes_with_the_nearest_known_one(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert fixture.main(["synthja", str(tmp_path / "new")]) == 2
    assert 'no fixture "synthja"; did you mean synthia?' in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_cityscapes_fixture_has_a_camera_for_each_city(made: Maker) -> None:
    root, _ = made("cityscapes")
    cameras = {}
    for part in ("train", "val"):
        for item in cityscapes.index(root, part):
            found, name = cityscapes.read(item, ("depth", "camera")), item.stem.split("_")[0]
            cameras[name] = found["camera"].fx
            there = found["depth"] > 0
            assert 0.5 < there.mean() < 0.95 and not there[:, : city_tree.UNSEEN].any()
    assert cameras == {"aachen": 2262.52, "hamburg": 2268.36, "frankfurt": 2262.52, "munster": 2268.36}


RUNS = {  # split: what is scored
    "synthia2cs": ("miou", "abs_rel"),
    "gta2cs": ("miou",),
    "hypersim2nyud": ("miou", "abs_rel"),
}


@pytest.mark.slow
@pytest.mark.parametrize("split", RUNS)
def test_a_split_runs_from_end_to_end_on_fixtures_and_is_not_ranked(split: str, made: Maker, tmp_path: Path) -> None:
    names = dict.fromkeys(domain.dataset for domain in SPLITS[split].domains)
    words = ["method=source_only", f"split={split}", *(f"data.{name}={made(name)[0]}" for name in names)]
    words += ["split.budget=2", "split.batch=1", "split.crop=[64,64]", f"store={tmp_path}", "device=cpu"]
    assert run.main(words) == 0
    (folder,) = record.folders(tmp_path)
    done = record.read(folder / record.RECORD)
    assert (done.data, done.standard, done.images) == ("fixture", False, 2)
    assert all(done.metrics[name] >= 0 for name in RUNS[split])
    assert json.loads((folder / record.RECORD).read_text())["data"] == "fixture"
    table = tables.render(frames.recipes(frames.entries(tmp_path)[0]), "text")
    assert table.startswith(tables.RENDERED)
