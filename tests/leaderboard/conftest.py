"""One little board for all tests that only read it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("dash_ag_grid", reason="the board's libraries are not installed: pip install -e '.[board]'")

from bench import judge, plugins
from leaderboard import clerk
from leaderboard.board import Board
from leaderboard.clerk import Clerk
from tests.leaderboard.bundles import TOY, Counter, counter, packed, run_folder
from tests.leaderboard.stores import town

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def town_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return town(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="session")
def board(town_store: Path) -> Board:
    made = Board.of(town_store)
    made.wait = True  # however busy the machine is
    return made


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A bundle that is taken."""
    root = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as patch, known(patch):
        return packed(run_folder(root), root / "bundle.zip")


@contextmanager
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy split is found like any installed plug-in."""
    monkeypatch.syspath_prepend(str(TOY))
    plugins.forget()
    yield
    plugins.forget()
    sys.modules.pop("toy_world", None)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy split, for this process and those that it starts."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(TOY))))
    with known(monkeypatch):
        yield


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge in this process: another one imports torch for seconds."""

    def judged(self: Clerk, folder: Path, log: Path) -> dict[str, str]:
        judge.main([str(folder), f"store={self.index.root}", *(f"data.{n}={p}" for n, p in self.roots.items())])
        verdict: dict[str, str] = json.loads((folder / judge.VERDICT).read_text())
        return verdict

    monkeypatch.setattr(Clerk, "judge", judged)


@pytest.fixture
def trusting(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is too good."""
    monkeypatch.setattr(clerk, "too_good", lambda made, runs: [])


@pytest.fixture
def found(tmp_path: Path) -> Counter:
    """A board that takes submissions, with nothing on it yet."""
    return counter(tmp_path / "store")
