"""python -m bench.job FOLDER: one piece of a run, as FOLDER/job.json describes it: pack, stage, predict, score.

What slurm/ submits. A job reads everything from its folder when it starts, and leaves there: `key.json` (the folder of
the store it works in), `starts` (a line for each time it started), `failed.json` (the class of the reason, and why).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench import dist, failure, frames, panel, plan, record, tables
from bench.config import Run, compose_run
from bench.domains import Domains, NotPacked
from bench.engine import Settings, Stopped
from bench.plain import canonical, to_plain
from bench.plan import Node
from bench.run import answers, ask, begun, choose_device, describe, obtain, pose, prepare, program
from bench.split import Split
from bench.store import Store, write_json

JOB, KEY, STARTS, STOPPED = "job.json", "key.json", "starts", "stopped"


def main(words: Sequence[str]) -> int:
    """The exit code: 0 done, 1 failed, 75 asked to stop."""
    if len(words) != 1:
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    return perform(Path(words[0]).absolute())


def perform(folder: Path) -> int:
    """Do the job of this folder."""
    asked = json.loads((folder / JOB).read_text())
    os.chdir(asked["cwd"])  # what the command line said of paths was said there
    if os.environ.get("RANK", "0") == "0":
        with open(folder / STARTS, "a") as file:
            file.write(f"{time.time():.0f} {os.uname().nodename} {os.getpid()}\n")
    try:
        run = compose_run(asked["words"])
        works = {"pack": pack, "stage": train, "predict": predict, "score": score, "collect": collect, "run": whole}
        works[asked["work"]](run, asked, folder)
    except Stopped as stopped:
        (folder / STOPPED).touch()  # torchrun ends with a code of its own
        return int(stopped.code or 0)
    except Exception as error:
        traceback.print_exc()
        failure.tell(folder, error)
        return 1
    finally:
        dist.leave()
    return 0


def whole(run: Run, asked: Any, folder: Path) -> None:
    """A run but for its score, in one job: what slurm.verify submits, so that a stranger's code is nowhere else."""
    device = choose_device(run.device)
    root, store, domains = opened(run)
    settings = Settings(device, run.precision, 60 * run.save_minutes)
    cached = dict[str, bool]()
    with begun(run, root, store, domains, device):
        for node in plan.chain(root):
            told = {"key": node.key, "folder": str(store.folder(node.key))}  # where its progress is seen
            write_json(folder / KEY, told)
            cached[node.key] = obtain(node, store, domains, settings, run.workers)
        ask(store.folder(root.key), describe(run, root, store, domains, cached, device))
        program("bench.predict", root.key, run)


def pack(run: Run, asked: Any, folder: Path) -> None:
    """Decode what the runs of this split read, be it more than this one does; trains nothing."""
    domains = Domains(run.split, run.data, run.store)
    domains.require()
    for domain, fields in domains.packed() if not run.config.oracle else []:  # an oracle reads packs of its own
        domains.pack(domain, fields)
    prepare(run, domains)


def train(run: Run, asked: Any, folder: Path) -> None:
    device = choose_device(run.device)
    dist.join(device)
    root, store, domains = opened(run)
    node = plan.chain(root)[asked["stage"]]
    if dist.rank() == 0:
        about = {"key": node.key, "folder": str(store.folder(node.key)), "cached": store.done(node.key)}
        earlier = json.loads((folder / KEY).read_text()) if (folder / KEY).exists() else about
        write_json(folder / KEY, about | {"cached": about["cached"] and earlier["cached"]})
    snapshots = run.snapshots if node is root else 0
    settings = Settings(device, run.precision, 60 * run.save_minutes, show=dist.rank() == 0, snapshots=snapshots)
    with begun(run, root, store, domains, device):
        require(node.needs.values(), store)
        obtain(node, store, domains, settings, run.workers)


def predict(run: Run, asked: Any, folder: Path) -> None:
    """The last stage over the test images, in a process of its own."""
    device = choose_device(run.device)
    root, store, domains = opened(run)
    stages = plan.chain(root)
    require(stages, store)
    jobs = [folder.parent / name for name in asked["chain"]]
    cached = {node.key: _read(job / KEY).get("cached", True) for node, job in zip(stages, jobs, strict=True)}
    about = describe(run, root, store, domains, cached, device)
    about["record"] |= {"world": asked["world"], "restarts": sum(restarts(job) for job in jobs)}
    target = store.folder(root.key)
    write_json(folder / KEY, {"key": root.key, "folder": str(target)})
    with store.lease(root.key), failure.noted(target):
        ask(target, about)
        if not answers(target / record.RECORD, about["record"]):
            program("bench.predict", root.key, run)


def score(run: Run, asked: Any, folder: Path) -> None:
    """The record of the run, and its picture: needs no GPU."""
    root, store, _ = opened(run)
    target = store.folder(root.key)
    write_json(folder / KEY, {"key": root.key, "folder": str(target)})
    with store.lease(root.key), failure.noted(target):
        if not answers(target / record.RECORD, _read(target / record.RUN)["record"]):
            program("bench.score", root.key, run)
    if panels := record.read(target / record.RECORD).panels:
        panel.draw([target / name for name in panels]).save(target / "panel.png")


def collect(run: Run, asked: Any, folder: Path) -> None:
    """The table of the sweep's runs, as far as they have records: table.md and table.csv beside the jobs."""
    store = Store(run.store)
    made = [_read(folder.parent / name / KEY).get("folder") for name in asked["needs"]]
    runs = [*(Path(one) for one in made if one), *(store.folder(key) for key in asked["keys"])]
    found = [frames.entry(one) for one in dict.fromkeys(runs) if (one / record.RECORD).exists()]
    print(f"{len(found)} of {len(asked['needs'])} runs have a record", flush=True)
    whole = frames.recipes(found) if found else None
    for form, name in (("markdown", "table.md"), ("csv", "table.csv")):
        text = tables.render(whole, form) if whole is not None else "no run has a record\n"
        record.replace(folder.parents[1] / name, text.encode())


def opened(run: Run) -> tuple[Node, Store, Domains]:
    domains = Domains(run.split, run.data, run.store, show=dist.rank() == 0)
    domains.require()
    return prepare(run, domains), Store(run.store), domains


def require(nodes: Any, store: Store) -> None:
    """failure.Blocked names the first product that is not there."""
    for node in nodes:
        if not store.done(node.key):
            raise failure.Blocked(f"{node.name} {node.key[:8]} is not in {store.root}: its own job has not finished")


def restarts(folder: Path) -> int:
    """How many times the job of that folder had to start again."""
    file = folder / STARTS
    return max(0, len(file.read_text().splitlines()) - 1) if file.exists() else 0


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return content


class Planner:
    """Plans many runs fast: what they share is looked up once. Runs may share their parts (`compose_runs`)."""

    def __init__(self) -> None:
        self._roots: dict[tuple[Any, ...], tuple[Node, str]] = {}
        self._alive: list[Run] = []  # keys hold identities of their parts

    def root(self, run: Run) -> tuple[Node, str]:
        """The run's last stage, and what tells its data: "" if all is packed, so that its keys are the store's.

        Without the packs the data is known by its description, and keys only say which stages are the same.
        """
        data = tuple(sorted(run.data.items()))
        same = (run.method, id(run.config), id(run.split), id(run.network), run.store, data, run.precision)
        if same not in self._roots:
            self._alive.append(run)
            self._roots[same] = _root(run)
        root, unpacked = self._roots[same]
        return (root if root.problem.seed == run.seed else plan.reseeded(root, run.seed)), unpacked


@cache
def finished(store: Path, key: str) -> bool:
    """Whether the store has the stage: seen once, believed for as long as this process lives."""
    return Store(store).done(key)


def scored(store: Path, key: str, split: Split) -> bool:
    """Whether the run has a record, of this very split."""
    found = _read(Store(store).folder(key) / record.RECORD)
    return bool(found) and found.get("split") == json.loads(json.dumps(to_plain(split)))


def _root(run: Run) -> tuple[Node, str]:
    domains = Domains(run.split, run.data, run.store, show=False, build=False)
    domains.require()
    try:
        return prepare(run, domains), ""
    except NotPacked:
        tasks = domains.target_tasks() if run.config.oracle else run.split.tasks
        problem = pose(run.split, run.seed, run.network, tasks, domains)
        what = [to_plain(domain) for domain in run.split.domains]
        about = canonical([what, run.config.oracle, [f"{n}={p}" for n, p in sorted(run.data.items())]])
        described = hashlib.sha256(about.encode()).hexdigest()
        if run.config.oracle:
            problem = dataclasses.replace(problem, sources=problem.targets)
        data: Mapping[str, Mapping[str, str]] = defaultdict(lambda: defaultdict(lambda: described))
        return plan.plan(run.method, run.config, problem, data, run.precision), described


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
