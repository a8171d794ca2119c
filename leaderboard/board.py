"""The board of a store: its places, rows, ranks and statistics, each worked out once for a version of the data."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from leaderboard import classes, published, ranks, receipt, rows, stats
from leaderboard.desk import Desk
from leaderboard.scan import STATS
from leaderboard.store import Index

PATIENCE = 0.2  # seconds of drawing that a reader waits for; what takes longer is drawn behind the page
KEPT = 512  # results


@dataclass(frozen=True)
class Place:
    """What is compared: one split, one protocol, one Major.Minor of the evaluator. A published protocol has no runs."""

    split: str
    protocol: str = ""
    evaluator: str = ""

    @property
    def reported_only(self) -> bool:
        return not self.evaluator


@dataclass(frozen=True)
class Ranking:
    table: pd.DataFrame
    waiting: int = 0  # runs whose draws are not there yet: the ranks come when they are


@dataclass
class Board:
    """Everything a page may ask for. Safe to share between threads: results are replaced, never changed."""

    index: Index
    _results: OrderedDict[tuple[Any, ...], Any] = field(default_factory=OrderedDict)
    _drawn: dict[tuple[str, str], tuple[int, ranks.Drawn | None]] = field(default_factory=dict)
    _matrices: dict[str, tuple[int, NDArray[np.int64] | None]] = field(default_factory=dict)
    _drawing: set[tuple[str, ...]] = field(default_factory=set)
    _making: dict[tuple[Any, ...], threading.RLock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    wait: bool = False  # for ranks, however long they take
    drawn_behind: int = 0  # how many batches of draws came after their page

    @classmethod
    def of(cls, store: Path) -> Board:
        """The board of a store, read now. Raises ValueError where there is none."""
        if not store.is_dir():
            raise ValueError(f"no store at {store}: expected a folder that bench.run wrote; say which with store=DIR")
        index = Index(store)
        index.refresh()
        return cls(index)

    @property
    def version(self) -> str:
        """Of all that pages show: it changes with the files, and with ranks that came later."""
        return f"{self.index.version}{f'-{self.drawn_behind}' if self.drawn_behind else ''}"

    @property
    def takes_submissions(self) -> bool:
        return Desk.of(self.index.root).is_open

    def once(self, key: tuple[Any, ...], make: Callable[[], Any], version: str = "") -> Any:
        """A result of this version of the data, made at the first asking; who asks meanwhile waits for it.

        version: the index's own, for what no draw changes.
        """
        full = (version or self.version, *key)
        with self._lock:
            if full in self._results:
                self._results.move_to_end(full)
                return self._results[full]
            making = self._making.setdefault(full, threading.RLock())
        with making:
            if full in self._results:
                return self._results[full]
            made = make()
            with self._lock:
                self._results[full] = made
                self._making.pop(full, None)
                while len(self._results) > KEPT:
                    self._results.popitem(last=False)
        return made

    def places(self) -> list[Place]:
        """Measured splits, those with most runs first, then the protocols of papers."""

        def measured() -> list[Place]:
            frame = self.index.frame
            counts = frame.groupby(["split", "protocol", "evaluator"]).size().sort_values(ascending=False)
            return [Place(*key) for key in counts.index] + [Place(name) for name in published.protocols()]

        found: list[Place] = self.once(("places",), measured, self.index.version)
        return found

    def place(self, split: str = "", protocol: str = "", evaluator: str = "") -> Place | None:
        """The place that a link names: what it leaves open is that of most runs."""
        for one in self.places():
            if split in ("", one.split) and protocol in ("", one.protocol) and evaluator in ("", one.evaluator):
                return one
        return None

    def runs(self, place: Place, selection: str = "") -> pd.DataFrame:
        """The runs of a place, oldest first; of one selection rule, or of all."""

        def found() -> pd.DataFrame:
            f = self.index.frame
            here = (f["split"] == place.split) & (f["protocol"] == place.protocol)
            return f[here & (f["evaluator"] == place.evaluator)].reset_index(drop=True)

        runs: pd.DataFrame = self.once(("runs", place), found, self.index.version)
        return runs[runs["selection"] == selection] if selection else runs

    def table(self, place: Place, selection: str = rows.LAST, chosen: str = classes.FULL) -> pd.DataFrame:
        """A row a recipe, not ranked; mean IoU over the class set that was chosen."""

        def found() -> pd.DataFrame:
            table = rows.rows(self.reckoned(self.runs(place, selection), chosen))
            return table.assign(variant=rows.told_apart(table, self.recipe)) if len(table) else table

        table: pd.DataFrame = self.once(("rows", place, selection, chosen), found, self.index.version)
        return table

    def reckoned(self, runs: pd.DataFrame, chosen: str) -> pd.DataFrame:
        """The runs with the mean IoU of a class set in place of their own, from their matrices; NaN if it has none."""
        if chosen == classes.FULL:
            return runs
        values = []
        for key, own in zip(runs["key"], runs["classes"], strict=True):
            matrix, covered = self.matrix(key), classes.sets(own).get(chosen)
            known = matrix is not None and covered is not None
            values.append(float(classes.mean_iou(matrix, covered)) if known else np.nan)  # type: ignore[arg-type]
        return runs.assign(miou=values)

    def recipe(self, key: str) -> dict[str, str]:
        """The settings of a run; none where its record cannot be read."""
        try:
            return receipt.recipe(self.index.record(key))
        except (KeyError, ValueError, OSError):
            return {}

    def ranking(self, place: Place, by: str, selection: str = rows.LAST, chosen: str = classes.FULL) -> Ranking:
        """The rows with ranks; those of a large board come later, unless the board waits."""
        table = self.table(place, selection, chosen)
        if not len(table):
            return Ranking(table)

        def found() -> Ranking:
            needed = [run for runs, why in zip(table["runs"], table["why"], strict=True) if not why for run in runs]
            missing = [run for run in needed if (run, chosen) not in self._drawn]
            until = time.monotonic() + (0 if self._drawing else PATIENCE)
            for at, run in enumerate(missing):
                if not self.wait and time.monotonic() > until:
                    self._draw_behind(missing[at:], chosen)
                    return Ranking(rows.place(table, by, {}), len(missing) - at)
                self.drawn(run, chosen)
            drawn = {run: found for run in needed if (found := self.drawn(run, chosen)) is not None}
            return Ranking(rows.place(table, by, drawn))

        result: Ranking = self.once(("ranking", place, by, selection, chosen), found)
        return result

    def drawn(self, key: str, chosen: str = classes.FULL) -> ranks.Drawn | None:
        """A run's headline metrics under each draw of test images; None if its statistics cannot be read."""
        written = self.index.runs[key].written
        kept = self._drawn.get((key, chosen))
        if kept is None or kept[0] != written:
            found = self.statistics(key, without=("normals.histogram",))
            kept = (written, None if found is None else self._draw(key, found, chosen))
            self._drawn[key, chosen] = kept
        return kept[1]

    def _draw(self, key: str, found: stats.Statistics, chosen: str) -> ranks.Drawn:
        run = self.index.runs[key]
        return ranks.drawn(found, run.manifest, classes.sets(run.classes).get(chosen))

    def _draw_behind(self, keys: Iterable[str], chosen: str) -> None:
        """Draw in a thread; when all are there the version changes, and with it every page that waits."""
        job = (chosen, *sorted(keys))
        with self._lock:
            if job in self._drawing:
                return
            self._drawing.add(job)

        def work() -> None:
            for key in job[1:]:
                self.drawn(key, chosen)
            self.drawn_behind += 1
            self._drawing.discard(job)

        threading.Thread(target=work, daemon=True).start()

    def statistics(self, key: str, without: tuple[str, ...] = ()) -> stats.Statistics | None:
        """What a run keeps of each test image; None where there is nothing, or nothing readable."""
        try:
            return stats.read(self.index.folder(key) / STATS, without)
        except ValueError:
            return None

    def matrix(self, key: str) -> NDArray[np.int64] | None:
        """A run's confusion matrix over the whole test set."""
        written = self.index.runs[key].written
        kept = self._matrices.get(key)
        if kept is None or kept[0] != written:
            one = self.statistics(key, without=("normals.histogram",))
            there = one is not None and "semseg.confusion" in one
            kept = (written, one["semseg.confusion"].sum(0) if one is not None and there else None)
            self._matrices[key] = kept
        return kept[1]

    def angles(self, key: str) -> NDArray[np.float64] | None:
        """A run's share of pixels, in percent, below each angle of the normals' histogram."""

        def found() -> NDArray[np.float64] | None:
            one = self.statistics(key, without=("semseg.confusion",))
            return stats.below(one) if one is not None else None

        curve: NDArray[np.float64] | None = self.once(("angles", key), found, self.index.version)
        return curve

    def depths(self, key: str) -> dict[str, NDArray[np.float64]] | None:
        """A run's errors of depth in each range of true depth."""

        def found() -> dict[str, NDArray[np.float64]] | None:
            one = self.statistics(key, without=("semseg.confusion", "normals.histogram"))
            return stats.by_range(one) if one is not None else None

        each: dict[str, NDArray[np.float64]] | None = self.once(("depths", key), found, self.index.version)
        return each
