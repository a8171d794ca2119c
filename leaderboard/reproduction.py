"""Whether the operator's own run of a submission gives what it claims; if so it is `reproduced`, else it is held."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd

from bench import record
from bench.record import HEADLINES, RunRecord
from leaderboard.desk import REPRODUCED, Case, Desk, Refusal

SAME = ("method", "split", "protocol", "selection", "seed", "config", "precision", "target_labels", "oracle")
SEEDS = 3  # from which on a recipe's own deviation is known
SHARE = {"%": 0.03, "m": 0.05, "deg": 0.05, "": 0.05}  # of the claim, where it is not: by the metric's unit


def settle(desk: Desk, name: str, again: Path, seeds: pd.DataFrame, by: str) -> Case:
    """Compare with the operator's run in the folder `again`. seeds: the submitted runs of the same recipe.

    Refusal if that is another run than the one submitted, or this has no score to be compared.
    """
    case, place = desk.case(name), desk.result(name)
    if case.state != "scored":
        raise Refusal(f"{name[:12]} is {case.state}; only what is scored can be reproduced")
    claimed, run = record.read(place / record.RECORD), record.read(again / record.RECORD)
    if other := [one for one in SAME if getattr(claimed, one) != getattr(run, one)]:
        raise Refusal(f"{again} is another run: its {' '.join(other)} differ from what was submitted")
    table = compare(claimed, run, seeds)
    bad = [f"{row['metric']} {row['claimed']:.4g}, run again {row['again']:.4g}" for row in table if not row["agrees"]]
    if bad:
        return desk.tell(name, by, held=f"not reproduced: {'; '.join(bad)}")
    about = {"key": run.key, "created": run.created, "commit": run.commit, "hardware": run.hardware, "table": table}
    claimed.throughput, claimed.hardware = run.throughput, run.hardware  # measured here: may be compared
    record.write(claimed, place / record.RECORD)
    record.replace(place / REPRODUCED, (json.dumps(about, indent=1) + "\n").encode())
    return desk.tell(name, by, state="reproduced")


def compare(claimed: RunRecord, again: RunRecord, seeds: pd.DataFrame) -> list[dict[str, float | str | bool]]:
    """Each headline, both values, the tolerance. A run of the same seed elsewhere is as good as another seed.

    So twice the deviation between two runs, sqrt(2) s; where the seeds' deviation s is not known, a share of the claim.
    """
    lines: list[dict[str, float | str | bool]] = []
    for metric in HEADLINES.values():
        said, found = (one.metrics.get(metric.name, math.nan) for one in (claimed, again))
        if math.isnan(said):
            continue
        known = seeds[metric.name].dropna() if metric.name in seeds else pd.Series(dtype=float)
        spread = float(known.std()) if len(known) >= SEEDS else math.nan
        tolerance = 2 * math.sqrt(2) * spread if spread > 0 else SHARE[metric.unit] * abs(said)
        agrees = abs(said - found) <= tolerance
        lines.append({"metric": metric.name, "claimed": said, "again": found, "tolerance": tolerance, "agrees": agrees})
    return lines
