"""Selection: snapshots of the last stage, criteria that see no target label, and a record of its own for each pick."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import threading

import numpy as np
import pytest
import torch

from bench import check, criteria, frames, predictions, record, score, select
from bench import run as program
from bench.checkpoint import snapshot_steps
from bench.config import compose_run
from bench.data.geometry import Camera
from bench.engine import Feeds, Stopped
from bench.plain import to_plain
from bench.problem import VOID
from bench.split import Domain
from tests import fixtures, shapes
from tests.test_engine import Feed, labelled, line, same
from tests.test_engine import train as train_in
from tests.test_score import SPLIT

PROBLEM = shapes.problem()

# snapshots


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [(10, 5, {2, 4, 6, 8}), (10, 1, set()), (10, 0, set()), (2, 5, {1}), (0, 5, set()), (7, 2, {4})],
)
def test_snapshots_lie_at_equal_distances_before_the_product(steps, count, expected):
    assert snapshot_steps(steps, count) == expected


def train(stage, folder, **settings):
    folder.mkdir(exist_ok=True)
    return train_in(stage, folder, **settings)


def snapshots(folder) -> dict[str, dict]:
    files = sorted((folder / "snapshots").glob("*/product.pt"))
    return {file.parent.name: torch.load(file, weights_only=True)["module"] for file in files}


def test_a_snapshot_is_the_stage_after_so_many_steps(tmp_path):
    folder, short = tmp_path / "run", line()
    train(line(), folder, snapshots=5)
    found = snapshots(folder)
    assert list(found) == ["0000002", "0000004", "0000006", "0000008"]
    train(short, tmp_path / "short", steps=4)
    assert all(torch.equal(found["0000004"][name], value) for name, value in short.state_dict().items())


def test_keeping_snapshots_changes_nothing_that_is_learnt(tmp_path):
    stages = [line(), line()]
    for stage, count in zip(stages, (0, 5), strict=True):
        train(stage, tmp_path / str(count), snapshots=count)
    assert same(*stages)
    assert not (tmp_path / "0" / "snapshots").exists()


def test_a_stopped_and_continued_run_keeps_the_same_snapshots(tmp_path):
    train(line(), tmp_path / "straight", snapshots=4)
    stop = threading.Event()

    def at(t):
        if t == 6:
            stop.set()
        return labelled(t)

    with pytest.raises(Stopped):
        train(line(), tmp_path / "stopped", feeds=Feeds(source=Feed(at)), stop=stop, snapshots=4, save_seconds=1e9)
    train(line(), tmp_path / "stopped", snapshots=4)
    straight, stopped = snapshots(tmp_path / "straight"), snapshots(tmp_path / "stopped")
    assert straight.keys() == stopped.keys() == {"0000002", "0000005", "0000008"}
    assert all(torch.equal(stopped[at][name], v) for at, state in straight.items() for name, v in state.items())


def test_snapshots_are_asked_for_by_a_word():
    words = ["method=source_only", "split=minicity"]
    assert compose_run(words).snapshots == 0
    assert compose_run([*words, "snapshots=5"]).snapshots == 5


# criteria


def raw(semseg, depth=0.0, normals=(0.0, 0.0, -1.0)) -> dict[str, torch.Tensor]:
    """Outputs of two equal images 4x4: logits, sigmoid's argument, vectors."""
    maps = {"semseg": semseg, "depth": [depth], "normals": normals}
    return {name: torch.tensor(v).view(1, -1, 1, 1).expand(2, -1, 4, 4) for name, v in maps.items()}


def test_entropy_is_0_where_one_class_is_sure_and_1_where_none_is_likelier():
    assert criteria.entropy(raw([99.0, 0, 0, 0]), PROBLEM).tolist() == pytest.approx([0, 0])
    assert criteria.entropy(raw([1.0, 1, 1, 1]), PROBLEM).tolist() == pytest.approx([1, 1])
    half = criteria.entropy(raw([9.0, 9, -99, -99]), PROBLEM)
    assert half.tolist() == pytest.approx([0.5, 0.5])


def test_equal_checkpoints_agree_and_the_odd_one_out_disagrees_most():
    one, odd = raw([9.0, 0, 0, 0]), raw([0.0, 9, 0, 0], depth=4.0, normals=(0.0, -1.0, 0.0))
    for values in criteria.disagreements([one, one, one], PROBLEM):
        assert all(value.tolist() == pytest.approx([0, 0], abs=1e-6) for value in values.values())
    first, second, third = criteria.disagreements([one, one, odd], PROBLEM)
    assert set(third) == {"semseg", "depth", "normals"}
    for name in third:
        assert (third[name] > first[name]).all()
        assert torch.equal(first[name], second[name])
    assert third["semseg"].tolist() == [1, 1]
    z = [0.5, 0.5, torch.tensor(4.0).sigmoid().item()]
    near, far = PROBLEM.depth_range
    assert third["depth"].tolist() == pytest.approx([(z[2] - sum(z) / 3) * math.log(far / near)] * 2)


def test_energy_is_the_angle_between_normals_and_those_of_the_depth_outside_the_sky():
    camera = Camera(20.0, 20.0, 7.5, 7.5)
    tilted = (0.0, -math.sin(math.pi / 6), -math.cos(math.pi / 6))
    maps = {"depth": np.full((16, 16), 5.0), "normals": np.full((16, 16, 3), (0.0, 0.0, -1.0))}
    total, count = criteria.energy(maps, camera, None)
    assert count > 100 and total / count == pytest.approx(0, abs=0.1)
    total, count = criteria.energy(maps | {"normals": np.full((16, 16, 3), tilted)}, camera, None)
    assert total / count == pytest.approx(30, abs=0.1)
    sky = np.zeros((16, 16), np.uint8)
    sky[:8] = 3
    assert criteria.energy(maps | {"semseg": sky}, camera, 3)[1] <= count / 2
    assert criteria.energy(maps | {"semseg": np.full_like(sky, 3)}, camera, 3) == (0, 0)


def test_source_validation_is_not_done_on_what_was_trained_on():
    source = Domain(dataset="minicity", part="render-train", size=(64, 32))
    domains = criteria.Domains(dataclasses.replace(SPLIT, source=[source]), {}, None)
    with pytest.raises(ValueError, match="validation=render-train is what was trained on"):
        criteria.validation_pack(domains, "render-train", 4)


# picks


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ([{"entropy": 0.3}, {"entropy": 0.1}, {"entropy": 0.2}], 1),
        ([{"miou": 30.0}, {"miou": 50.0}, {"miou": 40.0}], 1),  # higher is better
        ([{"entropy": 0.1}, {"entropy": 0.1}], 1),  # of equals the latest
        ([{"entropy": 0.1}, {"entropy": math.nan}], 0),
        ([{"miou": 50.0, "abs_rel": 0.2, "angle_mean": 9.0}, {"miou": 49.0, "abs_rel": 0.1, "angle_mean": 8.0}], 1),
        ([{"miou": 90.0, "abs_rel": 0.2, "angle_mean": 9.0}, {"miou": 1.0, "abs_rel": 0.1, "angle_mean": 8.0}], 1),
    ],
)
def test_the_pick_has_the_best_mean_rank(values, place):
    assert select.pick(values) == place


@pytest.fixture
def run(tmp_path):
    """A scored run with two snapshots whose predictions are there: the first perfect, the second and the last worse."""
    root = tmp_path / "camvid"
    truths, camvid = fixtures.camvid(root), importlib.import_module("datasets.camvid")
    test = Domain(dataset="camvid", part="test", size=(64, 48))
    split = dataclasses.replace(SPLIT, test=test, scored=("semseg",), classes="camvid11", also=())
    folder = tmp_path / "store" / "runs" / "ab" / "abcdef"
    for name, spoilt in (("snapshots/0000010", 0), ("snapshots/0000020", 10**9), (".", 99)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "product.pt").touch()
        for item in camvid.index(root, "test"):
            classes = np.where(truths[item.stem].semseg == VOID, 0, truths[item.stem].semseg).astype(np.uint8)
            classes.ravel()[:spoilt] = 1
            predictions.write(folder / name / "predictions", item.stem, {"semseg": classes})
    asked = {"method": "some", "split": to_plain(split), "protocol": split.protocol, "selection": "last", "seed": 3}
    words = {"data": {"camvid": str(root)}, "device": "cpu", "keep": "predictions", "record": asked}
    (folder / "run.json").write_text(json.dumps(words))
    (folder / "throughput.json").write_text(json.dumps({"ratio": 0.5}))
    score.score_run(folder, {}, None)
    return folder


VALUES = {"entropy": [{"entropy": 0.3}, {"entropy": 0.1}, {"entropy": 0.2}]}


def test_each_pick_is_a_record_of_its_own_and_the_runs_own_stays(run):
    before = (run / "record.json").read_bytes()
    by_entropy, oracle = select.choose(run, VALUES, {})
    assert (by_entropy.selection, by_entropy.checkpoint, by_entropy.oracle) == ("entropy", 20, False)
    assert (oracle.selection, oracle.checkpoint, oracle.oracle) == ("oracle", 10, True)
    assert oracle.metrics["miou"] == 100 > by_entropy.metrics["miou"]
    assert oracle.throughput == {"ratio": 0.5}
    assert (run / "record.json").read_bytes() == before
    found, faults = frames.entries(run.parents[2])
    assert not faults
    assert {(e.record.selection, e.record.checkpoint) for e in found} == {
        ("last", None), ("entropy", 20), ("oracle", 10)
    }  # fmt: skip
    assert len({e.record.key for e in found}) == len({e.recipe for e in found}) == 3


def test_picks_are_rows_apart_and_the_oracles_does_not_rank(run):
    select.choose(run, VALUES, {})
    table = frames.recipes(frames.entries(run.parents[2])[0])
    assert dict(zip(table["variant"], table["apart"], strict=True)) == {
        "selection=last": "", "selection=entropy": "", "selection=oracle": "oracle"
    }  # fmt: skip


def test_selecting_again_scores_no_snapshot_again_and_follows_the_values(run, monkeypatch):
    select.choose(run, VALUES, {})
    (pick, _) = select.choose(run, {"entropy": [{"entropy": 0.3}, {"entropy": 0.2}, {"entropy": 0.1}]}, {})
    assert pick.checkpoint is None
    assert pick.metrics == record.read(run / "record.json").metrics
    assert not (run / "snapshots/0000010/predictions").exists()
    assert len(frames.entries(run.parents[2])[0]) == 3


def test_a_run_that_is_not_complete_or_kept_no_snapshots_is_one_clear_line(run, capfd):
    (run / "record.json").unlink()
    with pytest.raises(SystemExit, match="not complete"):
        select.main([run.name, f"store={run.parents[2]}"])


@pytest.mark.slow
def test_a_tiny_run_from_its_snapshots_to_its_picks(tmp_path, capfd):
    tiny = check.tiny("source_only", tmp_path)
    tiny.snapshots, tiny.device = 2, "cpu"
    program.execute(tiny)
    (done,) = record.folders(tmp_path)
    assert list(snapshots(done)) == ["0000002"]
    select.main([done.name[:8], f"store={tmp_path}", "images=3", "validation=render-val"])
    picks = {e.record.selection: e.record for e in frames.entries(tmp_path)[0]}
    assert set(picks) == {"last", "entropy", "energy", "agreement", "source_val", "oracle"}
    assert {pick.checkpoint for pick in picks.values()} <= {None, 2}
    assert [name for name, pick in picks.items() if pick.oracle] == ["oracle"]
    assert set(json.loads((done / "criteria.json").read_text())["values"]["agreement"][0]) == set(tiny.split.tasks)
    assert "not to be ranked" in capfd.readouterr().out
