"""A fixture is a data set to its loader and to the verifier, and never to a table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench import plugins, record, run, tables
from datasets import cityscapes, fixture, synthia, verify
from datasets.trees import cityscapes as city_tree
from datasets.trees import synthia as rand_tree
from datasets.trees.scenes import scene

cv2 = pytest.importorskip("cv2", reason="opencv is the second library that reads what the fixtures wrote")


@pytest.fixture(scope="module")
def rand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fixtures") / "synthia"
    fixture.make("synthia", folder, images=2)
    return folder


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fixtures") / "cityscapes"
    fixture.make("cityscapes", folder, images=2)
    return folder


def sound(name: str, root: Path, images: int) -> None:
    found = verify.looked(name, root, whole=True, workers=1, show=False)[1]
    assert found.sound and len(found.seen) == images
    assert not [one.line for one in found.findings if one.kind in ("depth", "check", "orientation", "form")]


def test_every_data_set_that_has_a_loader_and_a_tree_is_known_by_the_same_name() -> None:
    assert {"synthia", "cityscapes", "camvid"} <= set(plugins.trees()) <= set(plugins.datasets())


def test_synthias_fixture_is_sound_and_read_by_a_second_library(rand: Path) -> None:
    sound("synthia", rand, 2)
    labels = cv2.imread(str(rand / "GT/LABELS/0009399.png"), cv2.IMREAD_UNCHANGED)
    depth = cv2.imread(str(rand / "Depth/Depth/0009399.png"), cv2.IMREAD_UNCHANGED)
    assert labels.dtype == depth.dtype == np.uint16 and labels.shape == depth.shape == (760, 1280, 3)
    assert labels[..., 1].max() >= 300 and not labels[..., 0].any()
    assert (depth == depth[..., :1]).all() and depth.max() == 65535


def test_synthias_fixture_comes_back_as_it_was_rendered(rand: Path) -> None:
    item = synthia.index(rand, "all")[1]
    found, shown = (
        synthia.read(item, ("image", "semseg", "depth")),
        scene("synthia 0009399", "render", rand_tree.SIZE, rand_tree.FOCAL),
    )
    names = np.array([*synthia.CLASSES.classes, *["void"] * (256 - len(synthia.CLASSES))])[found["semseg"]]
    truth = np.array(shown.names)[shown.classes]
    same = (names == truth) | np.isin(truth, ("terrain", "truck"))  # which are not in that set
    assert same.all() and (found["image"] == shown.image).all()
    near = shown.depth < 655
    assert np.abs(found["depth"] - shown.depth)[near].max() <= 0.00501


def test_camvids_fixture_is_sound(tmp_path: Path) -> None:
    fixture.make("camvid", tmp_path, images=3)
    sound("camvid", tmp_path, 9)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert fixture.main(["camvid", str(tmp_path)]) == 2
    assert f"{tmp_path} is not empty and no fixture; expected a new folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_fixture_comes_with_the_nearest_known_one(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert fixture.main(["synthja", str(tmp_path / "new")]) == 2
    assert 'no fixture "synthja"; did you mean synthia?' in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_cityscapes_fixture_is_sound_and_has_a_camera_for_each_city(city: Path) -> None:
    sound("cityscapes", city, 4)
    cameras = {}
    for part in ("train", "val"):
        for item in cityscapes.index(city, part):
            found = cityscapes.read(item, ("depth", "camera"))
            name = item.stem.split("_")[0]
            cameras[name] = found["camera"].fx
            _, baseline, fx = city_tree.RIGS[name]
            truth = scene(f"cityscapes {item.stem}", "camera", city_tree.SIZE, fx).depth
            there = found["depth"] > 0
            assert 0.5 < there.mean() < 0.95 and not there[:, : city_tree.UNSEEN].any()
            step = truth[there] ** 2 / (256 * baseline * fx)
            assert (np.abs(found["depth"][there] - truth[there]) <= 0.51 * step + 1e-3).all()
    assert cameras == {"aachen": 2262.52, "hamburg": 2268.36, "frankfurt": 2262.52, "munster": 2268.36}


@pytest.mark.slow
def test_the_outdoor_split_runs_from_end_to_end_on_fixtures_and_is_not_ranked(
    rand: Path, city: Path, tmp_path: Path
) -> None:
    words = ["method=source_only", "split=synthia2cs", f"data.synthia={rand}", f"data.cityscapes={city}"]
    words += ["split.budget=2", "split.batch=1", "split.crop=[64,64]", f"store={tmp_path}", "device=cpu"]
    assert run.main(words) == 0
    (folder,) = record.folders(tmp_path)
    done = record.read(folder / record.RECORD)
    assert (done.data, done.standard, done.images) == ("fixture", False, 2)
    assert done.metrics["miou"] >= 0 and done.metrics["abs_rel"] > 0
    assert json.loads((folder / record.RECORD).read_text())["data"] == "fixture"
    table = tables.render(tables.frame(tables.entries(tmp_path)[0]), "text")
    assert table.startswith(tables.RENDERED)
