"""The server without a browser: the read API, files, pictures, headers; and the folder of files."""

from __future__ import annotations

import io
import re
import threading
import time

import pandas as pd
import pytest
from PIL import Image

from leaderboard import app, export, store
from leaderboard.board import Board
from leaderboard.page import Figure, Table, parts_of
from leaderboard.pages import about, page
from leaderboard.tables import FORMS
from tests.leaderboard.stores import keep
from tests.leaderboard.test_pages import run_of


@pytest.fixture(scope="module")
def client(board):
    return app.make(board).server.test_client()


def test_health_says_which_data(client, board):
    said = client.get("/healthz").json
    assert (said["status"], said["version"], said["runs"]) == ("ok", board.version, len(board.index.frame))


def test_every_address_of_the_api_answers(client, board):
    key = run_of(board, "alpha")
    listed = [one["address"] for one in client.get("/api/v1/").json]
    assert listed == [address for address, _ in about.API]
    for address in listed:
        path = address.removeprefix("GET ").replace("KEY", key)
        path = path.partition("?")[0] + ("?split=gta2cs19" if "reported" in path else "")
        answer = client.get(path)
        assert answer.status_code == 200 and answer.json, path


def test_rows_have_ranks_and_no_nan(client):
    answer = client.get("/api/v1/rows?split=town2city&by=miou")
    assert "NaN" not in answer.text and answer.json["by"] == "miou"
    rows = {row["method"]: row for row in answer.json["rows"]}
    assert (rows["gamma"]["place"], rows["target_oracle"]["place"]) == (1, None)


def test_runs_come_in_pages(client, board):
    first = client.get("/api/v1/runs?limit=2").json
    second = client.get("/api/v1/runs?limit=2&offset=2").json
    assert first["total"] > 4 and len(first["runs"]) == len(second["runs"]) == 2
    assert first["runs"][0]["key"] != second["runs"][0]["key"]


def test_a_receipt_has_the_hashes_of_its_files(client, board):
    said = client.get(f"/api/v1/receipts/{run_of(board, 'alpha')}").json
    assert set(said["files"]) == {"record.json", "stats.npz"} and said["trust"] == "scored"
    assert said["commit"] and "bench.score" in said["verify"]


@pytest.mark.parametrize("path", ["/api/v1/splits", "/api/v1/rows", "/download/rows.csv"])
def test_who_has_it_is_told_that_nothing_changed(client, path):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/runs/nothing", "/api/v1/runs/%00", "/api/v1/receipts/nothing", "/api/v1/rows?split=nothing",
        "/api/v1/rows?split=gta2cs19", "/api/v1/reported?split=town2city", "/download/rows.exe", "/download/other.csv",
        "/download/rows.csv?split=nothing", "/download/reported.csv", "/picture/nothing/0/image.png",
        "/picture/../0/image.png",
    ],
)  # fmt: skip
def test_what_is_not_there_is_404_in_one_line(client, path):
    answer = client.get(path)
    assert answer.status_code == 404 and b"Traceback" not in answer.data


def test_odd_words_are_no_errors(client):
    for search in ("?offset=-1&limit=x", "?filter={&sort=::", "?" + "a=b&" * 40, "?split=%ff%fe", "?limit=99999999999"):
        assert client.get(f"/api/v1/runs{search}").status_code in (200, 404), search


def test_files_hold_what_the_grid_shows(client):
    model = '{"method": {"filterType": "text", "type": "equals", "filter": "alpha"}}'
    text = client.get("/download/rows.csv", query_string={"filter": model, "by": "miou"}).text
    assert len(text.strip().splitlines()) == 2 and ",alpha," in text
    for form in ("tex", "md", "parquet"):
        answer = client.get(f"/download/rows.{form}")
        assert answer.status_code == 200 and f"rows-.{form}" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    "address", ["/view/classes?classes=7", "/view/depth", "/compare", "/method/alpha", "/submissions"]
)
def test_every_table_of_a_page_and_of_its_figures_is_a_file(client, board, address):
    found = page(board, *parts_of(address)).blocks
    shown = [one.table if isinstance(one, Figure) else one for one in found if isinstance(one, Figure | Table)]
    assert shown and len({one.download for one in shown}) == len(shown)
    for one in shown:
        start, _, search = one.download.partition("?")
        for form in FORMS:
            answer = client.get(f"{start}.{form}?{search}")
            assert answer.status_code == 200 and answer.headers["ETag"], one.download
        body = client.get(f"{start}.parquet?{search}").data
        assert len(pd.read_parquet(io.BytesIO(body))) == len(one.frame)


def test_a_page_without_such_a_table_has_no_file(client):
    for search in ("", "?page=/view/depth&name=nothing", "?page=/nothing&name=rows", "?page=%00&name=../.."):
        assert client.get(f"/download/table.csv{search}").status_code == 404


def test_pictures_are_png(client, board):
    key = run_of(board, "alpha")
    for what in ("image", "semseg.truth", "depth.prediction", "normals.truth"):
        answer = client.get(f"/picture/{key}/0/{what}.png")
        assert Image.open(io.BytesIO(answer.data)).size == (64, 32)
    assert client.get(f"/picture/{key}/0/stem.png").status_code == 404
    assert client.get(f"/picture/{key}/7/image.png").status_code == 404


def test_the_browser_is_told_to_load_nothing_from_elsewhere(client):
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "http" not in policy and "unsafe-eval" not in policy
    script = re.search(r"script-src[^;]*", policy)
    assert script and "unsafe-inline" not in script[0]


def test_nothing_can_be_written_through_the_board(client):
    for path in ("/api/v1/rows", "/api/v1/runs/x", "/healthz", "/download/rows.csv"):
        assert client.post(path).status_code == 405 and client.delete(path).status_code == 405


def asked(path: str, search: str = "") -> dict:
    inputs = [{"id": "address", "property": p, "value": v} for p, v in (("pathname", path), ("search", search))]
    return {"output": "whole.children", "outputs": {"id": "whole", "property": "children"}, "inputs": inputs,
            "changedPropIds": ["address.pathname"]}  # fmt: skip


def test_a_page_is_sent_again_as_it_was_until_the_data_changes(tmp_path, monkeypatch):
    keep(tmp_path, "ours", 0, None, {"miou": 40.0})
    board = Board.of(tmp_path)
    made = []
    monkeypatch.setattr(app, "page", lambda *words, real=app.page: made.append(1) or real(*words))
    client = app.make(board).server.test_client()
    send = lambda: client.post("/_dash-update-component", json=asked("/"), headers={"Accept-Encoding": "gzip"})  # noqa: E731
    first, second = send(), send()
    assert first.data == second.data and len(made) == 1 and first.headers["Content-Encoding"] == "gzip"
    keep(tmp_path, "theirs", 0, None, {"miou": 41.0})
    board.index.refresh()
    assert send().data != first.data and len(made) == 2


def test_a_record_written_while_it_runs_is_served_without_a_restart(tmp_path):
    keep(tmp_path, "ours", 0, None, {"miou": 40.0})
    board = Board.of(tmp_path)
    threading.Thread(target=store.watch, args=(board.index, 0.05), daemon=True).start()
    client = app.make(board).server.test_client()
    assert len(client.get("/api/v1/rows").json["rows"]) == 1
    keep(tmp_path, "theirs", 0, None, {"miou": 41.0})
    began = time.monotonic()
    while len(client.get("/api/v1/rows").json["rows"]) != 2:
        assert time.monotonic() - began < 20, "the new record does not appear"
        time.sleep(0.05)


def test_a_store_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(SystemExit, match="no store at"):
        app.main([f"store={tmp_path / 'nothing'}"])
    with pytest.raises(SystemExit, match="unknown word"):
        app.main(["stor=x"])


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A small board as a folder of files."""
    root = tmp_path_factory.mktemp("small")
    for seed in range(3):
        keep(root / "store", "ours<b>", seed)
        keep(root / "store", "source_only", seed, 0.4, role="baseline")
    export.main([str(root / "site"), f"store={root / 'store'}"])
    return root / "site"


def test_a_copy_has_every_file_that_it_names_and_no_other_host(copy):
    pages = list(copy.glob("*.html"))
    assert len(pages) > 20
    named = set()
    for file in pages:
        text = file.read_text()
        assert "<b>" not in text
        named |= set(re.findall(r'(?<![-\w])(?:href|src|value)="([^"#]+)"', text)) - {"0", "50", "100"}
    elsewhere = {one for one in named if "://" in one and not one.startswith("https://arxiv.org/abs/")}
    missing = {one for one in named if "://" not in one and one != "data:," and not (copy / one).exists()}
    assert not elsewhere and not missing


def test_a_copy_has_its_tables_as_files(copy):
    kinds = {file.suffix for file in (copy / "files").iterdir()}
    assert {".csv", ".tex", ".md", ".parquet", ".json"} <= kinds


def test_a_copy_overwrites_nothing_but_a_copy(copy, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SystemExit, match="no copy of a board"):
        export.main([str(tmp_path), f"store={copy.parent / 'store'}"])
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
