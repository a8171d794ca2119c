"""Submissions of the toy split: a run folder that nobody trained, its bundle, and a desk that is open."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from flask.testing import FlaskClient

from bench import bundle, predictions, score
from bench.bundle import About, Limits
from bench.plain import to_plain
from leaderboard import app, reception, tokens
from leaderboard.board import Board
from leaderboard.clerk import Clerk
from leaderboard.desk import Desk
from leaderboard.ledger import Ledger
from leaderboard.pages import page
from leaderboard.static import render
from leaderboard.store import Index

TOY = Path(__file__).parent / "toy"
VERSION = "0.1.0"
TEAM = "Team A"
KEY = "ab12" * 8
LIMITS = Limits(bundle=1 << 20, expanded=4 << 20, file=1 << 20, words=1 << 18, files=100, pixels=1 << 16)


def run_folder(root: Path, seed: int = 0, skill: float = 0.5, method: str = "newcomer", **fields: Any) -> Path:
    """A finished run on the toy split with its predictions, right in about `skill` of all pixels."""
    import toy_world

    folder = root / f"run-{method}-{seed}-{skill}" / KEY
    folder.mkdir(parents=True)
    draw = np.random.default_rng([seed, round(1000 * skill)])
    for item in toy_world.index(None, "test"):
        maps = toy_world.read(item, toy_world.TASKS)
        wrong = draw.random(maps["semseg"].shape) > skill
        maps["semseg"] = np.where(wrong, (maps["semseg"] + 1) % 18, maps["semseg"]).astype(np.uint8)
        maps["depth"] = (maps["depth"] * (2 - skill)).astype(np.float32)
        maps["normals"] = maps["normals"] + np.float32((1 - skill) * draw.normal(size=maps["normals"].shape))
        predictions.write(folder / "predictions", item.stem, maps)
    asked = {
        "method": method, "split": json.loads(json.dumps(to_plain(toy_world.SPLIT))), "protocol": "city-v1",
        "selection": "last", "seed": seed, "config": {"lr": 0.001}, "network": {"name": "small", "weights": "none"},
        "versions": {"bench": VERSION, "python": "3.11"}, "hardware": {"cpu": "abacus", "gpu": ""},
        "precision": "fp32", "manifests": {"test": "cd" * 32}, "chain": [
            {"name": method, "key": KEY, "steps": 2, "seconds": 1.0}
        ],
    } | fields  # fmt: skip
    (folder / "run.json").write_text(json.dumps({"record": asked, "keep": "predictions"}))
    score.score_run(folder, {}, 0)
    return folder


def packed(folder: Path, out: Path, team: str = TEAM, code: dict[str, bytes] | None = None) -> bytes:
    """The bundle of a run folder."""
    files: dict[str, Path | bytes] = {name: folder / name for name in ("record.json", "stats.npz")}
    for file in sorted((folder / "predictions").rglob("*.*")):
        files[file.relative_to(folder).as_posix()] = file
    bundle.pack(out, team, About(extra_data="none"), files | (code or {}))
    return out.read_bytes()


def contents(whole: bytes) -> dict[str, bytes]:
    """{name: content} of an archive."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, kind)
    return out.getvalue()


def told(whole: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    """The files with a manifest that is true of them, but for the changes."""
    others = {name: one for name, one in whole.items() if name != "manifest.json"}
    entries = {n: {"size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in others.items()}
    manifest = {"format": 1, "team": TEAM, "about": {"extra_data": "none"}, "files": entries} | changes
    return {**others, "manifest.json": json.dumps(manifest).encode()}


def changed(whole: bytes, **fields: Any) -> bytes:
    """The bundle with other fields in its record."""
    files = contents(whole)
    files["record.json"] = json.dumps(json.loads(files["record.json"]) | fields).encode()
    return zipped(told(files))


@dataclass
class Counter:
    """A board that takes submissions, and a team's token for it."""

    store: Path
    desk: Desk
    ledger: Ledger
    board: Board
    client: FlaskClient
    token: str

    def send(self, body: bytes, token: str | None = None, **more: Any) -> Any:
        words = self.token if token is None else token
        headers = {"Authorization": f"Bearer {words}"} | more.pop("headers", {})
        return self.client.post(reception.ADDRESS, data=body, headers=headers, **more)

    def left(self) -> list[str]:
        """Every file of the desk that a refused bundle must not add to."""
        kept = [file for name in ("inbox", "incoming", "runs", "work") for file in (self.desk.root / name).rglob("*")]
        return sorted(str(file.relative_to(self.desk.root)) for file in kept)


def counter(store: Path, limits: Limits = LIMITS, **token: int) -> Counter:
    store.mkdir(exist_ok=True)
    desk = Desk.of(store)
    _, words = tokens.issue(desk, TEAM, **({"hourly": 10_000, "daily": 1000} | token))
    board, ledger = Board.of(store), Ledger.open(desk)
    server = app.make(board).server
    assert isinstance(server, Flask)
    reception.add(server, desk, ledger, VERSION, limits)
    server.config["PROPAGATE_EXCEPTIONS"] = False  # a fault is a 500, as for everybody
    return Counter(store, desk, ledger, board, server.test_client(), words)


def refused(desk: Counter, body: bytes, *statuses: int, token: str | None = None, **more: Any) -> str:
    """It is refused with one of these, in one line of JSON; what was there before is there, and nothing else."""
    before = desk.left()
    answer = desk.send(body, token, **more)
    assert answer.status_code in statuses, answer.text
    said: str = answer.json["error"]
    assert said and "\n" not in said and "Traceback" not in said and str(desk.store) not in said
    assert desk.left() == before and len(before) >= 3
    return said


def with_file(good: bytes, name: str, content: bytes = b"x", **manifest: Any) -> bytes:
    """The bundle with one more file, that its manifest lists."""
    return zipped(told(contents(good) | {name: content}, **manifest))


def work(found: Counter) -> None:
    """The clerk does all that waits."""
    index = Index(found.store)
    index.refresh()
    Clerk(found.desk, found.ledger, index, {}).work()
    found.board.index.refresh()


def sent(found: Counter, body: bytes) -> str:
    answer = found.send(body)
    assert answer.status_code == 201, answer.text
    return answer.json["id"]


def rows_of(found: Counter) -> list[dict[str, Any]]:
    """What the board shows of the toy split."""
    found.board.index.refresh()
    place = found.board.place("toy2toy")
    return found.board.table(place).to_dict("records") if place else []


def words_of(found: Counter, address: str) -> str:
    """The page of an address, as the folder of files has it."""
    return unescape(render(page(found.board, address), (), "", "v", lambda href: href))
