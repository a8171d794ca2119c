"""The operator's command line: python -m leaderboard.admin COMMAND [words] [store=DIR] [database=URL]

    token TEAM [days=365] [scopes=submit,read,withdraw] [hourly=30] [daily=10] [monthly=100] [total=1000]
                                a new token, shown once
    tokens                      who has one, until when
    revoke TOKEN                no more requests with it
    list [STATE]                submissions, oldest first, and why some wait
    show ID                     all that is known of one, and its events
    score [data.NAME=DIR ..] [watch=yes]    the worker: check and score what was received; watch: for ever
    approve ID                  let a result through that is held for review; or have it scored again
    reject ID WHY..             off the board, for good
    withdraw ID WHY..           likewise, at its team's wish
    hide ID [WHY..]             off the board for now, with the team's others of this recipe and seed; unhide ID: back
    code ID DIR                 write the plug-in's files and the record there, to read them; runs nothing
    permit ID                   allow slurm.verify to run that code
    permitted ID                its whole id, if that was allowed
    reproduced ID RUN           compare with our own run in the folder RUN, as slurm.verify does
    log [N]                     the last lines of the audit log
    rebuild                     the database, anew from the files

ID and TOKEN may be beginnings of ids.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from bench import bundle, record
from leaderboard import reproduction, tokens
from leaderboard.clerk import Clerk, hide, released
from leaderboard.desk import AUDIT, BUNDLE, Desk, Refusal, lines, operator
from leaderboard.ledger import Ledger, rebuilt
from leaderboard.store import Index

KNOWN = {"store": "store", "database": "", "days": "365", "scopes": ",".join(tokens.SCOPES), "daily": "10",
         "hourly": "30", "monthly": "100", "total": "1000", "watch": ""}  # fmt: skip
ROW = "{:<12} {:<10} {:<24} {:<20} {:<16} {}"


class Asked:
    """The words of one command, understood. Refusal in one line for what is not."""

    def __init__(self, words: Sequence[str]) -> None:
        self.bare, self.values, self.roots = [], dict(KNOWN), dict[str, Path]()
        for word in words:
            name, equals, value = word.partition("=")
            if equals and name in KNOWN:
                self.values[name] = value
            elif equals and name.startswith("data."):
                self.roots[name.removeprefix("data.")] = Path(value)
            else:
                self.bare.append(word)
        self.store = Path(self.values["store"])
        if not self.store.is_dir():
            raise Refusal(f"no store at {self.store}: expected the folder that the board reads; say store=DIR")
        self.desk = Desk.of(self.store)

    def word(self, place: int, what: str) -> str:
        if len(self.bare) <= place:
            raise Refusal(f"say {what}")
        return self.bare[place]

    def number(self, name: str) -> int:
        if not self.values[name].isdecimal():
            raise Refusal(f"{name}={self.values[name]} is no number")
        return int(self.values[name])

    def ledger(self) -> Ledger:
        return Ledger.open(self.desk, self.values["database"])

    def case(self) -> str:
        return self.desk.find(self.word(0, "which submission: the beginning of its id")).id

    def tell(self, **event: str) -> str:
        """Add an event to the case and say what it is now."""
        case = self.desk.tell(self.case(), operator(), **event)
        self.ledger().note(case)
        return f"{case.id[:12]} is {case.state}{f', held: {case.held}' if case.held else ''}"


def token(asked: Asked) -> str:
    days, *limits = (asked.number(name) for name in ("days", "hourly", "daily", "monthly", "total"))
    scopes = [one for one in asked.values["scopes"].split(",") if one]
    made, words = tokens.issue(asked.desk, asked.word(0, "for which team"), scopes, days, *limits)
    asked.desk.audit(operator(), "token", token=made.id, team=made.team, scopes=scopes, expires=made.expires)
    return f"{words}\nof {made.team}, until {made.expires[:10]}; it is not kept and cannot be shown again"


def listed_tokens(asked: Asked) -> str:
    found = tokens.every(asked.desk)
    row = "{:<13} {:<24} {:<12} {:<24} {}"
    said = [row.format(t.id, t.team, t.expires[:10], ",".join(t.scopes), t.revoked and "revoked") for t in found]
    return "\n".join([row.format("token", "team", "until", "scopes", ""), *said])


def revoke(asked: Asked) -> str:
    prefix = asked.word(0, "which token")
    found = [one.id for one in tokens.every(asked.desk) if one.id.startswith(prefix)]
    if len(found) != 1:
        raise Refusal(f"{len(found)} tokens begin with {prefix[:40]!a}; expected one")
    tokens.revoke(asked.desk, found[0])
    asked.desk.audit(operator(), "revoke", token=found[0])
    return f"{found[0]} is revoked"


def listed(asked: Asked) -> str:
    state = asked.bare[0] if asked.bare else ""
    found = [case for case in asked.desk.cases() if state in ("", case.state)]
    said = [
        ROW.format(c.id[:12], c.state, c.receipt.team[:24], c.receipt.method[:20], c.receipt.split[:16],
                   f"held: {c.held}" if c.held else f"hidden: {c.hidden}" if c.hidden else c.why)
        for c in found
    ]  # fmt: skip
    return "\n".join([ROW.format("id", "state", "team", "method", "split", "").rstrip(), *said])


def show(asked: Asked) -> str:
    case = asked.desk.case(asked.case())
    about = bundle.read(asked.desk.folder(case.id) / BUNDLE).about
    events = [json.dumps(event) for event in lines(asked.desk.folder(case.id) / "events.jsonl")]
    facts = {**case.receipt.__dict__, **about.model_dump(), "state": case.state, "why": case.why, "held": case.held}
    facts |= {"hidden": case.hidden, "permitted": case.permitted}
    return "\n".join([*(f"{name:<12} {value}" for name, value in facts.items()), *events])


def score(asked: Asked) -> str:
    index = Index(asked.store)
    index.refresh()
    clerk = Clerk(asked.desk, rebuilt(asked.desk, asked.values["database"]), index, asked.roots)
    if asked.values["watch"]:
        clerk.watch()
    return f"{clerk.work()} done"


def approve(asked: Asked) -> str:
    case = released(asked.desk, asked.case(), operator())
    asked.ledger().note(case)
    return f"{case.id[:12]} is {case.state}" + (": it will be scored again" if case.state == "received" else "")


def reject(asked: Asked) -> str:
    return asked.tell(state="rejected", why=" ".join(asked.bare[1:]) or "by the operator")


def withdraw(asked: Asked) -> str:
    return asked.tell(state="withdrawn", why=" ".join(asked.bare[1:]) or "at its team's wish")


def hidden(asked: Asked) -> str:
    why = " ".join(asked.bare[1:]) or "at its team's wish"
    return f"hidden: {' '.join(case.id[:12] for case in hide(asked.desk, asked.case(), operator(), why))}"


def unhidden(asked: Asked) -> str:
    return f"shown again: {' '.join(case.id[:12] for case in hide(asked.desk, asked.case(), operator(), ''))}"


def code(asked: Asked) -> str:
    """To read; files are written as they came."""
    name, to = asked.case(), Path(asked.word(1, "a folder to write to"))
    if to.exists() and any(to.iterdir()):
        raise Refusal(f"{to} is not empty")
    upload = asked.desk.folder(name) / BUNDLE
    manifest, claim = bundle.inspect(upload)
    to.mkdir(parents=True, exist_ok=True)
    bundle.unpack(upload, manifest, to, "code/")
    record.write(claim, to / record.RECORD)
    asked.desk.audit(operator(), "code", case=name, to=str(to))
    return f"{sum(one.startswith('code/') for one in manifest.files)} files of code in {to}"


def permit(asked: Asked) -> str:
    return f"{asked.tell(permitted=operator())}; slurm.verify may run its code"


def permitted(asked: Asked) -> str:
    case = asked.desk.case(asked.case())
    if not case.permitted or case.state != "scored":
        raise Refusal(f"{case.id[:12]} is {case.state}, its code {case.permitted and 'permitted' or 'not permitted'}:"
                      " read it (code ID DIR), then: leaderboard.admin permit ID")  # fmt: skip
    return case.id


def reproduced(asked: Asked) -> str:
    name = asked.case()
    index = Index(asked.store)
    index.refresh()
    mine = index.frame[index.frame["key"] == name]
    seeds = index.frame[index.frame["recipe"].isin(mine["recipe"])]
    case = reproduction.settle(asked.desk, name, Path(asked.word(1, "the folder of our run")), seeds, operator())
    asked.ledger().note(case)
    return f"{case.id[:12]} is {case.state}{f', held: {case.held}' if case.held else ''}"


def log(asked: Asked) -> str:
    count = int(asked.bare[0]) if asked.bare and asked.bare[0].isdecimal() else 20
    return "\n".join(json.dumps(one) for one in lines(asked.desk.root / AUDIT)[-count:])


def rebuild(asked: Asked) -> str:
    ledger = rebuilt(asked.desk, asked.values["database"])
    return f"{len(asked.desk.ids())} submissions, {len(ledger.waiting())} of them wait"


COMMANDS: Mapping[str, Callable[[Asked], str]] = {
    "token": token, "tokens": listed_tokens, "revoke": revoke, "list": listed, "show": show, "score": score,
    "approve": approve, "reject": reject, "withdraw": withdraw, "hide": hidden, "unhide": unhidden, "code": code,
    "permit": permit, "permitted": permitted, "reproduced": reproduced, "log": log, "rebuild": rebuild,
}  # fmt: skip


def main(words: Sequence[str]) -> int:
    """The exit code: 0 done, 1 not possible, 2 not understood."""
    if not words or words[0] not in COMMANDS:
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    try:
        print(COMMANDS[words[0]](Asked(words[1:])), flush=True)
    except (Refusal, ValueError, OSError, SQLAlchemyError) as error:
        print(f"leaderboard.admin: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
