"""Every split is sound: its data sets, parts, sizes, classes and rules fit together."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from bench import plugins
from bench.split import Domain, Split
from datasets import spaces
from datasets.protocols import PROTOCOLS
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
def test_its_data_sets_are_there(split: Split) -> None:
    for domain in split.domains:
        assert (Path(__file__).parents[1] / "datasets" / f"{domain.dataset}.py").is_file()


@every_split
def test_it_is_found_under_its_name_and_says_what_it_is_in_a_line(split: Split) -> None:
    assert SPLITS[split.name] is split
    assert split.about and "\n" not in split.about


def test_a_split_with_normals_says_which_kind_and_one_without_says_none():
    for split in SPLITS.values():
        kinds = {"given" if "normals" in plugins.dataset(d.dataset).TASKS else "from depth" for d in split.source}
        assert ({split.normals} == kinds) if "normals" in split.tasks else not split.normals, split.name


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
        "minicity_overcast": (["render-train"], ["overcast-train"], "overcast-test", "minicity", "city-v1"),
        "minicity_noshift": (["camera-train"], ["camera-train"], "camera-test", "minicity", "city-v1"),
        "minicity_night": (["camera-train"], ["night-train"], "night-test", "minicity", "city-v1"),
        "minicity_sources": (["render-train", "night-train"], ["camera-train"], "camera-test", "minicity", "city-v1"),
        "minicity_targets": (["render-train"], ["camera-train", "night-train"], "camera-test", "minicity", "city-v1"),
        "minicity2camvid": (["render-train"], ["train"], "test", "camvid11", "camvid-v1"),
        "camvid_day2dusk": (["day"], ["dusk-train"], "dusk-test", "camvid11", "camvid-v1"),
        "synthia2cs": (["all"], ["train"], "val", "cs16", "cs-v1"),
        "synthia2cs_densemtl": (["all"], ["train"], "val", "cs16", "cs-down-v1"),
        "gta2cs": (["all"], ["train"], "val", "cs19", "cs-v1"),
        "vkitti2cs": (["15-deg-left"], ["train"], "val", "vk8", "cs-v1"),
        "kitti2cs": (["train"], ["train"], "val", "cs19", "cs-v1"),
        "bdd2cs": (["train"], ["train"], "val", "cs19", "road-v1"),
        "cs2bdd": (["train"], ["train"], "val", "cs19", "road-v1"),
        "gta2bdd": (["all"], ["train"], "val", "cs19", "road-v1"),
        "cs2acdc": (["train"], ["train"], "val", "cs19", "road-v1"),
        "cs2darkzurich": (["train"], ["night-train"], "val", "cs19", "road-v1"),
        "cs2foggy": (["train"], ["train"], "val", "cs19", "cs-v1"),
        "synthia2camvid": (["all"], ["train"], "test", "camvid11", "camvid-v1"),
        "gta2camvid": (["all"], ["train"], "test", "camvid11", "camvid-v1"),
        "cs7": (["train"], ["train"], "val", "cs7", "mtan-cs-v1"),
        "hypersim2nyud": (["train"], ["train"], "test", "nyu13", "nyu-v1"),
        "hypersim2nyud40": (["train"], ["train"], "test", "nyu40", "nyu-v1"),
        "suncg2nyud": (["all"], ["train"], "test", "nyu13", "nyu-v1"),
        "nyud13": (["train"], ["train"], "val", "nyu13", "mtan-nyu-v1"),
    }


SIZES = {  # of source, target and test, as papers have them
    "synthia2cs": [(1280, 760), (1024, 512), (1024, 512)],
    "synthia2cs_densemtl": [(1024, 512)] * 3,
    "gta2cs": [(1280, 720), (1024, 512), (1024, 512)],
    "vkitti2cs": [(1696, 512), (1024, 512), (1024, 512)],
    "synthia2camvid": [(1280, 760), (480, 360), (480, 360)],
    "gta2camvid": [(1280, 720), (480, 360), (480, 360)],
    "hypersim2nyud": [(640, 480)] * 3,
    "hypersim2nyud40": [(640, 480)] * 3,
    "suncg2nyud": [(320, 240)] * 3,
    "cs2acdc": [(1024, 512), (960, 540), (960, 540)],
    "cs2darkzurich": [(1024, 512), (960, 540), (960, 540)],
    "cs2foggy": [(1024, 512)] * 3,
    "bdd2cs": [(1280, 720), (1024, 512), (1024, 512)],
    "cs2bdd": [(1024, 512), (1280, 720), (1280, 720)],
    "gta2bdd": [(1280, 720)] * 3,
    "kitti2cs": [(1242, 375), (1024, 512), (1024, 512)],
    "camvid_day2dusk": [(480, 360)] * 3,
    "nyud13": [(384, 288)] * 3,
    "cs7": [(256, 128)] * 3,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_splits_sizes_are_those_of_the_literature(name: str) -> None:
    assert [domain.size for domain in domains(SPLITS[name])] == SIZES[name]


@every_split
def test_its_protocol_is_known_and_scores_what_it_says(split: Split) -> None:
    assert set(split.scored) <= set(PROTOCOLS[split.protocol].tasks)


@pytest.mark.parametrize(
    ("name", "metres"), [("vkitti2cs", 80), ("cs2foggy", 80), ("hypersim2nyud", 10), ("suncg2nyud", 10)]
)
def test_depth_is_capped_at_80_metres_outdoors_and_at_10_indoors(name: str, metres: float) -> None:
    split = SPLITS[name]
    assert split.depth_range == (1e-3, metres) and "depth" in split.scored and PROTOCOLS[split.protocol].capped


@pytest.mark.parametrize("name", ["nyud13", "cs7"])
def test_a_split_without_a_shift_gives_the_source_without_labels_as_its_target(name: str) -> None:
    assert SPLITS[name].target == SPLITS[name].source and SPLITS[name].test not in SPLITS[name].source


def test_inverse_depth_is_not_zoomed() -> None:
    # the suite divides depth by the zoom, inverse depth would have to be multiplied
    assert SPLITS["cs7"].augment.zoom == (1.0, 1.0)


def test_13_classes_are_never_folded_out_of_a_model_of_40() -> None:
    assert SPLITS["hypersim2nyud40"].also == () and SPLITS["hypersim2nyud40"].classes == "nyu40"


def test_the_main_outdoor_split_is_the_one_of_the_literature() -> None:
    split = SPLITS["synthia2cs"]
    assert [domain.size for domain in domains(split)] == [(1280, 760), (1024, 512), (1024, 512)]
    assert split.tasks == ("semseg", "depth", "normals") and split.scored == ("semseg", "depth")
    assert split.also == ("cs13",) and split.depth_range == (1e-3, 80)
    assert (split.crop, split.budget, split.batch) == ((512, 512), 40000, 2)


@pytest.mark.parametrize("name", [name for name in SPLITS if name.startswith("minicity_")])
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
