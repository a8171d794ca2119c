"""The ledger: who sent what when, in a database, so that limits hold whichever process is asked.

It is an index. The desk's files are the truth and `rebuild` makes it anew from them; what only it knows is when refused
requests came, for an hour. SQLite beside the files, or whatever a URL of SQLAlchemy names.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from leaderboard.desk import Case, Desk, Receipt
from leaderboard.tokens import Token, every

HOUR, DAY, MONTH = 3600.0, 86400.0, 30 * 86400.0
SCHEMA = MetaData()
TOKENS = Table("tokens", SCHEMA, Column("id", String(12), primary_key=True), Column("team", String(40)))
REQUESTS = Table(
    "requests", SCHEMA, Column("number", Integer, primary_key=True), Column("token", String(12), index=True),
    Column("at", Float),
)  # fmt: skip
CASES = Table(
    "cases", SCHEMA, Column("id", String(32), primary_key=True), Column("token", String(12), index=True),
    Column("team", String(40)), Column("at", Float), Column("predictions", String(64), index=True),
    Column("state", String(12), index=True), Column("held", String(400)),
)  # fmt: skip


class TooMany(Exception):
    """A limit of the token is reached; the message says which, and when it opens again (seconds)."""

    def __init__(self, why: str, wait: float) -> None:
        super().__init__(why)
        self.wait = max(1, round(wait))


@dataclass(frozen=True)
class Ledger:
    engine: Engine

    @classmethod
    def open(cls, desk: Desk, url: str = "") -> Ledger:
        """The database of a desk, its tables made if they are not there. A fork shares no connection: none is kept."""
        if url:
            engine = create_engine(url, poolclass=NullPool)
        else:
            desk.root.mkdir(parents=True, exist_ok=True)
            file: Path = desk.root / "ledger.db"
            engine = create_engine(f"sqlite:///{file}", poolclass=NullPool, connect_args={"timeout": 30})
            event.listen(engine, "connect", _sqlite)
        with desk.alone("ledger"):
            SCHEMA.create_all(engine)
        return cls(engine)

    def request(self, token: Token) -> None:
        """Note that something is being sent. TooMany if that was done too often, or too much was taken already."""
        at = time.time()
        with self.engine.begin() as db:
            self._hold(db, token)
            db.execute(delete(REQUESTS).where(REQUESTS.c.at < at - HOUR))
            recent = db.execute(select(REQUESTS.c.at).where(REQUESTS.c.token == token.id)).scalars().all()
            if len(recent) >= token.hourly:
                raise TooMany(f"{token.hourly} requests an hour", min(recent) + HOUR - at)
            self._room(db, token, at)
            db.execute(insert(REQUESTS).values(token=token.id, at=at))

    def enter(self, token: Token, receipt: Receipt) -> None:
        """Note what was taken. TooMany if others were faster and the token is used up."""
        with self.engine.begin() as db:
            self._hold(db, token)
            self._room(db, token, time.time())
            db.execute(delete(CASES).where(CASES.c.id == receipt.id))
            db.execute(insert(CASES).values(_row(receipt, "received", "")))

    def note(self, case: Case) -> None:
        """The case as its files have it now."""
        with self.engine.begin() as db:
            db.execute(delete(CASES).where(CASES.c.id == case.id))
            db.execute(insert(CASES).values(_row(case.receipt, case.state, case.held)))

    def waiting(self) -> list[str]:
        """The ids that nobody has scored and nobody holds, oldest first."""
        asked = select(CASES.c.id).where(CASES.c.state == "received", CASES.c.held == "").order_by(CASES.c.at)
        with self.engine.connect() as db:
            return list(db.execute(asked).scalars())

    def twins(self, receipt: Receipt) -> list[str]:
        """Other teams' cases with the very same predictions."""
        asked = select(CASES.c.id).where(CASES.c.predictions == receipt.predictions, CASES.c.team != receipt.team)
        with self.engine.connect() as db:
            return list(db.execute(asked).scalars())

    def rebuild(self, tokens: Iterable[Token], cases: Iterable[Case]) -> int:
        """Forget all, and read it from the files; the number of cases."""
        listed = list(cases)
        with self.engine.begin() as db:
            for table in (TOKENS, CASES):
                db.execute(delete(table))
            for token in tokens:
                db.execute(insert(TOKENS).values(id=token.id, team=token.team))
            for case in listed:
                db.execute(insert(CASES).values(_row(case.receipt, case.state, case.held)))
        return len(listed)

    def _hold(self, db: Any, token: Token) -> None:
        """Until the transaction ends no other one of this token goes on: a write, so that it holds on SQLite too."""
        if not db.execute(update(TOKENS).where(TOKENS.c.id == token.id).values(team=token.team)).rowcount:
            try:
                with db.begin_nested():
                    db.execute(insert(TOKENS).values(id=token.id, team=token.team))
            except IntegrityError:  # another process was faster
                db.execute(update(TOKENS).where(TOKENS.c.id == token.id).values(team=token.team))

    def _room(self, db: Any, token: Token, at: float) -> None:
        mine = select(func.count(), func.min(CASES.c.at)).where(CASES.c.token == token.id)
        if db.execute(mine).one()[0] >= token.total:
            raise TooMany(f"{token.total} submissions in all", DAY)
        for most, span, words in ((token.monthly, MONTH, "in 30 days"), (token.daily, DAY, "a day")):
            count, first = db.execute(mine.where(CASES.c.at > at - span)).one()
            if count >= most:
                raise TooMany(f"{most} submissions {words}", first + span - at)


def rebuilt(desk: Desk, url: str = "") -> Ledger:
    """The ledger, anew from the desk's files."""
    ledger = Ledger.open(desk, url)
    ledger.rebuild(every(desk), desk.cases())
    return ledger


def _row(receipt: Receipt, state: str, held: str) -> dict[str, Any]:
    at = datetime.fromisoformat(receipt.received).timestamp()
    row = {"id": receipt.id, "token": receipt.token, "team": receipt.team, "at": at, "state": state}
    return row | {"predictions": receipt.predictions, "held": held[:400]}


def _sqlite(connection: Any, _: Any) -> None:
    """Readers beside a writer, and a transaction that begins when we say so."""
    connection.execute("PRAGMA journal_mode=WAL")
