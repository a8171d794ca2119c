"""The rules of scoring behind each protocol id: a case by hand for every rule, read through the scorer."""

from __future__ import annotations

import dataclasses
import math
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from bench import check, plugins, predictions, record, score
from bench.data.labels import LabelSpace
from bench.domains import Domains
from bench.split import Box, Domain
from bench.tasks.depth import TASK
from datasets.protocols import PROTOCOLS
from tests.test_score import SPLIT

TASKS = ("semseg", "depth", "normals")
TWO = LabelSpace("two", ("floor", "wall"))
SPACES = SimpleNamespace(space=lambda name: TWO, mapping=lambda a, b: np.arange(256, dtype=np.uint8))
AHEAD, UP = (0.0, 0.0, -1.0), (0.0, -1.0, 0.0)
NYU, MTAN = (640, 480), (384, 288)  # width, height


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """The metrics of predictions against truths, each a list of {task: map}, under a protocol."""
    court = ModuleType("hand_made_court")
    monkeypatch.setitem(sys.modules, court.__name__, court)

    def of(protocol, truths, guesses, depth_range=(1e-3, 80.0)):
        items = [SimpleNamespace(stem=f"{i}") for i in range(len(truths))]
        court.TASKS, court.CLASSES = tuple(truths[0]), TWO
        court.read = lambda item, what, size=None: {name: truths[int(item.stem)][name] for name in what}
        for item, guess in zip(items, guesses, strict=True):
            predictions.write(tmp_path, item.stem, guess)
        tasks = tuple(guesses[0])
        split = dataclasses.replace(SPLIT, protocol=protocol, scored=tasks, also=(), depth_range=depth_range)
        return score.score(tmp_path, court, items, split, SPACES).metrics

    return of


def depth(size, metres):
    return np.full((size[1], size[0]), metres, np.float32)


def facing(size, vector):
    return np.tile(np.float32(vector), (size[1], size[0], 1))


def classes(size, value):
    return np.full((size[1], size[0]), value, np.uint8)


def eigen(inside, outside):
    """A map of 640x480 with other values outside the crop [45:471, 41:601]."""
    whole = outside.copy()
    whole[45:471, 41:601] = inside[45:471, 41:601]
    return whole


def near(value):
    return pytest.approx(value, rel=1e-3, abs=1e-3)  # predictions have 16 bits


def test_cs_v1_depth_is_scored_within_80_metres_at_the_labels_size_and_clamped_and_not_scaled(scored):
    truth, guess = depth((8, 4), 20.0), depth((4, 2), 500.0)
    truth[0], truth[1] = 0.0, 80.0  # invalid, and as far as the cap
    found = scored("cs-v1", [{"depth": truth}], [{"depth": guess}])
    assert found["abs_rel"] == near(3.0) and found["abs_err"] == near(60.0)
    assert found["abs_rel_median_scaled"] == near(0.0)


@pytest.mark.parametrize("protocol", ["cs-v1", "road-v1", "city-v1"])
def test_classes_are_scored_at_the_labels_own_size_and_void_is_not(scored, protocol):
    truth = classes((8, 4), 0)
    truth[0], truth[1] = 1, 255
    found = scored(protocol, [{"semseg": truth}], [{"semseg": classes((8, 4), 0)}])
    assert found["miou"] == near(100 * (16 / 24) / 2) and found["pixel_accuracy"] == near(100 * 16 / 24)


def test_cs_down_v1_truth_is_taken_down_by_nearest(scored):
    truth, labels = depth((2048, 1024), 5.0), classes((2048, 1024), 0)
    truth[1::2, 1::2], labels[1::2, 1::2] = 20.0, 1  # what the nearest pixel is, halving: the odd ones
    guess = {"depth": depth((64, 32), 10.0), "semseg": classes((1024, 512), 1)}
    found = scored("cs-down-v1", [{"depth": truth, "semseg": labels}], [guess])
    assert found["abs_rel"] == near(0.5) and found["abs_err"] == near(10.0)
    assert found["miou"] == found["pixel_accuracy"] == 100


def test_cs_down_v1_depth_is_scaled_by_the_medians_first_and_clamped_after(scored):
    truth, guess = depth((1024, 512), 2.0), depth((1024, 512), 60.0)
    truth[256:], guess[256:] = 4.0, 120.0  # 30 times too far; clamped to 80 first, no scale would mend it
    found = scored("cs-down-v1", [{"depth": truth}], [{"depth": guess}])
    assert found["abs_rel_median_scaled"] == near(0.0)
    assert found["abs_rel"] == near((58 / 2 + 76 / 4) / 2)


def test_camvid_v1_classes_are_scored_at_480x360(scored):
    labels = classes((960, 720), 0)
    labels[1::2, 1::2] = 1
    assert scored("camvid-v1", [{"semseg": labels}], [{"semseg": classes((480, 360), 1)}])["miou"] == 100


def test_nyu_v1_depth_is_scored_in_eigens_crop_below_10_metres_and_clamped(scored):
    truth = eigen(depth(NYU, 2.0), depth(NYU, 9.0))
    assert scored("nyu-v1", [{"depth": truth}], [{"depth": depth(NYU, 3.0)}], (1e-3, 10.0))["abs_rel"] == near(0.5)
    truth[45:258] = 10.5  # the crop's upper half: farther than the cap
    found = scored("nyu-v1", [{"depth": truth}], [{"depth": depth(NYU, 30.0)}], (1e-3, 10.0))
    assert found["abs_rel"] == near(4.0)


@pytest.mark.parametrize(
    ("row", "column", "inside"),
    [(45, 41, True), (44, 41, False), (45, 40, False), (470, 600, True), (471, 600, False), (470, 601, False)],
)
def test_nyu_v1_the_crop_has_its_first_row_and_column_and_not_the_ones_it_ends_at(scored, row, column, inside):
    truth = depth(NYU, 2.0)
    guess = truth.copy()
    guess[row, column] = 4.0
    found = scored("nyu-v1", [{"depth": truth}], [{"depth": guess}], (1e-3, 10.0))
    assert found["rmse"] == pytest.approx(2 / math.sqrt(426 * 560) if inside else 0, rel=0.02, abs=5e-4)


def test_nyu_v1_normals_are_scored_in_the_crop_where_there_are_any(scored):
    truth = eigen(facing(NYU, AHEAD), facing(NYU, UP))
    truth[45:100] = 0
    found = scored("nyu-v1", [{"normals": truth}], [{"normals": facing(NYU, AHEAD)}])
    assert found["angle_mean"] == pytest.approx(0, abs=0.01) and found["within_11.25"] == 100


def test_nyu_v1_classes_are_scored_without_a_crop(scored):
    found = scored("nyu-v1", [{"semseg": eigen(classes(NYU, 0), classes(NYU, 1))}], [{"semseg": classes(NYU, 0)}])
    assert found["pixel_accuracy"] == near(100 * 426 * 560 / (640 * 480))


def test_mtan_nyu_v1_depth_has_no_cap_no_crop_and_no_scaling_and_zero_is_none(scored):
    truth = depth(MTAN, 30.0)
    truth[:100] = 0
    found = scored("mtan-nyu-v1", [{"depth": truth}], [{"depth": depth(MTAN, 60.0)}], (1e-3, 10.0))
    assert found["abs_rel"] == near(1.0) and found["abs_err"] == near(30.0)


def test_mtan_nyu_v1_errors_are_pooled_over_pixels_not_averaged_over_images(scored):
    few = depth(MTAN, 0.0)
    few[:96] = 2.0  # a third of the pixels
    truths, guesses = [depth(MTAN, 2.0), few], [depth(MTAN, 2.0), depth(MTAN, 4.0)]
    found = scored("mtan-nyu-v1", [{"depth": truth} for truth in truths], [{"depth": guess} for guess in guesses])
    assert found["abs_err"] == near(2 * (1 / 3) / (4 / 3))


def test_mtan_nyu_v1_normals_are_scored_where_they_are_not_zero(scored):
    truth = facing(MTAN, AHEAD)
    truth[:144] = 0
    assert scored("mtan-nyu-v1", [{"normals": truth}], [{"normals": facing(MTAN, UP)}])["angle_mean"] == near(90.0)


def test_mtan_cs_v1_reports_the_errors_of_the_inverse_depth_and_nothing_in_metres(scored):
    truth = depth((256, 128), 0.02)
    truth[:64] = 0
    labels = classes((256, 128), 0)
    guess = {"depth": depth((256, 128), 0.03), "semseg": labels}
    found = scored("mtan-cs-v1", [{"depth": truth, "semseg": labels}], [guess], (1e-4, 1.0))
    assert found["abs_err"] == pytest.approx(0.01, rel=1e-3) and found["abs_rel"] == near(0.5)
    assert set(found) == {"miou", "pixel_accuracy", "mean_accuracy", "abs_err", "abs_rel"}


def test_city_v1_depth_ends_at_the_splits_far_limit(scored):
    truth = depth((8, 4), 20.0)
    truth[0] = 60.0
    found = scored("city-v1", [{"depth": truth}], [{"depth": depth((8, 4), 90.0)}], (1e-3, 50.0))
    assert found["abs_rel"] == near(1.5)


# who uses them


def test_predictions_of_classes_are_made_at_the_size_of_the_protocols_truth(tmp_path):
    test = Domain(dataset="minicity", part="camera-test", size=(64, 32), limit=2)
    for protocol, size in (("city-v1", (64, 32)), ("cs-down-v1", (1024, 512))):
        split = dataclasses.replace(SPLIT, test=test, protocol=protocol)
        assert Domains(split, {}, tmp_path).test_sizes() == [size] * 2


@pytest.mark.parametrize("protocol", [name for name, rules in PROTOCOLS.items() if "depth" not in rules.tasks])
def test_a_task_that_the_protocol_does_not_score_is_refused_before_anything_is_trained(tmp_path, protocol):
    tiny = check.tiny("source_only", tmp_path).split
    split = dataclasses.replace(tiny, protocol=protocol, scored=("semseg", "depth"))
    with pytest.raises(
        ValueError, match=rf"^protocol {protocol} scores semseg, not depth; say split.scored=\[semseg\]$"
    ):
        Domains(split, {}, tmp_path).require()


def test_an_unknown_protocol_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match='^no protocol "nyu-v2"; did you mean nyu-v1\\? known: '):
        plugins.protocol("nyu-v2")


def test_every_protocol_says_what_it_is_in_a_line_and_reports_known_numbers():
    for rules in PROTOCOLS.values():
        assert rules.about and "\n" not in rules.about and set(rules.tasks) <= set(TASKS)
        assert set(rules.metrics) <= set(record.METRICS)


def test_a_box_lies_in_the_truth_that_it_is_cut_from():
    boxes = [(rules.box, rules.size) for rules in PROTOCOLS.values() if rules.box]
    assert boxes == [(Box(top=45, bottom=471, left=41, right=601), (640, 480))]


def test_statistics_of_an_older_suite_are_one_clear_line():

    with pytest.raises(ValueError, match="older suite, without absolute: predict again"):
        TASK.metrics({"count": np.array([1])})
