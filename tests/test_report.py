"""The report of a run and the table over a store, from records alone."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from bench import frames, panel, record, report, tables
from bench.record import Cost, Network, RunRecord

SPLIT = {"name": "city", "protocol": "city-v1"}


def keep(store, method, seed=0, metrics=None, **fields):
    """Put a record into the store, under a key made of all that tells it from others."""
    if metrics is None:
        metrics = {"miou": 40.0, "abs_rel": 0.2}
    key = hashlib.sha256(f"{method} {seed} {fields}".encode()).hexdigest()[:16]
    folder = store / "runs" / key[:2] / key
    folder.mkdir(parents=True)
    base = {"protocol": "city-v1", "selection": "last", "network": Network(name="small")}
    made = RunRecord(key=key, method=method, split=SPLIT, seed=seed, metrics=metrics, **(base | fields))
    record.write(made, folder / "record.json")
    return folder


def begun(store, method, seed, key="ffee"):
    """A run that was killed before its record."""
    folder = store / "runs" / key[:2] / key
    folder.mkdir(parents=True)
    asked = {"method": method, "split": SPLIT, "seed": seed, "protocol": "city-v1", "selection": "last"}
    (folder / "run.json").write_text(json.dumps({"record": asked | {"network": {"name": "small"}}}))


def rows(store, whole=False):
    return frames.recipes(frames.entries(store)[0], whole).set_index("method")


def test_a_row_is_the_mean_and_the_sample_deviation_over_seeds(tmp_path):
    for seed, miou in enumerate((40.0, 42.0, 47.0)):
        cost = Cost(steps=10, seconds=30.0 * seed)
        keep(tmp_path, "ours", seed, {"miou": miou}, cost=cost, throughput={"ratio": 0.5})
    row = rows(tmp_path).loc["ours"]
    assert (row["miou"], row["seeds"], row["seconds"], row["throughput"]) == (43, 3, 30, 0.5)
    assert row["miou_std"] == pytest.approx(math.sqrt((9 + 1 + 16) / 2))


def test_one_seed_has_no_deviation_and_is_marked(tmp_path):
    keep(tmp_path, "ours")
    assert math.isnan(rows(tmp_path).loc["ours", "miou_std"])
    text = report.store_table(tmp_path)
    assert "one seed" in text and "±" not in text


def test_incomplete_runs_are_marked_and_never_averaged_in(tmp_path):
    keep(tmp_path, "ours", 0, {"miou": 40.0, "abs_rel": 0.1})
    keep(tmp_path, "ours", 1, {"miou": 60.0, "abs_rel": math.nan})
    begun(tmp_path, "ours", 2)
    row = rows(tmp_path).loc["ours"]
    assert (row["miou"], row["seeds"], row["incomplete"]) == (40, 1, 2)
    assert "2 incomplete" in report.store_table(tmp_path)


def test_a_method_with_nothing_but_incomplete_runs_still_has_its_row(tmp_path):
    begun(tmp_path, "ours", 0)
    row = rows(tmp_path).loc["ours"]
    assert (row["seeds"], row["incomplete"]) == (0, 1)
    assert "1 incomplete" in report.store_table(tmp_path)


def test_a_seed_that_was_run_twice_counts_once_and_its_newest_run_is_taken(tmp_path):
    keep(tmp_path, "ours", 0, {"miou": 10.0}, created="2026-01-01T00:00:00+00:00", commit="a")
    keep(tmp_path, "ours", 0, {"miou": 20.0}, created="2026-01-02T00:00:00+00:00", commit="b")
    assert rows(tmp_path).loc["ours", ["miou", "seeds"]].tolist() == [20, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"protocol": "city-v2"},
        {"limit": 20},
        {"network": Network(name="large")},
        {"network": Network(name="small", weights="1234")},
        {"network": Network(name="small", settings={"width": 8})},
        {"precision": "bf16"},
        {"world": 2},
        {"config": {"lr": 0.1}},
        {"selection": "best"},
        {"target_labels": 0.1},
    ],
)
def test_runs_that_differ_in_more_than_their_seed_are_rows_of_their_own(tmp_path, other):
    keep(tmp_path, "ours", 0, {"miou": 40.0})
    keep(tmp_path, "ours", 1, {"miou": 60.0}, **other)
    table = rows(tmp_path)
    assert sorted(table["miou"]) == [40, 60]
    assert table["variant"].nunique() == 2 or table["apart"].nunique() == 2


def test_variants_show_the_words_that_made_them(tmp_path):
    keep(tmp_path, "ours", 0)
    keep(tmp_path, "ours", 0, overrides=["method.lr=1"], config={"lr": 1})
    assert sorted(rows(tmp_path)["variant"]) == ["", "method.lr=1"]


def test_oracles_stand_apart_below_all_others_whatever_their_score(tmp_path):
    keep(tmp_path, "cheat", 0, {"miou": 90.0}, oracle=True)
    keep(tmp_path, "helped", 0, {"miou": 80.0}, target_labels=0.05)
    keep(tmp_path, "good", 0, {"miou": 50.0})
    keep(tmp_path, "poor", 0, {"miou": 30.0})
    assert rows(tmp_path).index.tolist() == ["good", "poor", "cheat", "helped"]
    above, below = report.store_table(tmp_path).split(tables.APART)
    assert "good" in above and "poor" in above
    assert "oracle" in below and "lent 5%" in below


def test_the_delta_is_taken_against_the_single_task_run_of_the_same_seed(tmp_path):
    for seed, base in enumerate((40.0, 50.0)):
        keep(tmp_path, "alone", seed, {"miou": base, "abs_rel": 0.2}, role="single")
        keep(tmp_path, "ours", seed, {"miou": base * 1.1, "abs_rel": 0.2}, config={"x": 1})
    table = rows(tmp_path)
    assert table.loc["ours", "delta"] == pytest.approx(5) and table.loc["alone", "delta"] == 0


def test_no_delta_against_another_network_or_seed(tmp_path):
    keep(tmp_path, "alone", 0, role="single")
    keep(tmp_path, "ours", 1)
    keep(tmp_path, "theirs", 0, network=Network(name="large"))
    table = rows(tmp_path)
    assert table.loc[["ours", "theirs"], "delta"].isna().all()


def test_headlines_by_default_all_metrics_on_request(tmp_path):
    keep(tmp_path, "ours", 0, {"miou": 40.0, "pixel_accuracy": 80.0, "abs_rel": 0.1, "abs_rel_median_scaled": 0.05})
    assert "pixel_accuracy" not in rows(tmp_path)
    assert {"miou", "pixel_accuracy", "abs_rel", "abs_rel_median_scaled"} <= set(rows(tmp_path, whole=True))


def test_the_four_formats_hold_the_same_row(tmp_path):
    for seed, miou in enumerate((40.0, 42.0)):
        keep(tmp_path, "um_adapt", seed, {"miou": miou})
    text, csv, markdown, latex = (report.store_table(tmp_path, format=form) for form in tables.FORMATS)
    assert "miou % ↑" in text and "41.0 ± 1.4" in text
    assert csv.splitlines()[0].startswith("split,protocol,method") and ",41.0," in csv
    assert markdown.splitlines()[1].startswith("| --- | --- |") and "| 41.0 ± 1.4 |" in markdown
    assert r"um\_adapt" in latex and r"41.0 $\pm$ 1.4" in latex and r"miou \% $\uparrow$" in latex
    assert latex.startswith(r"\begin{tabular}{lllrrrrrl}") and latex.endswith(r"\end{tabular}")
    assert latex.count(r"\\") == 2


def test_runs_one_by_one_have_the_numbers_that_their_recipe_averages(tmp_path):
    for seed, miou in enumerate((40.0, 44.0)):
        keep(tmp_path, "ours", seed, {"miou": miou}, commit="abc", cost=Cost(steps=640, seconds=80))
    begun(tmp_path, "ours", 2)
    table = frames.runs(frames.entries(tmp_path)[0])
    assert table[["seed", "miou", "commit", "steps"]].to_numpy().tolist() == [[0, 40, "abc", 640], [1, 44, "abc", 640]]
    assert table["variant"].tolist() == ["", ""]
    assert table["miou"].mean() == rows(tmp_path).loc["ours", "miou"]
    text = report.store_table(tmp_path, rows="runs")
    assert "44.0" in text and "±" not in text and "one seed" not in text


def test_what_cannot_be_read_is_said_and_the_others_are_shown(tmp_path, capsys):
    keep(tmp_path, "ours")
    bad = keep(tmp_path, "old") / "record.json"
    bad.write_text('{"schema_version": 0}')
    assert "ours" in report.store_table(tmp_path)
    assert "schema version 0" in capsys.readouterr().err


def test_an_empty_store_an_unknown_split_and_an_unknown_format_are_one_line_each(tmp_path):
    with pytest.raises(SystemExit, match="the store is empty"):
        report.store_table(tmp_path)
    keep(tmp_path, "ours")
    with pytest.raises(SystemExit, match="no run of split town in .*: there are runs of city"):
        report.store_table(tmp_path, split="town")
    with pytest.raises(SystemExit, match="format=html is not known; format is one of text csv markdown latex"):
        report.store_table(tmp_path, format="html")


def shown(run, store):
    console = Console(width=160, no_color=True)
    with console.capture() as captured:
        console.print(report.summary(run, store))
    return captured.get()


def test_a_run_is_shown_beside_the_baseline_of_its_seed_with_the_gain(tmp_path):
    keep(tmp_path, "plain", 0, {"miou": 30.0, "abs_rel": 0.30}, role="baseline")
    keep(tmp_path, "plain", 1, {"miou": 99.0, "abs_rel": 0.99}, role="baseline")
    run = keep(tmp_path, "ours", 0, {"miou": 42.5, "abs_rel": 0.25, "abs_rel_median_scaled": 0.125})
    text = shown(run, tmp_path)
    (miou,) = (line.split() for line in text.splitlines() if " miou " in line)
    (error,) = (line.split() for line in text.splitlines() if " abs_rel " in line)
    assert miou == ["semseg", "miou", "%", "↑", "42.5", "30.0", "+12.5"]
    assert error == ["depth", "abs_rel", "↓", "0.250", "0.300", "-0.050", "0.125"]
    assert str(run / "record.json") in text


def test_what_a_reader_must_know_is_said(tmp_path):
    run = keep(tmp_path, "cheat", oracle=True, limit=20, standard=False, not_scored={"normals": "court has no truth"})
    text = shown(run, tmp_path)
    for words in ("an oracle", "20 images at most", "not the split as declared", "normals is not scored: court has"):
        assert words in text


def test_the_cost_is_that_of_the_whole_chain(tmp_path):
    chain = [
        record.Link(name="a", key="1", steps=10, seconds=60, cached=True),
        record.Link(name="b", key="2", steps=5, seconds=60),
    ]
    text = shown(keep(tmp_path, "ours", chain=chain, cost=Cost(steps=15, seconds=120, device="cpu")), tmp_path)
    assert "15 steps, 2 min on cpu (2 stages, 1 of them cached)" in text


def kept(file, **more):
    r = np.random.default_rng(0)
    arrays = {
        "stem": "drive/1",
        "classes": ["road", "car"],
        "palette": np.array([[128, 64, 128], [0, 0, 142]], np.uint8),
        "depth_range": (1e-3, 80.0),
        "image": r.integers(0, 256, (12, 24, 3)).astype(np.uint8),
        "semseg.truth": np.full((12, 24), 255, np.uint8),
        "semseg.prediction": np.ones((12, 24), np.uint8),
        "depth.truth": r.uniform(0, 90, (12, 24)).astype(np.float32),
        "depth.prediction": np.full((12, 24), 5, np.float32),
        "normals.truth": np.zeros((12, 24, 3), np.float32),
        "normals.prediction": np.tile(np.float32([0, 0, -1]), (12, 24, 1)),
    }
    file.parent.mkdir(exist_ok=True)
    np.savez(file, **(arrays | more))


def test_the_panel_has_a_row_an_image_and_a_column_for_each_side_of_each_task(tmp_path):
    run = keep(tmp_path, "ours", panels=["panels/0.npz", "panels/1.npz"])
    kept(run / "panels" / "0.npz")
    kept(run / "panels" / "1.npz")
    assert str(run / "panel.png") in shown(run, tmp_path)
    picture = panel.Image.open(run / "panel.png")
    assert picture.width == 7 * (panel.WIDTH + panel.GAP) + panel.GAP
    y = panel.LINE * 2 + 75  # the middle of the first row
    colours = [picture.getpixel((panel.GAP + i * (panel.WIDTH + panel.GAP) + 150, y)) for i in range(7)]
    assert colours[1] == (0, 0, 142) and colours[2] == (0, 0, 0)  # a car; void
    assert colours[5] == (128, 128, 255) and colours[6] == (0, 0, 0)  # towards the camera; no normal


def test_near_is_bright_far_is_dark_and_missing_is_black(tmp_path):
    kept(tmp_path / "0.npz", **{"depth.truth": np.array([[0.0, 1.0, 9.0, 80.0, 500.0]], np.float32)})
    colours = panel.paint(dict(np.load(tmp_path / "0.npz")), "depth", "truth", 1.0, 80.0)[0].astype(int).sum(-1)
    assert colours[0] == 0 and colours[1] > colours[2] > colours[3] == colours[4]


def test_a_space_without_colours_gets_some_that_differ(tmp_path):
    kept(tmp_path / "0.npz", classes=[f"class {i}" for i in range(40)], palette=np.zeros((0,), np.uint8))
    assert len(np.unique(panel.palette(dict(np.load(tmp_path / "0.npz"))), axis=0)) == 40


@pytest.mark.parametrize(
    "words, code, message",
    [
        (["ab"], 1, "no single run 'ab'"),
        (["--tabel"], 1, "unknown word '--tabel'; did you mean --table?"),
        ([], 1, "python -m bench.report RUN"),
    ],
)
def test_a_wrong_command_line_is_answered_in_words(tmp_path, words, code, message):
    done = subprocess.run(
        [sys.executable, "-m", "bench.report", *words, f"store={tmp_path}"], capture_output=True, text=True
    )
    assert done.returncode == code and message in done.stderr and "Traceback" not in done.stderr


def test_reports_are_made_without_torch():
    code = "import sys, bench.report; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_what_was_made_on_a_fixture_stands_apart_and_beside_nothing_real(tmp_path):
    keep(tmp_path, "baseline", role="baseline", data="known")
    keep(tmp_path, "ours", 0, {"miou": 40.0}, data="known")
    keep(tmp_path, "ours", 1, {"miou": 90.0}, data="fixture", standard=False)
    found = frames.entries(tmp_path)[0]
    table = frames.recipes(found)
    assert table[["miou", "apart"]].values.tolist() == [[40, ""], [40, ""], [90, "fixture"]]
    text = tables.render(table, "text")
    assert text.index("90.0") > text.index(tables.RENDERED) > text.index("40.0")
    fixture = next(one.record for one in found if one.record.data == "fixture")
    assert frames.partner(fixture, "baseline", found) is None


def test_a_summary_says_what_data_a_run_was_made_on(tmp_path):
    for data, words in {"fixture": "made on a fixture", "unknown": "not a copy that is known to be good"}.items():
        run = record.read(keep(tmp_path, f"on {data}", data=data, standard=False) / "record.json")
        notes = [str(line) for line in report.head(run)]
        assert any(words in note for note in notes) and not any("not the split" in note for note in notes)
