"""The desk: submissions as files. STORE/submissions/inbox/ID/ has the bundle, who sent it, and a line for each event.

The state of a case is the last one that its events name, and nothing else is kept of it: any database is built from
these files. A result lies in inbox/ID/run/; while the board shows it, in runs/ab/ID/, laid out as the store's own.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import bundle, record
from bench.bundle import Manifest
from bench.record import RunRecord

FOLDER, INBOX, SHOWN, BUNDLE, RECEIPT, EVENTS, RUN = (
    "submissions", "inbox", "runs", "bundle.zip", "receipt.json", "events.jsonl", "run",
)  # fmt: skip
REPRODUCED = "reproduced.json"  # in a run's folder: what the operator's own run of it gave
AUDIT = "audit.jsonl"
NEXT = {  # what may become of a state
    "received": ("checked", "rejected", "withdrawn"),
    "checked": ("scored", "rejected", "withdrawn"),
    "scored": ("reproduced", "rejected", "withdrawn"),
    "reproduced": ("rejected", "withdrawn"),
    "rejected": (),
    "withdrawn": (),
}
LISTED = ("checked", "scored", "reproduced")  # states whose results the board shows


class Refusal(ValueError):
    """Something that cannot be done to a case, in one line."""


@dataclass(frozen=True)
class Receipt:
    """What was known of a submission when it was received."""

    id: str
    team: str
    token: str
    received: str  # UTC
    size: int
    method: str
    split: str
    seed: int
    predictions: str  # their hash


@dataclass(frozen=True)
class Case:
    """A submission and what became of it."""

    receipt: Receipt
    state: str
    why: str = ""  # it was rejected, or withdrawn
    held: str = ""  # why it waits for the operator; "": it does not
    hidden: str = ""  # at whose wish it is off the board for now; "": it is not
    permitted: str = ""  # who allowed its code to be run; "": nobody
    changed: str = ""  # when the last event was

    @property
    def id(self) -> str:
        return self.receipt.id


@dataclass(frozen=True)
class Desk:
    """The submissions of a store."""

    root: Path  # STORE/submissions

    @classmethod
    def of(cls, store: Path) -> Desk:
        return cls(store / FOLDER)

    @property
    def is_open(self) -> bool:
        """Whether the operator ever handed out a token: until then the board has no address to send anything to."""
        return (self.root / "tokens").is_dir()

    def folder(self, case: str) -> Path:
        """Refusal for an id that is none: no path is made of it."""
        if len(case) != 32 or not set(case) <= set("0123456789abcdef") or not (self.root / INBOX / case).is_dir():
            raise Refusal(f"no submission {case[:40]!a}")
        return self.root / INBOX / case

    def find(self, prefix: str) -> Case:
        """The one case whose id begins so."""
        found = [name for name in self.ids() if prefix and name.startswith(prefix)]
        if len(found) != 1:
            raise Refusal(f"{len(found)} submissions begin with {prefix[:40]!a}; expected one")
        return self.case(found[0])

    def ids(self) -> list[str]:
        inbox = self.root / INBOX
        return sorted(one.name for one in inbox.iterdir() if len(one.name) == 32) if inbox.is_dir() else []

    def cases(self) -> list[Case]:
        """All of them, oldest first."""
        return sorted((self.case(one) for one in self.ids()), key=lambda case: (case.receipt.received, case.id))

    def case(self, name: str) -> Case:
        folder = self.folder(name)
        receipt = Receipt(**json.loads((folder / RECEIPT).read_text()))
        told = {"state": "received", "why": "", "held": "", "hidden": "", "permitted": "", "changed": receipt.received}
        for event in lines(folder / EVENTS):
            told |= {key: value for key, value in event.items() if key in told} | {"changed": event["time"]}
        return Case(receipt, **told)

    def keep(self, upload: Path, manifest: Manifest, run: RunRecord, token: str) -> Receipt:
        """Take an inspected bundle in, whole or not at all. Refusal: the same was sent before."""
        receipt = Receipt(
            manifest.id, manifest.team, token, now(), upload.stat().st_size, run.method, run.split["name"], run.seed,
            manifest.predictions,
        )  # fmt: skip
        fresh = upload.with_name(f"{upload.name}.d")
        fresh.mkdir()
        try:
            with upload.open("rb+") as file:
                os.fsync(file.fileno())
            upload.rename(fresh / BUNDLE)
            record.replace(fresh / RECEIPT, (json.dumps(receipt.__dict__) + "\n").encode())
            (self.root / INBOX).mkdir(exist_ok=True)
            fresh.rename(self.root / INBOX / manifest.id)  # fails if it is there: of two senders one is first
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if (self.root / INBOX / manifest.id).is_dir():
                raise Refusal(f"the same was received before, as {manifest.id}") from None
            raise error
        return receipt

    def tell(self, name: str, by: str, **event: str) -> Case:
        """Add an event, and put the result where its state wants it. Refusal: no such step from this state."""
        with self.alone():
            case = self.case(name)
            wanted = event.get("state", case.state)
            if wanted != case.state and wanted not in NEXT[case.state]:
                raise Refusal(f"{name[:12]} is {case.state}: it cannot become {wanted}")
            append(self.folder(name) / EVENTS, {"time": now(), "by": by, **event})
            self.audit(by, "event", case=name, **event)
            case = self.case(name)
            self.settle(case)
        return case

    def settle(self, case: Case) -> None:
        """A result is on the board exactly while its state lists it and nobody holds or hides it."""
        kept, shown = self.folder(case.id) / RUN, self.shown(case.id)
        there, wanted = shown.is_dir(), case.state in LISTED and not (case.held or case.hidden)
        if wanted and not there and kept.is_dir():
            shown.parent.mkdir(parents=True, exist_ok=True)
            kept.rename(shown)
        elif there and not wanted:
            shown.rename(kept)

    def shown(self, name: str) -> Path:
        return self.root / SHOWN / name[:2] / name

    def result(self, name: str) -> Path:
        """The folder of its scored run, shown or not. Refusal: there is none."""
        found = next((one for one in (self.shown(name), self.folder(name) / RUN) if one.is_dir()), None)
        if found is None:
            raise Refusal(f"{name[:12]} has no result yet")
        return found

    def claim(self, name: str) -> RunRecord:
        """What its sender says of the run."""
        return bundle.inspect(self.folder(name) / BUNDLE)[1]

    def audit(self, by: str, what: str, **more: Any) -> None:
        """One line of the log of all that anybody did here; never a token."""
        append(self.root / AUDIT, {"time": now(), "by": by, "what": what, **more}, sure=False)

    @contextmanager
    def alone(self, what: str = "lock", wait: bool = True) -> Iterator[None]:
        """Hold the desk, or a part of it, against other processes. Refusal if it is held and nobody waits."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f".{what}").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise Refusal(f"another process is at work ({self.root / f'.{what}'})") from None
            yield


def operator() -> str:
    """Who sits at this machine, for the audit log."""
    try:
        return f"operator {getpass.getuser()}"
    except (KeyError, OSError):
        return f"operator {os.getuid()}"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def append(file: Path, event: Mapping[str, Any], sure: bool = True) -> None:
    """One line at once: writers never mix theirs, and what a crash tore stays on a line of its own.

    sure: on the disk before anybody is told.
    """
    line = (json.dumps(event) + "\n").encode()
    number = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        size = os.fstat(number).st_size
        torn = size and os.pread(number, 1, size - 1) != b"\n"
        os.write(number, b"\n" * bool(torn) + line)
        if sure:
            os.fsync(number)
    finally:
        os.close(number)


def lines(file: Path) -> list[dict[str, Any]]:
    """The events of a file, without a torn one."""
    whole = file.read_text(errors="replace").splitlines() if file.exists() else []
    return [json.loads(line) for line in whole if line.startswith("{") and line.endswith("}")]
