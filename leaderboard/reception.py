"""Where submissions arrive: POST /api/v1/submissions with a bearer token. Looks, keeps or refuses; scores nothing.

What is refused leaves a line in the audit log and nothing else. Reading, hiding and withdrawing: its own team alone.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from bench import bundle
from bench.bundle import Limits, Manifest, Refused
from leaderboard import tokens
from leaderboard.clerk import hide
from leaderboard.desk import Case, Desk, Refusal
from leaderboard.ledger import Ledger, TooMany
from leaderboard.tokens import Token

CHUNK = 1 << 20
ADDRESS = "/api/v1/submissions"
EVALUATOR = 2  # parts of a version that must be equal: Major.Minor


class Answer(Exception):
    """A request that goes no further: its status, and one line for the sender."""

    def __init__(self, status: int, why: str, **headers: str) -> None:
        super().__init__(why)
        self.status, self.why, self.headers = status, why, headers


def add(server: Flask, desk: Desk, ledger: Ledger, version: str, limits: Limits = bundle.LIMITS) -> None:
    """Give the server its addresses. version: of the suite; another Major.Minor scores by other rules."""

    @server.errorhandler(Answer)
    def answered(answer: Answer) -> Response:
        said = jsonify({"error": answer.why})
        said.status_code = answer.status
        said.headers.update(answer.headers)
        return said

    @server.post(ADDRESS)
    def receive() -> Response:
        token = bearer(desk, "submit")
        try:
            receipt = taken(desk, ledger, token, version, limits)
        except Answer as answer:
            desk.audit(f"token {token.id}", "refused", status=answer.status, why=answer.why)
            raise
        said = jsonify(receipt)
        said.status_code, said.headers["Location"] = 201, f"{ADDRESS}/{receipt['id']}"
        return said

    @server.get(f"{ADDRESS}/<name>")
    def look_up(name: str) -> Response:
        return jsonify(details(own(desk, name, bearer(desk, "read"))))

    @server.delete(f"{ADDRESS}/<name>")
    def withdraw(name: str) -> Response:
        token = bearer(desk, "withdraw")
        case = own(desk, name, token)
        try:
            case = desk.tell(case.id, f"token {token.id}", state="withdrawn", why="by its team")
        except Refusal as error:
            raise Answer(409, str(error)) from None
        ledger.note(case)
        return jsonify(details(case))

    @server.route(f"{ADDRESS}/<name>/hidden", methods=["PUT", "DELETE"])
    def hidden(name: str) -> Response:
        token = bearer(desk, "withdraw")
        case = own(desk, name, token)
        try:
            hide(desk, case.id, f"token {token.id}", "by its team" if request.method == "PUT" else "")
        except Refusal as error:
            raise Answer(409, str(error)) from None
        return jsonify(details(desk.case(case.id)))


def bearer(desk: Desk, scope: str) -> Token:
    """The token of this request, if it opens this door."""
    words = request.headers.get("Authorization", "")
    token = tokens.known(desk, words.removeprefix("Bearer ")) if words.startswith("Bearer ") else None
    if token is None:
        wanted = {"WWW-Authenticate": "Bearer"}
        raise Answer(401, "send a token of this board: Authorization: Bearer TOKEN", **wanted)
    if fault := token.fault(scope):
        desk.audit(f"token {token.id}", "refused", status=403, why=fault)
        raise Answer(403, fault)
    return token


def own(desk: Desk, name: str, token: Token) -> Case:
    """A case of the token's team. Another's is answered like one that is not there."""
    try:
        case = desk.case(name)
    except Refusal:
        raise Answer(404, "no such submission of yours") from None
    if case.receipt.team != token.team:
        desk.audit(f"token {token.id}", "refused", status=404, case=name, why="another team's")
        raise Answer(404, "no such submission of yours")
    return case


def taken(desk: Desk, ledger: Ledger, token: Token, version: str, limits: Limits) -> dict[str, Any]:
    """Stream the body to a file, look at it, keep it. Whatever happens, nothing is left of what is not kept."""
    length = request.content_length
    if length is None:
        raise Answer(411, "say how long the bundle is: Content-Length")
    if length > limits.bundle:
        raise Answer(413, f"{length} bytes; a bundle has at most {limits.bundle}")
    try:
        ledger.request(token)
    except TooMany as error:
        raise Answer(429, str(error), **{"Retry-After": str(error.wait)}) from None
    request.max_content_length = limits.bundle
    incoming = desk.root / "incoming"
    incoming.mkdir(exist_ok=True)
    if shutil.disk_usage(incoming).free < 2 * length + (1 << 28):
        raise Answer(507, "no room for it now; its operator has to make some")
    upload = incoming / secrets.token_hex(16)
    try:
        stream(upload, length)
        manifest, run = looked_at(upload, limits, token, version)
        try:
            receipt = desk.keep(upload, manifest, run, token.id)
        except Refusal as error:
            raise Answer(409, str(error)) from None
        try:
            ledger.enter(token, receipt)
        except TooMany as error:
            shutil.rmtree(desk.folder(receipt.id))
            raise Answer(429, str(error), **{"Retry-After": str(error.wait)}) from None
        desk.audit(f"token {token.id}", "received", case=receipt.id, size=receipt.size)
        return details(desk.case(receipt.id))
    finally:
        upload.unlink(missing_ok=True)


def stream(upload: Path, length: int) -> None:
    left = length
    with upload.open("xb") as file:
        try:
            while left and (part := request.stream.read(min(CHUNK, left))):
                file.write(part)
                left -= len(part)
        except HTTPException:  # whoever sent it has gone, or sent more than he said
            pass
    if left:
        raise Answer(400, f"{left} of {length} bytes did not arrive")


def looked_at(upload: Path, limits: Limits, token: Token, version: str) -> tuple[Manifest, Any]:
    try:
        manifest, run = bundle.inspect(upload, limits)
    except Refused as error:
        raise Answer(400, str(error)) from None
    if manifest.team != token.team:
        raise Answer(403, f"the bundle is of team {manifest.team!r}, the token of {token.team!r}")
    theirs, ours = (".".join(one.split(".")[:EVALUATOR]) for one in (run.versions["bench"], version))
    if theirs != ours:
        raise Answer(400, f"made with version {theirs} of the suite, this board compares {ours}")
    return manifest, run


def details(case: Case) -> dict[str, Any]:
    """What its own team may read."""
    receipt = {name: value for name, value in asdict(case.receipt).items() if name not in ("token", "predictions")}
    return {
        **receipt,
        "state": case.state,
        "why": case.why,
        "in_review": bool(case.held),
        "hidden": bool(case.hidden),
        "changed": case.changed,
    }
