"""One JSON line a report, and progress a person can look at: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

console = Console(highlight=False, soft_wrap=True)
QUIET_SECONDS = 10.0  # between two plain lines


def warn_once() -> None:
    """From now on a warning that was printed is not printed again: a data set is indexed several times in a run."""
    said: set[str] = set()

    def fresh(record: logging.LogRecord) -> bool:
        known = record.getMessage() in said
        said.add(record.getMessage())
        return not known

    if logging.lastResort:  # what prints in a program that has configured no log
        logging.lastResort.addFilter(fresh)


class Log:
    """A stage's log.jsonl, cut back to the step a resumed run starts from."""

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        kept = [line for line in _lines(path) if json.loads(line)["t"] < start]
        path.write_text("".join(f"{line}\n" for line in kept))
        self._file = open(path, "a")

    def write(self, t: int, scalars: Mapping[str, float]) -> None:
        self._file.write(json.dumps({"t": t, **scalars}) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _lines(path: Path) -> list[str]:
    """The whole lines of a log; a kill may have torn the last one."""
    if not path.exists():
        return []
    return [line for line in path.read_text().splitlines() if line.startswith("{") and line.endswith("}")]


class Meter:
    """Shows where a loop is. `with Meter(...) as meter: meter.at(t, {...})`."""

    def __init__(self, title: str, total: int, start: int = 0, images_a_step: int = 0, show: bool = True) -> None:
        self.title, self.total, self.start, self.images = title, total, start, images_a_step
        self.show, self.began, self.spoke = show, time.monotonic(), time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Meter:
        if self.show and console.is_terminal:
            columns = (TextColumn("{task.description:<28}"), BarColumn(None), MofNCompleteColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=console)
            self._bar.start()
            self._id = self._bar.add_task(self.title, total=self.total, completed=self.start, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def at(self, done: int, scalars: Mapping[str, float] = {}) -> None:
        if not self.show:
            return
        now = time.monotonic()
        rate = (done - self.start) / max(now - self.began, 1e-9)
        speed = [f"{rate * self.images:.0f} images/s"] if self.images else []
        note = "  ".join([*(f"{name} {value:.3g}" for name, value in scalars.items()), *speed])
        if self._bar:
            self._bar.update(self._id, completed=done, note=note)
        elif now - self.spoke > QUIET_SECONDS or done == self.total:
            self.spoke = now
            left = (self.total - done) / max(rate, 1e-9)
            print(f"{self.title}: {done}/{self.total}  {note}  {left:.0f} s left", flush=True)
