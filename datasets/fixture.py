"""python -m datasets.fixture NAME ROOT [--images N]: a small tree of rendered scenes in a data set's exact layout.

With it anybody can run a split from end to end. It is not the data set: the file FIXTURE at its root says so, the
records made on it say `data: fixture`, and no table ranks them. The suite renders streets: fixtures of rooms show
streets at a tenth of their size, in files that are a room's.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bench import plugins
from bench.log import Meter
from bench.manifest import MARK


def make(name: str, root: Path, images: int, workers: int = 1, show: bool = False) -> list[str]:
    """Write the tree; the names of its frames. ValueError if other files are at the root."""
    tree: Any = plugins.tree(name)
    mark, words = root / MARK, f"Rendered by `python -m datasets.fixture {name}`; not the data set of that name.\n"
    if root.exists() and any(root.iterdir()) and not (mark.exists() and mark.read_text() == words):
        raise ValueError(f"{root} is not empty and no fixture of {name}; expected a new folder")
    root.mkdir(parents=True, exist_ok=True)
    mark.write_text(words)
    frames: list[str] = tree.frames(images)
    with Meter(f"fixture {name}", len(frames), show=show) as meter:
        if workers > 1:
            context = multiprocessing.get_context("forkserver")
            with ProcessPoolExecutor(workers, context) as pool:
                for done, _ in enumerate(pool.map(partial(tree.write, root), frames), 1):
                    meter.at(done)
        else:
            for done, frame in enumerate(frames, 1):
                tree.write(root, frame)
                meter.at(done)
    if hasattr(tree, "lists"):
        tree.lists(root, frames)
    return frames


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m datasets.fixture")
    parser.add_argument("name", help=f"one of {' '.join(sorted(plugins.trees()))}")
    parser.add_argument("root", type=Path, help="a new folder")
    parser.add_argument("--images", type=int, default=4, help="of each part (4)")
    given = parser.parse_args(words)
    try:
        if given.images < 2:
            raise ValueError(f"{given.images} images, expected 2 or more")
        frames = make(given.name, given.root, given.images, os.cpu_count() or 1, show=True)
    except (plugins.Unknown, OSError, ValueError, RuntimeError) as error:
        print(f"datasets.fixture: {error}", file=sys.stderr)
        return 2
    print(f"{len(frames)} frames in {given.root}; a fixture: what is run on it is never ranked")
    print(f"next: python -m datasets.verify {given.name} {given.root}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
