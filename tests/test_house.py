"""The house: who may import whom, how long a file may be, which names are not given; by parsing files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from bench import plugins
from bench.config import Words

ROOT = Path(__file__).parents[1]
HOUSES = ("bench", "methods", "datasets", "leaderboard", "slurm")  # a folder that is not there yet is empty
SOFT, HARD = 250, 400  # lines of a file: reported, refused

# A module of bench imports from lower storeys, or sideways, never in a circle. A package is meant with all its modules.
STOREYS = (
    "problem rng dist schedule record bundle exact plain fingerprint words predictions signals processes data.png",
    "memory split optim ema log tasks nets data.labels data.geometry data.augment data.pack data.decode data.packing",
    "stage checkpoint data.stream data.sampling",
    "plugins config plan store engine manifest domains failure throughput predict score",
    "frames tables panel report check status run criteria select job judge submit",
)
SLURM_STOREYS = (
    "settings job scheduler copies",
    "sweep",
    "submit words",
    "estimate state",
    "simulate",
    "launch cancel logs",
    "status resume verify",
)
STOREY = {
    f"{house}.{name}": storey
    for house, storeys in (("bench", STOREYS), ("slurm", SLURM_STOREYS))
    for storey, names in enumerate(storeys)
    for name in names.split()
}

MAY_IMPORT = {  # beside its own package, where nothing else is said
    "bench": (),
    "methods": tuple(
        f"bench.{name}" for name in "problem stage optim schedule ema exact rng tasks nets data.sampling".split()
    ),
    "datasets": tuple(f"bench.{name}" for name in "problem split data.labels data.geometry data.pack data.png".split()),
    "leaderboard": ("bench.record", "bench.bundle"),
    "slurm": ("bench.plan", "bench.plugins", "bench.config", "bench.job"),
}
PROGRAMS = {  # command lines of datasets/: they look names up, and do what a run would do
    "datasets.verify": ("bench.plugins", "bench.log", "bench.manifest"),
    "datasets.prepare": tuple(f"bench.{name}" for name in "plugins log manifest record domains data.decode".split()),
    "datasets.fixture": ("bench.plugins", "bench.log", "bench.manifest"),
}
AT_HOME = {  # what is heavy stays where it is used
    "torch": {"bench", "methods"},
    "torchvision": {"bench"},
    "hydra": {"bench"},
    "trimesh": {"datasets"},
    "embreex": {"datasets"},
    "h5py": {"datasets"},
    "submitit": {"slurm"},
    "dash": {"leaderboard"},
    "dash_ag_grid": {"leaderboard"},
    "flask": {"leaderboard"},
    "sqlalchemy": {"leaderboard"},
    "plotly": {"leaderboard"},
}
NO_FILE = {"utils", "util", "common", "base", "core", "misc", "helpers", *sys.stdlib_module_names}
NO_FILE -= {"__main__", "select"}  # `python -m bench.select` is the word for it, and nothing imports it
NO_ENDING = re.compile(r"(Manager|Helper|Handler|Wrapper)$|(^|_)(manager|helper|handler|wrapper)$")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


@cache
def modules(*folders: str) -> dict[str, Path]:
    """{dotted name: file} of every Python file of these folders."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def imports(module: str) -> tuple[tuple[str, int, bool], ...]:
    """What a module imports, wherever in it: (dotted name, line, whether that happens when it is itself imported)."""
    whole = tree(modules(*HOUSES)[module])
    later = [n for n in ast.walk(whole) if isinstance(n, ast.FunctionDef) or is_for_types(n)]
    not_now = {id(inner) for node in later for inner in ast.walk(node)}
    found = []
    for node in ast.walk(whole):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [submodule(node.module, alias.name) for alias in node.names]
        else:
            continue
        found += [(name, node.lineno, id(node) not in not_now) for name in names]
    return tuple(found)


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def submodule(module: str, name: str) -> str:
    """`from module import name`: the module of that name if there is one, else the module that has the name."""
    inner = f"{module}.{name}"
    return inner if inner in modules(*HOUSES) else module


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def inner_imports(module: str) -> list[tuple[str, int]]:
    return [(name, line) for name, line, _ in imports(module) if name.partition(".")[0] in HOUSES and name != module]


def storey_of(module: str) -> int | None:
    while module not in STOREY and "." in module:
        module = module.rpartition(".")[0]
    return STOREY.get(module)


def nothing(faults: list[str]) -> None:
    assert not faults, "\n" + "\n".join(faults)


def test_nobody_imports_against_the_arrows() -> None:
    faults = []
    for module in modules(*HOUSES):
        house = module.partition(".")[0]
        allowed = MAY_IMPORT[house] + PROGRAMS.get(module, ())
        for name, line in inner_imports(module):
            if name.partition(".")[0] != house and not within(name, allowed):
                faults.append(f"{module}:{line} imports {name}; {house} may import {' '.join(allowed) or 'nobody'}")
    nothing(faults)


def test_a_method_imports_no_other_method() -> None:
    nothing(
        [
            f"{module}:{line} imports {name}; what two methods need moves to methods/parts"
            for module in modules("methods")
            for name, line in inner_imports(module)
            if name.startswith("methods") and not within(name, ("methods.parts",))
        ]
    )


def test_a_dataset_can_be_deleted() -> None:
    nothing(
        [
            f"{module}:{line} imports {name} at once; each data set must be deletable"
            for module in modules("datasets")
            for name, line, at_once in imports(module)
            if at_once and name in plugins.datasets().values() and name != module
        ]
    )


def test_imports_within_bench_and_within_slurm_go_down() -> None:
    faults = []
    for module in modules("bench", "slurm"):
        mine = storey_of(module)
        if mine is None:
            if modules("bench", "slurm")[module].name != "__init__.py":
                faults.append(f"{module} has no storey: enter it in STOREYS, with DESIGN.md section 3 in mind")
            continue
        for name, line in inner_imports(module):
            theirs = storey_of(name)
            same_house = name.partition(".")[0] == module.partition(".")[0]
            if same_house and theirs is not None and theirs > mine:
                faults.append(f"{module}:{line} on storey {mine} imports {name} on storey {theirs}; imports go down")
    nothing(faults)


def test_no_imports_go_in_circles() -> None:
    graph = {module: {name for name, _ in inner_imports(module)} for module in modules(*HOUSES)}
    packages = {name for name, path in modules(*HOUSES).items() if path.name == "__init__.py"}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module in done:
            return
        for name in sorted(graph.get(module, ())):
            # a package may know the types of its own modules, which import it first
            if not (module in packages and name.startswith(f"{module}.")):
                visit(name, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_heavy_libraries_stay_where_they_are_used() -> None:
    nothing(
        [
            f"{module}:{line} imports {name}, which belongs to {' and '.join(sorted(AT_HOME[library]))}"
            for module in modules(*HOUSES)
            for name, line, _ in imports(module)
            if (library := name.partition(".")[0]) in AT_HOME and module.partition(".")[0] not in AT_HOME[library]
        ]
    )


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("bench.record", ("torch", "numpy", "hydra")),
        ("leaderboard.app", ("torch", "hydra", "methods", "datasets", "bench.tasks", "bench.score")),
        ("leaderboard.export", ("torch", "hydra", "methods", "datasets", "bench.tasks", "bench.score")),
        ("bench.score", ("methods", "bench.stage")),
        ("bench.select", ("methods", "bench.stage")),
        ("bench.judge", ("methods", "bench.stage")),
        ("bench.bundle", ("torch", "hydra")),
        ("leaderboard.admin", ("torch", "hydra", "methods", "datasets", "bench.tasks", "bench.score")),
    ],
)
def test_what_must_not_come_along_does_not(module: str, without: tuple[str, ...]) -> None:
    """The leaderboard reads records without torch; the scorer runs without a line of a method."""
    program = f"import sys, {module}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    nothing([f"import {module} brings {name}" for name in done.stdout.split() if within(name, without)])


def test_imports_are_absolute() -> None:
    nothing(
        [
            f"{path.relative_to(ROOT)}:{node.lineno} a relative import"
            for path in modules(*HOUSES, "tests").values()
            for node in ast.walk(tree(path))
            if isinstance(node, ast.ImportFrom) and node.level
        ]
    )


def words(path: Path) -> Iterator[tuple[str, int]]:
    """Every identifier and string of a file but its docstrings: those are for people, no code branches on them."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = list(ast.walk(tree(path)))
    docstrings = {id(n.body[0].value) for n in nodes  # type: ignore[attr-defined]
                  if isinstance(n, documented) and ast.get_docstring(n, clean=False) is not None}  # fmt: skip
    for node in nodes:
        for field in ("id", "attr", "arg", "name", "asname", "module"):
            if isinstance(word := getattr(node, field, None), str):
                yield word, getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value, node.lineno


def test_the_referee_names_no_contestant_and_no_court() -> None:
    names = {*plugins.methods(), *plugins.datasets(), *plugins.splits()}
    named = re.compile(rf"(?<!\w)({'|'.join(sorted(names))})(?!\w)")
    nothing(
        [
            f"{path.relative_to(ROOT)}:{line} names {match[1]}; bench/ knows no method, data set or split by name"
            for path in modules("bench").values()
            for word, line in words(path)
            if (match := named.search(word))
        ]
    )


def test_plug_ins_are_looked_up_in_one_place() -> None:
    strings = re.compile(r"^(methods|datasets)(\.|$)")
    nothing(
        [
            f"{path.relative_to(ROOT)}:{line} {word!r}: only bench/plugins.py looks into methods/ and datasets/"
            for module, path in modules("bench").items()
            for word, line in words(path)
            if module != "bench.plugins" and strings.match(word) and "." in word
        ]
    )


def test_no_file_is_too_long(capsys: pytest.CaptureFixture[str]) -> None:
    lines = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in modules(*HOUSES, "tests").values()}
    long = [f"{path} has {count} lines; {SOFT} is a good length" for path, count in lines.items() if count > SOFT]
    if long:
        with capsys.disabled():
            print("", *long, sep="\n")
    nothing([f"{path} has {count} lines, {HARD} at most" for path, count in lines.items() if count > HARD])


def test_files_are_called_by_what_they_are() -> None:
    folders = {parent for path in modules(*HOUSES).values() for parent in path.parents if ROOT in parent.parents}
    paths = [*modules(*HOUSES).values(), *folders]
    nothing(
        [
            f"{path.relative_to(ROOT)}: a name that says nothing, or that of a standard module"
            for path in paths
            if path.stem in NO_FILE or NO_ENDING.search(path.stem)
        ]
    )


def test_classes_and_functions_are_called_by_what_they_are() -> None:
    nothing(
        [
            f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: no Manager, Helper, Handler, Wrapper"
            for path in modules(*HOUSES).values()
            for node in ast.walk(tree(path))
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and NO_ENDING.search(node.name)
        ]
    )


def comments(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Each comment, its line, and whether it has the line for itself."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.string.lstrip("#! ").strip(), token.start[0], token.line.lstrip().startswith("#")


def is_code(comment: str) -> bool:
    """Whether it parses as a statement that does something; a formula, `E = a + b`, calls nothing."""
    try:
        (statement,) = ast.parse(comment).body
    except (SyntaxError, ValueError):
        return False
    value = getattr(statement, "value", None)
    calls = isinstance(value, ast.Call) and isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign)
    return calls or isinstance(statement, ast.Import | ast.ImportFrom | ast.Return | ast.Delete)


def test_nothing_is_left_lying_about() -> None:
    faults = []
    for path in modules(*HOUSES, "tests").values():
        for comment, line, alone in comments(path):
            if UNFINISHED.search(comment):
                faults.append(f"{path.relative_to(ROOT)}:{line} unfinished: {comment}")
            elif alone and is_code(comment):
                faults.append(f"{path.relative_to(ROOT)}:{line} commented-out code: {comment}")
    nothing(faults)


def test_every_file_says_what_it_is() -> None:
    nothing(
        [
            f"{path.relative_to(ROOT)}: its first line should be its entry in a table of contents"
            for path in modules(*HOUSES).values()
            if tree(path).body and not ast.get_docstring(tree(path))
        ]
    )


def test_the_words_of_the_command_line_are_frozen() -> None:
    """Whoever adds a word to every command line says so here."""
    assert [field.name for field in fields(Words)] == (
        "defaults method split network seed store data device precision workers save_minutes keep snapshots".split()
    )
