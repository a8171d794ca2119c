"""The page of a run: its numbers and what they follow from, pictures, worst images, stages, recipe, receipt."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import pandas as pd

from bench import record
from bench.record import METRICS, Network, RunRecord
from leaderboard import columns, figures, pictures, receipt, rows
from leaderboard.board import Board
from leaderboard.page import (
    Block,
    Code,
    Column,
    Facts,
    Figure,
    Link,
    Page,
    Pair,
    Pairs,
    Table,
    Words,
    href,
    missing,
    text,
)

SAYS = {
    rows.CLAIMED: "self-reported: its numbers are the sender's, for the labels are not here",
    rows.SCORED: "scored: its numbers were made here, from the sender's predictions; cost and settings are claims",
    rows.REPRODUCED: "reproduced: the operator ran it again, with the same result; speed was measured then",
}


def page(board: Board, key: str) -> Page:
    try:
        run = board.index.record(key)
    except (KeyError, ValueError, OSError):
        return missing("No such run", f"There is no run with the key {key[:64]!r}, or its record cannot be read.")
    title = f"{run.method} on {run.split['name']}, seed {run.seed}"
    blocks = (
        facts(run, board),
        *numbers(run, board),
        *panels(run, board),
        *worst(run, board),
        *stages(run, board),
        text("Do it again", kind="h2"),
        Code(receipt.command(run), "the command that makes this run"),
        text("Receipt: ", Link("JSON with the hashes of its files", f"/api/v1/receipts/{run.key}")),
        text("Resolved settings", kind="h2"),
        Code(json.dumps(run.config, indent=2, sort_keys=True), "of the method"),
        Code(json.dumps(run.split, indent=2, sort_keys=True), "of the split"),
        text("Provenance", kind="h2"),
        provenance(run),
    )
    return Page(title, blocks)


def facts(run: RunRecord, board: Board) -> Facts:
    place = href("/", split=run.split["name"], protocol=run.protocol)
    kind, why = ("", "") if run.metrics else record.failure(board.index.folder(run.key))
    marks = [
        "oracle: learnt from target labels" if run.oracle else "",
        f"lent {run.target_labels:.0%} of the target's labels" if run.target_labels else "",
        f"a quick look at {run.limit} images" if run.limit is not None else "",
        "" if run.standard else "not the split as declared",
        *(f"{task} is not scored: {why}" for task, why in run.not_scored.items()),
        "" if run.metrics else f"failed: {kind}" if kind else "begun, and no record came of it",
    ]
    words: list[tuple[str, Words]] = [
        ("method", Link(run.method, f"/method/{run.method}")),
        ("split", Link(f"{run.split['name']}, protocol {run.protocol}", place)),
        ("checkpoint", run.selection if run.checkpoint is None else f"{run.selection}: step {run.checkpoint}"),
        ("network", f"{run.network.name or '?'}, {count(run.network.parameters)} parameters, "
                    f"{weights(run.network)}"),
        ("test images", str(run.images)),
        ("written", run.created or "no record"),
        ("key", run.key),
    ]  # fmt: skip
    if student := run.network.predicts:
        words.insert(4, ("predicted by", f"its student, {student.name}, {weights(student)}"))
    if why:
        words.insert(0, ("failure", why))
    if run.team:
        words.insert(0, ("extra data", run.extra_data or "none"))
        words.insert(0, ("submitted by", run.team))
        words.insert(1, ("trust", Link(SAYS[trust(board, run.key)], "/submissions")))
    if found := "; ".join(filter(None, marks)):
        words.insert(0, ("marks", found))
    return Facts(tuple(words))


def weights(network: Network) -> str:
    return f"weights {', '.join(filter(None, (network.weights[:16] or '?', network.published)))}"


def count(number: int | None) -> str:
    return f"{number:,}" if number else "?"


def numbers(run: RunRecord, board: Board) -> Iterator[Block]:
    lines = [
        {"task": columns.TASKS[one.task], "metric": columns.label(name), "value": said(name, run.metrics[name]),
         "scaled": said(name, run.metrics.get(f"{name}_median_scaled", math.nan)), "about": one.about}
        for name, one in METRICS.items() if name in run.metrics and not one.oracle
    ]  # fmt: skip
    if lines:
        frame = pd.DataFrame(lines)
        listed = [Column("task", "task"), Column("metric", "metric"), Column("value", "value", digits=3, shown="value")]
        if (frame["scaled"] != "").any():
            about = "each image's guess scaled by the ratio of medians"
            listed.append(Column("scaled", "median-scaled", about, 3, shown="scaled"))
        yield Table(frame, (*listed, Column("about", "what it is")), "Metrics over the whole test set")
    found = board.statistics(run.key)
    if found is not None:
        table = receipt.recheck(run, found)
        table["metric"] = [columns.label(name) for name in table["metric"]]
        shown = (
            Column("metric", "metric"),
            Column("recorded", "in the record", digits=5),
            Column("again", "from the statistics", digits=5),
            Column("agrees", "agrees"),
        )
        yield Table(table, shown, f"Reckoned again from the statistics of {len(found.stems)} test images")
    elif run.metrics:
        yield text("No statistics are kept beside this record: it cannot be scored again.", kind="note")
    if run.per_class:
        each = pd.DataFrame({"class": list(run.per_class), "iou": list(run.per_class.values())})
        yield Table(each, (Column("class", "class"), Column("iou", "IoU % ↑", digits=1)), "IoU of each class")
    if run.groups:
        each = pd.DataFrame([{"group": name} | metrics for name, metrics in run.groups.items()])
        heads = [one for one in METRICS.values() if one.headline and one.name in each]
        listed = [Column("group", "images"), *(Column(one.name, columns.label(one.name), digits=3) for one in heads)]
        yield Table(each, tuple(listed), "Metrics of groups of the test images")
    if run.class_sets:
        each = pd.DataFrame({"set": list(run.class_sets), "miou": list(run.class_sets.values())})
        yield Table(each, (Column("set", "class set"), Column("miou", "mIoU % ↑", digits=1)), "Smaller class sets")


def said(name: str, value: float) -> str:
    """A metric's value with the digits that it is worth."""
    return f"{value:.{columns.digits(name)}f}" if math.isfinite(value) else ""


def panels(run: RunRecord, board: Board) -> Iterator[Block]:
    """Truth over prediction, a slider between them."""
    folder = board.index.folder(run.key)
    found: list[Pair] = []
    for number in range(len(run.panels[:16])):
        file = folder / "panels" / f"{number}.npz"
        try:
            kept = pictures.read(file, file.stat().st_mtime_ns)
        except (OSError, ValueError):
            continue
        stem, base = str(kept["stem"]), f"/picture/{run.key}/{number}"
        found.append(Pair(f"{stem}: image", f"{base}/image.png"))
        for task in pictures.tasks(kept):
            sides = (f"{base}/{task}.{side}.png" for side in pictures.SIDES)
            found.append(Pair(f"{stem}: {columns.TASKS[task]}", *sides))
    if found:
        yield text("Pictures", kind="h2")
        yield text("Move the slider: prediction to the left of it, truth to the right. Black: no truth there.")
        yield Pairs(tuple(found))


def worst(run: RunRecord, board: Board) -> Iterator[Block]:
    found = board.statistics(run.key)
    if found is None:
        return
    yield text("Worst images", kind="h2")
    for name, table in receipt.worst(found).items():
        listed = (Column("image", "image"), Column("value", columns.label(name), digits=columns.digits(name)))
        yield Table(table, listed, f"The {len(table)} images with the worst {columns.SHORT[name]}, each by itself")


def stages(run: RunRecord, board: Board) -> Iterator[Block]:
    yield text("Stages", kind="h2")
    if run.chain:
        lines = [
            {"name": one.name, "steps": one.steps, "seconds": one.seconds, "cached": "yes" if one.cached else "no",
             "key": one.key}
            for one in run.chain
        ]  # fmt: skip
        listed = (
            Column("name", "stage"),
            Column("steps", "steps", digits=0),
            Column("seconds", "seconds", digits=0),
            Column("cached", "cached", "it was in the store already; its cost counts all the same"),
            Column("key", "key"),
        )
        total = f"{run.cost.seconds:.0f} s in all on {run.cost.device or '?'}"
        yield Table(pd.DataFrame(lines), listed, f"The chain of stages and what each cost, {total}")
    for one in run.chain:
        log = pd.DataFrame() if run.team else receipt.log(board.index.root, one.key)  # its keys are a claim
        if len(log) > 1 and len(log.columns) > 2:
            names = [c for c in log.columns if c != "t"]
            logged = (Column("t", "step", digits=0), *(Column(name, name, digits=4) for name in names))
            words = f"Losses of {one.name}, as logged"
            yield Figure(figures.curves(log), Table(log.iloc[:: max(1, len(log) // 20)], logged, words))


def provenance(run: RunRecord) -> Facts:
    speed = run.throughput.get("batch1") or {}
    pace = f"{speed['images_per_second']:.1f} images/s one at a time, {speed['ms_p50']:.1f} ms median" if {
        "images_per_second", "ms_p50"} <= speed.keys() else "not measured"  # fmt: skip
    return Facts(
        (
            ("commit", f"{run.commit or '?'}{', with changes that were not committed' if run.dirty else ''}"),
            ("versions", ", ".join(f"{name} {word}" for name, word in run.versions.items()) or "?"),
            ("hardware", ", ".join(filter(None, run.hardware.values())) or "?"),
            ("precision", f"{run.precision or '?'}, {run.world} process{'es' * (run.world != 1)}"),
            ("restarts", f"{run.restarts}, each continued" if run.restarts else "none"),
            ("repeats to the bit", "yes" if run.exact else "not promised on this device"),
            ("throughput", pace),
            ("BatchNorm", run.batchnorm or "?"),
            *((f"images: {role}", digest) for role, digest in run.manifests.items()),
        )
    )


def trust(board: Board, key: str) -> str:
    frame = board.index.frame
    mine = frame[frame["key"] == key]
    if mine["reproduced"].any():
        return rows.REPRODUCED
    return rows.SCORED if mine["stats"].any() else rows.CLAIMED
