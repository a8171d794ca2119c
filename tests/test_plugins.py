"""Plug-ins: files of two folders and pip packages; a broken one harms nobody; a wrong name gets the nearest one."""

from __future__ import annotations

import importlib
import sys

import pytest

import datasets
import methods
from bench import plugins
from bench.plugins import Unknown
from bench.split import Domain, Split
from bench.stage import Stage

GOOD = '''"""Mine: the first line.

And more.
"""

from bench.stage import Stage


class Method(Stage):
    pass
'''


@pytest.fixture(autouse=True)
def _fresh():
    """What is looked up once a process is looked up anew."""
    plugins.forget()
    yield
    plugins.forget()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose files are methods, and data sets, of the suite."""
    for package in (methods, datasets):
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        monkeypatch.setattr(package.__spec__, "submodule_search_locations", package.__path__)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("methods.", "datasets.")):
            del sys.modules[name]


def add(folder, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)
    importlib.invalidate_caches()
    plugins.forget()


def installed(folder, monkeypatch, entries: str) -> None:
    """A pip package of these entry points."""
    information = folder / "mine-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()


def test_every_method_of_the_suite_loads_and_is_a_stage_with_its_own_config():
    known = plugins.methods()
    assert {"source_only", "target_oracle", "single_task", "adabn", "umadapt", "umadapt_self", "umadapt_semi"} <= set(
        known
    )
    for name in known:
        found = plugins.method(name)
        assert issubclass(found, Stage)
        assert found.Config.stage is found
        assert plugins.about(known[name])


def test_parts_and_tables_are_no_plug_ins():
    assert not {"parts", "__init__"} & set(plugins.methods())
    assert not {"splits", "spaces", "files", "pictures", "city", "__init__"} & set(plugins.datasets())
    assert {"minicity", "cityscapes", "synthia", "camvid"} <= set(plugins.datasets())


def test_a_file_is_a_method_by_its_class_or_by_an_import_of_that_name(folder):
    add(folder, "mine", GOOD)
    add(folder, "theirs", '"""Theirs."""\n\nfrom methods.parts.supervised import Supervised as Method\n')
    add(folder, "nothing", "X = 1\n")
    known = plugins.methods()
    assert known["mine"] == "methods.mine"
    assert "nothing" not in known
    assert plugins.method("mine").__module__ == "methods.mine"
    assert plugins.method("theirs").__module__ == "methods.parts.supervised"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("class Method(:\n", "SyntaxError"),
        (
            "import no_such_module\n\n\nclass Method:\n    pass\n",
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("class Method:\n    x = 1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_broken_plug_in_is_reported_when_it_is_chosen_and_stops_nobody_else(folder, text, reason):
    add(folder, "broken", text)
    assert plugins.method("source_only")
    assert "broken" in plugins.methods()
    with pytest.raises(Unknown, match=f"method broken is broken: {reason}") as failure:
        plugins.method("broken")
    assert str(failure.value).endswith("(in methods.broken)")
    assert "\n" not in str(failure.value)


def test_looking_for_plug_ins_runs_none(folder):
    add(folder, "loud", GOOD + "\nraise SystemExit('was run')\n")
    assert "loud" in plugins.methods()
    assert plugins.about("methods.loud") == "Mine: the first line."
    assert "methods.loud" not in sys.modules


def test_a_data_set_is_a_file_with_an_index(folder):
    add(folder, "tiles", "def index(root, part):\n    return []\n")
    assert plugins.dataset("tiles").index(None, "train") == []


@pytest.mark.parametrize(
    ("look", "kind", "wrong", "right"),
    [
        (plugins.method, "method", "umadpt", "umadapt"),
        (plugins.dataset, "data set", "citiscapes", "cityscapes"),
        (plugins.split, "split", "minicty", "minicity"),
    ],
)
def test_a_wrong_name_gets_the_nearest_one_and_all_there_are(look, kind, wrong, right):
    with pytest.raises(Unknown, match=f'no {kind} "{wrong}"; did you mean {right}?') as failure:
        look(wrong)
    assert isinstance(failure.value, ValueError)
    assert "known: " in str(failure.value)


def test_a_name_like_no_other_gets_all_there_are():
    with pytest.raises(Unknown, match='no method "xyzzy"; known: adabn ') as failure:
        plugins.method("xyzzy")
    assert "did you mean" not in str(failure.value)


def test_pip_packages_add_methods_data_sets_and_splits(tmp_path, monkeypatch):
    entries = """
[mtda.methods]
packaged = packaged_mine.stage
adabn = packaged_mine.stage
[mtda.datasets]
tiles = packaged_mine.tiles
[mtda.splits]
tiles2tiles = packaged_mine.splits:MINE
minicity = packaged_mine.splits:MINE
"""
    package = tmp_path / "packaged_mine"
    package.mkdir()
    for name, text in (
        ("__init__", ""),
        ("stage", GOOD),
        ("tiles", "def index(root, part):\n    return [part]\n"),
        ("splits", "MINE = 'a split'\n"),
    ):
        (package / f"{name}.py").write_text(text)
    installed(tmp_path, monkeypatch, entries)
    assert plugins.methods()["packaged"] == "packaged_mine.stage"
    assert issubclass(plugins.method("packaged"), Stage)
    assert plugins.methods()["adabn"] == "methods.adabn"  # a package cannot take the suite's own names
    assert plugins.dataset("tiles").index(None, "train") == ["train"]
    assert plugins.split("tiles2tiles") == "a split"
    assert "minicity" in plugins.splits()
    assert isinstance(plugins.split("minicity"), Split)  # nor the name of a split


def test_a_stage_is_found_by_the_words_of_its_run_folder():
    assert plugins.stage_class("methods.parts.contour", "Contour").__name__ == "Contour"
    assert plugins.stage_class("methods.umadapt_self", "Method") is plugins.method("umadapt_self")
    assert plugins.stage_class("methods.umadapt_self", "Method.Config") is plugins.method("umadapt_self").Config


def test_splits_are_splits():
    for name, split in plugins.splits().items():
        assert isinstance(split, Split)
        assert split.name == name
        assert all(isinstance(domain, Domain) for domain in split.domains)
