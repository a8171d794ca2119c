"""The clerk: takes what was received, has it scored in a process of its own, and puts the result on the board.

Labels are read by bench.judge, whose words to the sender hold none. Its log is the operator's (inbox/ID/judge.log).
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench import bundle, record
from bench.bundle import Refused
from bench.record import HEADLINES, RunRecord
from leaderboard import rows
from leaderboard.desk import BUNDLE, LISTED, RUN, Case, Desk, Refusal
from leaderboard.ledger import Ledger
from leaderboard.scan import SCORE
from leaderboard.store import Index, row

CLAIM, VERDICT, LOG = "claim.json", "verdict.json", "judge.log"
HOURS = 6  # that scoring may take
BY = "clerk"


@dataclass(frozen=True)
class Clerk:
    desk: Desk
    ledger: Ledger
    index: Index
    roots: Mapping[str, Path]  # of the data sets whose labels are here

    def work(self) -> int:
        """Score all that waits; how many."""
        with self.desk.alone("clerk", wait=False):
            shutil.rmtree(self.desk.root / "work", ignore_errors=True)  # of a clerk that was killed
            done = 0
            for name in self.ledger.waiting():
                case = self.desk.case(name)
                if case.state == "received" and not case.held:
                    case = self.settle(case)
                    done += 1
                self.ledger.note(case)
            for case in self.desk.cases():
                self.desk.settle(case)  # a clerk that was killed may have said so and not done it
            return done

    def watch(self, pause: float = 5.0) -> None:
        """For ever."""
        while True:
            self.work()
            time.sleep(pause)

    def settle(self, case: Case) -> Case:
        """One case from received to its verdict."""
        folder = self.desk.root / "work" / case.id
        folder.mkdir(parents=True)
        upload = self.desk.folder(case.id) / BUNDLE
        try:
            manifest, claim = bundle.inspect(upload)  # the disk is not the network: once more
            bundle.unpack(upload, manifest, folder, "predictions/")
            record.write(claim, folder / CLAIM)
            verdict = self.judge(folder, self.desk.folder(case.id) / LOG)
            if verdict is None:
                return self.desk.tell(case.id, BY, held="the scorer failed: its log is with the operator")
            if verdict["state"] == "rejected":
                return self.desk.tell(case.id, BY, state="rejected", why=verdict["why"])
            return self.enter(case, folder, verdict["state"] == "scored", manifest.about.extra_data)
        except (Refused, OSError, KeyError) as error:  # with one case: the next does not wait for it
            return self.desk.tell(case.id, BY, held=f"it cannot be scored: {type(error).__name__}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def judge(self, folder: Path, log: Path) -> dict[str, str] | None:
        """bench.judge's verdict; None if it failed."""
        roots = [f"data.{name}={root}" for name, root in self.roots.items()]
        words = [sys.executable, "-m", "bench.judge", str(folder), f"store={self.index.root.absolute()}", *roots]
        with log.open("wb") as out:
            try:
                subprocess.run(words, stdout=out, stderr=out, check=True, timeout=3600 * HOURS)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
                return None
        verdict: dict[str, str] = json.loads((folder / VERDICT).read_text())
        return verdict

    def enter(self, case: Case, folder: Path, scored: bool, extra_data: str) -> Case:
        """Put the result beside its bundle, look whether it is too good, and say so."""
        made = record.read(folder / record.RECORD)
        made.team, made.created = case.receipt.team, case.receipt.received
        made.extra_data = "" if extra_data.casefold() == "none" else extra_data
        record.write(made, folder / record.RECORD)
        for name in ("predictions", CLAIM, VERDICT, record.RUN):
            shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink(missing_ok=True)
        held = "; ".join(self.doubts(case, made)) if scored else ""
        folder.rename(self.desk.folder(case.id) / RUN)
        case = self.desk.tell(case.id, BY, state="checked", held=held)
        return self.desk.tell(case.id, BY, state="scored") if scored else case

    def doubts(self, case: Case, made: RunRecord) -> list[str]:
        """Why an operator should look before the board shows it."""
        twins = self.ledger.twins(case.receipt)
        found = [f"the same predictions as {twins[0][:12]}, of another team"] if twins else []
        self.index.refresh()
        return found + too_good(made, self.index.frame)


def too_good(made: RunRecord, runs: pd.DataFrame) -> list[str]:
    """The headlines in which a run beats every reference by more than they differ, or an oracle.

    References: whole runs of the split, standard, scored by our own referee, of the operator or let through by him.
    """
    same = (runs["split"] == made.split["name"]) & (runs["protocol"] == made.protocol) & runs["limit"].isna()
    there = runs[same & runs["complete"] & runs["stats"] & runs["standard"] & (runs["key"] != made.key)]
    there = there[there["selection"] == rows.LAST]
    found = []
    for metric in HEADLINES.values():
        value = made.metrics.get(metric.name, math.nan)
        if math.isnan(value):
            continue
        sign = 1 if metric.higher_is_better else -1
        oracles = sign * there.loc[there["oracle"], metric.name].dropna()
        honest = sign * there.loc[~there["oracle"] & (there["target_labels"] == 0), metric.name].dropna()
        if len(honest) < 2:
            found.append(f"{metric.name}: fewer than two runs to compare with")
        elif sign * value > honest.max() + (honest.max() - honest.min()):
            found.append(f"{metric.name} {value:.4g} beats all {len(honest)} runs by more than they differ")
        if len(oracles) and sign * value > oracles.max():
            found.append(f"{metric.name} {value:.4g} beats the oracle")
    return found


def released(desk: Desk, name: str, by: str) -> Case:
    """Let a held result through. Refusal if nobody holds it."""
    case = desk.case(name)
    if not case.held:
        raise Refusal(f"{name[:12]} is not held: it is {case.state}")
    return desk.tell(name, by, held="")


def hide(desk: Desk, name: str, by: str, wish: str) -> list[Case]:
    """Take a result off the board at somebody's wish, or put it back (wish=""); what was changed.

    With it go the team's other results of this recipe and seed, back and forth: the last one counts, and nobody
    chooses among them by hiding. Refusal if there is no result, or it is that already.
    """
    case = desk.case(name)
    if case.state not in LISTED or bool(case.hidden) == bool(wish):
        raise Refusal(f"{name[:12]} is {case.state}{', hidden' if case.hidden else ''}: it cannot be "
                      f"{'hidden' if wish else 'shown again'}")  # fmt: skip
    others = (one for one in desk.cases() if one.state in LISTED and bool(one.hidden) != bool(wish))
    mine = [one for one in others if one.receipt.team == case.receipt.team]
    same = [one for one in mine if one.id == name or asked_of(desk, one.id) == asked_of(desk, name)]
    return [desk.tell(one.id, by, hidden=wish) for one in same]


def asked_of(desk: Desk, name: str) -> tuple[str, int]:
    """The recipe and the seed of a result."""
    run = record.read(desk.result(name) / record.RECORD)
    return row(run, True, SCORE, 0, "")["recipe"], run.seed
