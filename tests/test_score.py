"""Scoring: from predictions on disk and truth to a record; what it refuses; what it must not import."""

from __future__ import annotations

import dataclasses
import importlib
import json
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bench import predictions, record, score
from bench.data.labels import LabelSpace, between
from bench.data.png import png, unfiltered
from bench.plain import to_plain
from bench.problem import VOID
from bench.record import METRICS
from bench.split import Domain, Split
from tests import fixtures

SIZE = (8, 6)
NATIVE = LabelSpace("native", ("road", "lorry", "car", "sky"))
FINE = LabelSpace("fine", ("road", "car", "sky"))
TWO = LabelSpace("two", ("road", "car"))
COARSE = LabelSpace("coarse", ("ground", "rest"))
NAMES = {
    ("native", "fine"): {"road": "road", "car": "car", "sky": "sky"},
    ("fine", "coarse"): {"road": "ground", "car": "rest", "sky": "rest"},
}
SPACES = SimpleNamespace(
    space=lambda name: {s.name: s for s in (NATIVE, FINE, TWO, COARSE)}[name],
    mapping=lambda a, b: between(a, b, NAMES[a.name, b.name]),
)
SPLIT = Split(
    name="toy",
    about="",
    source=[],
    target=[Domain(dataset="court", part="train", size=SIZE)],
    test=Domain(dataset="court", part="test", size=SIZE),
    tasks=("semseg", "depth", "normals"),
    scored=("semseg", "depth", "normals"),
    classes="fine",
    also=("two", "coarse"),
    crop=(32, 32),
    budget=1,
    batch=1,
    protocol="city-v1",
)
COURT = """
import numpy as np
from bench.data.labels import LabelSpace
TASKS = ("semseg", "depth", "normals")
CLASSES = LabelSpace("native", ("road", "lorry", "car", "sky"))
def read(item, what, size=None):
    r = np.random.default_rng(int(item.stem[-1]))
    width, height = size
    normals = r.normal(size=(height, width, 3))
    truth = {
        "image": r.integers(0, 256, (height, width, 3)).astype(np.uint8),
        "semseg": r.integers(0, 4, (height, width)).astype(np.uint8),
        "depth": r.uniform(1, 60, (height, width)).astype(np.float32),
        "normals": (normals / np.linalg.norm(normals, axis=-1, keepdims=True)).astype(np.float32),
    }
    return {name: truth[name] for name in what}
"""
ITEMS = [SimpleNamespace(stem=f"drive/{i}") for i in range(5)]


@pytest.fixture
def court(tmp_path, monkeypatch):
    """A data set of noise, in a module that another process can import too."""
    (tmp_path / "court.py").write_text(COURT)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("court")
    del sys.modules["court"]


def perfect(court, folder, spoil=lambda maps: maps):
    """Predictions that are the truth, but for what `spoil` does to them; no class for a lorry, so it is a car."""
    for item in ITEMS:
        maps = court.read(item, court.TASKS, SIZE)
        maps["semseg"] = np.array([0, 1, 1, 2], np.uint8)[maps["semseg"]]
        predictions.write(folder, item.stem, spoil(maps))
    return folder


def test_the_truth_itself_scores_best_up_to_the_16_bits_of_a_prediction(court, tmp_path):
    found = score.score(perfect(court, tmp_path / "p"), court, ITEMS, SPLIT, SPACES)
    assert found.metrics["miou"] == found.metrics["pixel_accuracy"] == 100
    assert found.metrics["abs_rel"] < 1.1e-4 and found.metrics["delta1"] == 100
    assert found.metrics["angle_mean"] < 0.01 and found.metrics["within_11.25"] == 100
    assert found.per_class == {"road": 100, "car": 100, "sky": 100}
    assert set(found.metrics) == set(METRICS)


def test_native_ids_become_the_splits_and_what_has_no_class_there_is_void(court, tmp_path):
    found = score.score(perfect(court, tmp_path / "p"), court, ITEMS, SPLIT, SPACES)
    truth = np.stack([court.read(item, ("semseg",), SIZE)["semseg"] for item in ITEMS])
    assert found.statistics["semseg.confusion"].shape == (5, 3, 3)
    assert np.diag(found.statistics["semseg.confusion"].sum(0)).tolist() == [(truth == i).sum() for i in (0, 2, 3)]


def test_smaller_class_sets_come_from_the_same_matrix(court, tmp_path):
    def spoil(maps):
        maps["semseg"] = np.where(maps["semseg"] == 0, 2, maps["semseg"]).astype(np.uint8)  # every road is a sky
        return maps

    found = score.score(perfect(court, tmp_path / "p", spoil), court, ITEMS, SPLIT, SPACES)
    assert found.class_sets["two"] == 50  # road 0, car 100; sky, which took it all, is not in the mean
    assert found.class_sets["coarse"] == pytest.approx(found.metrics["pixel_accuracy"] / 2)  # ground 0, rest hit / all


def test_two_threads_find_what_one_finds(court, tmp_path):
    folder = perfect(court, tmp_path / "p", lambda maps: maps | {"depth": maps["depth"] * 1.3})
    one, two = (score.score(folder, court, ITEMS, SPLIT, SPACES, workers=n) for n in (1, 2))
    assert one.stems == two.stems and one.metrics == two.metrics
    assert all(np.array_equal(one.statistics[name], two.statistics[name]) for name in one.statistics)


def test_the_statistics_alone_give_the_metrics_again_of_any_part_of_the_images(court, tmp_path):
    folder = perfect(court, tmp_path / "p", lambda maps: maps | {"depth": maps["depth"] + 1})
    whole = score.score(folder, court, ITEMS, SPLIT, SPACES)
    assert score.scores(whole.stems, whole.statistics, SPLIT, SPACES).metrics == whole.metrics
    part = {name: values[[1, 3]] for name, values in whole.statistics.items()}
    few = score.score(folder, court, [ITEMS[1], ITEMS[3]], SPLIT, SPACES)
    assert score.scores(few.stems, part, SPLIT, SPACES).metrics == few.metrics


def test_a_task_without_truth_is_said_to_be_not_scored(court, tmp_path, monkeypatch):
    monkeypatch.setattr(court, "TASKS", ("semseg", "depth"))
    found = score.score(perfect(court, tmp_path / "p"), court, ITEMS, SPLIT, SPACES)
    assert found.not_scored == {"normals": "court has no truth"} and "angle_mean" not in found.metrics


def test_a_truth_that_a_copy_may_be_without_and_is_is_not_scored(court, tmp_path, monkeypatch):
    folder = perfect(court, tmp_path / "p")
    monkeypatch.setattr(court, "OPTIONAL", ("normals",), raising=False)
    whole, part = (
        [SimpleNamespace(stem=one.stem, files=dict.fromkeys(names)) for one in ITEMS]
        for names in (("depth", "normals"), ("depth",))
    )
    assert not score.score(folder, court, whole, SPLIT, SPACES).not_scored
    found = score.score(folder, court, part, SPLIT, SPACES)
    assert found.not_scored == {"normals": "court has no truth"} and "miou" in found.metrics


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda m: {"depth": m["depth"], "normals": m["normals"]}, "no semseg prediction for drive/0: looked for"),
        (lambda m: m | {"semseg": m["semseg"][:3]}, r"drive/0\.png: the class map is \(3, 8\), its label \(6, 8\)"),
        (lambda m: m | {"semseg": m["semseg"] + 3}, r"drive/0\.png: the class map has the id \d; ids are 0 to 2"),
    ],
)
def test_predictions_that_are_not_fit_are_one_clear_line(court, tmp_path, spoil, message):
    with pytest.raises(ValueError, match=message) as caught:
        score.score(perfect(court, tmp_path / "p", spoil), court, ITEMS, SPLIT, SPACES)
    assert "\n" not in str(caught.value)


def test_truth_with_the_ids_of_its_files_scores_as_named_truth_does(court, tmp_path, monkeypatch):
    folder = perfect(court, tmp_path / "p", lambda maps: maps | {"semseg": maps["semseg"][::-1]})
    expected = score.score(folder, court, ITEMS, SPLIT, SPACES).statistics
    named, ids = court.read, np.array([7, 3, 200, 11, 60], np.uint8)

    def stored(item, what, size=None):
        fields = named(item, ["semseg" if name == "ids" else name for name in what], size)
        return fields if "ids" not in what else fields | {"ids": ids[fields.pop("semseg")]}

    names = np.full(256, -1, np.int16)
    names[ids] = 0, 1, 2, 3, VOID
    monkeypatch.setattr(court, "STORED", names, raising=False)
    monkeypatch.setattr(court, "read", stored)
    found = score.score(folder, court, ITEMS, SPLIT, SPACES).statistics
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_an_unfiltered_class_map_and_a_filtered_one_are_read_alike(tmp_path):
    classes = np.random.default_rng(0).integers(0, 19, (8, 16)).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    predictions.write(tmp_path, "ours", {"semseg": classes})
    Image.fromarray(classes).save(predictions.path(tmp_path, "semseg", "theirs"))
    plain, filtered = (predictions.path(tmp_path, "semseg", stem).read_bytes() for stem in ("ours", "theirs"))
    assert np.array_equal(unfiltered(plain), classes) and unfiltered(filtered) is None
    assert all(np.array_equal(predictions.read(tmp_path, stem, "semseg"), classes) for stem in ("ours", "theirs"))


@pytest.mark.parametrize(
    "spoil", [lambda d: d[:-1], lambda d: d[:60] + b"??" + d[62:], lambda d: b"", lambda d: d[:50]]
)
def test_a_class_map_that_is_not_whole_is_left_to_the_decoder_that_says_why(tmp_path, spoil):
    predictions.write(tmp_path, "a", {"semseg": np.zeros((40, 50), np.uint8)})
    assert unfiltered(spoil(predictions.path(tmp_path, "semseg", "a").read_bytes())) is None


def test_what_inflates_to_more_than_its_pixels_is_no_class_map(tmp_path):
    png(tmp_path / "a.png", np.zeros((400, 500), np.uint8))
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = struct.pack(">II", 50, 40)
    assert unfiltered(bytes(data)) is None


@pytest.mark.parametrize("task, suffix", [("semseg", "png"), ("depth", "npy"), ("normals", "npy")])
def test_a_torn_prediction_is_one_clear_line(court, tmp_path, task, suffix):
    file = perfect(court, tmp_path / "p") / task / f"drive/0.{suffix}"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ValueError, match=rf"0\.{suffix} is no {task} prediction") as caught:
        score.score(tmp_path / "p", court, ITEMS, SPLIT, SPACES)
    assert "\n" not in str(caught.value)


def test_coding_a_prediction_keeps_depth_to_one_in_9000_and_normals_to_4_thousandths_of_a_degree():
    r = np.random.default_rng(0)
    depth = np.exp(r.uniform(np.log(1e-3), np.log(1e3), (50, 60)))
    assert np.abs(predictions.depth(predictions.depth_code(depth)) / depth - 1).max() < 1.1e-4
    normals = r.normal(size=(50, 60, 3))
    normals[0, :3], normals[1, :3] = np.eye(3), -np.eye(3)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    back = predictions.normals(predictions.normals_code(normals))
    assert np.degrees(np.linalg.norm(back - normals, axis=-1)).max() < 0.004
    assert np.array_equal(back[:2, :3], normals[:2, :3])


def test_500_images_of_three_1024x512_outputs_stay_under_2_gb(tmp_path):
    classes = np.random.default_rng(0).integers(0, 19, (32, 64)).astype(np.uint8).repeat(32, 0).repeat(32, 1)
    maps = {"semseg": classes, "depth": np.ones((512, 1024)), "normals": np.ones((512, 1024, 3))}
    predictions.write(tmp_path, "a", maps)
    assert 500 * sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 2e9


def test_a_prediction_that_is_not_finite_is_refused_when_it_is_written(tmp_path):
    with pytest.raises(ValueError, match="depth of a: the prediction is not finite"):
        predictions.write(tmp_path, "a", {"depth": np.full((2, 2), np.nan)})


@pytest.fixture
def run(tmp_path):
    """A run folder as bench.run and bench.predict leave it, on a tree in CamVid's layout."""
    truths = fixtures.camvid(tmp_path / "camvid")
    camvid = importlib.import_module("datasets.camvid")
    split = dataclasses.replace(
        SPLIT,
        test=Domain(dataset="camvid", part="test", size=(64, 48)),
        scored=("semseg",),
        classes="camvid11",
        also=(),
    )
    folder = tmp_path / "store" / "runs" / "ab" / "abcdef"
    folder.mkdir(parents=True)
    for item in camvid.index(tmp_path / "camvid", "test"):
        label = truths[item.stem].semseg
        classes = np.where(label == VOID, 0, label).astype(np.uint8)
        predictions.write(folder / "predictions", item.stem, {"semseg": classes})
    asked = {
        "method": "some",
        "role": "baseline",
        "split": to_plain(split),
        "protocol": split.protocol,
        "selection": split.selection,
        "seed": 3,
        "chain": [{"name": "some", "key": "abcdef", "steps": 7, "seconds": 1.5, "cached": False}],
    }
    words = {"data": {"camvid": str(tmp_path / "camvid")}, "device": "cpu", "keep": "", "record": asked}
    (folder / "run.json").write_text(json.dumps(words))
    (folder / "throughput.json").write_text(json.dumps({"ratio": 0.5, "parameters": 12}))
    return folder


def scored(run: Path, *words: str) -> str:
    """What the program says when it fails."""
    try:
        score.main([run.name[:4], f"store={run.parents[2]}", *words])
    except SystemExit as stop:
        return str(stop.code)
    return ""


def test_the_program_writes_record_statistics_and_panels_and_clears_the_predictions(run):
    assert scored(run) == ""
    found = record.read(run / "record.json")
    assert found.metrics["miou"] == 100 and found.role == "baseline" and found.seed == 3 and found.key == "abcdef"
    assert found.throughput["ratio"] == 0.5 and found.network.parameters == 12
    assert found.images == len(np.load(run / "stats.npz")["stems"])
    panel = np.load(run / found.panels[0])
    assert panel["image"].shape == (360, 480, 3) and panel["semseg.truth"].shape == (360, 480)
    assert not (run / "predictions").exists()


def test_groups_of_test_images_are_scored_apart_and_again_without_the_data(run, monkeypatch):
    camvid = importlib.import_module("datasets.camvid")
    monkeypatch.setattr(camvid, "group", lambda stem: stem[:6], raising=False)
    items = camvid.index(run.parents[3] / "camvid", "test")
    for item in (item for item in items if item.stem.startswith("0001TP")):
        predictions.write(run / "predictions", item.stem, {"semseg": np.zeros((360, 480), np.uint8)})
    assert scored(run) == ""
    groups = record.read(run / "record.json").groups
    assert groups.keys() == {item.stem[:6] for item in items} == {"0001TP", "Seq05V"}
    assert groups["Seq05V"]["miou"] == 100 and groups["0001TP"]["miou"] < 10
    assert scored(run) == "" and record.read(run / "record.json").groups == groups


def test_a_re_scoring_needs_neither_predictions_nor_data(run, tmp_path):
    scored(run)
    before = record.read(run / "record.json")
    (tmp_path / "camvid").rename(tmp_path / "elsewhere")
    assert scored(run) == ""
    assert record.read(run / "record.json").model_copy(update={"created": before.created}) == before


def test_predictions_stay_when_the_run_says_so(run):
    asked = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(asked | {"keep": "predictions"}))
    scored(run)
    assert (run / "predictions").exists()


def test_the_data_may_be_elsewhere(run, tmp_path):
    (tmp_path / "camvid").rename(tmp_path / "elsewhere")
    assert "camvid" in scored(run)
    assert not (run / "record.json").exists()
    assert scored(run, f"data.camvid={tmp_path / 'elsewhere'}") == ""


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda run: (run / "run.json").write_text("{"), "is not fit to be scored"),
        (lambda run: (run / "predictions").rename(run / "gone"), "nothing to score: neither"),
        (lambda run: next(run.rglob("semseg/*.png")).unlink(), "no semseg prediction for"),
    ],
)
def test_what_cannot_be_scored_is_one_line_and_leaves_no_record(run, spoil, message):
    spoil(run)
    said = scored(run)
    assert message in said and "\n" not in said
    assert not (run / "record.json").exists()


def test_a_word_that_nobody_knows_is_answered_with_the_nearest(run):
    assert "unknown word 'worker=2'; did you mean workers=?" in scored(run, "worker=2")


def test_scoring_imports_no_method_and_no_engine(run):
    code = (
        "import runpy, sys; runpy.run_module('bench.score', run_name='__main__');"
        "print([m for m in sys.modules if m.split('.')[0] == 'methods' or m in ('bench.engine', 'bench.store')])"
    )
    command = [sys.executable, "-c", code, "abcdef", f"store={run.parents[2]}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("picture", "fault"),
    [
        (np.zeros((6, 8, 3), np.uint8), "it has colours, expected 8-bit grey"),
        (np.zeros((6, 8), np.uint16), "16 bits a sample and colour type 0, expected 8 bits, grey"),
    ],
)
def test_a_class_map_of_another_form_is_one_clear_line(tmp_path, picture, fault):
    png(tmp_path / "semseg" / "a.png", picture)
    with pytest.raises(ValueError, match=rf"a\.png is no semseg prediction: {fault}"):
        predictions.read(tmp_path, "a", "semseg")


def test_a_class_map_of_another_writer_is_read_with_its_filtered_rows(tmp_path):
    classes = np.random.default_rng(0).integers(0, 19, (40, 60)).astype(np.uint8)
    for level in (0, 1, 9):
        (tmp_path / "semseg").mkdir(exist_ok=True)
        Image.fromarray(classes).save(tmp_path / "semseg" / "a.png", compress_level=level)
        assert np.array_equal(predictions.read(tmp_path, "a", "semseg"), classes)


def test_a_picture_that_claims_too_many_pixels_is_not_decoded(tmp_path):
    png(tmp_path / "semseg" / "a.png", np.zeros((6, 8), np.uint8))
    data = bytearray((tmp_path / "semseg" / "a.png").read_bytes())
    data[16:24] = struct.pack(">II", 1 << 16, 1 << 16)
    (tmp_path / "semseg" / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match="65536x65536 pixels, expected"):
        predictions.read(tmp_path, "a", "semseg")
