"""What every loader of weather, fog and many countries does alike; what is its own has a file of its own."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from bench.data.pack import Item
from datasets import acdc, cs7, darkzurich, foggy, idd, mapillary, selma, shift
from tests import fixtures, fixtures_weather


@dataclass(frozen=True)
class Case:
    module: ModuleType
    write: Callable[[Path], dict[str, fixtures.Truth]]
    part: str
    stems: tuple[str, ...]  # in order

    @property
    def name(self) -> str:
        return self.module.__name__.rpartition(".")[2]

    def items(self, root: Path) -> list[Item]:
        return self.module.index(root, self.part)

    def fields(self) -> tuple[str, ...]:
        return ("image", *self.module.TASKS)

    def fault(self, root: Path, what: tuple[str, ...] = ()) -> str:
        with pytest.raises((ValueError, OSError)) as caught:
            for item in self.items(root):
                self.module.read(item, what or self.fields())
        assert "\n" not in str(caught.value)
        return str(caught.value)


IN_24 = tuple(f"{name}_{n}" for name, waypoints in fixtures_weather.SELMA_FRAMES.items() for n in waypoints)
CASES = [
    Case(
        acdc,
        fixtures_weather.acdc,
        "train",
        tuple(f"{condition}_{name}" for condition, names in fixtures_weather.ACDC_FRAMES.items() for name in names),
    ),
    Case(darkzurich, fixtures_weather.darkzurich, "val", fixtures_weather.DARKZURICH_FRAMES["val/night"]),
    Case(mapillary, fixtures_weather.mapillary, "train", fixtures_weather.MAPILLARY_FRAMES),
    Case(idd, fixtures_weather.idd, "train", ("0_005506", "0_frame0029", "377_frame0029", "377_frame9999")),
    Case(
        foggy,
        fixtures_weather.foggy,
        "train",
        ("aachen_000000_000019", "aachen_000002_000019", "hamburg_000000_000042", "hamburg_099902_106102"),
    ),
    Case(cs7, fixtures_weather.cs7, "train", fixtures_weather.CS7_FRAMES),
    Case(selma, fixtures_weather.selma, "all", IN_24),
    Case(
        shift,
        fixtures_weather.shift,
        "train",
        ("007b-4e72_00000000", "007b-4e72_00000010", "0aee-69fd_00000000", "0aee-69fd_00000490"),
    ),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module")
def tree(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(case.name)
    case.write(folder)
    return folder


@pytest.fixture
def root(tree: Path, tmp_path: Path) -> Path:
    """A copy to break, under a name with words that a careless loader would replace."""
    return shutil.copytree(tree, tmp_path / "images RGB gtFine.d")


def test_the_index_is_sorted_and_leaves_foreign_files_alone(
    case: Case, tree: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert tuple(item.stem for item in case.items(tree)) == case.stems
    assert "hidden or foreign files ignored" in caplog.text


def test_the_order_is_not_that_of_the_file_system(case: Case, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: sorted(real(folder), reverse=True))
    assert tuple(item.stem for item in case.items(tree)) == case.stems


def test_opened_without_tasks_it_touches_no_label(case: Case, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [path for item in case.items(root) for field, path in item.files.items() if field in case.module.TASKS]
    for path in labels:
        path.unlink()
    touched = fixtures.watched(monkeypatch)
    items = case.items(root)
    for item in items:
        assert set(case.module.read(item, ("image",))) == {"image", "camera"}
    assert str(items[0].files["image"]) in touched
    assert not set(touched) & {str(path) for path in labels}


def test_nothing_is_written_under_the_root_and_no_file_stays_open(case: Case, tree: Path) -> None:
    before, descriptors = fixtures.snapshot(tree), os.listdir("/proc/self/fd") if Path("/proc/self/fd").exists() else []
    case.module.read(case.items(tree)[0], case.fields())
    assert fixtures.snapshot(tree) == before
    assert not descriptors or len(os.listdir("/proc/self/fd")) == len(descriptors)


def test_sizes_are_native_whatever_size_is_asked_for(case: Case, tree: Path) -> None:
    item = case.items(tree)[0]
    found, resized = (case.module.read(item, case.fields(), size) for size in (None, (16, 8)))
    for field in case.fields():
        assert found[field].shape == resized[field].shape and found[field].shape[:2] == found["image"].shape[:2]


def test_a_missing_root_says_what_is_looked_for_and_what_needs_none(case: Case, tmp_path: Path) -> None:
    assert case.fault(tmp_path).startswith(f"{case.name}: no folder ")
    assert case.fault(tmp_path).endswith(f" at {tmp_path}; {case.module.HELP}. split=minicity needs no data")
    with pytest.raises(FileNotFoundError, match=f"^{case.name}: no folder was given; expected "):
        case.module.index(None, case.part)


def test_an_unknown_part_comes_with_the_known_ones(case: Case, tree: Path) -> None:
    with pytest.raises(ValueError, match=f'^{case.name}: no part "validate"; did you mean .*\\? known: .*{case.part}'):
        case.module.index(tree, "validate")


def test_a_field_that_it_does_not_have_is_refused(case: Case, tree: Path) -> None:
    item = case.items(tree)[0]
    with pytest.raises(ValueError, match=f"^{case.name}: no normals in this data set; it has image semseg"):
        case.module.read(item, ("image", "normals"))


def test_a_missing_or_broken_label_is_named(case: Case, root: Path) -> None:
    path = case.items(root)[0].files["semseg"]
    path.unlink()
    assert case.fault(root).startswith(f"{'/'.join(path.parts[-3:])}: missing; ")
    path.symlink_to(root / "nowhere")
    assert case.fault(root).startswith(f"{'/'.join(path.parts[-3:])}: missing; ")


def test_a_truncated_label_is_refused(case: Case, root: Path) -> None:
    path = case.items(root)[0].files["semseg"]
    path.write_bytes(path.read_bytes()[:100])
    assert case.fault(root).startswith(f"{'/'.join(path.parts[-3:])}: truncated ")
    assert " at byte 100" in case.fault(root)
    path.write_bytes(b"")
    assert case.fault(root).startswith(f"{'/'.join(path.parts[-3:])}: ")
    assert case.fault(root).endswith("; copy it again")


def test_an_image_that_is_none_is_refused(case: Case, root: Path) -> None:
    path = case.items(root)[0].files["image"]
    path.write_bytes(b"<html>404</html>" * 9)
    assert case.fault(root).startswith(f"{'/'.join(path.parts[-3:])}: not a")


def test_a_folder_without_images_is_not_a_data_set(case: Case, root: Path) -> None:
    for item in case.items(root):
        item.files["image"].unlink()
    assert f"{case.name}: " in case.fault(root) and " has 0 files matching " in case.fault(root)


def test_a_partial_copy_is_a_warning(case: Case, tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    case.items(tree)
    expected = case.module.FACTS.counts[case.part]
    line = f"{case.name}: {case.part} has {len(case.stems)} images, {expected} expected"
    assert caplog.messages == ([line] if expected else [])


def test_what_is_known_of_its_files_fits_the_loader(case: Case, tree: Path) -> None:
    facts, module = case.module.FACTS, case.module
    assert set(facts.forms) == {"image", *case.items(tree)[0].files}
    assert {"image", *module.TASKS} <= set(facts.forms)
    assert (facts.median_depth is None) == ("depth" not in module.TASKS or module is cs7)  # cs7 has no metres
    for part in facts.counts:
        with pytest.raises(FileNotFoundError, match="no folder was given"):
            module.index(None, part)
