"""A copy of the code for a sweep to run from: what is edited while jobs queue changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("bench", "methods", "datasets", "slurm")
CODE = "code"  # a folder of the sweep


def copy(sweep: Path) -> None:
    """Copy the packages once; a sweep that is resumed runs what it began with."""
    target = sweep / CODE
    if target.exists():
        return
    fresh = sweep / f".{CODE}.{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    for name in PACKAGES:
        spec = find_spec(name)
        source = Path(next(iter(spec.submodule_search_locations or [])) if spec else name)
        shutil.copytree(source, fresh / name, ignore=shutil.ignore_patterns("__pycache__"))
    (fresh / "COMMIT").write_text(commit(source.parent))
    os.replace(fresh, target)


def commit(tree: Path) -> str:
    """The commit of a checkout, and "dirty"; empty if it is none."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(tree), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    head = git("rev-parse", "HEAD")
    return f"{head}{' dirty' if head and git('status', '--porcelain') else ''}\n"


def environment(sweep: Path) -> dict[str, str]:
    """What makes Python take the copy, if there is one, before the folder it is started in."""
    if not (sweep / CODE).exists():
        return {}
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    mine = str(sweep / CODE)
    path = os.pathsep.join([mine, *(other for other in others if other != mine)])
    return {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
