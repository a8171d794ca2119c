"""What is asked of every indoor data set alike: a plug-in's names, facts that fit, fields that can be packed."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from bench.data import packing
from datasets.facts import Facts
from datasets.spaces import NYU13, mapping
from tests import fixtures_indoor as indoor

PARTS = {"nyuv2": "train", "nyu13": "train", "hypersim": "train", "scenenet": "val", "pbrs": "all"}
every = pytest.mark.parametrize("name", PARTS)


@every
def test_a_data_set_says_what_it_has(name: str) -> None:
    module = importlib.import_module(f"datasets.{name}")
    assert module.NEEDS_ROOT and "\n" not in module.HELP and isinstance(module.FACTS, Facts)
    assert {"semseg", "depth"} <= set(module.TASKS) <= {"semseg", "depth", "normals"}
    assert mapping(module.CLASSES, NYU13).shape == (256,)


@every
def test_the_parts_are_those_whose_images_are_counted(name: str) -> None:
    module = importlib.import_module(f"datasets.{name}")
    with pytest.raises(ValueError, match=f'^{name}: no part "none"; did you mean ') as caught:
        module.index(None, "none")
    assert str(caught.value).rpartition("known: ")[2].split() == list(module.FACTS.counts)


@every
def test_it_is_packed_with_all_its_labels_into_13_classes(tmp_path: Path, name: str) -> None:
    getattr(indoor, name)(tmp_path / "root")
    module = importlib.import_module(f"datasets.{name}")
    items = module.index(tmp_path / "root", PARTS[name])[:2]
    fields = ("image", "semseg", "depth", "normals")
    packed = packing.build(tmp_path / "pack", module, items, fields, (80, 60), mapping(module.CLASSES, NYU13))
    for i, item in enumerate(items):
        assert packed.stems[i] == item.stem and packed.cameras[i] is not None
        assert packed.read(i, "image").std() > 20
        assert {NYU13.id("wall"), NYU13.id("floor")} <= set(np.unique(packed.read(i, "semseg")))
        assert 0.5 < np.median(packed.read(i, "depth")) < 10
        assert packed.read(i, "normals").any(-1).mean() > 0.5
