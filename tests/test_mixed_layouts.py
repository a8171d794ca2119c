"""Two data sets of different layouts as sources of one split, two others as its targets: from files to a record."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bench import check, plugins, record, run
from bench.config import compose_run
from bench.domains import Domains
from bench.problem import VOID
from bench.split import Domain
from datasets import spaces
from datasets.splits import SPLITS
from tests.rendered import made, quick, shown

__all__ = ["made", "quick", "shown"]  # fixtures

SOURCES = [
    Domain(dataset="gta5", part="all", size=(160, 96)),
    Domain(dataset="synthia", part="all", size=(128, 96)),
]
TARGETS = [
    Domain(dataset="cityscapes", part="train", size=(128, 64)),
    Domain(dataset="acdc", part="train", size=(160, 96)),
]


def mixed(made, store, method, **changes):
    """A run on both, in SYNTHIA's 16 classes, scored on Cityscapes."""
    names = [domain.dataset for domain in (*SOURCES, *TARGETS)]
    roots = [f"data.{name}={made(name)[0]}" for name in names]
    asked = compose_run([f"method={method}", "split=gta2cs", f"store={store}", "network.width=4", *roots])
    test = dataclasses.replace(SPLITS["gta2cs"].test, size=(128, 64))
    split = dataclasses.replace(
        asked.split, source=SOURCES, target=TARGETS, test=test, classes="cs16", crop=(64, 64), budget=2, batch=4
    )
    asked.split = dataclasses.replace(split, **changes)
    return asked


def open_feeds(asked, store):
    domains = Domains(asked.split, asked.data, store, workers=1, show=False)
    domains.require()
    root = run.prepare(asked, domains)
    return run.open_feeds(root, None, domains, check.DEVICE, 0)[0], domains


def test_a_batch_has_equal_parts_of_both_sources_in_one_class_set(made, tmp_path):
    feeds, domains = open_feeds(mixed(made, tmp_path, "dacs"), tmp_path)
    seen = {0: set(), 1: set()}
    for batch in feeds.source.iterate(0, 4):
        assert batch.domain.tolist() == [0, 1, 0, 1] and batch.image.shape == (4, 3, 64, 64)
        for whose, labels in zip(batch.domain.tolist(), batch.labels["semseg"], strict=True):
            seen[whose] |= set(labels.unique().tolist())
    classes = set(range(len(spaces.CS16)))
    assert all(len(ids & classes) > 3 and ids <= classes | {VOID} for ids in seen.values())
    packs = domains.source()
    for name in ("road", "sky", "building"):  # by name: the ids of the files differ
        i = spaces.CS16.id(name)
        assert all(pack.frequencies(len(spaces.CS16))[i] > 0 for pack in packs.values()), name
    assert plugins.dataset("gta5").CLASSES != plugins.dataset("synthia").CLASSES


def test_targets_of_two_layouts_and_sizes_take_turns_without_labels(made, tmp_path):
    feeds, domains = open_feeds(mixed(made, tmp_path, "dacs"), tmp_path)
    assert {pack.size for pack in domains.target().values()} == {(128, 64), (160, 96)}
    assert all(set(pack.fields) == {"image"} for pack in domains.target().values())
    ids = {0: set(), 1: set()}
    for batch in feeds.target.iterate(0, 6):
        assert batch.domain.tolist() == [0, 1, 0, 1] and not hasattr(batch, "labels")
        for whose, i in zip(batch.domain.tolist(), batch.ids.tolist(), strict=True):
            ids[whose].add(i)
    first = len(domains.target()["cityscapes/train"])
    assert max(ids[0]) < first <= min(ids[1])


def test_sources_whose_normals_are_not_of_one_kind_are_refused(made, tmp_path):
    asked = mixed(made, tmp_path, "dacs", tasks=("semseg", "normals"), normals="given")
    with pytest.raises(ValueError, match="those of gta5/all are from depth: one split, one kind of normals"):
        Domains(asked.split, asked.data, tmp_path, show=False).require()


def test_a_split_of_four_layouts_runs_from_files_to_a_record(made, tmp_path):
    run.execute(mixed(made, tmp_path, "dacs"))
    (folder,) = record.folders(tmp_path)
    done = record.read(folder / record.RECORD)
    assert (done.data, done.standard, done.images) == ("fixture", False, 2)
    assert np.isfinite(done.metrics["miou"])
    assert [domain["dataset"] for domain in done.split["source"]] == ["gta5", "synthia"]
    assert set(done.manifests) == {
        *(f"source {domain.name}" for domain in SOURCES), *(f"target {domain.name}" for domain in TARGETS), "test",
    }  # fmt: skip
