"""A run's receipt: what it takes to believe it or do it again, and whether its numbers follow from its statistics."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.record import METRICS, RECORD, RunRecord
from leaderboard import stats
from leaderboard.scan import LOG, STATS

CLOSE = 1e-6  # relative: the same sums, added in another order
KEY = re.compile(r"[0-9a-f]{4,64}")


def command(run: RunRecord) -> str:
    """The words that make this run again; data folders are the reader's own."""
    roles = (run.split.get(role, []) for role in ("source", "target", "test"))
    domains = [domain for role in roles for domain in (role if isinstance(role, list) else [role])]
    words = [f"method={run.method}", f"split={run.split['name']}", f"seed={run.seed}"]
    words += [f"network={run.network.name}"] if run.network.name else []
    words += [f"precision={run.precision}"] if run.precision else []
    words += run.overrides
    needed = sorted({one["dataset"] for one in domains if one.get("dataset") not in (None, "minicity")})
    line = " ".join(["python -m bench.run", *map(shlex.quote, words), *(f"data.{name}=DIR" for name in needed)])
    if run.world > 1:
        line = line.replace("python -m", f"torchrun --nproc-per-node {run.world} -m", 1)
    lines = [f"git checkout {run.commit}"] if run.commit else []
    lines.append(line if run.selection == "last" else f"{line} snapshots=5")
    if run.selection != "last":
        lines.append("python -m bench.select RUN    # RUN: the key that the line above prints")
    return "\n".join(lines)


def receipt(folder: Path, run: RunRecord, trust: str) -> dict[str, Any]:
    """What a row stands on, as JSON."""
    names = "key method split protocol selection checkpoint seed standard limit oracle target_labels config overrides"
    names += " chain cost restarts manifests batchnorm network precision world exact versions commit dirty hardware"
    whole = json.loads(run.model_dump_json())
    return {
        **{name: whole[name] for name in (*names.split(), "throughput")},
        "created": run.created,
        "images": run.images,
        "metrics": whole["metrics"],
        "trust": trust,
        "files": {name: sha256(folder / name) for name in (RECORD, STATS) if (folder / name).exists()},
        "command": command(run),
        "verify": f"python -m bench.score {run.key} store=DIR    # from {STATS}: needs neither a GPU nor the data",
    }


def sha256(file: Path) -> str:
    return _sha256(file, file.stat().st_mtime_ns)


@lru_cache(512)
def _sha256(file: Path, written: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def recheck(run: RunRecord, found: stats.Statistics) -> pd.DataFrame:
    """The headline metrics as recorded and as they follow from the statistics: metric, recorded, again, agrees."""
    again = stats.headlines(found, np.ones((1, len(found.stems))))
    lines = []
    for name, values in again.items():
        recorded, value = run.metrics.get(name, math.nan), float(values[0])
        agrees = math.isclose(recorded, value, rel_tol=CLOSE) or (math.isnan(recorded) and math.isnan(value))
        lines.append({"metric": name, "recorded": recorded, "again": value, "agrees": "yes" if agrees else "NO"})
    return pd.DataFrame(lines, columns=["metric", "recorded", "again", "agrees"])


def worst(found: stats.Statistics, count: int = 8) -> dict[str, pd.DataFrame]:
    """For each task's headline the images with the worst values: image, value."""
    tables = {}
    for name, values in stats.each_image(found).items():
        if METRICS[name].headline and np.isfinite(values).any():
            order = np.argsort(values if METRICS[name].higher_is_better else -values)
            order = order[np.isfinite(values[order])][:count]
            tables[name] = pd.DataFrame({"image": [found.stems[at] for at in order], "value": values[order]})
    return tables


def log(store: Path, key: str, most: int = 300) -> pd.DataFrame:
    """The scalars a stage logged, thinned out; empty if there is no log, or no readable one."""
    file = store / "runs" / key[:2] / key / LOG
    if not KEY.fullmatch(key) or not file.is_file():
        return pd.DataFrame()
    lines = []
    for line in file.read_text(errors="replace").splitlines():
        try:
            one = json.loads(line)
        except ValueError:
            continue  # a killed run leaves half a line
        if isinstance(one, dict) and "t" in one:
            lines.append({k: v for k, v in one.items() if isinstance(v, int | float)})
    return pd.DataFrame(lines[:: max(1, len(lines) // most)])


def flat(value: Any, path: str = "") -> dict[str, str]:
    """Nested settings as {dotted name: word}."""
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for name, inner in value.items():
            found |= flat(inner, f"{path}.{name}" if path else str(name))
        return found
    return {path: json.dumps(value)}


def recipe(run: RunRecord) -> dict[str, str]:
    """What could be said on the command line to make another row of a method: {word: value}."""
    split = {name: value for name, value in run.split.items() if name not in ("about", "also")}
    network = {"name": run.network.name, **run.network.settings}
    found = flat({"method": run.config, "network": network, "split": split})
    return {name: value.strip('"') for name, value in found.items()}


def settings(run: RunRecord) -> dict[str, str]:
    """All that could make two runs differ, but for their seed."""
    whole = json.loads(run.model_dump_json())
    names = "method config network precision world batchnorm selection split manifests versions commit".split()
    return flat({name: whole[name] for name in names})
