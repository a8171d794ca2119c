"""python -m bench.check METHOD [split=NAME]: is this plug-in fit for the board? The suites that every method passes.

contract: builds, steps, predicts the right shapes and ranges, its scalars are 0-dim
resume: killed with SIGKILL after every single step, it ends with the bits of a straight run
firewall: with the target's labels replaced by noise, or out of reach, it learns the same bits
ranks: one process and two learn the same, up to rounding
keys: a stage's key changes when its settings, seed or data do, and is the same in another process
"""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench import dist, plan, plugins
from bench.config import ConfigError, Run, compose_run
from bench.domains import Domains, free_splits
from bench.engine import Feeds, Settings
from bench.plan import Node
from bench.predict import raw_outputs
from bench.processes import children
from bench.run import obtain, prepare
from bench.store import Store
from bench.tasks import task

SIZE = (64, 32)  # width, height of the images in a check
IMAGES, BUDGET, BATCH = 6, 4, 2
COMPILER = "torch._dynamo"  # which any optimiser of torch loads: two seconds
ROUNDING = 10.0  # how much farther two ranks may end from one than another order in the batch does
FLOOR = 1e-3  # of the way that one process went: less is called rounding without a measurement
DEVICE = torch.device("cpu")

Weights = dict[str, dict[str, Tensor]]  # {stage key: state}


class CheckFailed(AssertionError):
    """What a method does that it must not, in one line."""


def tiny(method: str, store: Path, split: str = "", seed: int = 0, words: Sequence[str] = ()) -> Run:
    """The method's run on a few small images of a split, one without data by default; few steps, small network."""
    split = split or free_splits()[0]
    lines = [f"method={method}", f"split={split}", f"store={store}", f"seed={seed}", "network.width=4", *words]
    run = compose_run([*lines, f"split.budget={BUDGET}", f"split.batch={BATCH}", f"split.crop=[{SIZE[0]},{SIZE[1]}]"])

    def less(domain: Any) -> Any:
        return dataclasses.replace(domain, size=SIZE, limit=IMAGES)

    literal = run.split
    run.split = dataclasses.replace(
        literal,
        source=[less(d) for d in literal.source],
        target=[less(d) for d in literal.target],
        test=less(literal.test),
    )
    return run


def learn(run: Run) -> Weights:
    """Train the whole chain in this process; the weights of every stage."""
    torch.set_num_threads(1)
    domains = Domains(run.split, run.data, run.store, workers=1, show=False)
    root, store = prepare(run, domains), Store(run.store)
    settings = Settings(DEVICE, run.precision, save_seconds=0.0, show=False)
    for node in plan.chain(root):
        obtain(node, store, domains, settings, workers=0)
    return weights(store, root)


def weights(store: Store, root: Node) -> Weights:
    return {
        node.key: torch.load(store.folder(node.key) / "product.pt", weights_only=True)["module"]
        for node in plan.chain(root)
    }


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's result, computed in a process of its own; CheckFailed if it died."""
    context = children(COMPILER)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        kind, value = pickle.loads(ours.recv_bytes())  # plain pickle: no shared memory that dies with its owner
    except EOFError:
        process.join()
        kind, value = "died", process.exitcode
    process.join()
    if kind == "died" and value == -signal.SIGKILL:
        return Killed
    if kind != "done":
        raise CheckFailed(f"{function.__name__}: {value}")
    return value


class Killed:
    """What `apart` returns when the process was killed."""


def _answer(pipe: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        pipe.send_bytes(pickle.dumps(("done", function(*arguments))))
    except BaseException as error:
        pipe.send_bytes(pickle.dumps(("failed", f"{type(error).__name__}: {error}")))


def contract(method: str, store: Path, split: str = "") -> None:
    """Raise CheckFailed unless the last stage's outputs are what the tasks expect."""
    run = tiny(method, store, split)
    learn(run)
    domains = Domains(run.split, run.data, run.store, workers=1, show=False)
    root = prepare(run, domains)
    stage = Store(run.store).load(root.key).eval()
    images = torch.rand(2, 3, SIZE[1], SIZE[0], generator=torch.Generator().manual_seed(0))
    outputs = raw_outputs(stage, images)
    expected = set(stage.problem.tasks)
    if set(outputs) != expected:
        raise CheckFailed(
            f"{method}.predict returned {sorted(outputs)}, expected one raw output for {sorted(expected)}"
        )
    for name, raw in outputs.items():
        channels = task(name).channels(stage.problem)
        if raw.ndim != 4 or raw.shape[:2] != (2, channels):
            raise CheckFailed(f"{method}.predict: {name} has shape {tuple(raw.shape)}, expected (2, {channels}, h, w)")
        if not raw.isfinite().all():
            raise CheckFailed(f"{method}.predict: {name} is not finite")
        task(name).decode(raw, (SIZE[1], SIZE[0]), stage.problem)
    again = raw_outputs(stage, images)
    if any(not torch.equal(raw, again[name]) for name, raw in outputs.items()):
        raise CheckFailed(f"{method}.predict: the same images twice gave different outputs")


def resume(method: str, folder: Path, split: str = "") -> int:
    """Raise CheckFailed unless a run killed after every step ends like a straight one; the number of kills."""
    straight = apart(learn, tiny(method, folder / "straight", split))
    lives = 0
    while (result := apart(_one_step_a_life, tiny(method, folder / "killed", split))) is Killed:
        lives += 1
    compare(straight, result, f"{method}: killed {lives} times and resumed")
    return lives


def _one_step_a_life(run: Run) -> Weights:
    """Learn, but die by SIGKILL when a second step of any stage is about to begin."""
    whole = Feeds.iterate

    def until_killed(self: Feeds, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
        for t, batches in zip(range(start, stop), whole(self, start, stop), strict=True):
            if t > start:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batches

    Feeds.iterate = until_killed  # type: ignore[method-assign]
    return learn(run)


def firewall(method: str, folder: Path, split: str = "") -> None:
    """Raise CheckFailed if the target's or the test's labels have any influence on what is learnt."""
    run = tiny(method, folder / "as they are", split)
    if run.config.oracle or run.config.target_labels:
        return  # declared, marked in the record, and never ranked as unsupervised
    honest = apart(learn, run)
    for disguise in (_noise, _nothing):
        blind = apart(_learn_behind, tiny(method, folder / disguise.__name__, split), disguise)
        compare(honest, blind, f"{method}: target labels replaced by {disguise.__name__.strip('_')}")


def _learn_behind(run: Run, disguise: Callable[..., Any]) -> Weights:
    """Learn while every label of the target's and the test's images is disguised, whoever asks for it."""
    for domain in (*run.split.target, run.split.test):
        module = plugins.dataset(domain.dataset)
        hidden = {item.stem for item in module.index(run.data.get(domain.dataset), domain.part)}
        module.read = disguise(module.read, hidden)
    return learn(run)


def _noise(read: Callable[..., Any], hidden: set[str]) -> Callable[..., Any]:
    def noisy(item: Any, what: Any, *rest: Any, **more: Any) -> Any:
        fields = read(item, what, *rest, **more)
        if item.stem in hidden:
            random = np.random.default_rng(0)
            for name in set(fields) - {"image", "camera"}:
                fields[name] = random.permuted(fields[name], axis=0)
        return fields

    return noisy


def _nothing(read: Callable[..., Any], hidden: set[str]) -> Callable[..., Any]:
    def refusing(item: Any, what: Any, *rest: Any, **more: Any) -> Any:
        if item.stem in hidden and set(what) - {"image", "camera"}:
            raise CheckFailed(f"somebody asked for {sorted(set(what) - {'image'})} of {item.stem}, a target image")
        return read(item, what, *rest, **more)

    return refusing


def ranks(method: str, folder: Path, split: str = "") -> float:
    """Raise CheckFailed unless two processes learn what one does, up to rounding.

    How far rounding leads is measured, not guessed (Adam turns the sign of a gradient's last bit into a whole step):
    one process learns once more with every batch in reverse order. Returns the gap of two ranks in units of that.
    """
    one = tiny(method, folder / "one", split)
    before, alone = apart(_start_and_end, one)
    turned = apart(_learn_reversed, tiny(method, folder / "turned", split))
    two = tiny(method, folder / "two", split)
    apart(_pack, two)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = children(COMPILER)
    processes = [context.Process(target=_rank, args=(two, rank, port)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        if process.exitcode != 0:
            for other in processes:
                other.kill()
            raise CheckFailed(f"{method}: on two ranks a process ended with {process.exitcode}")
    together = apart(_finished, two)
    worst = 0.0
    for key, start in before.items():
        way = distance(start, alone[key])
        if not way:
            continue
        rounding = max(distance(alone[key], turned[key]) / way, FLOOR)
        gap = distance(alone[key], together[key]) / way
        worst = max(worst, gap / rounding)
        if gap > ROUNDING * rounding:
            raise CheckFailed(
                f"{method}: stage {key[:8]} on two ranks ends {gap:.2g} of the way off; rounding gives {rounding:.2g}"
            )
    return worst


def distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """Euclidean, over all floating point tensors."""
    squares = [(v.double() - b[n].double()).square().sum() for n, v in a.items() if v.is_floating_point()]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0


def _learn_reversed(run: Run) -> Weights:
    """Learn from the same batches, the images of each in reverse order."""
    whole = Feeds.iterate

    def reversed_batches(self: Feeds, start: int, stop: int) -> Iterator[tuple[Any, ...]]:
        for batches in whole(self, start, stop):
            yield tuple(None if batch is None else _reversed(batch) for batch in batches)

    Feeds.iterate = reversed_batches  # type: ignore[method-assign]
    return learn(run)


def _reversed(batch: Any) -> Any:
    values = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
    flipped = {
        name: {k: v.flip(0) for k, v in value.items()} if isinstance(value, dict) else value.flip(0)
        for name, value in values.items()
    }
    return dataclasses.replace(batch, **flipped)


def _start_and_end(run: Run) -> tuple[Weights, Weights]:
    end = learn(run)
    domains = Domains(run.split, run.data, run.store, workers=1, show=False)
    store = Store(run.store)
    from bench.rng import reseed

    start = {}
    for node in plan.chain(prepare(run, domains)):
        reseed(node.problem.seed, node.recipe["stage"])
        start[node.key] = {n: v.clone() for n, v in store.build(node.recipe).state_dict().items()}
    return start, end


def _pack(run: Run) -> None:
    prepare(run, Domains(run.split, run.data, run.store, workers=1, show=False))


def _finished(run: Run) -> Weights:
    return weights(Store(run.store), prepare(run, Domains(run.split, run.data, run.store, workers=1, show=False)))


def _rank(run: Run, rank: int, port: int) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    dist.join(DEVICE)
    learn(run)
    dist.leave()


def keys(method: str, folder: Path, split: str = "") -> None:
    """Raise CheckFailed unless keys follow the seed, the budget, the data and the needs, and nothing else."""
    key = apart(_key, tiny(method, folder, split))
    if apart(_key, tiny(method, folder / "elsewhere", split)) != key:
        raise CheckFailed(f"{method}: the key depends on the process or on the store's folder")
    others = {
        "seed": tiny(method, folder, split, seed=1),
        "budget": tiny(method, folder, split, words=["split.depth_output=[1,70]"]),
        "precision": tiny(method, folder, split, words=["precision=bf16"]),
    }
    for what, run in others.items():
        if apart(_key, run) == key:
            raise CheckFailed(f"{method}: another {what} gives the same key")


def _key(run: Run) -> str:
    return prepare(run, Domains(run.split, run.data, run.store, workers=1, show=False)).key


def compare(expected: Weights, got: Weights, what: str) -> None:
    """CheckFailed names the first tensor that is not equal to the bit."""
    for key, tensors in expected.items():
        for name, value in tensors.items():
            if not torch.equal(value, got[key][name]):
                raise CheckFailed(f"{what}: {name} of stage {key[:8]} is not the same to the bit")


SUITES: dict[str, Callable[..., Any]] = {
    "contract": contract, "resume": resume, "firewall": firewall, "ranks": ranks, "keys": keys,
}  # fmt: skip


def main(words: Sequence[str]) -> int:
    """0 if the method passes every suite, 1 if not, 2 if there is no such method."""
    names = [w for w in words if "=" not in w]
    if len(names) != 1:
        print("usage: python -m bench.check METHOD [split=NAME]", file=sys.stderr)
        return 2
    split = dict(w.split("=", 1) for w in words if "=" in w).get("split", "")
    failed = False
    for title, suite in SUITES.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                suite(names[0], Path(folder), split)
                print(f"{title:<9} passed", flush=True)
            except (ConfigError, plugins.Unknown) as error:
                print(f"bench.check: {error}", file=sys.stderr)
                return 2
            except CheckFailed as error:
                failed = True
                print(f"{title:<9} FAILED  {error}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
