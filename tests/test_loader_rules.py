"""The rules that every loader keeps, and what the verifier says when a file goes bad; on every data set's fixture."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data.pack import BROKEN
from datasets import survey, verify
from tests import fixtures
from tests.rendered import NAMES, Maker, items, made, module_of, quick, shown

__all__ = ["made", "quick", "shown"]  # fixtures

every = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def root(made: Maker, name: str, tmp_path: Path) -> Path:
    """A copy to break. Its files are links to the fixture's: what is broken is first taken away."""
    return shutil.copytree(made(name)[0], tmp_path / "train labels" / name, copy_function=os.link)


@pytest.fixture
def one_image_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "SAMPLE", 1)


def short(path: Path) -> str:
    return "/".join(path.parts[-3:])


def cut(path: Path, share: float = 0.5) -> None:
    """Keep the first part of a file."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: int(share * len(data))])


def labels(name: str, root: Path) -> list[Path]:
    """The files that only labels are read from."""
    found = [(field, path) for item in items(module_of(name), root) for field, path in item.files.items()]
    images = {path for field, path in found if field == "image"}
    return sorted({path for field, path in found if path not in images})


def errors(name: str, root: Path) -> list[str]:
    found = verify.looked(name, root, whole=False, workers=1, show=False)[1]
    lines = [one.line for one in found.findings if one.level == "error"]
    assert found.sound == (not lines) and not any("\n" in line for line in lines)
    return lines


@every
def test_a_path_is_the_root_joined_with_a_name_whatever_the_root_is_called(name: str, made: Maker) -> None:
    root, _ = made(name)
    assert {"RGB", "images", "gtFine", ".d"} <= set(re.findall(r"RGB|images|gtFine|\.d", str(root.parent)))
    for item in items(module_of(name), root):
        assert all(path.is_relative_to(root) and path.exists() for path in item.files.values())


@every
def test_the_order_is_the_same_on_every_file_system(name: str, made: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    root, _ = made(name)
    before = [item.stem for item in items(module_of(name), root)]
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: sorted(real(folder), reverse=True))
    assert [item.stem for item in items(module_of(name), root)] == before


@every
def test_hidden_and_foreign_files_are_left_alone(name: str, root: Path) -> None:
    before = [item.stem for item in items(module_of(name), root)]
    for folder in {path.parent for item in items(module_of(name), root) for path in item.files.values()}:
        fixtures.strange(folder / ".DS_Store", folder / "Thumbs.db", folder / "notes.txt")
    assert [item.stem for item in items(module_of(name), root)] == before


@every
def test_opened_without_tasks_it_needs_no_label_file(name: str, root: Path) -> None:
    for path in labels(name, root):
        path.unlink()
    for item in items(module_of(name), root)[:2]:
        assert set(module_of(name).read(item, ("image",))) == {"image", "camera"}


@pytest.mark.parametrize("name", [name for name in NAMES if "normals" in module_of(name).TASKS])
def test_a_data_set_with_normals_of_its_own_can_say_how_many_face_the_camera(name: str, made: Maker) -> None:
    module = module_of(name)
    item = next(item for item in items(module, made(name)[0]) if "normals" in item.files)
    facing, there = module.facing(item)
    assert 0.95 * there < facing <= there
    assert facing == module.read(item, ("normals",))["normals"].any(-1).sum()


def open_files() -> list[Path]:
    """What this process holds open; empty where the system does not say."""
    folder = Path("/proc/self/fd")
    return [file.resolve() for file in folder.iterdir()] if folder.exists() else []


@every
def test_fields_are_of_their_types_in_native_size_and_no_file_stays_open(name: str, made: Maker) -> None:
    module, (root, _) = module_of(name), made(name)
    item = items(module, root)[-1]
    there = [task for task in module.TASKS if task in item.files]
    found, asked = (module.read(item, ("image", *there), size) for size in (None, (16, 8)))
    assert not [path for path in open_files() if path.is_relative_to(root)]
    types = {"image": np.uint8, "semseg": np.uint8, "depth": np.float32, "normals": np.float32}
    for field in ("image", *there):
        assert found[field].dtype == types[field] and found[field].shape == asked[field].shape
        assert found[field].shape[:2] == found["image"].shape[:2]


@every
def test_nothing_is_written_under_the_root(name: str, made: Maker, one_image_looked_at: None) -> None:
    root, _ = made(name)
    before = fixtures.snapshot(root)
    verify.looked(name, root, whole=False, workers=1, show=False)
    assert fixtures.snapshot(root) == before


@every
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_truncated_file_is_one_line_with_its_name_to_loader_and_verifier(
    name: str, root: Path, share: float, one_image_looked_at: None
) -> None:
    module = module_of(name)
    item = items(module, root)[0]
    path = item.files.get("semseg") or item.files["image"]
    cut(path, share)
    with pytest.raises(BROKEN) as caught:
        module.read(items(module, root)[0], ("image", *(["semseg"] if "semseg" in item.files else [])))
    assert short(path) in str(caught.value) and "\n" not in str(caught.value)
    assert any(short(path) in line for line in errors(name, root))


@every
def test_a_missing_label_is_named_by_the_verifier(name: str, root: Path, one_image_looked_at: None) -> None:
    path = labels(name, root)[0]
    path.unlink()
    assert any(line.startswith(f"{short(path)}: missing") for line in errors(name, root))


@every
def test_an_empty_folder_cannot_be_looked_at(name: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert verify.main([name, str(tmp_path)]) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith(f"datasets.verify: {name}: no ") and "\n" not in line
    assert line.endswith(f"{module_of(name).HELP}. split=minicity needs no data")


@every
def test_the_folder_of_another_data_set_is_not_taken_for_it(
    name: str, made: Maker, one_image_looked_at: None, capsys: pytest.CaptureFixture
) -> None:
    for other in NAMES:
        if other != name:
            assert verify.main([name, str(made(other)[0])]) in (1, 2), f"{other} was taken for {name}"
    assert "ready for" not in capsys.readouterr().out
