"""Every split is sound: its data sets, parts, sizes, classes and rules fit together."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from bench.split import Domain, Split
from datasets import spaces
from datasets.splits import SPLITS

every_split = pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)


def domains(split: Split) -> list[Domain]:
    return split.domains


@every_split
def test_its_tasks_are_known_and_what_is_scored_is_learnt(split: Split) -> None:
    assert split.tasks and set(split.tasks) <= {"semseg", "depth", "normals"}
    assert split.scored and set(split.scored) <= set(split.tasks)


@every_split
def test_its_crop_fits_every_training_image_and_the_network(split: Split) -> None:
    assert split.crop[0] % 32 == split.crop[1] % 32 == 0
    for domain in (*split.source, *split.target):
        assert split.crop[0] <= domain.size[0] and split.crop[1] <= domain.size[1]


@every_split
def test_its_depths_are_metres_in_order(split: Split) -> None:
    assert 0 < split.depth_range[0] <= split.depth_output[0] < split.depth_output[1] <= split.depth_range[1]


@every_split
def test_its_parts_are_known_to_its_data_sets(split: Split) -> None:
    for domain in domains(split):
        dataset = importlib.import_module(f"datasets.{domain.dataset}")
        if dataset.NEEDS_ROOT:
            with pytest.raises(FileNotFoundError, match=f"^{domain.dataset}: no folder was given"):
                dataset.index(None, domain.part)
        else:
            assert dataset.index(None, domain.part)


@every_split
def test_the_labels_it_needs_exist(split: Split) -> None:
    given = {"semseg": {"semseg"}, "depth": {"depth"}, "normals": {"normals", "depth"}}  # depth brings normals
    for domain, tasks in [(domain, split.tasks) for domain in split.source] + [(split.test, split.scored)]:
        dataset = importlib.import_module(f"datasets.{domain.dataset}")
        assert all(given[task] & set(dataset.TASKS) for task in tasks)


@every_split
def test_its_class_set_can_be_learnt_from_the_source_and_scored_on_the_test(split: Split) -> None:
    target = spaces.space(split.classes)
    for domain in (*split.source, split.test):
        origin = importlib.import_module(f"datasets.{domain.dataset}").CLASSES
        reached = set(spaces.mapping(origin, target).tolist()) - {255}
        assert reached == set(range(len(target))), f"{domain.dataset} lacks classes of {target.name}"
    for name in split.also:
        assert set(spaces.space(name).classes) < set(target.classes)


@every_split
def test_its_target_and_test_share_no_image(split: Split) -> None:
    assert split.test.name not in [domain.name for domain in split.target]


@every_split
def test_it_is_found_under_its_name_and_says_what_it_is_in_a_line(split: Split) -> None:
    assert SPLITS[split.name] is split
    assert split.about and "\n" not in split.about
    for domain in split.domains:
        assert (Path(__file__).parents[1] / "datasets" / f"{domain.dataset}.py").is_file()


def test_the_splits_of_today() -> None:
    rows = {
        name: (
            [d.part for d in split.source],
            [d.part for d in split.target],
            split.test.part,
            split.classes,
            split.protocol,
        )
        for name, split in SPLITS.items()
    }
    assert rows == {
        "minicity": (["render-train"], ["camera-train"], "camera-test", "minicity", "city-v1"),
        "minicity_dev": (["render-train"], ["night-train"], "night-test", "minicity", "city-v1"),
        "minicity_night": (["camera-train"], ["night-train"], "night-test", "minicity", "city-v1"),
        "minicity_sources": (["render-train", "night-train"], ["camera-train"], "camera-test", "minicity", "city-v1"),
        "minicity_targets": (["render-train"], ["camera-train", "night-train"], "camera-test", "minicity", "city-v1"),
        "minicity2camvid": (["render-train"], ["train"], "test", "camvid11", "camvid-v1"),
        "camvid_day2dusk": (["day"], ["dusk-train"], "dusk-test", "camvid11", "camvid-v1"),
        "synthia2cs": (["all"], ["train"], "val", "cs16", "cs-v1"),
    }


def test_the_main_outdoor_split_is_the_one_of_the_literature() -> None:
    split = SPLITS["synthia2cs"]
    assert [domain.size for domain in domains(split)] == [(1280, 760), (1024, 512), (1024, 512)]
    assert split.tasks == ("semseg", "depth", "normals") and split.scored == ("semseg", "depth")
    assert split.also == ("cs13",) and split.depth_range == (1e-3, 80)
    assert (split.crop, split.budget, split.batch) == ((512, 512), 40000, 2)


@pytest.mark.parametrize("name", ["minicity_dev", "minicity_night", "minicity_sources", "minicity_targets"])
def test_the_embedded_splits_differ_in_their_domains_only(name: str) -> None:
    one, other = SPLITS["minicity"], SPLITS[name]
    assert other.domains != one.domains
    assert replace(other, name=one.name, about=one.about, source=one.source, target=one.target, test=one.test) == one


def test_a_split_of_several_targets_is_scored_on_one_test_set() -> None:
    one, several = SPLITS["minicity"], SPLITS["minicity_targets"]
    assert several.test == one.test and several.target[0] == one.target[0] and len(several.target) == 2


def test_a_source_for_camvid_has_camvids_shape() -> None:
    split = SPLITS["minicity2camvid"]
    assert {domain.size for domain in domains(split)} == {(256, 192)}
