"""The Hydra face: words of the command line -> a typed run; unknown words are answered with the nearest known one."""

from __future__ import annotations

import difflib
import itertools
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bench import plugins
from bench.nets.networks import NETWORKS
from bench.plain import from_plain
from bench.split import Split
from bench.stage import Stage

GROUPS = ("method", "split", "network")


@dataclass(kw_only=True)
class Words:
    """The suite's own words of the command line; a test freezes them."""

    defaults: list[Any] = field(
        default_factory=lambda: ["_self_", {"method": MISSING}, {"split": MISSING}, {"network": "small"}]
    )
    method: Any = MISSING
    split: Any = MISSING
    network: Any = MISSING
    seed: int = 0
    store: str = "store"
    data: dict[str, str] = field(default_factory=dict)  # data.NAME=folder of that data set
    device: str = "auto"  # cpu, cuda, or auto: cuda if there is one
    precision: str = "fp32"  # or bf16: autocast
    workers: int = 0  # processes that read training images; 0: in line
    save_minutes: float = 10.0  # between two checkpoints
    keep: str = ""  # "predictions": they are not deleted after scoring
    snapshots: int = 0  # of the last stage, kept at equal distances for bench.select


@dataclass(kw_only=True)
class Run:
    """One composed run: what `Words` became."""

    method: str
    config: Stage.Config
    split: Split
    network: Any
    network_name: str
    seed: int
    store: Path
    data: dict[str, Path]
    device: str
    precision: str
    workers: int
    save_minutes: float
    keep: str
    snapshots: int
    words: tuple[str, ...]  # the command line, as it was given


class ConfigError(ValueError):
    """The command line cannot be understood; one line says what would be right."""


def compose_run(words: Sequence[str]) -> Run:
    """The run that the words ask for. ConfigError or plugins.Unknown in one line."""
    chosen = {group: _choice(group, words) for group in GROUPS}
    _check_places(words, plugins.split(chosen["split"]))
    _store_nodes(chosen)
    try:
        with initialize(version_base="1.3", config_path=None):
            tree = compose("run", overrides=[f"++{w}" if w.startswith("data.") else w for w in words])
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error, words)) from error
    plain = {key: OmegaConf.to_container(tree[key], resolve=True) for key in GROUPS}
    if tree.precision not in ("fp32", "bf16"):
        raise ConfigError(f'no precision "{tree.precision}"; known: fp32 bf16')
    if tree.keep not in ("", "predictions"):
        raise ConfigError(f"keep={tree.keep} is not understood; only keep=predictions, or nothing")
    method = plugins.method(chosen["method"])
    return Run(
        method=chosen["method"],
        config=from_plain(method.Config, plain["method"]),
        split=from_plain(Split, plain["split"]),
        network=from_plain(NETWORKS[chosen["network"]], plain["network"]),
        network_name=chosen["network"],
        seed=tree.seed,
        store=Path(tree.store).absolute(),
        data={name: Path(path).absolute() for name, path in tree.data.items()},
        device=tree.device,
        precision=tree.precision,
        workers=tree.workers,
        save_minutes=tree.save_minutes,
        keep=tree.keep,
        snapshots=tree.snapshots,
        words=tuple(words),
    )


def compose_runs(lines: Iterable[Sequence[str]]) -> Iterator[Run]:
    """`compose_run` of each line, a thousand times faster where lines share words: what they share is shared, too.

    Hydra composes one run for each set of words outside the groups; a group's settings are merged into its dataclass.
    """
    composed: dict[tuple[str, ...], Run] = {}
    merged: dict[tuple[str, str, tuple[str, ...]], Any] = {}
    choices: dict[tuple[str, ...], str] = {}
    for words in lines:
        seeds = [word for word in words if PLAIN_SEED.match(word)]
        rest = tuple(word for word in words if not OF_GROUP.match(word) and word not in seeds)
        if len(seeds) > 1 or any("${" in word or word[0] in "+~" for word in words):
            yield compose_run(words)
            continue
        parts: dict[str, Any] = {}
        names: dict[str, str] = {}
        for group in GROUPS:
            said = (group, *(word for word in words if word.startswith(f"{group}=")))
            if said not in choices:
                choices[said] = _choice(group, words)
            chosen, own = choices[said], tuple(word for word in words if word.startswith(f"{group}."))
            if (group, chosen, own) not in merged:
                merged[group, chosen, own] = _merged(group, chosen, own)
            names[group], parts[group] = chosen, merged[group, chosen, own]
        if None in parts.values() or rest not in composed:
            whole = compose_run([word for word in words if word not in seeds])  # or the message, if a word is wrong
            composed.setdefault(rest, whole)
        yield replace(
            composed[rest],
            method=names["method"],
            config=parts["method"],
            split=parts["split"],
            network=parts["network"],
            network_name=names["network"],
            seed=int(seeds[0].partition("=")[2]) if seeds else composed[rest].seed,
            words=tuple(words),
        )


PLAIN_SEED = re.compile(r"seed=(0|[1-9]\d*)$")
OF_GROUP = re.compile(rf"({'|'.join(GROUPS)})[.=]")


def _merged(group: str, chosen: str, words: Sequence[str]) -> Any:
    """The group's dataclass with the words' values; None if some word is not understood."""
    kinds: dict[str, Callable[[], Any]] = {
        "method": lambda: plugins.method(chosen).Config,
        "split": lambda: plugins.split(chosen),
        "network": lambda: NETWORKS[chosen],
    }
    kind = kinds[group]()
    try:
        tree = OmegaConf.structured(kind)
        for override in OverridesParser.create().parse_overrides(list(words)):
            OmegaConf.update(tree, override.key_or_group.partition(".")[2], override.value(), merge=True)
        plain = OmegaConf.to_container(tree, resolve=True)
        return from_plain(kind if isinstance(kind, type) else type(kind), plain)
    except (HydraException, OmegaConfBaseException, ValueError, TypeError):
        return None


def _choice(group: str, words: Sequence[str]) -> str:
    """The name that `group=` asks for, known to exist."""
    names = [word.partition("=")[2].strip("'\"") for word in words if word.startswith(f"{group}=")]
    if not names and group == "network":
        return "small"
    kinds: dict[str, Callable[[], Collection[str]]]
    kinds = {"method": plugins.methods, "split": plugins.splits, "network": lambda: NETWORKS}
    known = kinds[group]()
    if not names:
        raise ConfigError(f"{group}= is missing; known: {' '.join(sorted(known))}")
    if names[-1] not in known:
        raise plugins.unknown(group, names[-1], known)
    return names[-1]


def _check_places(words: Sequence[str], split: Split) -> None:
    """A split's domains are lists: say which one is meant."""
    for word in words:
        if match := re.match(r"split\.(source|target)\.(\w+)", word):
            which, place = match[1], match[2]
            last = len(getattr(split, which)) - 1
            if not place.isdecimal():
                raise ConfigError(
                    f"{word}: a split's {which} is a list; say split.{which}.0{word[match.start(2) - 1 :]}"
                )
            if int(place) > last:
                raise ConfigError(f"{word}: split {split.name} has {which} 0{f' to {last}' if last else ''} only")


def _store_nodes(chosen: dict[str, str]) -> None:
    """Only the chosen plug-ins are loaded: a broken one is reported when it is chosen."""
    store = ConfigStore.instance()
    store.store(name="run", node=Words)
    store.store(group="method", name=chosen["method"], node=plugins.method(chosen["method"]).Config)
    store.store(group="split", name=chosen["split"], node=plugins.split(chosen["split"]))
    store.store(group="network", name=chosen["network"], node=NETWORKS[chosen["network"]])


def _explain(error: Exception, words: Sequence[str]) -> str:
    """Hydra's message in one line, with the nearest known field where a field is unknown."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = str(cause).splitlines()
    match = re.search(r"Key '([^']+)' (?:is )?not in '([^']+)'", lines[0])
    if not match:
        key = next((line.partition(":")[2].strip() for line in lines if "full_key:" in line), "")
        word = next((f"{w}: " for w in words if key and w.startswith(f"{key}=")), "")
        return word + re.sub(r"\s+", " ", lines[0]).strip()
    key, kind = match[1], match[2]
    word = next((w for w in words if key in re.split(r"[.=]", w)), key)
    known = _fields_of(kind, words)
    near = difflib.get_close_matches(key, known, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ";"
    return f'{word}: no field "{key}"{hint} known here: {" ".join(known)}'


def _fields_of(kind: str, words: Sequence[str]) -> list[str]:
    """The fields of the config class that Hydra names, among those of this run."""
    waiting: list[Any] = [Words, Split, *NETWORKS.values()]
    names = [w.partition("=")[2] for w in words if w.startswith("method=")]
    waiting += [plugins.method(name).Config for name in names if name in plugins.methods()]
    while waiting:
        cls = waiting.pop()
        members = fields(cls)
        if cls.__qualname__ == kind or cls.__name__ == kind:
            return sorted(member.name for member in members)
        for member in members:
            made = member.default_factory() if callable(member.default_factory) else None
            if hasattr(made, "__dataclass_fields__"):
                waiting.append(type(made))
    return []


def sweep(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The command lines that a sweep stands for, by Hydra's own grammar: `seed=0,1,2`, `seed=range(3)` ..."""
    if sys.flags.optimize:
        raise ConfigError("Python runs with -O or PYTHONOPTIMIZE, which breaks Hydra's grammar: run it without")
    try:
        overrides = OverridesParser.create().parse_overrides(list(words))
    except HydraException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    axes = [
        [f"{o.key_or_group}={value}" for value in o.sweep_string_iterator()]
        if o.is_sweep_override()
        else [o.input_line or ""]
        for o in overrides
    ]  # fmt: skip
    return itertools.product(*axes)


def help_text() -> str:
    """What --help prints: the usage, every method and split with one line each."""
    methods = {name: plugins.about(module) for name, module in sorted(plugins.methods().items())}
    splits = {name: split.about for name, split in plugins.splits().items()}
    own = [f for f in fields(Words) if f.name not in ("defaults", "data", *GROUPS)]
    words = [f"  {f.name}={'' if f.default in (MISSING, None) else f.default}" for f in own]
    return "\n".join(
        [
            "python -m bench.run method=NAME split=NAME [network=NAME] [seed=0] [data.NAME=FOLDER] [any.field=value]",
            "python -m bench.run --multirun method=a,b split=NAME seed=0,1,2",
            "", "methods", *(f"  {name:<16} {line}" for name, line in methods.items()),
            "", "splits", *(f"  {name:<16} {line}" for name, line in splits.items()),
            "", "networks", *(f"  {name:<16} {(kind.__doc__ or '').strip()}" for name, kind in NETWORKS.items()),
            "", "words", *words,
            "", "Any field of method, split or network is a word: method.base.lr=2e-3 split.budget=200 network.width=8",
        ]
    )  # fmt: skip
