"""Every split of the suite, as literals: the one place where data sets, sizes, budgets and rules meet."""

from __future__ import annotations

from bench.split import Split
from datasets.splits.driving import DRIVING
from datasets.splits.embedded import EMBEDDED
from datasets.splits.indoor import INDOOR

SPLITS: dict[str, Split] = {split.name: split for split in (*EMBEDDED, *DRIVING, *INDOOR)}
