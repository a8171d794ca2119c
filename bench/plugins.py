"""A name -> a module: files of methods/ and datasets/, and pip packages by entry point. The one place that looks up."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.split import Protocol, Split
    from bench.stage import Stage


class Unknown(ValueError):
    """A name that nothing answers to; the message has the nearest known one."""


def unknown(kind: str, name: str, known: Iterable[str]) -> Unknown:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Unknown(
        f'no {kind} "{name}"{hint} known: {" ".join(names)}'
        if near
        else f'no {kind} "{name}"; known: {" ".join(names)}'
    )


@cache
def _modules(package: str, mark: str) -> dict[str, str]:
    """{name: module} of the files of a package that define `mark` at their top level, and of its entry points.

    The files are parsed, not run: a broken plug-in stops nobody who did not choose it. An entry point does not take
    the place of a file: the suite's names mean what the suite has.
    """
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = [path for folder in folders for path in sorted(Path(folder).glob("*.py"))]
    found = {path.stem: f"{package}.{path.stem}" for path in files if _defines(path, mark)}
    return {point.name: point.value for point in entry_points(group=f"mtda.{package}")} | found


def _defines(path: Path, mark: str) -> bool:
    try:
        body = ast.parse(path.read_text()).body
    except (SyntaxError, UnicodeDecodeError):
        return True  # broken: listed, and reported when it is chosen
    return any(mark in _bound(node) for node in body)


def _bound(node: ast.stmt) -> list[str]:
    """The names that a top-level statement defines or imports."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    return [alias.asname or alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []


def _load(kind: str, name: str, known: dict[str, str]) -> ModuleType:
    if name not in known:
        raise unknown(kind, name, known)
    try:
        return importlib.import_module(known[name])
    except Exception as error:
        raise Unknown(f"{kind} {name} is broken: {type(error).__name__}: {error} (in {known[name]})") from error


def methods() -> dict[str, str]:
    return _modules("methods", "Method")


def method(name: str) -> type[Stage]:
    """The method's last stage, the class `Method` of its file."""
    stage: type[Stage] = _load("method", name, methods()).Method
    return stage


def is_ours(name: str) -> bool:
    """Whether the method is a file of the suite, which everybody has."""
    return methods().get(name, "").startswith("methods.")


def stage_class(module: str, qualname: str) -> type[Stage]:
    """The stage that a run folder names."""
    found: Any = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part)
    stage: type[Stage] = found
    return stage


def datasets() -> dict[str, str]:
    return _modules("datasets", "index")


def dataset(name: str) -> Any:
    """The data set's module (the protocol bench.data.pack.DatasetModule)."""
    return _load("data set", name, datasets())


def trees() -> dict[str, str]:
    return _modules("datasets.trees", "write")


def tree(name: str) -> Any:
    """The writer of a data set's fixture: `frames(count)`, `write(root, frame)` and, where there are lists, `lists`."""
    return _load("fixture", name, trees())


@cache
def _literals(table: str) -> dict[str, Any]:
    """datasets.<table>.<TABLE> and the entry points of that group: as with files, the suite's names are the suite's."""
    ours: dict[str, Any] = getattr(importlib.import_module(f"datasets.{table}"), table.upper())
    return {point.name: point.load() for point in entry_points(group=f"mtda.{table}")} | ours


def forget() -> None:
    """Look everything up anew: a package was installed, or removed, while this process ran."""
    _modules.cache_clear()
    _literals.cache_clear()


def splits() -> dict[str, Split]:
    return _literals("splits")


def split(name: str) -> Split:
    known = splits()
    if name not in known:
        raise unknown("split", name, known)
    return known[name]


def protocols() -> dict[str, Protocol]:
    return _literals("protocols")


def protocol(name: str) -> Protocol:
    """The rules of scoring behind an id."""
    known = protocols()
    if name not in known:
        raise unknown("protocol", name, known)
    return known[name]


def spaces() -> ModuleType:
    """datasets/spaces.py: the label spaces and their maps."""
    return importlib.import_module("datasets.spaces")


def about(module: str) -> str:
    """The first line of a plug-in's docstring, read without running it."""
    spec = importlib.util.find_spec(module)
    try:
        text = ast.get_docstring(ast.parse(Path(spec.origin).read_text())) if spec and spec.origin else None
    except SyntaxError:
        return "(broken: does not parse)"
    return text.strip().splitlines()[0] if text else ""
