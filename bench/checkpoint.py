"""Checkpoints: written beside, flushed, renamed; the last two are kept and a torn one falls back to the one before."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import torch

from bench.stage import Stage

SNAPSHOTS = "snapshots"  # a folder of a run, with a folder a snapshot


class StoreError(OSError):
    """The store cannot be written; what was complete before still is."""


def save_file(path: Path, content: Any, *, before: Path | None = None) -> None:
    """torch.save that is there whole or not at all; the file it replaces may be kept as `before`.

    StoreError if the disk is full or the folder read-only: then nothing on the disk has changed.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(fresh, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        if before is not None and path.exists():
            os.replace(path, before)
        os.replace(fresh, path)
    except (OSError, RuntimeError) as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise StoreError(f"cannot write {path}: {error}; free some space or choose another store=DIR") from error


def save(folder: Path, stage: Stage, t: int, seconds: float) -> None:
    """Keep everything that a stage has learnt after t steps."""
    content = {"t": t, "seconds": seconds, **state(stage)}
    save_file(folder / "state.pt", content, before=folder / "state.before.pt")


def snapshot(folder: Path, stage: Stage, t: int, seconds: float) -> None:
    """Keep what a stage had learnt after t steps in the form of a product, for later looks: it continues nothing."""
    content = {"module": stage.state_dict(), "steps": t, "seconds": seconds}
    save_file(folder / SNAPSHOTS / f"{t:07d}" / "product.pt", content)


def snapshot_steps(steps: int, count: int) -> set[int]:
    """`count` points at equal distances, less the last one: that is the product itself."""
    return {round(steps * k / count) for k in range(1, count)} - {0, steps}


def state(stage: Stage) -> dict[str, Any]:
    return {"module": stage.state_dict(), "optims": {name: optim.state_dict() for name, optim in stage.optims()}}


def resume(folder: Path, stage: Stage) -> tuple[int, float]:
    """Load the newest good checkpoint into the stage; (steps done, seconds spent), (0, 0.0) if there is none."""
    for left in folder.glob(".*.pt.*"):  # by a process killed while it wrote; the lease says it is gone
        left.unlink(missing_ok=True)
    for name in ("state.pt", "state.before.pt"):
        path = folder / name
        if not path.exists():
            continue
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load meets torn bytes with errors of every kind
            print(f"{path}: torn checkpoint ({type(error).__name__}), falling back to the one before", flush=True)
            continue
        stage.load_state_dict(saved["module"])
        optims = dict(stage.optims())
        if optims.keys() != saved["optims"].keys():
            raise ValueError(f"{path}: optimisers {sorted(saved['optims'])} saved, the stage has {sorted(optims)}")
        for key, optim in optims.items():
            optim.load_state_dict(saved["optims"][key])
        return saved["t"], saved["seconds"]
    return 0, 0.0


def discard(folder: Path) -> None:
    """Delete the checkpoints of a finished stage."""
    for name in ("state.pt", "state.before.pt"):
        (folder / name).unlink(missing_ok=True)
