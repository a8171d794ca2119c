"""Rows: means over seeds as the suite's own table has them, gains, and why a row is not ranked."""

from __future__ import annotations

import math

import pytest

from bench import frames
from leaderboard import rows
from leaderboard.board import Board
from tests.leaderboard.stores import SPLIT, begun, keep


def table_of(store, by="miou", **place):
    board = Board.of(store)
    board.wait = True  # however busy the machine is
    found = board.place(**place)
    return board.ranking(found, by).table.set_index("method")


def test_means_deviations_deltas_and_costs_are_those_of_the_suites_own_table(town_store, board):
    place = board.place("town2city")
    mine = board.ranking(place, "all").table
    theirs = frames.recipes(frames.entries(town_store)[0])
    theirs = theirs[theirs["selection"] == "last"].set_index("method")
    assert set(mine["method"]) == set(theirs.index)
    for row in mine.to_dict("records"):
        other = theirs.loc[row["method"]]
        for name in ("miou", "miou_std", "abs_rel", "abs_rel_std", "angle_mean", "delta", "delta_std"):
            assert row[name] == pytest.approx(other[name], nan_ok=True), (row["method"], name)
        assert (row["seeds"], len(row["torn"])) == (other["seeds"], other["incomplete"])
        assert row["hours"] == pytest.approx(other["seconds"] / 3600)


def test_the_town_is_ranked(board):
    table = board.ranking(board.place("town2city"), "all").table.set_index("method")
    ranked = table[table["why"] == ""]
    assert list(ranked.index[:1]) == ["gamma"] and set(ranked.index[1:3]) == {"alpha", "beta"}
    assert list(ranked.index[3:]) == ["single_task", "source_only"]
    assert ranked["group"].tolist() == [1, 2, 2, 3, 4]
    assert ranked["rank"].tolist() == ["1", "2 (2-3)", "3 (2-3)", "4", "5"]


def test_rows_of_one_place_share_it_and_stand_in_the_order_in_which_they_came(tmp_path):
    days = {"late": 20, "early": 12, "worse": 11}
    for method, day in days.items():
        for seed in (0, 1, 2):
            keep(tmp_path, method, seed, 0.4 if method == "worse" else 0.6, created=f"2026-11-{day}T12:00:00+00:00")
    table = table_of(tmp_path)
    assert table["rank"].to_dict() == {"early": "1= (1-2)", "late": "1= (1-2)", "worse": "3"}
    assert list(table.index) == ["early", "late", "worse"]


def test_what_is_not_ranked_says_why(board):
    why = board.ranking(board.place("town2city"), "all").table.set_index("method")["why"]
    assert why["target_oracle"] == "oracle: learnt from target labels"
    assert why["delta"] == "2 of 3 seeds; seed 2 incomplete"
    assert why["boast"] == "1 of 3 seeds"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"target_labels": 0.05}, "lent 5% of the target's labels"),
        ({"limit": 8}, "a quick look at 8 images"),
        ({"standard": False}, "not the split as declared"),
        ({"manifests": {"test": "cd" * 32}}, "another set of test images"),
        ({"split": SPLIT | {"budget": 999}}, "the split was declared otherwise then"),
        ({"split": SPLIT | {"name": "minicity_dev"}}, "a split for choosing hyper-parameters"),
    ],
)
def test_a_row_that_is_not_like_the_others_has_no_rank(tmp_path, fields, reason):
    for seed in range(3):
        for usual in ("one", "two"):
            keep(tmp_path, usual, seed)
        keep(tmp_path, "odd", seed, **fields)
    name = fields.get("split", SPLIT)["name"]
    odd = table_of(tmp_path, split=name).loc["odd"]
    assert odd["why"] == reason and math.isnan(odd["place"])


def test_a_record_without_statistics_is_self_reported_and_never_ranked(tmp_path):
    for seed in range(3):
        keep(tmp_path, "ours", seed)
        keep(
            tmp_path,
            "boast",
            seed,
            None,
            {"miou": 99.0, "abs_rel": 0.01, "angle_mean": 1.0},
            manifests={"test": "ab" * 32},
        )
    table = table_of(tmp_path)
    assert (table["trust"]["ours"], table["trust"]["boast"]) == ("scored", "self-reported")
    assert table["why"]["boast"].startswith("self-reported") and table["rank"]["ours"] == "1"


def test_the_gap_closed_is_nought_for_source_only_and_whole_for_the_oracle(board):
    gap = board.ranking(board.place("town2city"), "all").table.set_index("method")["gap"]
    assert gap["source_only"] == pytest.approx(0) and gap["target_oracle"] == pytest.approx(100)
    assert 0 < gap["alpha"] < gap["gamma"] < 100


def test_another_selection_rule_is_another_table_and_the_oracles_picks_never_rank(board):
    place = board.place("town2city")
    entropy = board.ranking(place, "all", "entropy").table
    assert list(entropy["method"]) == ["alpha"] and entropy["rank"][0] == "1"
    oracle = board.ranking(place, "all", "oracle").table
    assert list(oracle["why"]) == ["picked by target labels"]


def test_a_class_set_changes_the_mean_and_nothing_else(board):
    place = board.place("town2city")
    whole = board.table(place).set_index("method")
    fewer = board.table(place, chosen="13").set_index("method")
    assert (whole["miou"] != fewer["miou"]).all()
    assert (whole["abs_rel"].fillna(0) == fewer["abs_rel"].fillna(0)).all()


def test_a_seed_that_was_run_twice_counts_once_and_the_newest_is_taken(tmp_path):
    for day, miou in ((1, 10.0), (2, 20.0)):
        keep(tmp_path, "ours", 0, None, {"miou": miou}, created=f"2026-01-0{day}T00:00:00+00:00")
    row = table_of(tmp_path).loc["ours"]
    assert (row["miou"], row["seeds"]) == (20, 1)


def test_a_seed_begun_again_after_it_was_finished_is_no_gap(tmp_path):
    keep(tmp_path, "ours", 0, None, {"miou": 40.0}, per_class={})
    begun(tmp_path, "ours", 0)
    row = table_of(tmp_path).loc["ours"]
    assert (row["seeds"], row["torn"]) == (1, [])


def test_a_row_that_lacks_seeds_says_why_they_failed(tmp_path):
    keep(tmp_path, "delta", 0, None, {"miou": 40.0}, per_class={}, throughput={})
    begun(tmp_path, "delta", 1)
    folder = begun(tmp_path, "delta", 2, "aaee" * 8, ("out of memory", "OutOfMemoryError: 80 GiB of 79"))
    row = table_of(tmp_path).loc["delta"]
    assert row["why"] == "1 of 3 seeds; seed 1 incomplete; seed 2 out of memory"
    board = Board.of(tmp_path)
    version = board.version
    (folder / "failed.json").write_text('{"reason": "not finite", "message": "step 3"}')
    assert board.index.refresh() and board.version != version
    assert "seed 2 not finite" in board.table(board.place()).iloc[0]["why"]


def test_a_missing_task_is_no_silent_rank(tmp_path):
    for seed in range(3):
        keep(tmp_path, "ours", seed)
        keep(tmp_path, "narrow", seed, 0.9, {"miou": 80.0})
    table = table_of(tmp_path, by="all")
    assert table["why"]["narrow"] == "not scored in every task ranked by"
    assert table_of(tmp_path, by="miou")["rank"]["narrow"] == "1"


def test_words_that_differ_tell_rows_of_a_method_apart(tmp_path):
    keep(tmp_path, "ours", 0, None, {"miou": 40.0})
    keep(tmp_path, "ours", 0, None, {"miou": 41.0}, config={"lr": 0.2}, overrides=["method.lr=0.2"])
    keep(tmp_path, "ours", 0, None, {"miou": 42.0}, precision="bf16")
    variants = rows.variants(Board.of(tmp_path).table(Board.of(tmp_path).place()))
    assert len(set(variants)) == 3 and any("precision=bf16" in word for word in variants)


def test_rows_that_read_alike_say_in_which_settings_they_differ(tmp_path):
    for rate in (0.001, 0.002):
        keep(tmp_path, "ours", 0, config={"lr": rate, "steps": 3})
    keep(tmp_path, "other", 0, config={"lr": 0.5})
    board = Board.of(tmp_path)
    table = board.table(board.place())
    assert set(table["variant"]) == {"method.lr=0.001", "method.lr=0.002", ""}


def test_another_wording_of_a_split_is_the_same_split(tmp_path):
    for seed in range(3):
        keep(tmp_path, "ours", seed)
        keep(tmp_path, "later", seed, split=SPLIT | {"about": "said better"})
    assert set(table_of(tmp_path)["why"]) == {""}
