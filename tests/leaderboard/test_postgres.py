"""The ledger on PostgreSQL, in a cluster that lives as long as these tests; where there is none, they say so."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from leaderboard import admin, tokens
from leaderboard.desk import Desk, Receipt
from leaderboard.ledger import CASES, REQUESTS, TOKENS, Ledger, TooMany, rebuilt
from leaderboard.tokens import Token
from tests.leaderboard.stores import case

TEAM = "Team A"


def program(name: str) -> str:
    """Debian keeps a server's programs beside its version."""
    found = shutil.which(name) or max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default="")
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The URL of a new cluster, on a socket in its own folder."""
    pytest.importorskip("psycopg", reason="there is no driver: pip install 'psycopg[binary]'")
    initdb, control = program("initdb"), program("pg_ctl")
    user = {}
    if os.getuid() == 0:  # the server does not run as root
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("the server does not run as root, and there is no user postgres")
        user = {"user": owner.pw_uid, "group": owner.pw_gid}
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        if user:
            os.chown(folder, owner.pw_uid, owner.pw_gid)

        def run(*words: str) -> None:
            subprocess.run(words, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=120, **user)

        run(initdb, "-D", str(data), "-U", "board", "-A", "trust", "-E", "UTF8", "--no-sync")
        run(control, "-D", str(data), "-w", "-l", f"{folder}/log", "-o", f"-k {folder} -c listen_addresses=''", "start")
        try:
            yield f"postgresql+psycopg://board@/postgres?host={folder}"
        finally:
            run(control, "-D", str(data), "-m", "immediate", "stop")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.of(tmp_path)


@pytest.fixture
def ledger(cluster: str, desk: Desk) -> Ledger:
    found = Ledger.open(desk, cluster)
    with found.engine.begin() as db:
        for table in (TOKENS, REQUESTS, CASES):
            db.execute(table.delete())
    return found


def token(desk: Desk, **limits: int) -> Token:
    return tokens.issue(desk, TEAM, **limits)[0]


def receipt(name: str, sender: Token, team: str = TEAM, predictions: str = "p") -> Receipt:
    at = "2026-11-20T12:00:00+00:00"
    return Receipt(name * 32, team, sender.id, at, 1, "newcomer", "toy2toy", 0, predictions)


def test_limits_hold(ledger, desk):
    sender = token(desk, hourly=2, daily=10, total=2)
    ledger.request(sender)
    ledger.request(sender)
    with pytest.raises(TooMany, match="2 requests an hour"):
        ledger.request(sender)
    for name in "ab":
        ledger.enter(sender, receipt(name, sender))
    with pytest.raises(TooMany, match="2 submissions in all"):
        ledger.enter(sender, receipt("c", sender))
    assert ledger.waiting() == ["a" * 32, "b" * 32]


def test_of_many_at_once_as_many_are_let_in_as_there_is_room(ledger, desk):
    sender, said = token(desk, hourly=5), []

    def ask() -> None:
        try:
            ledger.request(sender)
            said.append("in")
        except TooMany:
            said.append("out")

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (said.count("in"), said.count("out")) == (5, 7)


def test_the_same_predictions_of_another_team_are_found(ledger, desk):
    sender = token(desk)
    ledger.enter(sender, receipt("a", sender, "Team B"))
    ledger.enter(sender, receipt("b", sender, predictions="others"))
    assert ledger.twins(receipt("c", sender)) == ["a" * 32]


def test_it_is_made_anew_from_the_files(cluster, ledger, desk, tmp_path, capsys):
    sender = token(desk)
    ledger.enter(sender, receipt("a", sender))  # of which there is no file
    case(tmp_path, "fresh", TEAM)
    case(tmp_path, "weak", "Team B", state="rejected", why="no")
    case(tmp_path, "doubt", TEAM, held="x" * 1000)
    assert len(rebuilt(desk, cluster).waiting()) == 1
    assert admin.main(["rebuild", f"store={tmp_path}", f"database={cluster}"]) == 0
    assert capsys.readouterr().out == "3 submissions, 1 of them wait\n"
    ledger.note(desk.find(ledger.waiting()[0]))
    assert len(ledger.waiting()) == 1
