"""Who may send, read and withdraw what, how often; a replay, a race, and what the log says."""

from __future__ import annotations

import json
import threading
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bench import bundle
from leaderboard import tables, tokens
from leaderboard.desk import Case, Receipt
from leaderboard.page import Table
from leaderboard.pages import page
from tests.leaderboard.bundles import (
    LIMITS,
    changed,
    contents,
    counter,
    packed,
    refused,
    rows_of,
    run_folder,
    sent,
    work,
    zipped,
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory, good):
    """A board that has taken something already, which must be there at the end."""
    found = counter(tmp_path_factory.mktemp("desk") / "store")
    assert found.send(changed(good, seed=77)).status_code == 201
    return found


HEADERS = {
    "no token": {"Authorization": ""},
    "another scheme": {"Authorization": "Basic YTpi"},
    "a path for a token": {"Authorization": "Bearer mtda_../../../x_" + "a" * 43},
    "a made-up token": {"Authorization": "Bearer mtda_000000000000_" + "a" * 43},
    "letters beyond ASCII": {"Authorization": "Bearer mtda_\u00e9"},
    "a long one": {"Authorization": "Bearer " + "a" * 5000},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS.keys())
def test_without_a_token_nothing_is_even_read(desk, good, headers):
    refused(desk, good, 401, headers=headers)


def test_half_a_token_opens_nothing(desk, good):
    refused(desk, good, 401, token=desk.token[:-1] + ("a" if desk.token[-1] != "a" else "b"))


def test_a_revoked_token_opens_nothing(desk, good):
    token, words = tokens.issue(desk.desk, "Team A")
    tokens.revoke(desk.desk, token.id)
    assert "revoked" in refused(desk, good, 403, token=words)


def test_an_expired_token_opens_nothing(desk, good):
    token, words = tokens.issue(desk.desk, "Team A")
    tokens.write(desk.desk, replace(token, expires=datetime.now(UTC).isoformat()))
    assert "expired" in refused(desk, good, 403, token=words)


def test_a_token_of_another_scope_opens_nothing(desk, good):
    _, words = tokens.issue(desk.desk, "Team A", ("read",))
    assert "scope" in refused(desk, good, 403, token=words)


def test_a_bundle_of_another_team_is_refused(desk, good):
    _, words = tokens.issue(desk.desk, "Team B")
    assert "Team A" in refused(desk, good, 403, token=words)


def test_a_team_that_reads_like_another_gets_no_token(desk):
    for name in ("TEAM A", "Team <b>", "=Team", "", "T\u0435am A", "x" * 60):
        with pytest.raises(ValueError):
            tokens.issue(desk.desk, name)


def test_a_token_is_kept_as_a_hash_only(desk):
    secret = desk.token.rpartition("_")[2]
    kept = [file for file in desk.desk.root.rglob("*") if file.is_file()]
    assert kept and not any(secret.encode() in file.read_bytes() for file in kept)


@pytest.fixture
def fresh(tmp_path):
    return counter(tmp_path / "store")


def test_a_replay_is_told_so_and_changes_nothing(fresh, good):
    first = fresh.send(good)
    assert first.status_code == 201
    assert first.json["id"] in refused(fresh, good, 409)
    files = contents(good)
    assert first.json["id"] in refused(fresh, zipped(dict(reversed(files.items())), zipfile.ZIP_STORED), 409)


def test_of_concurrent_duplicates_one_is_taken(fresh, good):
    statuses, start = [], threading.Barrier(6)

    def send():
        start.wait()
        client = fresh.client.application.test_client()
        headers = {"Authorization": f"Bearer {fresh.token}"}
        statuses.append(client.post("/api/v1/submissions", data=good, headers=headers).status_code)

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 5
    assert len(fresh.desk.ids()) == 1 == len(fresh.ledger.waiting()) and not list(
        (fresh.desk.root / "incoming").iterdir()
    )


def test_anothers_submission_can_be_neither_read_nor_withdrawn(fresh, good):
    name = fresh.send(good).json["id"]
    _, words = tokens.issue(fresh.desk, "Team B")
    theirs, mine = ({"Authorization": f"Bearer {one}"} for one in (words, fresh.token))
    for ask in (fresh.client.get, fresh.client.delete):
        for what in (name, "0" * 32, "..", "%00", "x" * 5000):
            assert ask(f"/api/v1/submissions/{what}", headers=theirs).status_code == 404
        assert ask(f"/api/v1/submissions/{name}").status_code == 401
    assert fresh.desk.case(name).state == "received"
    assert fresh.client.delete(f"/api/v1/submissions/{name}", headers=mine).json["state"] == "withdrawn"
    assert fresh.client.delete(f"/api/v1/submissions/{name}", headers=mine).json["state"] == "withdrawn"


def test_a_team_hides_its_own_result_and_shows_it_again(found, tmp_path, trusting, toys):
    name = sent(found, packed(run_folder(tmp_path), tmp_path / "b.zip"))
    _, words = tokens.issue(found.desk, "Team B")
    theirs, mine = ({"Authorization": f"Bearer {one}"} for one in (words, found.token))
    address = f"/api/v1/submissions/{name}/hidden"
    assert found.client.put(address, headers=mine).status_code == 409  # there is no result yet
    work(found)
    assert found.client.put(address, headers=theirs).status_code == 404 and len(rows_of(found)) == 1
    assert found.client.put(address, headers=mine).json["hidden"] and rows_of(found) == []
    assert not found.client.delete(address, headers=mine).json["hidden"] and len(rows_of(found)) == 1


def test_who_sends_too_often_has_to_wait(tmp_path, good):
    found = counter(tmp_path / "store", hourly=3)
    for _ in range(3):
        assert found.send(b"no bundle").status_code == 400
    answer = found.send(good)
    assert answer.status_code == 429 and 0 < int(answer.headers["Retry-After"]) <= 3600
    assert found.desk.ids() == []


def test_a_day_has_so_many_submissions(tmp_path, good):
    found = counter(tmp_path / "store", daily=2)
    for seed in (1, 2):
        assert found.send(changed(good, seed=seed)).status_code == 201
    assert "a day" in found.send(changed(good, seed=3)).json["error"]
    assert len(found.desk.ids()) == 2


def test_a_month_has_so_many_submissions_whenever_they_came(tmp_path, good):
    found = counter(tmp_path / "store", monthly=2)
    token = tokens.every(found.desk)[0]
    receipt = Receipt("0" * 32, token.team, token.id, "", 1, "m", "s", 0, "p")
    for name, days in (("a", 29), ("b", 31), ("c", 2)):
        received = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        found.ledger.note(Case(replace(receipt, id=name * 32, received=received), "scored"))
    answer = found.send(good)
    assert (answer.status_code, answer.json["error"]) == (429, "2 submissions in 30 days")
    assert 0 < int(answer.headers["Retry-After"]) <= 86400 + 1  # when the one of 29 days ago is a month old


def test_what_is_listed_is_neither_markup_nor_a_formula(fresh, good):
    for name in ("=cmd", "<b>x", "@x", "+1"):
        assert fresh.send(changed(good, method=name)).status_code == 400
    assert fresh.send(changed(good, method="fair")).status_code == 201
    fresh.board.index.refresh()
    table = next(b for b in page(fresh.board, "/submissions").blocks if isinstance(b, Table))
    text = tables.file(table, "csv", {}).decode()
    assert "fair" in text and not any(cell.startswith(("=", "+", "@")) for cell in text.replace("\n", ",").split(","))


def test_every_refusal_is_in_the_log_and_no_token_is(desk, good):
    refused(desk, good[:100], 400)
    text = (desk.desk.root / "audit.jsonl").read_text()
    last = json.loads(text.splitlines()[-1])
    assert (last["what"], last["status"]) == ("refused", 400) and last["by"].startswith("token ")
    assert desk.token not in text


def test_after_all_that_a_good_bundle_is_taken_and_the_first_is_whole(desk, good):
    answer = desk.send(good)
    assert answer.status_code == 201
    for name in desk.desk.ids():
        bundle.inspect(desk.desk.folder(name) / "bundle.zip", LIMITS)
    assert {desk.desk.case(name).receipt.seed for name in desk.desk.ids()} == {0, 77}
    desk.board.index.refresh()
    assert desk.client.get("/healthz").json["waiting"] == 2
