"""The commands of the operator and of the sender, and what a run of our own says of a submission."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from bench import record, submit
from leaderboard import admin, app, reproduction
from leaderboard.store import Index
from tests.leaderboard.bundles import (
    changed,
    contents,
    packed,
    rows_of,
    run_folder,
    sent,
    words_of,
    work,
)

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("toys")


def test_the_operators_commands(found, tmp_path, trusting, capsys):
    store = f"store={found.store}"

    def said(*words):
        assert admin.main([*words, store]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    made = said("token", "Team C", "days=1", "daily=3")
    words = re.search(r"mtda_\w{12}_[\w-]{43}", made)[0]
    assert found.send(b"x", words).status_code == 400  # it opens the door
    assert "Team C" in said("tokens")
    said("revoke", words.split("_")[1][:6])
    assert found.send(b"x", words).status_code == 403
    body = packed(run_folder(tmp_path), tmp_path / "b.zip", code={"code/newcomer.py": b"raise SystemExit('it ran')\n"})
    name = sent(found, body)
    work(found)
    assert name[:12] in said("list") and name[:12] not in said("list", "rejected")
    assert '"state": "scored"' in said("show", name[:9])
    assert "1 files" in said("code", name[:9], str(tmp_path / "look"))
    assert "it ran" in (tmp_path / "look" / "code" / "newcomer.py").read_text()
    assert "token" in said("log", "50") and words not in said("log", "500")
    for bad in (["token", "x"], ["show", "zz"], ["list", "store=/nowhere"], ["token", "Team D", "days=x"], ["revoke"]):
        assert admin.main([*bad, *([] if "store" in bad[-1] else [store])]) == 1
        err = capsys.readouterr().err
        assert err.startswith("leaderboard.admin: ") and err.count("\n") == 1
    assert admin.main([]) == 2


def test_a_run_of_our_own_that_agrees_makes_it_reproduced(found, tmp_path, trusting, capsys):
    folder = run_folder(tmp_path)
    name = sent(found, packed(folder, tmp_path / "b.zip"))
    work(found)
    run = record.read(folder / "record.json")
    run.throughput = {"ratio": 0.5, "batch1": {"images_per_second": 20.0}}
    record.write(run, folder / "record.json")
    assert admin.main(["reproduced", name, str(folder), f"store={found.store}"]) == 0
    (row,) = rows_of(found)
    assert (row["trust"], row["ratio"], found.desk.case(name).state) == ("reproduced", 0.5, "reproduced")
    assert "reproduced" in words_of(found, f"/run/{name}")
    assert admin.main(["reproduced", name, str(folder), f"store={found.store}"]) == 1


def test_a_run_of_our_own_that_does_not_agree_takes_it_off_the_board(found, tmp_path, trusting):
    name = sent(found, packed(run_folder(tmp_path, 0, 0.8), tmp_path / "b.zip"))
    work(found)
    again = run_folder(tmp_path, 0, 0.4)
    assert admin.main(["reproduced", name, str(again), f"store={found.store}"]) == 0
    assert found.desk.case(name).held.startswith("not reproduced: miou") and rows_of(found) == []


def test_another_run_reproduces_nothing(found, tmp_path, trusting, capsys):
    name = sent(found, packed(run_folder(tmp_path), tmp_path / "b.zip"))
    work(found)
    other = run_folder(tmp_path, 0, 0.5, config={"lr": 0.1}, method="newcomer2")
    assert admin.main(["reproduced", name, str(other), f"store={found.store}"]) == 1
    assert "method config differ" in capsys.readouterr().err and found.desk.case(name).state == "scored"


def test_the_tolerance_is_the_seeds_own_where_it_is_known():
    import pandas as pd

    def run(miou):
        return record.RunRecord(
            key="a", method="m", split={}, protocol="p", selection="last", seed=0, metrics={"miou": miou}
        )

    none, seeds = pd.DataFrame(), pd.DataFrame({"miou": [50.0, 51.0, 52.0]})
    agrees = lambda a, b, known: reproduction.compare(run(a), run(b), known)[0]["agrees"]  # noqa: E731
    assert agrees(50, 51.4, none) and not agrees(50, 51.6, none)  # 3 % of 50
    assert agrees(50, 52.8, seeds) and not agrees(50, 52.9, seeds)  # 2 sqrt(2) of 1 point


def test_a_fixture_or_unknown_data_is_scored_and_never_ranked(found, tmp_path, trusting):
    name = sent(found, changed(packed(run_folder(tmp_path), tmp_path / "b.zip"), data="unknown"))
    work(found)
    (row,) = rows_of(found)
    assert (found.desk.case(name).state, row["why"]) == ("scored", "not the split as declared")


def test_everything_from_the_command_line(tmp_path, monkeypatch, capsys):
    """A token, a live server, bench.submit, the worker in processes of its own, the operator's word, the board."""
    store, folder = tmp_path / "store", run_folder(tmp_path, method="source_only")
    store.mkdir()
    assert admin.main(["token", "Team A", f"store={store}"]) == 0
    monkeypatch.setenv("MTDA_TOKEN", re.search(r"mtda_\S+", capsys.readouterr().out)[0])
    served = make_server("127.0.0.1", 0, app.server(str(store)), threaded=True)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{served.port}"
    try:
        words = [str(folder), "--to", url, "team=Team A", "extra_data=none"]
        assert submit.main(words) == 0
        name = re.search(r"([0-9a-f]{32}): received", capsys.readouterr().out)[1]
        assert submit.main(words) == 1 and "received before" in capsys.readouterr().err
        done = subprocess.run([sys.executable, "-m", "leaderboard.admin", "score", f"store={store}"], cwd=ROOT,
                              capture_output=True, text=True)  # fmt: skip
        assert (done.returncode, done.stdout.strip()) == (0, "1 done"), done.stderr
        assert submit.main([name, "--to", url]) == 0 and "scored, in review" in capsys.readouterr().out
        assert admin.main(["approve", name[:8], f"store={store}"]) == 0
    finally:
        served.shutdown()
        thread.join()
        served.server_close()
    index = Index(store)
    index.refresh()
    assert list(index.frame["key"]) == [name] and index.frame["stats"].all()


@pytest.mark.parametrize(
    "words, message",
    [
        (["team=T A"], "say where to send it"),
        (["--to", "http://board.example", "team=T A", "extra_data=none"], "https:// only"),
        (["--to", "https://board.example", "extra_data=none"], "say team=NAME"),
        (["--dry-run", "team=<T>", "extra_data=none"], "team=<T>"),
        (["--dry-run", "team=T A", "extra_data=none", "link=ftp://x"], "link:"),
        (["--dry-run", "team=T A", "extra_data=none", "code=nowhere.py"], "no such file"),
    ],
)
def test_a_word_that_is_missing_or_wrong_is_one_clear_line(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.setenv("MTDA_TOKEN", "x")
    folder = run_folder(tmp_path, method="source_only")
    assert submit.main([str(folder), *words]) == 1
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_a_plug_in_is_not_sent_without_its_code(tmp_path, capsys):
    folder = run_folder(tmp_path)
    words = [str(folder), "--dry-run", "team=T A", "extra_data=none", f"out={tmp_path / 'b.zip'}"]
    assert submit.main(words) == 1 and "add its source" in capsys.readouterr().err
    (tmp_path / "newcomer.py").write_text("x = 1\n")
    assert submit.main([*words, f"code={tmp_path / 'newcomer.py'}"]) == 0
    assert "code/newcomer.py" in contents((tmp_path / "b.zip").read_bytes())


def test_a_token_is_not_carried_to_another_host():
    assert submit.Here().redirect_request(None, None, 302, "", {}, "https://elsewhere.example") is None
