"""One little board for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("dash_ag_grid", reason="the board's libraries are not installed: pip install -e '.[board]'")

from leaderboard.board import Board
from tests.leaderboard.stores import town


@pytest.fixture(scope="session")
def town_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return town(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="session")
def board(town_store: Path) -> Board:
    return Board.of(town_store)
