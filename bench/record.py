"""RunRecord: what a finished run says of itself, as versioned JSON; and METRICS, every number that is reported."""

from __future__ import annotations

import json
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

SCHEMA = 1  # raised when a field changes its meaning or goes; a new field with a default does not raise it
KNOWN, UNKNOWN, FIXTURE = "known", "unknown", "fixture"  # what `data` says; made on a fixture, a record never ranks
RUN, RECORD, FAILED = "run.json", "record.json", "failed.json"  # in a run's folder: asked for, come of it, or why not


class Metric(BaseModel):
    """A number of the tables. The task's file computes it; this line says how to read it."""

    model_config = ConfigDict(frozen=True)

    name: str
    task: str
    unit: str
    higher_is_better: bool
    about: str
    headline: bool = False  # the one that stands for its task
    oracle: bool = False  # looks at the truth of the image it scores: beside the others, never instead of them


def _metric(task: str, name: str, unit: str, about: str, *, headline: bool = False) -> Metric:
    """Shares, in percent, are better when higher; errors and angles when lower."""
    return Metric(name=name, task=task, unit=unit, higher_is_better=unit == "%", about=about, headline=headline)


def _metrics() -> dict[str, Metric]:
    semseg = (
        _metric(
            "semseg", "miou", "%", "mean IoU over the classes that the ground truth has, one matrix", headline=True
        ),
        _metric("semseg", "pixel_accuracy", "%", "share of pixels with the right class"),
        _metric("semseg", "mean_accuracy", "%", "mean recall over the classes that the ground truth has"),
    )
    depth = (
        _metric("depth", "abs_err", "m", "mean of |guess - truth|; without unit where the truth is inverse depth"),
        _metric("depth", "abs_rel", "", "mean of |guess - truth| / truth", headline=True),
        _metric("depth", "sq_rel", "m", "mean of (guess - truth)^2 / truth"),
        _metric("depth", "rmse", "m", "root of the mean squared error over all pixels of the set"),
        _metric("depth", "rmse_log", "", "root of the mean squared error of the natural logarithm"),
        _metric("depth", "log10", "", "mean of |log10 guess - log10 truth|"),
        _metric("depth", "delta1", "%", "share of pixels with max(guess/truth, truth/guess) < 1.25"),
        _metric("depth", "delta2", "%", "share of pixels with that ratio < 1.25^2"),
        _metric("depth", "delta3", "%", "share of pixels with that ratio < 1.25^3"),
    )
    normals = (
        _metric("normals", "angle_mean", "deg", "mean angle between guess and truth", headline=True),
        _metric("normals", "angle_median", "deg", "median angle over all pixels of the set, to 0.05 deg"),
        _metric("normals", "angle_rmse", "deg", "root of the mean squared angle"),
        _metric("normals", "within_11.25", "%", "share of pixels with an angle below 11.25 deg"),
        _metric("normals", "within_22.5", "%", "share of pixels with an angle below 22.5 deg"),
        _metric("normals", "within_30", "%", "share of pixels with an angle below 30 deg"),
    )
    scaled = tuple(
        Metric(
            name=f"{m.name}_median_scaled",
            task=m.task,
            unit=m.unit,
            higher_is_better=m.higher_is_better,
            about=f"{m.about}; each image's guess first scaled by the ratio of medians",
            oracle=True,
        )
        for m in depth
    )
    return {metric.name: metric for metric in (*semseg, *depth, *normals, *scaled)}


METRICS: dict[str, Metric] = _metrics()
HEADLINES: dict[str, Metric] = {metric.task: metric for metric in METRICS.values() if metric.headline}

DEPTH_RANGES = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0, 80.0, math.inf)  # m of true depth: errors are kept for each

# NaN stands for "not there" (a class that the truth does not have): null in JSON, which knows no NaN.
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Link(_Part):
    """A stage of the chain."""

    name: str
    key: str
    steps: int
    seconds: float
    cached: bool = False  # it was in the store already; its cost counts all the same


class Cost(_Part):
    """Of the whole chain, cached or not."""

    steps: int = 0
    seconds: float = 0.0
    device: str = ""


class Network(_Part):
    name: str = ""
    parameters: int | None = None
    weights: str = ""  # "none", or the hash of the file that training started from
    published: str = ""  # the published file that has this hash, or "unknown"; "": there is none
    settings: dict[str, Any] = Field(default_factory=dict)  # its other fields
    predicts: Network | None = None  # the same of a student, where that is what was scored

    @property
    def student(self) -> dict[str, Any]:
        """The student's words; empty where the run's own network predicts."""
        return {} if self.predicts is None else self.predicts.model_dump()


class RunRecord(_Part):
    """Written last and at once: a run without one is not complete."""

    schema_version: int = SCHEMA
    key: str  # of the last stage
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    method: str
    role: str = ""  # baseline | single | "": what tables set other rows beside, or reckon their delta from
    oracle: bool = False  # learnt from target labels: marked, and never ranked
    target_labels: float = 0.0  # share of the target's training images whose labels were lent
    split: dict[str, Any]  # the whole Split, with its name
    protocol: str
    selection: str  # which checkpoint was scored: "last", or the criterion of bench.select that picked it
    checkpoint: int | None = None  # the step of the last stage that a criterion picked; None: the last
    limit: int | None = None  # a quick look at so many images
    standard: bool = True  # the split as declared (no limit, its own budget, batch, sizes) on data that are known
    data: str = ""  # of its files: "known" to be good, "unknown", a rendered "fixture"; "": none were read
    seed: int
    config: dict[str, Any] = {}  # as resolved: the recipe
    overrides: list[str] = []  # the words of the command line that changed it
    chain: list[Link] = []
    cost: Cost = Cost()
    manifests: dict[str, str] = {}  # "source NAME", "target NAME" ..., "test": the hash of the images
    batchnorm: str = ""
    network: Network = Network()
    restarts: int = 0  # of the jobs that trained it: preempted, out of time, killed
    precision: str = ""
    world: int = 1
    exact: bool = True  # the same command gives the same bits on this kind of machine
    versions: dict[str, str] = {}  # python, torch, numpy, bench
    commit: str = ""
    dirty: bool = False
    hardware: dict[str, str] = {}  # cpu, gpu
    throughput: dict[str, Any] = {}  # as bench.predict's meter gave it

    metrics: dict[str, Number]
    per_class: dict[str, Number] = {}  # IoU, %; NaN for a class that the truth does not have
    class_sets: dict[str, Number] = {}  # mIoU over smaller sets, from the same matrix
    groups: dict[str, dict[str, Number]] = {}  # metrics of some of the test images (fog, night ...)
    not_scored: dict[str, str] = {}  # task: why
    images: int = 0  # scored
    panels: list[str] = []  # files of the run's folder
    team: str = ""  # who submitted it; "": the operator's own run
    extra_data: str = ""  # what that team declares to have used beside the split's own

    @property
    def incomplete(self) -> list[str]:
        """The metrics that are not finite: such a row is marked and enters no mean."""
        return [name for name, value in self.metrics.items() if not math.isfinite(value)]


def write(record: RunRecord, file: Path) -> None:
    """Atomically: the file is there whole, or not at all."""
    replace(file, (record.model_dump_json(indent=2) + "\n").encode())


def read(file: Path) -> RunRecord:
    """The record in a file. Raises ValueError in one line."""
    try:
        content = json.loads(file.read_text())
        version = content.get("schema_version")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{file} is no record: {error}") from None
    if version != SCHEMA:
        raise ValueError(f"{file} has schema version {version!r}, this code reads {SCHEMA}: use its own bench")
    try:
        return RunRecord.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{file} is no record: {faults}") from None


def failure(folder: Path) -> tuple[str, str]:
    """Why the run failed, class and line (bench/failure.py); empty where nothing failed, or it cannot be read."""
    try:
        found = json.loads((folder / FAILED).read_text())
        return str(found["reason"]), str(found["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""


def folders(store: Path) -> list[Path]:
    """The folders of a store that hold a run: whole, with a record, or begun."""
    return sorted({file.parent for name in (RUN, RECORD) for file in (store / "runs").glob(f"*/*/{name}")})


def find(store: Path, run: str) -> Path:
    """The folder of the run that a path, or the beginning of a key, names. Raises ValueError in one line."""
    if any((Path(run) / name).exists() for name in (RUN, RECORD)):
        return Path(run)
    found = [folder for folder in folders(store) if folder.name.startswith(run)]
    if len(found) != 1:
        which = f"{len(found)} match: {' '.join(f.name[:12] for f in found[:5])}" if found else "none matches"
        raise ValueError(f"no single run {run!r} in {store}: {which}")
    return found[0]


def replace(file: Path, content: bytes) -> None:
    """Write a sibling, flush it to the disk, rename."""
    sibling = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with sibling.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(sibling, file)
    finally:
        sibling.unlink(missing_ok=True)
