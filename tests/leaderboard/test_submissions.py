"""A submission from its bundle to its row on the board; what is flagged, held, rejected, withdrawn, reproduced."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import delete

from bench import predictions, record
from leaderboard import admin, ledger
from leaderboard.clerk import Clerk
from leaderboard.desk import Refusal
from leaderboard.store import Index
from tests.leaderboard.bundles import (
    changed,
    contents,
    packed,
    rows_of,
    run_folder,
    sent,
    told,
    words_of,
    work,
    zipped,
)
from tests.leaderboard.stores import keep

ROOT = Path(__file__).parents[2]


pytestmark = pytest.mark.usefixtures("toys")


def test_a_bundle_is_scored_by_labels_that_are_here_and_appears(found, tmp_path, trusting):
    folder = run_folder(tmp_path)
    name = sent(found, packed(folder, tmp_path / "b.zip"))
    work(found)
    (row,) = rows_of(found)
    assert (row["method"], row["trust"], row["team"], row["runs"]) == ("newcomer", "scored", "Team A", (name,))
    assert row["miou"] == pytest.approx(record.read(folder / "record.json").metrics["miou"])
    assert "by Team A" in row["variant"] and row["why"] == "1 of 3 seeds"
    listed = found.client.get("/api/v1/submissions").json
    assert [(one["team"], one["state"], one["href"]) for one in listed] == [("Team A", "scored", f"/run/{name}")]
    assert "Team A" in words_of(found, f"/run/{name}") and "scored" in words_of(found, "/submissions")
    assert found.client.get(f"/api/v1/receipts/{name}").json["trust"] == "scored"
    assert not (found.desk.root / "work" / name).exists()


def test_of_a_claim_only_what_cannot_be_checked_is_kept(found, tmp_path, trusting):
    body = packed(run_folder(tmp_path, role="baseline", throughput={"ratio": 9.9}), tmp_path / "b.zip")
    name = sent(found, body)
    work(found)
    kept = found.board.index.record(name)
    assert (kept.role, kept.throughput, kept.key, kept.created) == (
        "",
        {},
        name,
        found.desk.case(name).receipt.received,
    )
    assert kept.manifests["test"] != "cd" * 32  # the images that were scored are ours


def test_three_seeds_of_a_team_are_ranked_and_do_not_mix_with_the_operators(found, tmp_path, trusting):
    for seed in range(3):
        sent(found, packed(run_folder(tmp_path, seed), tmp_path / "b.zip"))
    work(found)
    (row,) = rows_of(found)
    assert (row["seeds"], row["why"]) == (3, "")
    own = record.read(found.desk.result(found.desk.ids()[0]) / "record.json")
    theirs = {"team": "", "created": "2030-01-01T00:00:00+00:00", "split": own.split, "config": own.config}
    keep(found.store, "newcomer", own.seed, None, own.metrics, **theirs, network=own.network, precision="fp32",
         versions=own.versions, manifests=own.manifests, chain=own.chain)  # fmt: skip
    assert sorted((row["team"], row["seeds"]) for row in rows_of(found)) == [("", 1), ("Team A", 3)]


@pytest.mark.parametrize(
    "spoil, why",
    [
        ({"metrics": {"miou": 99.0, "abs_rel": 0.1, "angle_mean": 1.0}}, "the predictions give"),
        ({"selection": "entropy"}, "the checkpoint that is scored is 'last'"),
        ({"limit": 3}, "on all test images"),
        ({"protocol": "other-v1"}, "not the split as declared"),
        ({"split": {"name": "nowhere"}}, "no split 'nowhere'"),
        ({"split": {"name": "minicity"}}, "not the split as declared"),
    ],
    ids=["a better claim", "another checkpoint", "fewer images", "other rules", "no split", "half a split"],
)
def test_a_claim_that_does_not_hold_is_rejected_and_says_why(found, tmp_path, here, spoil, why):
    name = sent(found, changed(packed(run_folder(tmp_path), tmp_path / "b.zip"), **spoil))
    work(found)
    case = found.desk.case(name)
    assert case.state == "rejected" and why in case.why and str(tmp_path) not in case.why
    assert rows_of(found) == [] and why in words_of(found, "/submissions")


def test_an_easier_split_under_the_same_name_is_rejected(found, tmp_path, here):
    body = packed(run_folder(tmp_path), tmp_path / "b.zip")
    split = json.loads(contents(body)["record.json"])["split"]
    name = sent(found, changed(body, split=split | {"scored": ["semseg"]}))
    work(found)
    assert "scored is another" in found.desk.case(name).why


def test_missing_predictions_are_rejected(found, tmp_path, here):
    files = contents(packed(run_folder(tmp_path), tmp_path / "b.zip"))
    del files["predictions/depth/test/toy_003.npy"]
    name = sent(found, zipped(told(files)))
    work(found)
    assert found.desk.case(name).why == "1 of 6 test images have no prediction of depth"


def test_predictions_of_another_size_are_rejected_without_a_path(found, tmp_path, here):
    folder = run_folder(tmp_path)
    predictions.write(folder / "predictions", "test/toy_001", {"semseg": np.zeros((4, 4), np.uint8)})
    name = sent(found, packed(folder, tmp_path / "b.zip"))
    work(found)
    case = found.desk.case(name)
    assert case.state == "rejected" and "another size" in case.why and "/" not in case.why


def test_without_the_labels_it_stays_self_reported_and_unranked(found, tmp_path, here, monkeypatch):
    import toy_world

    name = sent(found, packed(run_folder(tmp_path), tmp_path / "b.zip"))
    monkeypatch.setattr(toy_world, "NEEDS_ROOT", True)
    work(found)
    (row,) = rows_of(found)
    assert (found.desk.case(name).state, row["trust"]) == ("checked", "self-reported")
    assert not (found.desk.result(name) / "stats.npz").exists()  # theirs are no evidence


def test_too_good_a_result_is_held_until_somebody_approves(found, tmp_path, here, capsys):
    for seed in range(3):
        folder = run_folder(tmp_path, seed, 0.5 + seed / 50, "reference")
        own = record.read(folder / "record.json")
        place = found.store / "runs" / "ab" / f"ab{seed}".ljust(32, "0")
        place.mkdir(parents=True)
        (place / "stats.npz").write_bytes((folder / "stats.npz").read_bytes())
        record.write(own.model_copy(update={"key": place.name}), place / "record.json")
    modest = sent(found, packed(run_folder(tmp_path, 7, 0.52), tmp_path / "b.zip"))
    boast = sent(found, packed(run_folder(tmp_path, 8, 0.99), tmp_path / "c.zip"))
    work(found)
    assert (found.desk.case(modest).held, found.desk.case(boast).state) == ("", "scored")
    assert "beats all" in found.desk.case(boast).held
    shown = {run for row in rows_of(found) for run in row["runs"]}
    assert modest in shown and boast not in shown and "in review" in words_of(found, "/submissions")
    assert admin.main(["approve", boast[:8], f"store={found.store}"]) == 0
    assert boast in {run for row in rows_of(found) for run in row["runs"]}


def test_with_nothing_to_compare_with_somebody_looks_first(found, tmp_path, here):
    name = sent(found, packed(run_folder(tmp_path), tmp_path / "b.zip"))
    work(found)
    assert "fewer than two runs" in found.desk.case(name).held and rows_of(found) == []


def test_the_same_predictions_of_another_team_are_held(found, tmp_path, trusting):
    from leaderboard import tokens

    folder = run_folder(tmp_path)
    first = sent(found, packed(folder, tmp_path / "b.zip"))
    _, words = tokens.issue(found.desk, "Team B")
    copy = found.send(packed(folder, tmp_path / "c.zip", team="Team B"), words).json["id"]
    work(found)
    assert found.desk.case(copy).held.startswith(f"the same predictions as {first[:12]}")


def test_a_scorer_that_fails_stops_nobody_else(found, tmp_path, trusting, monkeypatch):
    bad = sent(found, packed(run_folder(tmp_path, 1), tmp_path / "b.zip"))
    good = sent(found, packed(run_folder(tmp_path, 2), tmp_path / "c.zip"))
    real = Clerk.judge
    monkeypatch.setattr(Clerk, "judge", lambda self, f, log: None if f.name == bad else real(self, f, log))
    work(found)
    assert (found.desk.case(bad).state, found.desk.case(good).state) == ("received", "scored")
    assert found.ledger.waiting() == [] and "in review" in words_of(found, "/submissions")
    monkeypatch.setattr(Clerk, "judge", real)
    assert admin.main(["approve", bad[:8], f"store={found.store}"]) == 0  # have it scored again
    work(found)
    assert found.desk.case(bad).state == "scored"


def test_what_is_rejected_or_withdrawn_leaves_the_board_and_is_not_lost(found, tmp_path, trusting, capsys):
    for seed, command in ((1, "reject"), (2, "withdraw")):
        name = sent(found, packed(run_folder(tmp_path, seed), tmp_path / "b.zip"))
        work(found)
        assert len(rows_of(found)) == 1
        assert admin.main([command, name[:10], "its", "reason", f"store={found.store}"]) == 0
        assert rows_of(found) == [] and found.desk.case(name).why == "its reason"
        assert (found.desk.result(name) / "stats.npz").exists() and (found.desk.folder(name) / "bundle.zip").exists()
        assert admin.main(["permit", name, f"store={found.store}"]) == 0
        assert admin.main(["approve", name, f"store={found.store}"]) == 1 and "is not held" in capsys.readouterr().err


def test_what_is_hidden_is_off_the_board_with_all_of_its_recipe_and_seed_and_comes_back(found, tmp_path, trusting):
    first, last, other = (
        sent(found, packed(run_folder(tmp_path, seed, skill), tmp_path / "b.zip"))
        for seed, skill in ((1, 0.6), (1, 0.5), (2, 0.5))
    )
    work(found)
    before = rows_of(found)
    assert [row["seeds"] for row in before] == [2] and last in before[0]["runs"] and first not in before[0]["runs"]
    assert admin.main(["hide", last[:10], f"store={found.store}"]) == 0
    assert [row["runs"] for row in rows_of(found)] == [(other,)]  # the first does not take the last one's place
    assert "hidden at its team's wish" in words_of(found, "/submissions")
    assert admin.main(["hide", first[:10], f"store={found.store}"]) == 1  # it is
    assert admin.main(["unhide", first[:10], f"store={found.store}"]) == 0
    assert rows_of(found)[0]["runs"] == before[0]["runs"]


def test_a_killed_clerk_leaves_nothing_half_done(found, tmp_path, trusting, monkeypatch):
    name = sent(found, packed(run_folder(tmp_path), tmp_path / "b.zip"))
    real = type(found.desk).settle
    monkeypatch.setattr(type(found.desk), "settle", lambda self, case: None)  # it dies before the result is moved
    work(found)
    assert found.desk.case(name).state == "scored" and rows_of(found) == []
    monkeypatch.setattr(type(found.desk), "settle", real)
    work(found)
    assert len(rows_of(found)) == 1


def test_the_database_is_made_anew_from_the_files(found, tmp_path, capsys):
    names = [sent(found, packed(run_folder(tmp_path, seed), tmp_path / "b.zip")) for seed in (1, 2)]
    with found.ledger.engine.begin() as db:
        for table in (ledger.CASES, ledger.TOKENS):
            db.execute(delete(table))
    assert found.ledger.waiting() == []
    assert admin.main(["rebuild", f"store={found.store}"]) == 0
    assert sorted(found.ledger.waiting()) == sorted(names) and "2 of them wait" in capsys.readouterr().out


def test_two_clerks_do_not_work_at_once(found):
    with found.desk.alone("clerk"), pytest.raises(Refusal, match="at work"):
        Clerk(found.desk, found.ledger, Index(found.store), {}).work()


def test_a_case_says_its_steps_in_order(found, tmp_path):
    name = sent(found, packed(run_folder(tmp_path), tmp_path / "b.zip"))
    with pytest.raises(Refusal, match="cannot become reproduced"):
        found.desk.tell(name, "x", state="reproduced")
    with (found.desk.folder(name) / "events.jsonl").open("a") as file:
        file.write('{"time": "torn')  # by a crash
    assert found.desk.tell(name, "x", state="checked").state == "checked"


def test_declared_extra_data_stand_in_the_row_and_on_the_runs_page(found, tmp_path, trusting):
    body = packed(run_folder(tmp_path), tmp_path / "b.zip")
    name = sent(found, zipped(told(contents(body), about={"extra_data": "reference images"})))
    work(found)
    (row,) = rows_of(found)
    assert row["extra"] == "reference images"
    for address in ("/", f"/run/{name}"):
        assert "reference images" in words_of(found, address)
