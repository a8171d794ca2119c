"""python -m bench.run method=.. split=..: plan, obtain each stage, predict, score, record."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import dist, engine, failure, plan, plugins, record, report
from bench.config import ConfigError, Run, compose_run, help_text, sweep
from bench.data.stream import Stream, attachments
from bench.domains import Domains, MissingData
from bench.engine import Feeds, NotFinite, Settings
from bench.log import console, warn_once
from bench.nets.networks import NETWORKS
from bench.nets.weights import published
from bench.plain import to_plain
from bench.plan import Node
from bench.problem import NetworkConfig, Problem
from bench.record import KNOWN
from bench.rng import reseed
from bench.split import Split
from bench.store import Store, write_json

COMMIT = "COMMIT"  # a file beside bench/: the commit it was copied from, and "dirty"


def main(words: Sequence[str]) -> int:
    """The exit code: 0 done, 1 a stage or a scorer failed, 2 not understood or data missing, 75 asked to stop."""
    if not words or {"--help", "-h"} & set(words):
        with contextlib.suppress(BrokenPipeError):
            print(help_text(), flush=True)
        return 0
    warn_once()
    multirun = bool({"--multirun", "-m"} & set(words))
    words = [w for w in words if w not in ("--multirun", "-m")]
    try:
        lines = list(sweep(words)) if multirun else [tuple(words)]
        runs = [compose_run(line) for line in lines]  # all of them first: a typo costs nothing
        codes = [launch(run) for run in runs]
    except (ConfigError, plugins.Unknown) as error:
        return fail(error, 2)
    return max(codes)


def launch(run: Run) -> int:
    """One run from plan to record; in a sweep, a run that fails stops nobody else."""
    try:
        execute(run)
    except (ValueError, MissingData) as error:
        return fail(error, 2)
    except (NotFinite, OSError, RuntimeError, subprocess.CalledProcessError) as error:
        return fail(error, 1)
    finally:
        dist.leave()
    return 0


def fail(error: BaseException, code: int) -> int:
    print(f"bench.run: {error}", file=sys.stderr, flush=True)
    return code


def execute(run: Run) -> None:
    device = choose_device(run.device)
    dist.join(device)
    main_rank = dist.rank() == 0
    domains = Domains(run.split, run.data, run.store, show=main_rank)
    domains.require()
    store = Store(run.store)
    root = prepare(run, domains)
    settings = Settings(device, run.precision, 60 * run.save_minutes, show=main_rank)
    last = dataclasses.replace(settings, snapshots=run.snapshots)
    folder = store.folder(root.key)
    with begun(run, root, store, domains, device):
        cached = {
            node.key: obtain(node, store, domains, last if node is root else settings, run.workers)
            for node in plan.chain(root)
        }
        if not main_rank:
            return
        asked = describe(run, root, store, domains, cached, device)
        ask(folder, asked)
        if not answers(folder / record.RECORD, asked["record"]):
            for name in ("bench.predict", "bench.score"):
                program(name, root.key, run)
    console.print(report.summary(folder, run.store))


@contextlib.contextmanager
def begun(run: Run, root: Node, store: Store, domains: Domains, device: torch.device) -> Iterator[None]:
    """Until its record is there, a run's folder says what was asked for, and what went wrong with it."""
    folder = store.open(root)
    if dist.rank() == 0:
        failure.forget(folder)
        if not (folder / record.RECORD).exists():
            ask(folder, describe(run, root, store, domains, {}, device))
    with failure.noted(folder):
        yield


def ask(folder: Path, about: dict[str, Any]) -> None:
    """Say in the run's folder what prediction and scoring shall do."""
    write_json(folder / record.RUN, about)


def program(name: str, key: str, run: Run) -> None:
    """Run one of the suite's programs on a run of the store. CalledProcessError if it fails."""
    words = [key, f"store={run.store}", *(f"data.{name}={path}" for name, path in run.data.items())]
    subprocess.run([sys.executable, "-m", name, *words], check=True)


def answers(file: Path, asked: dict[str, Any]) -> bool:
    """Whether a record is there, of this very test set and these rules: the last stage's key knows neither."""
    if not file.exists():
        return False
    found = record.read(file)
    same: bool = (
        found.split == json.loads(json.dumps(asked["split"]))
        and found.manifests.get("test") == asked["manifests"]["test"]
        and found.standard == asked["standard"]
    )
    if not same:
        console.print(f"{file.parent.name[:8]}: its record is of another test set or other rules: scored anew")
    return same


def choose_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise ConfigError(f'no device "{name}"; known: cpu cuda auto')
    if name == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic matrix products ask for
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device(name)


def prepare(run: Run, domains: Domains) -> Node:
    """Pack what the stages read, then plan them: nothing is trained yet, and no network built."""
    if dist.rank() != 0:
        dist.barrier()  # rank 0 packs first
    tasks = domains.target_tasks() if run.config.oracle else run.split.tasks
    problem = pose(run.split, run.seed, run.network, tasks, domains)
    if run.config.oracle:
        problem = dataclasses.replace(problem, sources=problem.targets)
    no_hashes: Mapping[str, Mapping[str, str]] = defaultdict(partial(defaultdict, str))
    draft = plan.plan(run.method, run.config, problem, no_hashes, run.precision)
    shares = {role: node.config.target_labels for node in plan.chain(draft) for role in plan.roles(node.config)}
    hashes = {
        role: {name: pack.hash for name, pack in domains.role(role, share).items()} for role, share in shares.items()
    }
    domains.test_images()
    if dist.rank() == 0:
        dist.barrier()
    if "source" in hashes or "labelled target" in hashes:
        packs = domains.labelled_target() if run.config.oracle else domains.source()
        frequencies = _frequencies(list(packs.values()), len(problem.classes))
        problem = dataclasses.replace(problem, class_frequencies=frequencies)
    return plan.plan(run.method, run.config, problem, hashes, run.precision)


def pose(split: Split, seed: int, network: Any, tasks: tuple[str, ...], domains: Domains) -> Problem:
    """The split as a method sees it. ValueError if two of its sources, or targets, are the same."""
    width, height = split.crop
    sources, targets = (tuple(domain.name for domain in listed) for listed in (split.source, split.target))
    for name in (name for names in (sources, targets) for name in names if names.count(name) > 1):
        raise ValueError(f"split {split.name} lists {name} twice; each domain has one place")
    return Problem(
        split=split.name,
        tasks=tasks,
        classes=domains.space().classes,
        sources=sources,
        targets=targets,
        height=height,
        width=width,
        depth_range=split.depth_output,
        budget=split.budget,
        batch=split.batch,
        seed=seed,
        network=network,
    )


def obtain(node: Node, store: Store, domains: Domains, settings: Settings, workers: int) -> bool:
    """Train the stage unless the store has it; True if it was there.

    This function is all that a method's code runs in while it learns: here a sandbox would close the file system.
    """
    label = f"{node.name} {node.key[:8]}"
    if store.done(node.key):
        if settings.show:
            print(f"{label}: cached", flush=True)
        return True
    folder = store.open(node)
    if dist.rank() == 0:
        with store.lease(node.key):
            if store.done(node.key):
                return True
            _train(node, store, domains, settings, workers, folder, label)
    else:
        _train(node, store, domains, settings, workers, folder, label)
    dist.barrier()
    return False


def _train(
    node: Node, store: Store, domains: Domains, settings: Settings, workers: int, folder: Path, label: str
) -> None:
    reseed(node.problem.seed, node.recipe["stage"])
    stage = store.build(node.recipe, node.problem.network)
    stage.to(memory_format=torch.channels_last)
    feeds, steps = open_feeds(node, store, domains, settings.device, workers)
    with engine.listening() as stop:
        seconds = engine.train(stage, label, feeds, steps, folder, settings, stop)
    if dist.rank() == 0:
        store.put(node.key, stage, steps, seconds)


def open_feeds(node: Node, store: Store, domains: Domains, device: torch.device, workers: int) -> tuple[Feeds, int]:
    """The streams of the roles that a stage reads, and its number of steps."""
    config, problem, split = node.config, node.problem, domains.split
    streams: dict[str, Stream] = {}
    for role in plan.roles(config):
        tasks = {"target": (), "lent": domains.target_tasks()}.get(role, problem.tasks)
        packs, names = domains.role(role, config.target_labels), plan.domains(config, problem, role)
        streams["source" if role == "labelled target" else role] = Stream(
            [packs[name] for name in names],
            domains=[list(packs).index(name) for name in names],
            tasks=tasks,
            crop=split.crop,
            augment=split.augment,
            seed=problem.seed,
            tag=f"{node.recipe['stage']} {role}",
            batch=config.batch or problem.batch,
            rank=dist.rank(),
            world=dist.world(),
            draw=config.draw if role == "target" else "shuffled",
            attached=attachments({n: store.folder(node.needs[n].key) / "files" for n in config.attach}),
            rare=config.rare() if role in ("source", "labelled target") else None,
            workers=workers,
            device=device,
        )
    target = streams.get("target")
    steps = config.steps(problem)
    if config.draw == "in order" and target is not None:
        steps = target.num_steps
    num_target = target.num_images if target else 0
    return Feeds(streams.get("source"), target, streams.get("lent"), num_target), steps


def describe(
    run: Run, root: Node, store: Store, domains: Domains, cached: dict[str, bool], device: torch.device
) -> dict[str, Any]:
    """run.json: all that prediction, scoring and the record need to know, so that they import no method."""
    chain = plan.chain(root)
    links: list[dict[str, Any]] = [
        {"name": n.name, "key": n.key, "cached": cached.get(n.key, False), **store.cost(n.key)} for n in chain
    ]
    literal = plugins.split(run.split.name)
    limits = [d.limit for d in run.split.domains if d.limit is not None]
    data = domains.data()
    commit, dirty = _commit()
    about = {
        "method": run.method,
        "role": run.config.role,
        "oracle": run.config.oracle,
        "target_labels": max(node.config.target_labels for node in chain),
        "split": to_plain(run.split),
        "protocol": run.split.protocol,
        "selection": run.split.selection,
        "limit": min(limits) if limits else None,
        "standard": run.split == literal and data in ("", KNOWN),
        "data": data,
        "seed": run.seed,
        "config": to_plain(run.config),
        "overrides": [w for w in run.words if w.startswith(("method.", "split.", "network."))],
        "chain": links,
        "cost": {
            "steps": sum(link["steps"] for link in links),
            "seconds": sum(link["seconds"] for link in links),
            "device": str(device),
        },
        "manifests": {
            f"{role} {name}": digest
            for node in chain
            for role, digests in node.recipe["data"].items()
            for name, digest in digests.items()
        }
        | {"test": domains.test_images().hash},
        "batchnorm": run.config.batchnorm(),
        "network": _network(run.network_name, run.network) | {"predicts": student(root)},
        "precision": run.precision,
        "world": dist.world(),
        "exact": device.type == "cpu",  # on CUDA until every operation has been shown to be
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "bench": version("mtda-bench"),
        },
        "commit": commit,
        "dirty": dirty,
        "hardware": {"cpu": cpu_name(), "gpu": torch.cuda.get_device_name() if device.type == "cuda" else ""},
    }
    return {
        "key": root.key,
        "data": {name: str(path) for name, path in run.data.items()},
        "device": str(device),
        "keep": run.keep,
        "panels": 4,
        "words": list(run.words),
        "record": about,
    }


def _network(name: str, network: NetworkConfig) -> dict[str, Any]:
    """What a record says of a network: which it is, and what its training started from."""
    return {
        "name": name,
        "weights": network.weights_used(),
        "published": published(network.weights_used()),
        "settings": {name: value for name, value in to_plain(network).items() if name != "weights"},
    }


def student(root: Node) -> dict[str, Any] | None:
    """The network that predicts, if it is another than the run's."""
    network = root.config.network(root.problem)
    if network is root.problem.network:
        return None
    return _network(next(name for name, kind in NETWORKS.items() if type(network) is kind), network)


def _frequencies(packs: Sequence[Any], num_classes: int) -> tuple[float, ...]:
    """The share of each class among the labelled pixels, every pack counting the same."""
    if "semseg" not in packs[0].fields:
        return ()
    shares = np.mean([pack.frequencies(num_classes) for pack in packs], 0)
    return tuple(float(f"{share:.6g}") for share in shares)


@cache
def _commit() -> tuple[str, bool]:
    """The commit of the code that runs, and whether it was changed since; empty outside a checkout.

    A copy that a sweep runs from (slurm.launch) has them in a file.
    """
    here = Path(__file__).parent
    if (stamp := here.parent / COMMIT).exists():
        commit, _, dirty = stamp.read_text().strip().partition(" ")
        return commit, dirty == "dirty"

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    return git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
