"""Small stores for the board's tests: records, statistics, panels and logs of runs that nobody trained."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from bench import record
from bench.record import Cost, Link, Network, RunRecord
from bench.tasks import task
from leaderboard.classes import SIXTEEN
from leaderboard.desk import Receipt, append

SPLIT = {
    "name": "town2city",
    "about": "towns -> a city",
    "protocol": "city-v1",
    "source": [{"dataset": "synthia", "part": "all", "size": [64, 32], "limit": None}],
    "target": [{"dataset": "cityscapes", "part": "train", "size": [64, 32], "limit": None}],
    "test": {"dataset": "cityscapes", "part": "val", "size": [64, 32], "limit": None},
    "tasks": ["semseg", "depth", "normals"],
    "scored": ["semseg", "depth", "normals"],
    "classes": "cs16",
    "also": ["cs13"],
}
STEMS = tuple(f"city_{number:03d}" for number in range(24))


def statistics(skill: float, seed: int, classes: int = 16, images: int = 24) -> dict[str, Any]:
    """Of a run that is right in `skill` of all pixels; the images' difficulty is the same for every run."""
    hard = np.random.default_rng(0).uniform(-0.1, 0.1, images)
    draw = np.random.default_rng([seed, round(1e4 * skill)])
    right = np.clip(skill + hard + draw.normal(0, 0.005), 0.02, 0.98)
    truth = np.random.default_rng(1).integers(200, 800, (images, classes))
    matrix = np.zeros((images, classes, classes), np.int64)
    for image in range(images):
        for name in range(classes):
            hit = round(truth[image, name] * right[image])
            matrix[image, name, name] = hit
            matrix[image, name] += draw.multinomial(truth[image, name] - hit, np.full(classes, 1 / classes))
    count = np.full(images, 1000)
    angle = 60 * (1 - right)
    histogram = np.zeros((images, 3600), np.int32)
    for image in range(images):
        values = np.clip(draw.gamma(2, angle[image] / 2, 1000), 0, 179.9)
        histogram[image] = np.bincount((values * 20).astype(int), minlength=3600)
    relative = (1 - right) * 0.5
    found: dict[str, Any] = {"semseg.confusion": matrix, "depth.count": count}
    for form in ("", "_median_scaled"):
        sums = dict.fromkeys(("absolute", "relative", "squared_relative", "log"), relative)
        sums |= {"squared": 100 * relative**2, "squared_log": relative**2}
        sums |= dict.fromkeys(("within1", "within2", "within3"), right)
        found |= {f"depth.{name}{form}": values * count for name, values in sums.items()}
    near = np.zeros((images, 9))
    near[:, 4], near[:, 5] = 0.6, 0.4  # of the pixels between 5 and 10, and 10 and 20 m
    found["depth.range_count"] = near * 1000
    found["depth.range_relative"] = near * relative[:, None] * 1000
    found["depth.range_squared"] = near * np.arange(9) ** 2 * (relative[:, None] ** 2) * 1000
    found |= {"normals.count": count, "normals.sum": angle * count, "normals.squared": angle**2 * count}
    return found | {"normals.histogram": histogram}


def scores(found: dict[str, Any]) -> dict[str, float]:
    """The metrics that bench.score would write."""
    result: dict[str, float] = {}
    for name in ("semseg", "depth", "normals"):
        mine = {key.partition(".")[2]: values for key, values in found.items() if key.startswith(f"{name}.")}
        result |= task(name).metrics(mine) if mine else {}
    return result


def keep(
    store: Path, method: str, seed: int = 0, skill: float | None = 0.5, metrics: dict[str, float] | None = None,
    **fields: Any,
) -> Path:  # fmt: skip
    """A run of the store under a key made of all that tells it from others; skill=None: without statistics."""
    key = hashlib.sha256(f"{method} {seed} {sorted(fields.items())}".encode()).hexdigest()[:32]
    folder = store / "runs" / key[:2] / key
    folder.mkdir(parents=True)
    names = SIXTEEN
    found = None if skill is None else statistics(skill, seed)
    if found is not None:
        np.savez_compressed(folder / "stats.npz", stems=np.array(STEMS), **found)
        metrics = metrics or scores(found)
        matrix = found["semseg.confusion"].sum(0)
        hit = matrix.diagonal()
        each = 100 * hit / (matrix.sum(0) + matrix.sum(1) - hit)
        fields.setdefault("per_class", dict(zip(names, each.tolist(), strict=True)))
    base = {
        "split": SPLIT,
        "protocol": "city-v1",
        "selection": "last",
        "created": f"2026-11-{10 + seed:02d}T12:00:00+00:00",
        "network": Network(name="small", parameters=1000, weights="none"),
        "manifests": {"test": "ab" * 32},
        "versions": {"bench": "0.1.0", "python": "3.11", "torch": "2.11"},
        "hardware": {"cpu": "abacus", "gpu": ""},
        "precision": "fp32",
        "commit": "c0ffee" * 6 + "c0ff",
        "cost": Cost(steps=100, seconds=360.0, device="cpu"),
        "chain": [Link(name=method, key=key, steps=100, seconds=360.0)],
        "config": {"lr": 0.001, "weighting": "equal"},
        "throughput": {"batch1": {"images_per_second": 20.0 + len(method)}, "ratio": 0.5, "threads": 2},
        "images": len(STEMS) if found else 0,
    }
    made = RunRecord(key=key, method=method, seed=seed, metrics=metrics or {}, **(base | fields))
    record.write(made, folder / "record.json")
    return folder


def begun(store: Path, method: str, seed: int, key: str = "ffee" * 8, failed: tuple[str, str] | None = None) -> Path:
    """A run that was killed before its record, or that failed: why, and the line."""
    folder = store / "runs" / key[:2] / key
    folder.mkdir(parents=True)
    asked = {"method": method, "split": SPLIT, "seed": seed, "protocol": "city-v1", "selection": "last"}
    asked |= {"versions": {"bench": "0.1.0"}, "precision": "fp32", "config": {"lr": 0.001, "weighting": "equal"}}
    asked |= {"network": {"name": "small", "weights": "none"}, "manifests": {"test": "ab" * 32}}
    (folder / "run.json").write_text(json.dumps({"record": asked}))
    if failed:
        (folder / "failed.json").write_text(json.dumps(dict(zip(("reason", "message"), failed, strict=True))))
    return folder


def furnish(folder: Path, losses: bool = True) -> None:
    """Give a run two pictures for its panel and a log of its last stage."""
    (folder / "panels").mkdir()
    draw = np.random.default_rng(2)
    for number in range(2):
        normals = draw.normal(size=(32, 64, 3)).astype(np.float32)
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        labels = np.repeat(np.arange(16, dtype=np.uint8), 128).reshape(32, 64)
        labels[0] = 255
        kept: dict[str, Any] = {"image": draw.integers(0, 255, (32, 64, 3)).astype(np.uint8), "stem": STEMS[number]}
        kept |= {"semseg.truth": labels, "semseg.prediction": np.roll(labels, 3, 1) % 16}
        kept |= {"depth.truth": np.tile(np.linspace(0, 60, 64, dtype=np.float32), (32, 1))}
        kept |= {"depth.prediction": np.full((32, 64), 20, np.float32), "depth_range": np.array((1e-3, 80.0))}
        kept |= {"normals.truth": normals, "normals.prediction": normals[::-1]}
        kept |= {"classes": np.array(SIXTEEN), "palette": np.arange(48, dtype=np.uint8).reshape(16, 3) * 5}
        np.savez_compressed(folder / "panels" / f"{number}.npz", **kept)
    made = record.read(folder / "record.json")
    made.panels = [f"panels/{number}.npz" for number in range(2)]
    record.write(made, folder / "record.json")
    if losses:
        lines = [{"t": t, "semseg": 2 / (t + 1), "depth": 1 / (t + 1), "seconds": t / 10} for t in range(0, 100, 5)]
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def town(store: Path) -> Path:
    """A little board: a baseline, single tasks, two close methods, a better one, an oracle, a row of two seeds."""
    for seed in (0, 1, 2):
        furnish(keep(store, "source_only", seed, 0.50, role="baseline"))
        keep(store, "single_task", seed, 0.55, role="single")
        furnish(keep(store, "alpha", seed, 0.60))
        keep(store, "beta", seed, 0.602, overrides=["method.lr=2e-3"], config={"lr": 0.002, "weighting": "equal"})
        keep(store, "gamma", seed, 0.72)
        keep(store, "alpha", seed, 0.63, selection="entropy")
        keep(store, "alpha", seed, 0.66, selection="oracle", oracle=True)
        keep(store, "target_oracle", seed, 0.85, oracle=True)
    for seed in (0, 1):
        keep(store, "delta", seed, 0.7)
    begun(store, "delta", 2)
    keep(store, "boast", 0, None, {"miou": 99.0})
    case(store, "fresh", "Team A")
    case(store, "weak", "Team <b>B", state="rejected", why="=12 images have no prediction of depth")
    return store


def case(store: Path, method: str, team: str, **event: str) -> None:
    """A submission without a result: received, or what the event says."""
    name = hashlib.sha256(method.encode()).hexdigest()[:32]
    folder = store / "submissions" / "inbox" / name
    folder.mkdir(parents=True)
    receipt = Receipt(name, team, "0" * 12, "2026-11-20T12:00:00+00:00", 1000, method, "town2city", 0, "")
    (folder / "receipt.json").write_text(json.dumps(receipt.__dict__))
    if event:
        append(folder / "events.jsonl", {"time": "2026-11-20T13:00:00+00:00", "by": "clerk", **event})
