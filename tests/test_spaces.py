"""Label spaces and the maps between them, against the specification and against Cityscapes' own scripts."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.labels import LabelSpace
from datasets.spaces import (
    CAMVID11,
    CITYSCAPES_IDS,
    CS7,
    CS13,
    CS16,
    CS19,
    NYU13,
    NYU40,
    SPACES,
    SYNTHIA20,
    VK8,
    VK14,
    mapping,
    space,
)

MINICITY = LabelSpace("minicity", ("road", "sidewalk", "building", "pole", "traffic sign", "sky", "person", "truck"))


def ids(origin: LabelSpace, target: LabelSpace) -> list[int]:
    return mapping(origin, target)[: len(origin)].tolist()


def test_the_spaces_have_the_sizes_that_papers_report() -> None:
    sizes = {name: len(found) for name, found in SPACES.items()}
    outdoors = {"cs19": 19, "cs16": 16, "cs13": 13, "cs7": 7, "vk14": 14, "vk8": 8, "camvid11": 11}
    assert sizes == outdoors | {"synthia20": 20, "nyu40": 40, "nyu13": 13, "mapillary65": 65, "shift21": 21}
    assert all(name == found.name for name, found in SPACES.items())


def test_cs19_is_cityscapes_own_order_and_palette() -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    own = sorted((label for label in labels if 0 <= label.trainId < 255), key=lambda label: label.trainId)
    assert CS19.classes == tuple(label.name for label in own)
    assert CS19.palette == tuple(label.color for label in own)


def test_the_label_ids_are_cityscapes_own() -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    assert CITYSCAPES_IDS == {label.id: label.trainId for label in labels if 0 <= label.trainId < 255}


def test_cs7_is_cityscapes_own_categories() -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    categories = {label.name: label.category for label in labels}
    assert [CS7.classes[i] for i in ids(CS19, CS7)] == [categories[word] for word in CS19.classes]


def test_cs16_is_cs19_without_three_renumbered() -> None:
    assert ids(CS19, CS16) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 255, 9, 10, 11, 12, 255, 13, 255, 14, 15]


def test_cityscapes_label_ids_go_to_16_classes_as_in_the_authors_files() -> None:
    """ADVENT's, DADA's and CTRL's table of label ids."""
    table = "7:0 8:1 11:2 12:3 13:4 17:5 19:6 20:7 21:8 23:9 24:10 25:11 26:12 28:13 32:14 33:15"
    own = {int(one): int(other) for one, other in (word.split(":") for word in table.split())}
    to16 = mapping(CS19, CS16)
    assert {i: int(to16[train]) for i, train in CITYSCAPES_IDS.items() if to16[train] != 255} == own


def test_cityscapes_label_ids_go_to_7_classes_as_in_the_authors_files() -> None:
    """DADA's and CTRL's, but for caravan and trailer (29, 30), which are no class of cs19."""
    groups = {0: (7, 8), 1: (11, 12, 13), 2: (17, 19, 20), 3: (21, 22), 4: (23,), 5: (24, 25)}
    groups[6] = (26, 27, 28, 31, 32, 33)
    to7 = mapping(CS19, CS7)
    assert {i: int(to7[train]) for i, train in CITYSCAPES_IDS.items()} == {
        i: g for g, ids in groups.items() for i in ids
    }


def test_synthias_classes_go_wherever_cs19_goes_without_the_lane_marking() -> None:
    assert ids(SYNTHIA20, CS19) == [*range(19), 255]
    assert ids(SYNTHIA20, CS16) == [*ids(CS19, CS16), 255]
    assert ids(SYNTHIA20, VK8) == [*ids(CS19, VK8), 255]
    assert ids(SYNTHIA20, CAMVID11) == [*ids(CS19, CAMVID11), CAMVID11.id("road")]


def test_cs13_is_a_report_over_cs16_and_no_space_for_labels() -> None:
    assert set(CS16.classes) - set(CS13.classes) == {"wall", "fence", "pole"}
    assert [CS16.id(word) for word in CS13.classes] == sorted(CS16.id(word) for word in CS13.classes)
    with pytest.raises(ValueError, match="^cs13 is a report over cs16's matrix"):
        mapping(CS16, CS13)


def test_vk8_leaves_sidewalk_terrain_and_truck_out() -> None:
    found = dict(enumerate(ids(CS19, VK8)))
    named = {0: 0, 2: 1, 5: 2, 6: 3, 7: 4, 8: 5, 10: 6, 13: 7, 15: 7}
    assert found == {i: named.get(i, 255) for i in range(19)}


def test_virtual_kittis_own_classes_go_to_vk8_with_tree_truck_and_van_but_without_terrain() -> None:
    assert ids(VK14, VK8) == [255, 6, 5, 5, 1, 0, 255, 4, 3, 2, 255, 7, 7, 7]


def test_cs19_goes_to_camvid_by_camvids_own_grouping() -> None:
    assert ids(CS19, CAMVID11) == [3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10]


def test_the_way_back_from_camvid_cannot_tell_who_rides() -> None:
    assert ids(CAMVID11, CS19) == [10, 2, 5, 0, 1, 8, 7, 4, 13, 11, 255]


def test_nyu40_labels_go_to_nyu13_as_the_authors_map_says() -> None:
    table = (
        "12 5 6 1 4 9 10 12 13 6 8 6 13 10 6 13 6 7 7 5 7 3 2 6 11 7 7 7 7 7 7 6 7 7 7 7 7 7 6 7"  # by id40, 1-based
    )
    assert ids(NYU40, NYU13) == [int(number) - 1 for number in table.split()]


def test_a_part_of_cs19_goes_wherever_cs19_goes_by_names() -> None:
    assert ids(MINICITY, CS19) == [0, 1, 2, 5, 7, 10, 11, 14]
    assert ids(MINICITY, CAMVID11) == [3, 4, 1, 2, 6, 0, 9, 8]
    assert ids(MINICITY, CS16) == [0, 1, 2, 5, 7, 9, 10, 255]
    assert ids(CS19, MINICITY)[:4] == [0, 1, 2, 255]


@pytest.mark.parametrize("name", SPACES)
def test_a_space_maps_to_itself_and_void_stays_void(name: str) -> None:
    found = mapping(SPACES[name], SPACES[name])
    assert found.dtype == np.uint8 and found.shape == (256,)
    assert found[: len(SPACES[name])].tolist() == list(range(len(SPACES[name])))
    assert (found[len(SPACES[name]) :] == 255).all()


def test_spaces_without_a_map_are_an_error_that_says_which_maps_there_are() -> None:
    with pytest.raises(ValueError, match="^no map from nyu40 to cs19; from nyu40 there is: nyu13$"):
        mapping(NYU40, CS19)


def test_an_unknown_space_comes_with_the_nearest_known_one() -> None:
    assert space("camvid11") is CAMVID11
    with pytest.raises(ValueError, match='^no label space "camvid"; did you mean camvid11\\? known: camvid11 cs13 '):
        space("camvid")


def test_the_embedded_worlds_space_is_its_own_and_a_part_of_cs19() -> None:
    assert space("minicity").name == "minicity"
    assert set(space("minicity").classes) <= set(CS19.classes)
