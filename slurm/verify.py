"""Run a submission again: python -m slurm.verify ID store=DIR [data.NAME=DIR ..] [slurm.partition=gpu slurm.gpus=1 ..]

ID is a submission that `leaderboard.admin permit` allowed. Its plug-in is laid out under STORE/submissions/reruns/ID/
and imported by nobody but one job, which trains and predicts as bench.run does. The job runs by slurm.python, the
command of a container without network (docs/submit.md); uncontained=yes does without. Say the same command again when
the job has ended: it scores (labels.NAME=DIR, where data.NAME has none), compares, and the submission becomes
`reproduced`, or is held with the difference.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slurm import copies, scheduler
from slurm.job import DONE, FAILED, run
from slurm.settings import Settings, SettingsError, read, split_words
from slurm.submit import Resources, SubmitError, executor
from slurm.sweep import JOB, Sweep, note_submission, submissions

RERUNS = "submissions/reruns"  # in the board's store
SCORED = "scored"  # a file of the folder of a submission that ran
INSIDE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")  # names in a wheel


class VerifyError(RuntimeError):
    """The submission cannot be run again; one line says why."""


def main(words: Sequence[str]) -> int:
    """The exit code: 0 submitted, still running, or compared; 1 not possible; 2 not understood."""
    rest, ours = split_words(words)
    known = {"store": "store", "database": "", "uncontained": ""}
    known |= {name: value for name, equals, value in (word.partition("=") for word in rest) if equals and name in known}
    data = [word for word in rest if word.startswith("data.")]
    labels = [word for word in rest if word.startswith("labels.")]
    bare = [word for word in rest if "=" not in word]
    if len(bare) != 1 or len(rest) != len(data + labels) + 1 + sum(word.partition("=")[0] in known for word in rest):
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    try:
        settings = read(ours)
        if not settings.python and not known["uncontained"]:
            raise VerifyError("slurm.python= names no container; a stranger's code would run as you, with the network:"
                              " say uncontained=yes if that is meant")  # fmt: skip
        truth = [*data, *(f"data.{word.removeprefix('labels.')}" for word in labels)]  # of two words the later counts
        print(verify(bare[0], Path(known["store"]).absolute(), known["database"], data, truth, settings), flush=True)
    except (SettingsError, VerifyError, SubmitError, OSError, ValueError) as error:
        print(f"slurm.verify: {error}", file=sys.stderr)
        return 1
    return 0


def verify(
    prefix: str, store: Path, database: str, data: Sequence[str], truth: Sequence[str], settings: Settings
) -> str:
    """Submit the run, say how it stands, or score and compare: whatever is next."""
    board = [f"store={store}", *([f"database={database}"] if database else [])]
    name = admin("permitted", prefix, *board)
    folder = store / RERUNS / name
    if not (folder / JOB).exists():
        prepare(folder, name, board, data, settings)
    if (folder / DONE).exists():
        return admin("reproduced", name, str(scored(folder, truth)), *board)
    if handed := waiting(folder, settings):
        return f"{name[:12]} runs as job {handed}; log in {folder / 'submitit'}"
    if (folder / FAILED).exists():
        print(f"{name[:12]} failed before: {(folder / FAILED).read_text()[:300]}; once more", flush=True)
    return submit(folder, settings)


def scored(folder: Path, truth: Sequence[str]) -> Path:
    """The folder of the run, scored by a process that has no path to the plug-in.

    The job may have left there what it liked: only predictions are believed, and the board compares what was run.
    """
    found = [file.parent for file in (folder / "store").glob("runs/*/*/run.json")]
    if len(found) != 1 or not ((found[0] / "predictions").is_dir() or (folder / SCORED).exists()):
        raise VerifyError(f"{len(found)} runs with predictions in {folder / 'store'}; expected one")
    if not (folder / SCORED).exists():
        for name in ("stats.npz", "record.json"):
            (found[0] / name).unlink(missing_ok=True)
        words = [sys.executable, "-m", "bench.score", found[0].name, f"store={folder / 'store'}", *truth]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise VerifyError(done.stderr.strip() or "bench.score failed")
        (folder / SCORED).touch()
    return found[0]


def admin(*words: str) -> str:
    """What the board's own command says."""
    done = subprocess.run([sys.executable, "-m", "leaderboard.admin", *words], capture_output=True, text=True)
    if done.returncode:
        raise VerifyError(done.stderr.strip() or f"leaderboard.admin {words[0]} failed")
    return done.stdout.strip()


def prepare(folder: Path, name: str, board: Sequence[str], data: Sequence[str], settings: Settings) -> None:
    """Lay out the code and write the job; nothing is imported."""
    shutil.rmtree(folder, ignore_errors=True)
    admin("code", name, str(folder / "case"), *board)
    claim = json.loads((folder / "case" / "record.json").read_text())
    install(folder / "case" / "code", folder / "site", claim["method"])
    words = [*command(claim), *data, f"store={folder / 'store'}", f"device={'cuda' if settings.gpus else 'cpu'}"]
    about = {"work": "run", "words": words, "cwd": os.getcwd(), "needs": [], "gpus": settings.gpus, "nodes": 1}
    if settings.copy:
        copies.copy(folder)
    (folder / JOB).write_text(json.dumps(about))


def command(claim: dict[str, Any]) -> list[str]:
    """The words of bench.run that make this run again."""
    words = [f"method={claim['method']}", f"split={claim['split']['name']}", f"seed={claim['seed']}"]
    words += [f"network={claim['network']['name']}"] if claim["network"]["name"] else []
    words += [f"precision={claim['precision']}"] if claim["precision"] else []
    return [*words, *claim["overrides"]]


def install(code: Path, site: Path, method: str) -> None:
    """The plug-in's files where Python looks, with the entry point that names it. VerifyError if none does.

    A wheel has its own; of source files METHOD.py is the method. Without files the method is one of the suite's.
    """
    site.mkdir()
    files = [file for file in sorted(code.rglob("*")) if file.is_file()]
    if not files:
        return
    for file in files:
        if file.suffix == ".whl":
            unpack(file, site)
        else:
            target = site / file.relative_to(code)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    named = [one.read_text(errors="replace") for one in site.glob("*.dist-info/entry_points.txt")]
    if any(re.search(rf"^\s*{method}\s*=", text, re.MULTILINE) for text in named):
        return
    if not (site / f"{method}.py").is_file():
        raise VerifyError(f"neither a wheel with the entry point {method} nor code/{method}.py was sent")
    about = site / "submitted-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: submitted\nVersion: 0\n")
    (about / "entry_points.txt").write_text(f"[mtda.methods]\n{method} = {method}\n")


def unpack(wheel: Path, site: Path) -> None:
    """Its files, none of them outside of the folder and not too many."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if len(infos) > 2000 or sum(info.file_size for info in infos) > 64 << 20:
                raise VerifyError(f"{wheel.name} is too large for a plug-in")
            if stray := [info.filename for info in infos if not INSIDE.fullmatch(info.filename)]:
                raise VerifyError(f"{wheel.name} has a file {stray[0][:60]!a}")
            archive.extractall(site, infos)
    except zipfile.BadZipFile as error:
        raise VerifyError(f"{wheel.name} is no wheel: {error}") from None


def waiting(folder: Path, settings: Settings) -> str:
    """The id of the job if the scheduler still has it."""
    handed = next((one["jobs"][folder.name] for one in reversed(submissions(folder)) if one["jobs"]), "")
    queue = scheduler.queue(folder.name) if handed and settings.cluster == "slurm" else None
    return handed if queue and handed in queue else ""


def submit(folder: Path, settings: Settings) -> str:
    """Hand the job to the cluster, or run it on this machine and wait for it."""
    (folder / FAILED).unlink(missing_ok=True)
    rerun = Sweep(folder, (), os.getcwd(), [], {})
    path = os.environ.get("PYTHONPATH", "")
    if settings.cluster == "slurm":
        late = f"export PYTHONPATH=${{PYTHONPATH:+$PYTHONPATH:}}{shlex.quote(str(folder / 'site'))}"
        settings = replace(settings, setup=[late, *settings.setup])
    else:
        found = copies.environment(folder) | {"PYTHONNOUSERSITE": "1"}
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (found.get("PYTHONPATH", path), str(folder / "site"))))
        os.environ.update(found)
    asked = Resources(1, settings.gpus, settings.partition)
    handed = executor(rerun, asked, 1, settings).submit(run, str(folder))
    note_submission(folder, settings.cluster, {folder.name: handed.job_id})
    if settings.cluster == "slurm":
        return f"{folder.name[:12]} submitted as job {handed.job_id}; say this again when it has ended"
    while not handed.done():
        time.sleep(1)
    ended = "done: say this again to compare" if (folder / DONE).exists() else f"failed: see {folder / 'submitit'}"
    return f"{folder.name[:12]} {ended}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
