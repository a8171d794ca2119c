"""python -m bench.judge FOLDER store=DIR [data.NAME=DIR]: score what somebody else predicted, by our own rules.

FOLDER/claim.json is their record, FOLDER/predictions/ what their network said of the test images. Only the split that
this suite declares is taken, its labels are ours, and the numbers of the record that is written (FOLDER/record.json,
stats.npz, panels/) are ours: of the claim it keeps what nobody can check. FOLDER/verdict.json says what came of it:
"scored", "unscored" (the labels are not here) or "rejected", and why, in words without a label or a path.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import plugins, predictions, record, score, words
from bench.domains import Domains
from bench.log import console
from bench.manifest import joined
from bench.plain import to_plain
from bench.record import HEADLINES, KNOWN, RunRecord
from bench.split import Split

CLAIM, VERDICT = "claim.json", "verdict.json"
CLOSE = 0.005  # relative: a claim that is further off was made on other labels, by other rules, or is not true


class Rejected(ValueError):
    """The claim is not fit, and its sender may read why."""


def judge(folder: Path, store: Path, roots: Mapping[str, Path]) -> str:
    """The state: "scored" or "unscored". Rejected says in one line what is wrong with the claim."""
    claim = record.read(folder / CLAIM)
    split = declared(claim)
    if any(name not in roots for name in needed(split)):
        record.write(ours(claim, folder.name, claim.data), folder / record.RECORD)
        return "unscored"
    domains = Domains(split, roots, store, show=False)
    complete(folder / score.PREDICTIONS, split, domains)
    draft = ours(claim, folder.name, joined(filter(None, (claim.data, domains.test_data()))))
    draft.manifests = claim.manifests | {"test": domains.test_images().hash}
    about = json.loads(draft.model_dump_json(exclude={"key", "metrics"}))
    note(folder / record.RUN, {"record": about, "keep": score.PREDICTIONS})
    try:
        found = score.score_run(folder, {name: str(root) for name, root in roots.items()}, None)
    except ValueError as error:
        print(error, file=sys.stderr)  # with paths: for the operator
        raise Rejected("a prediction has another size than its image, or values that the task does not have") from None
    compare(claim, found)
    return "scored"


def declared(claim: RunRecord) -> Split:
    """The suite's own split of the claim's name. Rejected unless the claim's is the very same."""
    try:
        split = plugins.split(claim.split["name"])
    except plugins.Unknown:
        raise Rejected(f"no split {claim.split['name']!r} is declared here") from None
    mine = json.loads(json.dumps(to_plain(split)))
    for name, value in mine.items():
        if claim.split.get(name, claim) != value:
            raise Rejected(f"not the split as declared: {name} is another; declared is {json.dumps(value)[:150]}")
    if claim.split.keys() != mine.keys() or claim.protocol != split.protocol:
        raise Rejected("not the split as declared: other fields, or another protocol")
    if claim.selection != split.selection or claim.limit is not None or claim.checkpoint is not None:
        raise Rejected(f"the checkpoint that is scored is {split.selection!r}, on all test images")
    return split


def needed(split: Split) -> list[str]:
    """The data sets whose folders it takes to score."""
    name = split.test.dataset
    return [name] if plugins.dataset(name).NEEDS_ROOT else []


def complete(folder: Path, split: Split, domains: Domains) -> None:
    """Rejected unless each test image has a prediction of each task that its labels can score."""
    items = domains.index(split.test)
    for task in split.scored:
        if task in plugins.dataset(split.test.dataset).TASKS:
            missing = [one for one in items if not predictions.path(folder, task, one.stem).is_file()]
            if missing:
                raise Rejected(f"{len(missing)} of {len(items)} test images have no prediction of {task}")


def ours(claim: RunRecord, key: str, data: str) -> RunRecord:
    """The record under the submission's key. It is nobody's baseline, and has no speed of a machine not ours."""
    whole = claim.standard and data in ("", KNOWN)
    names = [metric for metric in claim.metrics if record.METRICS[metric].task in claim.split["scored"]]
    changes: dict[str, Any] = {
        "key": key, "role": "", "data": data, "standard": whole, "throughput": {}, "panels": [], "per_class": {},
        "class_sets": {}, "not_scored": {}, "images": 0, "groups": {},
        "metrics": {name: claim.metrics[name] for name in names},
    }  # fmt: skip
    return claim.model_copy(update=changes, deep=True)


def compare(claim: RunRecord, found: RunRecord) -> None:
    """Rejected where a headline is not what the predictions give."""
    for metric in HEADLINES.values():
        said, is_ = claim.metrics.get(metric.name, math.nan), found.metrics.get(metric.name, math.nan)
        if not (math.isnan(is_) or math.isclose(said, is_, rel_tol=CLOSE)):
            raise Rejected(f"the record says {metric.name} {said:.4g}, the predictions give {is_:.4g}")


def note(file: Path, content: Any) -> None:
    record.replace(file, (json.dumps(content) + "\n").encode())


def main(arguments: Sequence[str]) -> int:
    bare, values = words.parse(arguments, {"store": "store"}, prefix="data.")
    if len(bare) != 1:
        raise SystemExit((__doc__ or "").strip())
    folder = Path(bare[0]).absolute()
    roots = {word.removeprefix("data."): Path(root) for word, root in values.items() if word.startswith("data.")}
    try:
        state, why = judge(folder, Path(values["store"]).absolute(), roots), ""
    except Rejected as error:
        state, why = "rejected", str(error)
    note(folder / VERDICT, {"state": state, "why": why})
    console.print(f"{folder.name[:12]}: {state} {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
