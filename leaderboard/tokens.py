"""Bearer tokens: random, kept as hashes, with an owner, scopes, an end and limits; a file each.

A token is written into a file of its own by the command that makes it, shown once, and cannot be had again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import record
from bench.bundle import TEAM
from leaderboard.desk import Desk, Refusal

SCOPES = ("submit", "read", "withdraw")  # one's own submissions only, each of them
MARK = "mtda"  # what a token begins with, so that a scanner of leaked secrets can know it
WRITTEN = re.compile(rf"{MARK}_([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True)
class Token:
    """What is kept of a token. The secret is random and long: one round of a plain hash hides it."""

    id: str
    sha256: str  # of the whole token
    team: str
    scopes: tuple[str, ...]
    created: str
    expires: str  # UTC
    revoked: str = ""  # when
    hourly: int = 30  # requests that send something, good or not
    daily: int = 10  # submissions received
    monthly: int = 100  # in 30 days
    total: int = 1000

    def fault(self, scope: str) -> str:
        """Why it does not open this door; "" if it does."""
        if self.revoked:
            return "the token was revoked"
        if datetime.now(UTC) >= datetime.fromisoformat(self.expires):
            return "the token has expired"
        return "" if scope in self.scopes else f"the token has no scope {scope!r}"


def issue(
    desk: Desk, team: str, scopes: Sequence[str] = SCOPES, days: float = 365,
    hourly: int = 30, daily: int = 10, monthly: int = 100, total: int = 1000,
) -> tuple[Token, str]:  # fmt: skip
    """A new token and the words that its owner sends. Refusal in one line."""
    if not re.fullmatch(TEAM, team):
        raise Refusal(f"{team[:60]!a} is no name of a team: 2 to 40 letters, digits, blanks, . _ -")
    if stray := [one for one in scopes if one not in SCOPES]:
        raise Refusal(f"no scope {stray[0][:40]!a}; known: {' '.join(SCOPES)}")
    taken = {one.team for one in every(desk) if one.team.casefold() == team.casefold()} - {team}
    if taken:
        raise Refusal(f"{team!r} reads like the team {min(taken)!r}")
    name, at = secrets.token_hex(6), datetime.now(UTC)
    words = f"{MARK}_{name}_{secrets.token_urlsafe(32)}"
    end = at + timedelta(days=days)
    token = Token(
        name, digest(words), team, tuple(scopes), at.isoformat(timespec="seconds"), end.isoformat(),
        hourly=hourly, daily=daily, monthly=monthly, total=total,
    )  # fmt: skip
    write(desk, token)
    return token, words


def revoke(desk: Desk, name: str) -> Token:
    """Refusal if there is no such token."""
    token = replace(find(desk, name), revoked=datetime.now(UTC).isoformat(timespec="seconds"))
    write(desk, token)
    return token


def known(desk: Desk, words: str) -> Token | None:
    """The token that was sent, if it is one of ours: revoked and expired ones too."""
    match = WRITTEN.fullmatch(words)
    try:
        token = find(desk, match[1]) if match else None
    except Refusal:
        return None
    return token if token is not None and hmac.compare_digest(token.sha256, digest(words)) else None


def find(desk: Desk, name: str) -> Token:
    file = desk.root / "tokens" / f"{name}.json"
    if not re.fullmatch(r"[0-9a-f]{12}", name) or not file.is_file():
        raise Refusal(f"no token {name[:40]!a}")
    content = json.loads(file.read_text())
    return Token(**content | {"scopes": tuple(content["scopes"])})


def every(desk: Desk) -> list[Token]:
    return [find(desk, file.stem) for file in sorted((desk.root / "tokens").glob("*.json"))]


def write(desk: Desk, token: Token) -> None:
    file: Path = desk.root / "tokens" / f"{token.id}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    record.replace(file, (json.dumps(asdict(token)) + "\n").encode())


def digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()
