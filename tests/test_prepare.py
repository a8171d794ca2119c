"""What is prepared is what a run would have packed, to the bit; a manifest tells a run whose files it reads."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from bench import domains, manifest, plugins
from bench.data.decode import decoder
from bench.domains import Domains
from datasets import camvid, fixture, prepare
from tests import fixtures

ROOT = Path(__file__).parents[1]
SPLITS = ("camvid_day2dusk", "minicity2camvid")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("camvid")
    fixtures.camvid(folder)
    return folder


@pytest.fixture
def root(tree: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tree, tmp_path / "train images.d")


def prepared(root: Path, store: Path, *words: str) -> int:
    return prepare.main(["camvid", str(root), "--store", str(store), "--workers", "1", *words])


def opened(split: str, root: Path, store: Path) -> Domains:
    return Domains(plugins.split(split), {"camvid": root}, store, workers=1, show=False)


def test_a_run_finds_what_was_prepared_to_the_bit(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fixtures.snapshot(root)
    assert prepared(root, tmp_path / "store") == 0
    assert fixtures.snapshot(root) == before
    monkeypatch.delattr(domains, "build")  # whoever packs again fails
    num_images = 0
    for name in SPLITS:
        of = opened(name, root, tmp_path / "store")
        for domain, fields in of.packed():
            if domain.dataset == "camvid":
                pack = of.pack(domain, fields)
                decode = decoder(camvid, fields, domain.size, of.label_map(domain, fields))
                for i, item in enumerate(of.index(domain)):
                    for field, values in decode(item)[0].items():
                        assert np.array_equal(pack.read(i, field), values)
                        num_images += 1
    assert num_images == 2 * 9 + 1 + 2 + 4 + 4  # day with labels, dusk-train, dusk-test; train and test


def test_a_store_inside_of_the_data_is_refused_in_one_line(root: Path, capsys: pytest.CaptureFixture) -> None:
    before = fixtures.snapshot(root)
    for store in (root, root / "store"):
        assert prepared(root, store) == 1
        line = f"datasets.prepare: the store {store} is inside of {root}, where nothing is written; say --store=FOLDER"
        assert capsys.readouterr().err.splitlines() == [line]
    assert fixtures.snapshot(root) == before


def test_prepared_twice_the_second_time_nothing_is_packed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(root, tmp_path / "store", "--split", "camvid_day2dusk")
    first = capsys.readouterr().out
    assert "pack dusk-test at 480x360 with image, 2 images: 0.00 GB" in first and "GB free, about 0 min" in first
    monkeypatch.delattr(domains, "build")
    assert prepared(root, tmp_path / "store", "--split", "camvid_day2dusk") == 0
    assert capsys.readouterr().out.count("there already") == 3


def test_a_partial_copy_is_told_once_by_the_verifier_and_once_beside_the_packs(tmp_path: Path) -> None:
    copy, store = tmp_path / "synthia", tmp_path / "store"
    fixture.make("synthia", copy, images=2)
    words = ["-m", "datasets.prepare", "synthia", str(copy), "--store", str(store), "--workers", "1"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True, cwd=ROOT)
    line = "synthia: 2 images, 9400 expected; missing 0000001"
    assert done.stderr.splitlines().count(line) == 1 and f"warning: {line}" in done.stdout


def test_for_one_split_only_its_packs_are_made(root: Path, tmp_path: Path) -> None:
    assert prepared(root, tmp_path / "store", "--split", "minicity2camvid") == 0
    made = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "store/packs").iterdir())
    assert made == ["camvid-test-image", "camvid-train-image"]


def test_an_error_in_the_data_set_stops_it(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (root / "trainannot/0016E5_00390.png").unlink()
    assert prepared(root, tmp_path / "store") == 1
    assert "trainannot/0016E5_00390.png: missing" in capsys.readouterr().out
    assert not (tmp_path / "store").exists()


def test_a_disk_that_is_too_small_is_told_before_anything_is_packed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 1000, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    assert prepared(root, tmp_path / "store") == 1
    line = f"datasets.prepare: the packs need 0.0 GB more below {tmp_path}/store, 0.0 GB are free"
    assert capsys.readouterr().err.splitlines()[-1] == line
    assert not (tmp_path / "store/packs").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("camvid", "--split", "camvid_day2dsk"), 'no split "camvid_day2dsk"; did you mean camvid_day2dusk?'),
        (("camvid", "--split", "minicity"), "camvid: no image of it is in minicity"),
        (("camvit",), 'no data set "camvit"; did you mean camvid?'),
    ],
)
def test_what_nobody_knows_is_refused(
    root: Path, tmp_path: Path, words: tuple[str, ...], line: str, capsys: pytest.CaptureFixture
) -> None:
    name, *more = words
    assert prepare.main([name, str(root), "--store", str(tmp_path / "store"), "--workers", "1", *more]) == 2
    assert line in capsys.readouterr().err


def test_data_are_known_when_a_known_hash_is_prepared_and_the_files_are_the_same(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = opened("camvid_day2dusk", root, tmp_path / "store")
    assert of.data() == "unknown"
    parts = {part: camvid.index(root, part) for part in camvid.FACTS.counts}
    made = manifest.make("camvid", False, parts)
    manifest.write(tmp_path / "store", made)
    assert of.data() == "unknown"
    good = {part: made.hash(part) for part in parts}
    monkeypatch.setattr(camvid, "FACTS", dataclasses.replace(camvid.FACTS, manifests=good))
    assert of.data() == "known"
    ids = np.ones((360, 480), np.uint8)
    fixtures.png(root / "testannot/0001TP_010380.png", ids)  # which the scorer will read
    assert of.data() == "unknown"


def test_labels_that_a_run_does_not_read_need_not_be_there(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {part: camvid.index(root, part) for part in camvid.FACTS.counts}
    made = manifest.make("camvid", False, parts)
    manifest.write(tmp_path / "store", made)
    good = {part: made.hash(part) for part in parts}
    monkeypatch.setattr(camvid, "FACTS", dataclasses.replace(camvid.FACTS, manifests=good))
    (root / "trainannot/0001TP_006690.png").unlink()  # of the target
    assert opened("camvid_day2dusk", root, tmp_path / "store").data() == "known"


def test_a_manifest_does_not_know_where_the_files_lie(tree: Path, root: Path, tmp_path: Path) -> None:
    nested = shutil.copytree(root, tmp_path / "above" / "CamVid").parent
    hashes = [
        manifest.make("camvid", False, {"val": camvid.index(place, "val")}).hash("val")
        for place in (tree, root, nested)
    ]
    assert len(set(hashes)) == 1
    fixtures.png(root / "valannot/0016E5_07959.png", np.ones((360, 480), np.uint8))
    assert manifest.make("camvid", False, {"val": camvid.index(root, "val")}).hash("val") != hashes[0]


def test_a_manifest_comes_back_as_it_was_written(root: Path, tmp_path: Path) -> None:
    made = manifest.make("camvid", True, {"val": camvid.index(root, "val")})
    manifest.write(tmp_path, made)
    found = manifest.read(tmp_path, "camvid")
    assert found is not None and found.fixture and found.hash("val") == made.hash("val")
    assert manifest.read(tmp_path, "synthia") is None


@pytest.mark.parametrize("place", [".", "CamVid"])
def test_the_mark_of_a_fixture_is_found_beside_the_data_or_at_the_root(tree: Path, tmp_path: Path, place: str) -> None:
    shutil.copytree(tree, tmp_path / "CamVid")
    of = opened("camvid_day2dusk", tmp_path, tmp_path / "store")
    assert of.data() == "unknown"
    (tmp_path / place / manifest.MARK).touch()
    assert of.data() == "fixture"


def test_a_split_that_is_rendered_reads_no_files(tmp_path: Path) -> None:
    assert Domains(plugins.split("minicity"), {}, tmp_path, show=False).data() == ""
