"""From a method's Config to its stages, each under a key made of everything that can change its bits."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from bench.fingerprint import fingerprint
from bench.nets.weights import DIGEST
from bench.plain import canonical, to_plain
from bench.problem import Problem
from bench.stage import Stage

ENGINE = 2  # raised by hand whenever the suite's own code changes what a stage learns


@dataclass(frozen=True)
class Node:
    """A stage to be run, its key, and the nodes it needs by name."""

    key: str
    name: str  # "base", "adapt.base" ...; the method's own name for the last stage
    config: Stage.Config
    problem: Problem
    needs: Mapping[str, Node]
    recipe: Mapping[str, Any]  # what the key is the hash of

    @property
    def steps(self) -> int:
        return self.config.steps(self.problem)


def plan(
    name: str, config: Stage.Config, problem: Problem, data: Mapping[str, Mapping[str, str]], precision: str
) -> Node:
    """The tree of nodes whose root is the method's last stage; builds no network.

    data: {role: {domain: hash of its images and labels}}, for the roles that the stages read.
    ValueError, in one line, from a stage that cannot run on this problem.
    """
    config.check(problem)
    if config.target_labels and "lent" not in inspect.signature(config.stage.step).parameters:
        raise ValueError(f"{name} learns from no lent labels (its step takes no `lent` batch): target_labels must be 0")
    needs = {n: plan(n, c, problem, data, precision) for n, c in config.needs(problem).items()}
    recipe = {
        "engine": ENGINE,
        "stage": f"{config.stage.__module__}:{config.stage.__qualname__}",
        "config": own_fields(config),
        "problem": describe(problem),
        "needs": {n: node.key for n, node in needs.items()},
        "data": {role: {d: data[role][d] for d in domains(config, problem, role)} for role in roles(config)},
        "precision": precision,
        "code": fingerprint(config.stage.__module__),
    }
    trained = config.network(problem)
    if trained is not problem.network and (used := trained.weights_used()) != "none":
        recipe["weights"] = used  # a student's own; the problem's network has them in its description
    return Node(key_of(recipe), name, config, problem, needs, recipe)


def key_of(recipe: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(recipe).encode()).hexdigest()[:32]


def reseeded(root: Node, seed: int) -> Node:
    """The same plan for another seed, of which neither a stage's needs nor its steps are functions: much faster."""
    done: dict[str, Node] = {}
    for node in chain(root):
        needs = {name: done[need.key] for name, need in node.needs.items()}
        recipe = {
            **node.recipe,
            "problem": {**node.recipe["problem"], "seed": seed},
            "needs": {name: need.key for name, need in needs.items()},
        }
        problem = dataclasses.replace(node.problem, seed=seed)
        done[node.key] = Node(key_of(recipe), node.name, node.config, problem, needs, recipe)
    return done[root.key]


def roles(config: Stage.Config) -> tuple[str, ...]:
    """Which images and labels a stage reads: "source", "target", and by declaration "labelled target" or "lent"."""
    source = ("labelled target",) if config.oracle else ("source",)
    read = tuple(role for name in config.reads for role in (source if name == "source" else (name,)))
    return (*read, "lent") if config.target_labels else read


def domains(config: Stage.Config, problem: Problem, role: str) -> tuple[str, ...]:
    """The domains of a role that a stage reads, by name."""
    return config.sources(problem) if role in ("source", "labelled target") else problem.targets


def own_fields(config: Stage.Config) -> dict[str, Any]:
    """The settings of a stage without those of the stages it needs: they are in the needs' keys."""
    values = {f.name: getattr(config, f.name) for f in fields(config)}
    return {name: to_plain(value) for name, value in values.items() if not isinstance(value, Stage.Config)}


def describe(problem: Problem) -> dict[str, Any]:
    """The problem as plain values; a weight file by its content: where it lies changes no bit."""
    settings, used = to_plain(problem.network), problem.network.weights_used()
    if used != "none":
        settings["weights"] = f"{DIGEST}{used}"
    return {**to_plain(problem), "network": {type(problem.network).__name__: settings}}


def chain(root: Node) -> list[Node]:
    """Every distinct stage, each after what it needs; the root is last."""
    ordered: dict[str, Node] = {}

    def visit(node: Node) -> None:
        for need in node.needs.values():
            visit(need)
        ordered.setdefault(node.key, node)

    visit(root)
    return list(ordered.values())
