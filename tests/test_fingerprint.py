"""Fingerprints: they change with what the code does, in the module or in what it imports, and with nothing else."""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from bench.fingerprint import fingerprint

STAGE = '''"""A stage."""

import math

from {package}.parts import mixing


class Method:
    """Learns."""

    def step(self, t):
        """One step."""
        # halve it
        return mixing.mix(t) / 2  # here
'''
MIXING = '''"""Mixes."""

from {package}.parts.deep import DEPTH


def mix(x):
    return x * DEPTH
'''
COUNT = itertools.count()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of a fresh package: stage.py imports parts/mixing.py, which imports parts/deep.py."""
    name = f"plugged{next(COUNT)}"
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path / name / "__init__.py", "")
    write(tmp_path / name / "parts" / "__init__.py", "")
    write(tmp_path / name / "parts" / "deep.py", "DEPTH = 3\n")
    write(tmp_path / name / "parts" / "other.py", "OTHER = 1\n")
    write(tmp_path / name / "parts" / "mixing.py", MIXING.format(package=name))
    write(tmp_path / name / "stage.py", STAGE.format(package=name))
    return tmp_path / name


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    importlib.invalidate_caches()


def edit(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    write(path, path.read_text().replace(old, new))


def current(package: Path) -> str:
    fingerprint.cache_clear()
    return fingerprint(f"{package.name}.stage")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# halve it", "# half of it, because"),
        ("        # halve it\n", ""),
        ("  # here", ""),
        ('"""A stage."""', '"""Another word for it."""'),
        ('"""Learns."""', '"""Learns, and says so\n    at length."""'),
        ('        """One step."""\n', ""),
        ("mixing.mix(t) / 2", "(mixing.mix(t)  /  2)"),
        ("import math\n", "import math\n\n\n\n"),
    ],
)
def test_comments_docstrings_and_layout_change_nothing(package, old, new):
    before = current(package)
    edit(package / "stage.py", old, new)
    assert current(package) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stage.py", "/ 2", "/ 3"),
        ("stage.py", "def step(self, t)", "def step(self, u)"),
        ("stage.py", "import math\n", "import math\n\nX = 'a text that is no docstring'\n"),
        ("parts/mixing.py", "x * DEPTH", "x + DEPTH"),
        ("parts/deep.py", "3", "4"),
        ("parts/__init__.py", "", "import math\n"),
    ],
)
def test_code_of_the_module_and_of_what_it_imports_changes_it(package, file, old, new):
    before = current(package)
    edit(package / file, old, new)
    assert current(package) != before


def test_modules_that_are_not_imported_change_nothing(package):
    before = current(package)
    edit(package / "parts" / "other.py", "1", "2")
    assert current(package) == before


def test_an_import_inside_a_function_counts(package):
    edit(package / "stage.py", "# halve it", f"from {package.name}.parts.other import OTHER")
    before = current(package)
    edit(package / "parts" / "other.py", "1", "2")
    assert current(package) != before


def test_modules_that_import_each_other_are_read_once(package):
    write(package / "parts" / "deep.py", f"DEPTH = 3\n\nfrom {package.name} import stage\n")
    before = current(package)
    edit(package / "parts" / "deep.py", "3", "4")
    assert current(package) != before


def test_another_process_finds_the_same():
    code = "from bench.fingerprint import fingerprint; print(fingerprint('methods.parts.adversary'))"
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONHASHSEED": "7"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == fingerprint("methods.parts.adversary")


def test_modules_of_other_packages_are_left_to_their_versions():
    assert fingerprint("methods.parts.adversary") != fingerprint("methods.parts.twins")
    assert len(fingerprint("methods.parts.adversary")) == 64
