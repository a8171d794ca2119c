"""Products by key: look up, lease, put. runs/ab/abcd../{config.json, state.pt, log.jsonl, product.pt, files/}."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench import checkpoint, plugins
from bench.checkpoint import StoreError
from bench.nets import weights
from bench.plain import from_plain
from bench.plan import Node
from bench.problem import NetworkConfig, Problem
from bench.stage import Product, Stage


class Store:
    """A folder of stages. `product.pt` present means done: there is no other state than the files."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()

    def folder(self, key: str) -> Path:
        return self.root / "runs" / key[:2] / key

    def done(self, key: str) -> bool:
        return (self.folder(key) / "product.pt").exists()

    def find(self, prefix: str) -> str:
        """The one key that starts with the prefix; ValueError if there is none, or several."""
        keys = sorted(p.name for p in (self.root / "runs").glob(f"{prefix[:2]}*/{prefix}*") if p.is_dir())
        if len(keys) != 1:
            found = f"{len(keys)} match: {' '.join(keys[:5])}" if keys else "none matches"
            raise ValueError(f'no single run "{prefix}" in {self.root}: {found}')
        return keys[0]

    def open(self, node: Node) -> Path:
        """Make the stage's folder and write what it is; StoreError in one line if the store cannot be written."""
        folder = self.folder(node.key)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "config.json", {"name": node.name, "key": node.key, **node.recipe})
        except OSError as error:
            raise StoreError(f"cannot write the store {self.root}: {error}; choose another with store=DIR") from error
        return folder

    def put(self, key: str, stage: Stage, steps: int, seconds: float) -> None:
        """Keep the finished stage and drop its checkpoints."""
        folder = self.folder(key)
        content = {"module": stage.state_dict(), "steps": steps, "seconds": seconds}
        checkpoint.save_file(folder / "product.pt", content)
        checkpoint.discard(folder)

    def cost(self, key: str) -> dict[str, float]:
        """Steps and seconds that the stage took; none so far, if it is not finished."""
        if not self.done(key):
            return {"steps": 0, "seconds": 0.0}
        saved = torch.load(self.folder(key) / "product.pt", map_location="cpu", weights_only=True, mmap=True)
        return {"steps": saved["steps"], "seconds": saved["seconds"]}

    def given(self, needs: Mapping[str, str]) -> dict[str, Product]:
        """The products of {name: key}, each built only when the stage asks for it."""
        return {
            name: Product(partial(self.load, key), self.folder(key) / "files") for name, key in needs.items()
        }  # fmt: skip

    def load(self, key: str, product: str = "product.pt") -> Stage:
        """The finished stage, or a snapshot of it, rebuilt from its folder alone."""
        folder = self.folder(key)
        recipe = json.loads((folder / "config.json").read_text())
        with weights.replaced():
            stage = self.build(recipe)
        stage.load_state_dict(torch.load(folder / product, map_location="cpu", weights_only=True)["module"])
        return stage

    def build(self, recipe: Mapping[str, Any], network: NetworkConfig | None = None) -> Stage:
        """The stage that a config.json describes, untrained.

        network: knows where the weight file lies, which a recipe knows by its content only.
        """
        kind = plugins.stage_class(*recipe["stage"].split(":"))
        config = from_plain(kind.Config, recipe["config"])
        problem = problem_from(recipe["problem"])
        if network is not None:
            problem = dataclasses.replace(problem, network=network)
        return kind(config, problem, self.given(recipe["needs"]))

    @contextmanager
    def lease(self, key: str) -> Iterator[None]:
        """Hold the stage's folder alone. A second process waits; a killed holder's lease is free at once."""
        path = self.folder(key) / "lease"
        with open(path, "a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"{key[:12]}: waiting for {path.read_text().strip() or 'another process'}", flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(0)
            file.write(f"{socket.gethostname()} pid {os.getpid()} since {time.strftime('%F %T')}\n")
            file.flush()
            yield


def problem_from(plain: Mapping[str, Any]) -> Problem:
    """The inverse of bench.plan.describe."""
    from bench.nets.networks import NETWORKS

    ((name, settings),) = plain["network"].items()
    kinds = {kind.__name__: kind for kind in NETWORKS.values()}
    values = {k: v for k, v in plain.items() if k != "network"}
    hints = {
        "tasks": tuple[str, ...],
        "classes": tuple[str, ...],
        "sources": tuple[str, ...],
        "targets": tuple[str, ...],
        "depth_range": tuple[float, float],
        "class_frequencies": tuple[float, ...],
    }
    typed = {k: from_plain(hints.get(k, Any), v) for k, v in values.items()}
    return Problem(**typed, network=from_plain(kinds[name], settings))


def write_json(path: Path, content: Any) -> None:
    """Whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    os.replace(fresh, path)
