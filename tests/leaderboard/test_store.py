"""The index: records become rows once, and again only where a file changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import frames, record
from leaderboard import store as stores
from leaderboard.board import Board
from leaderboard.store import Index
from tests.leaderboard.stores import begun, keep


def index_of(root: Path) -> Index:
    index = Index(root)
    index.refresh()
    return index


def test_the_board_imports_no_torch() -> None:
    program = "import sys, leaderboard.app, leaderboard.export; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    houses = {
        name for name in done.stdout.split() if name.partition(".")[0] in ("torch", "bench", "methods", "datasets")
    }
    assert houses == {"bench", "bench.record", "bench.bundle"}


def test_an_empty_store_is_an_empty_board(tmp_path):
    index = index_of(tmp_path)
    assert (len(index.frame), index.faults) == (0, {})


def test_a_record_that_is_written_while_it_runs_appears(tmp_path):
    keep(tmp_path, "ours", 0, None, {"miou": 40.0})
    index = index_of(tmp_path)
    before = index.version
    assert not index.refresh() and index.version == before
    keep(tmp_path, "ours", 1, None, {"miou": 41.0})
    assert index.refresh() and index.version != before
    assert sorted(index.frame["miou"]) == [40.0, 41.0]


def test_only_what_changed_is_read_again(tmp_path, monkeypatch):
    folder = keep(tmp_path, "ours", 0, None, {"miou": 40.0})
    keep(tmp_path, "ours", 1, None, {"miou": 41.0})
    index, read = index_of(tmp_path), []
    monkeypatch.setattr(stores, "entry", lambda f, real=stores.entry: read.append(Path(f).name) or real(f))
    made = record.read(folder / "record.json")
    made.metrics["miou"] = 44.5
    record.write(made, folder / "record.json")
    assert index.refresh() and read == [folder.name]
    assert sorted(index.frame["miou"]) == [41.0, 44.5]


def test_a_run_that_is_gone_is_forgotten(tmp_path):
    folder = keep(tmp_path, "ours", 0, None, {"miou": 40.0})
    index = index_of(tmp_path)
    (folder / "record.json").unlink()
    assert index.refresh() and len(index.frame) == 0


def test_what_is_left_when_a_run_is_gone_is_read_as_before(tmp_path):
    gone = keep(tmp_path, "alpha", 0)
    keep(tmp_path, "alpha", 1)
    index = Index(tmp_path)
    index.refresh()
    kinds = index.frame.dtypes
    (gone / "record.json").unlink()
    assert index.refresh() and len(index.frame) == 1 and (index.frame.dtypes == kinds).all()
    assert Board(index).table(Board(index).place("town2city"))["seeds"].tolist() == [1]


def test_a_begun_run_becomes_a_whole_one(tmp_path):
    begun(tmp_path, "ours", 0)
    index = index_of(tmp_path)
    assert list(index.frame["complete"]) == [False]
    folder = tmp_path / "runs" / "ff" / ("ffee" * 8)
    asked = json.loads((folder / "run.json").read_text())["record"]
    record.write(record.RunRecord(key=folder.name, metrics={"miou": 1.0}, **asked), folder / "record.json")
    assert index.refresh() and list(index.frame["complete"]) == [True]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema_version": 99}', '{"schema_version": 1, "key": "x", "metrics": "many"}']
)
def test_a_torn_record_is_said_in_one_line_and_stops_nobody(tmp_path, content):
    keep(tmp_path, "ours", 0, None, {"miou": 40.0})
    folder = keep(tmp_path, "torn", 0, None, {"miou": 40.0})
    (folder / "record.json").write_text(content)
    index = index_of(tmp_path)
    (why,) = index.faults.values()
    assert list(index.frame["method"]) == ["ours"]
    assert str(folder) in why and "\n" not in why


def test_a_record_in_anothers_folder_is_refused(tmp_path):
    one, other = (keep(tmp_path, name, 0, None, {"miou": 40.0}) for name in ("ours", "theirs"))
    (other / "record.json").write_bytes((one / "record.json").read_bytes())
    index = index_of(tmp_path)
    assert list(index.frame["method"]) == ["ours"]
    assert "not of its folder" in next(iter(index.faults.values()))


def test_a_key_that_is_not_in_the_index_leads_to_no_path(tmp_path):
    keep(tmp_path, "ours", 0, None, {"miou": 40.0})
    index = index_of(tmp_path)
    for key in ("../../etc", "", "..", "/etc/passwd"):
        with pytest.raises(KeyError):
            index.folder(key)


def test_runs_are_of_one_recipe_exactly_when_the_suites_own_table_says_so(tmp_path):
    keep(tmp_path, "ours", 0)
    keep(tmp_path, "ours", 1)
    keep(tmp_path, "ours", 0, config={"lr": 0.1})
    keep(tmp_path, "ours", 0, precision="bf16")
    keep(tmp_path, "ours", 0, selection="entropy")
    keep(tmp_path, "theirs", 0, world=2)
    index = index_of(tmp_path)
    theirs = {e.record.key: (e.recipe, e.bench) for e in frames.entries(tmp_path)[0]}
    mine = index.frame.set_index("key")
    for a in mine.index:
        for b in mine.index:
            assert (mine["recipe"][a] == mine["recipe"][b]) == (theirs[a][0] == theirs[b][0])
            assert (mine["bench"][a] == mine["bench"][b]) == (theirs[a][1] == theirs[b][1])


def test_equal_stores_have_one_version_wherever_they_lie(tmp_path):
    folder = keep(tmp_path / "a", "ours", 0, None, {"miou": 40.0})
    copy = tmp_path / "b" / "runs" / folder.parent.name
    copy.parent.mkdir(parents=True)
    subprocess.run(["cp", "-a", str(folder.parent), str(copy)], check=True)
    assert index_of(tmp_path / "a").version == index_of(tmp_path / "b").version
