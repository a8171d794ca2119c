"""The only training loop: for every method, one order of events, one logger, one saver."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from bench import checkpoint, dist
from bench.log import Log, Meter
from bench.memory import keep_freed_memory
from bench.problem import Labelled, Unlabelled
from bench.rng import reseed
from bench.signals import ASKING
from bench.stage import Stage

REPORTS = 100  # lines a stage leaves in its log
GLANCE = 10  # steps between two looks at the others' stop signals, where ranks have to agree


class Feed(Protocol):
    """Batches by step (bench.data.stream.Stream)."""

    def iterate(self, start: int, stop: int) -> Iterator[Labelled | Unlabelled]: ...


@dataclass(frozen=True)
class Feeds:
    """What a stage reads. A role that it does not read is None, and so is its batch."""

    source: Feed | None = None
    target: Feed | None = None
    lent: Feed | None = None
    num_target: int = 0  # images, for in-order passes

    def iterate(self, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
        roles = [self.source, self.target, *([self.lent] if self.lent else [])]
        nothing = (None for _ in range(start, stop))
        streams = [feed.iterate(start, stop) if feed else nothing for feed in roles]
        return (tuple(None if feed is None else next(s) for feed, s in zip(roles, streams, strict=True))
                for _ in range(start, stop))  # fmt: skip


class NotFinite(ArithmeticError):
    """A logged scalar is not finite: the stage stops, its last checkpoint stays."""


class Stopped(SystemExit):
    """The run was asked to stop; its checkpoint is written. Exit code 75: requeue me."""

    def __init__(self) -> None:
        super().__init__(75)


@dataclass(frozen=True)
class Settings:
    """How to run, as opposed to what to learn."""

    device: torch.device
    precision: str = "fp32"  # or bf16: autocast, no scaler
    save_seconds: float = 600.0
    show: bool = True
    snapshots: int = 0  # kept at equal distances, the finished stage among them


def train(
    stage: Stage, name: str, feeds: Feeds, steps: int, folder: Path, settings: Settings, stop: threading.Event
) -> float:
    """Run the stage from its newest checkpoint to its last step; the seconds it took in all.

    NotFinite names step and scalar; Stopped after a signal; StoreError if a checkpoint cannot be written.
    """
    keep_freed_memory()
    stage.to(settings.device)
    start, spent = checkpoint.resume(folder, stage)
    dist.broadcast([*stage.parameters(), *stage.buffers()])
    main = dist.rank() == 0
    log = Log(folder / "log.jsonl", start) if main else None
    files = Files(folder / "files", feeds.num_target, fresh=start == 0) if stage.config.draw == "in order" else None
    pending: list[tuple[int, Mapping[str, Tensor]]] = []
    began = saved = time.monotonic()
    every, kept = max(1, steps // REPORTS), checkpoint.snapshot_steps(steps, settings.snapshots)
    batch = stage.config.batch or stage.problem.batch
    with (
        Meter(name, steps, start, batch, show=main and settings.show) as meter,
        contextlib.closing(log) if log else contextlib.nullcontext(),
    ):
        for t, batches in zip(range(start, steps), feeds.iterate(start, steps), strict=True):
            reseed(stage.problem.seed, type(stage).__qualname__, t, dist.rank())
            stage.train()
            with autocast(settings):
                scalars = stage.step(t, *batches)
            if files:
                scalars = files.write(batches[1].ids, scalars)
            pending.append((t, scalars))
            done, last = t + 1, t + 1 == steps
            if done in kept:
                refuse_broken(stage, t)
                if main:
                    checkpoint.snapshot(folder, stage, done, spent + time.monotonic() - began)
            asked = due = False
            if not last and (dist.world() == 1 or done % GLANCE == 0):
                asked = dist.any_rank(stop.is_set(), settings.device)
                due = dist.any_rank(time.monotonic() - saved > settings.save_seconds, settings.device)
            if not (asked or due or last or done % every == 0):
                continue
            means = settle(pending)
            if log:
                log.write(t, {**means, "seconds": round(spent + time.monotonic() - began, 3)})
            meter.at(done, means)
            if last or asked or due:
                refuse_broken(stage, t)
            if asked or due:
                if files:
                    files.flush()
                if main:
                    checkpoint.save(folder, stage, done, spent + time.monotonic() - began)
                saved = time.monotonic()
                dist.barrier()
            if asked:
                raise Stopped
    if files:
        files.flush()
    return spent + time.monotonic() - began


def autocast(settings: Settings) -> contextlib.AbstractContextManager[Any]:
    if settings.precision == "bf16":
        # its cache would hide from a step's later passes what the step has already learnt
        return torch.autocast(settings.device.type, torch.bfloat16, cache_enabled=False)
    return contextlib.nullcontext()


def settle(pending: list[tuple[int, Mapping[str, Tensor]]]) -> dict[str, float]:
    """Read the scalars back in one transfer, refuse what is not finite, return the means since the last time."""
    names = [(t, name) for t, scalars in pending for name in scalars]
    if not names:
        pending.clear()
        return {}
    values = torch.stack([v.detach().float() for _, scalars in pending for v in scalars.values()]).tolist()
    pending.clear()
    sums: dict[str, list[float]] = {}
    for (t, name), value in zip(names, values, strict=True):
        if not np.isfinite(value):
            raise NotFinite(f"step {t}: {name} is {value}; lower a learning rate, or clip, and run again: it continues")
        sums.setdefault(name, []).append(value)
    return {name: sum(v) / len(v) for name, v in sums.items()}


def refuse_broken(stage: Stage, t: int) -> None:
    """No checkpoint and no product of a broken network: a gradient can overflow where every loss is finite.

    NotFinite names the first tensor that is not finite.
    """
    floats = {name: v for name, v in stage.state_dict().items() if v.is_floating_point() and v.numel()}
    if not floats:
        return
    broken = torch.stack([~v.isfinite().all() for v in floats.values()]).tolist()
    for name in (name for name, bad in zip(floats, broken, strict=True) if bad):
        raise NotFinite(f"step {t}: {name} is not finite; lower a learning rate, or clip, and run again: it continues")


class Files:
    """What an in-order pass writes, one array a name: N .. H W, row = image id. Writing twice changes nothing."""

    def __init__(self, folder: Path, num_images: int, fresh: bool) -> None:
        self.folder, self.num_images, self.fresh = folder, num_images, fresh
        self._arrays: dict[str, np.memmap[Any, Any]] = {}
        folder.mkdir(exist_ok=True)

    def write(self, ids: Tensor, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Store the maps (B ..), return the scalars."""
        maps = {name: value for name, value in outputs.items() if value.ndim > 0}
        for name, value in maps.items():
            rows = value.cpu().numpy()
            self._array(name, rows.shape[1:], rows.dtype)[ids.cpu().numpy()] = rows
        return {name: value for name, value in outputs.items() if name not in maps}

    def _array(self, name: str, shape: Sequence[int], dtype: np.dtype[Any]) -> np.memmap[Any, Any]:
        """The whole array, made by rank 0 while the others wait; a pass that starts anew makes it anew."""
        if name not in self._arrays:
            path = self.folder / f"{name}.npy"
            if dist.rank() == 0 and (self.fresh or not path.exists()):
                array = np.lib.format.open_memmap(path, "w+", dtype, (self.num_images, *shape))
                _reserve(path, array.offset + array.nbytes)
            dist.barrier()
            self._arrays[name] = np.lib.format.open_memmap(path, "r+")
        return self._arrays[name]

    def flush(self) -> None:
        for array in self._arrays.values():
            array.flush()


def _reserve(path: Path, size: int) -> None:
    """Take the disk space now: a memory map that meets a full disk later kills the process without a word."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)


@contextlib.contextmanager
def listening() -> Iterator[threading.Event]:
    """An event that a signal of ASKING sets, for as long as the block lasts. Only the main thread can listen."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {s: signal.signal(s, lambda *_: asked.set()) for s in ASKING}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
