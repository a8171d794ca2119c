"""The record: what it keeps, how it is written, what it refuses; the metric table; finding runs in a store."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import pytest

from bench import record
from bench.record import HEADLINES, METRICS, RunRecord

ASKED = {
    "key": "abc123",
    "method": "some",
    "split": {"name": "city"},
    "protocol": "city-v1",
    "selection": "last",
    "seed": 1,
}


def test_a_record_comes_back_as_it_was_written(tmp_path):
    chain = [record.Link(name="base", key="k", steps=3, seconds=1.5)]
    written = RunRecord(**ASKED, metrics={"miou": 40.5}, chain=chain)
    record.write(written, tmp_path / "record.json")
    assert record.read(tmp_path / "record.json") == written


def test_a_class_without_truth_is_null_in_the_file_and_nan_in_memory(tmp_path):
    record.write(RunRecord(**ASKED, metrics={}, per_class={"train": math.nan, "car": 5.0}), tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["per_class"] == {"train": None, "car": 5.0}
    assert math.isnan(record.read(tmp_path / "r.json").per_class["train"])


def test_a_metric_that_is_not_a_number_makes_the_record_incomplete():
    assert RunRecord(**ASKED, metrics={"miou": 1.0, "rmse": math.nan}).incomplete == ["rmse"]


def test_another_schema_version_is_one_clear_line(tmp_path):
    (tmp_path / "r.json").write_text(json.dumps({"schema_version": 99, "colour": "red"}))
    with pytest.raises(ValueError, match=r"r\.json has schema version 99, this code reads 1") as caught:
        record.read(tmp_path / "r.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "is no record"),
        ("[]", "is no record"),
        (json.dumps({"schema_version": 1, **ASKED}), "metrics: Field required"),
        (json.dumps({"schema_version": 1, **ASKED, "metrics": {}, "colour": "red"}), "colour: Extra inputs"),
        (json.dumps({"schema_version": 1, **ASKED, "metrics": {"miou": "high"}}), "metrics.miou"),
    ],
)
def test_what_is_no_record_is_one_clear_line(tmp_path, content, message):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        record.read(tmp_path / "r.json")
    assert "\n" not in str(caught.value)


def test_a_write_that_fails_leaves_the_old_record_and_nothing_beside_it(tmp_path, monkeypatch):
    old = RunRecord(**ASKED, metrics={"miou": 1.0})
    record.write(old, tmp_path / "record.json")

    def full(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        record.write(RunRecord(**ASKED, metrics={"miou": 2.0}), tmp_path / "record.json")
    assert record.read(tmp_path / "record.json") == old
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_a_task_has_one_headline_and_the_median_scaled_metrics_are_marked_as_oracle():
    assert {task: metric.name for task, metric in HEADLINES.items()} == {
        "semseg": "miou",
        "depth": "abs_rel",
        "normals": "angle_mean",
    }
    assert {name for name, metric in METRICS.items() if metric.oracle} == {n for n in METRICS if "median_scaled" in n}


def test_errors_and_angles_are_better_when_lower_shares_when_higher():
    higher = {name for name, metric in METRICS.items() if metric.higher_is_better}
    assert higher == {name for name, metric in METRICS.items() if metric.unit == "%"}
    assert not {"abs_rel", "rmse", "angle_mean"} & higher


def test_a_run_is_found_by_its_folder_or_by_the_beginning_of_its_key(tmp_path):
    for key in ("abc1", "abd2"):
        (tmp_path / "runs" / "ab" / key).mkdir(parents=True)
        (tmp_path / "runs" / "ab" / key / "run.json").write_text("{}")
    (tmp_path / "runs" / "ab" / "abstage").mkdir()  # a stage that is no run
    folder = tmp_path / "runs" / "ab" / "abc1"
    assert record.find(tmp_path, "abc") == record.find(tmp_path, str(folder)) == folder
    with pytest.raises(ValueError, match="no single run 'ab' in .*: 2 match: abc1 abd2"):
        record.find(tmp_path, "ab")
    with pytest.raises(ValueError, match="no single run 'x' in .*: none matches"):
        record.find(tmp_path, "x")


def test_records_are_read_without_torch():
    code = "import sys, bench.record, bench.tasks.delta; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
