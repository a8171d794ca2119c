"""A submission that is run again: what is laid out, who imports it, what comes of it."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the board's libraries are not installed: pip install -e '.[board]'")

from bench import plugins, submit
from bench.run import main as bench_run
from leaderboard import admin, app, reception
from leaderboard.board import Board
from leaderboard.desk import Desk
from leaderboard.ledger import Ledger
from slurm import verify
from slurm.verify import VerifyError, command, install

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "leaderboard" / "toy"
NEWCOMER = '''
"""A newcomer: the baseline under another name; it leaves a mark of every process that imports it."""
import os
from dataclasses import dataclass
from pathlib import Path

from methods.parts.supervised import Supervised

with (Path(os.environ["MARKS"]) / f"{os.getpid()}").open("w") as file:
    file.write(Path("/proc/self/cmdline").read_text().replace("\\0", " "))


class Method(Supervised):
    @dataclass(kw_only=True)
    class Config(Supervised.Config):
        role = ""
'''


def wheel(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    return folder


def test_a_file_becomes_a_plug_in_without_being_run(code, tmp_path):
    (code / "newcomer.py").write_text("raise SystemExit('it ran')\n")
    (code / "parts").mkdir()
    (code / "parts" / "net.py").write_text("x = 1\n")
    install(code, tmp_path / "site", "newcomer")
    assert "newcomer = newcomer" in (tmp_path / "site" / "submitted-0.dist-info" / "entry_points.txt").read_text()
    assert (tmp_path / "site" / "parts" / "net.py").is_file()


def test_a_wheel_is_unpacked_and_names_its_own_entry_point(code, tmp_path):
    names = {"pkg/new.py": "", "pkg-1.0.dist-info/entry_points.txt": "[mtda.methods]\nnewcomer = pkg.new\n"}
    (code / "pkg-1.0-py3-none-any.whl").write_bytes(wheel(names))
    install(code, tmp_path / "site", "newcomer")
    assert (tmp_path / "site" / "pkg" / "new.py").is_file() and not (
        tmp_path / "site" / "submitted-0.dist-info"
    ).exists()


@pytest.mark.parametrize("name", ["../x.py", "/etc/x.py", "a/../../x.py", ".hidden", "a\\..\\x.py"])
def test_a_wheel_that_leaves_its_folder_is_refused(code, tmp_path, name):
    (code / "pkg-1.0-py3-none-any.whl").write_bytes(wheel({name: ""}))
    with pytest.raises(VerifyError, match="has a file"):
        install(code, tmp_path / "site", "newcomer")
    assert not list((tmp_path / "site").iterdir())


def test_code_without_the_method_is_refused(code, tmp_path):
    (code / "other.py").write_text("")
    with pytest.raises(VerifyError, match="neither a wheel"):
        install(code, tmp_path / "site", "newcomer")


def test_a_method_of_the_suite_needs_no_code(code, tmp_path):
    install(code, tmp_path / "site", "source_only")
    assert not list((tmp_path / "site").iterdir())


def test_the_words_are_those_of_the_record():
    claim = {"method": "m", "split": {"name": "s"}, "seed": 3, "network": {"name": "small"}, "precision": "fp32",
             "overrides": ["method.lr=1"]}  # fmt: skip
    assert command(claim) == "method=m split=s seed=3 network=small precision=fp32 method.lr=1".split()


def test_without_a_container_a_word_is_asked_for(tmp_path, capsys):
    assert verify.main(["abcd", f"store={tmp_path}"]) == 1
    assert "uncontained=yes" in capsys.readouterr().err


def test_what_nobody_knows_is_not_verified(tmp_path, capsys):
    assert verify.main(["abcd", f"store={tmp_path}", "uncontained=yes"]) == 1
    assert "0 submissions begin with" in capsys.readouterr().err
    assert verify.main([f"store={tmp_path}"]) == 2 and verify.main(["a", "b"]) == 2 and verify.main(["a", "x=y"]) == 2


@pytest.mark.slow
def test_a_plug_in_is_run_again_by_one_job_and_reproduced(tmp_path, monkeypatch, capsys):
    """Trained here, sent, scored, permitted, run again as a job, compared; the job alone imported the plug-in."""
    theirs, marks, store = tmp_path / "theirs", tmp_path / "marks", tmp_path / "board"
    for folder in (theirs, marks, store):
        folder.mkdir()
    monkeypatch.setenv("MARKS", str(marks))
    install_source(theirs)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(TOY), str(theirs / "site"))))
    for path in (TOY, theirs / "site"):
        monkeypatch.syspath_prepend(str(path))
    plugins.forget()
    words = ["method=newcomer", "split=toy2toy", "network.width=4", "device=cpu", f"store={theirs / 'store'}"]
    assert bench_run([*words, "keep=predictions"]) == 0
    (folder,) = (file.parent for file in (theirs / "store").glob("runs/*/*/record.json"))
    sys.path.remove(str(theirs / "site"))
    plugins.forget()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(TOY))))

    name = receive(store, folder, theirs / "newcomer.py", tmp_path, capsys)
    for file in marks.iterdir():
        file.unlink()
    again = [name[:8], f"store={store}", "slurm.cluster=local", "slurm.gpus=0", "slurm.cpus=1", "uncontained=yes"]
    assert verify.main(again) == 1 and "not permitted" in capsys.readouterr().err
    assert admin.main(["permit", name, f"store={store}"]) == 0
    assert verify.main(again) == 0 and "done" in capsys.readouterr().out
    assert verify.main(again) == 0 and "reproduced" in capsys.readouterr().out
    about = json.loads((Desk.of(store).result(name) / "reproduced.json").read_text())
    assert all(line["agrees"] and line["again"] == pytest.approx(line["claimed"], rel=1e-3) for line in about["table"])
    told = [file.read_text() for file in marks.iterdir()]
    assert told and all("bench.job" in line or "bench.predict" in line for line in told)
    board = Board.of(store)
    (row,) = board.table(board.place("toy2toy")).to_dict("records")
    assert row["trust"] == "reproduced" and row["ratio"] > 0


def install_source(theirs: Path) -> None:
    code = theirs / "code"
    code.mkdir()
    (code / "newcomer.py").write_text(NEWCOMER)
    (theirs / "newcomer.py").write_text(NEWCOMER)
    install(code, theirs / "site", "newcomer")


def receive(store: Path, folder: Path, code: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Hand the run's bundle in, have it scored, let it through; its id."""
    assert admin.main(["token", "Team A", f"store={store}"]) == 0
    token = re.search(r"mtda_\S+", capsys.readouterr().out)[0]
    out = tmp_path / "b.zip"
    words = [str(folder), "--dry-run", f"out={out}", "team=Team A", "extra_data=none", f"code={code}"]
    assert submit.main(words) == 0
    desk = Desk.of(store)
    server = app.make(Board.of(store)).server
    reception.add(server, desk, Ledger.open(desk), "0.1.0")
    headers = {"Authorization": f"Bearer {token}"}
    answer = server.test_client().post(reception.ADDRESS, data=out.read_bytes(), headers=headers)
    assert answer.status_code == 201, answer.text
    assert admin.main(["score", f"store={store}"]) == 0
    assert admin.main(["approve", answer.json["id"], f"store={store}"]) == 0
    capsys.readouterr()
    name: str = answer.json["id"]
    return name
