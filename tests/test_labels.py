"""Ids go from space to space by class names, and a confusion matrix folds as the labels themselves would."""

from __future__ import annotations

import numpy as np
import pytest

from bench.data.labels import LabelSpace, aggregated, between, chosen, table
from bench.problem import VOID

FINE = LabelSpace("fine", ("road", "car", "bus", "bird"))
COARSE = LabelSpace("coarse", ("vehicle", "ground"))
NAMES = {"road": "ground", "car": "vehicle", "bus": "vehicle"}  # a bird has no counterpart


def confusion(truth, prediction, num_rows, num_columns):
    matrix = np.zeros((num_rows, num_columns), np.int64)
    for t, p in zip(truth, prediction, strict=True):
        if t != VOID:
            matrix[t, p] += 1
    return matrix


@pytest.fixture
def pixels():
    r = np.random.default_rng(0)
    return r.choice([0, 1, 2, 3, VOID], 500), r.integers(0, 4, 500)


def test_an_id_that_a_table_does_not_list_is_void():
    lut = table({7: 0, 8: 1})
    assert lut[[7, 8]].tolist() == [0, 1]
    assert (np.delete(lut, [7, 8]) == VOID).all() and lut.shape == (256,) and lut.dtype == np.uint8


@pytest.mark.parametrize("wrong", [{-1: 0}, {256: 0}, {0: 256}, {0: -1}])
def test_a_table_refuses_what_is_no_byte(wrong):
    with pytest.raises(ValueError, match="expected ids from 0 to 255"):
        table(wrong)


def test_spaces_meet_by_names():
    assert between(FINE, COARSE, NAMES)[:5].tolist() == [1, 0, 0, VOID, VOID]


def test_an_unknown_class_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match='^label space fine has no class "cat"; did you mean car[?]$'):
        between(FINE, COARSE, {"cat": "vehicle"})


def test_a_space_knows_its_classes():
    assert len(FINE) == 4 and [FINE.id(word) for word in FINE.classes] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("classes", "palette", "fault"),
    [
        ((), (), "0 classes"),
        (("a", "b", "a"), (), "class a is named twice"),
        (("a", "b"), ((0, 0, 0),), "1 colours for 2 classes"),
    ],
)
def test_a_space_that_cannot_be_is_refused(classes, palette, fault):
    with pytest.raises(ValueError, match=f"^label space odd: {fault}"):
        LabelSpace("odd", classes, palette)


def test_a_folded_matrix_is_that_of_the_mapped_labels(pixels):
    truth, prediction = pixels
    lut = between(FINE, COARSE, NAMES)
    missed = np.where(lut[prediction] == VOID, 2, lut[prediction])  # a bird seen there: wrong, whatever is true
    folded = aggregated(confusion(truth, prediction, 4, 4), lut, 2)
    assert np.array_equal(folded, confusion(lut[truth], missed, 2, 3))
    assert folded[:, 2].sum() > 0  # and it was seen


def test_folding_by_names_that_all_have_a_counterpart_loses_no_pixel(pixels):
    matrix = confusion(*pixels, 4, 4)
    assert aggregated(matrix, table({0: 1, 1: 0, 2: 0, 3: 0}), 2).sum() == matrix.sum()
    assert np.array_equal(aggregated(matrix, table({i: i for i in range(4)}), 4)[:, :4], matrix)


def test_the_score_of_some_classes_still_counts_errors_with_the_others(pixels):
    truth, prediction = pixels
    valid = truth != VOID
    truth, prediction = truth[valid], prediction[valid]
    expected = [((truth == c) & (prediction == c)).sum() / ((truth == c) | (prediction == c)).sum() for c in (2, 0)]
    assert chosen(confusion(truth, prediction, 4, 4), (2, 0)) == pytest.approx(expected, rel=1e-12)


def test_a_class_that_is_nowhere_has_no_score():
    iou = chosen(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]]), (0, 1, 2))
    assert iou[:2] == pytest.approx([3 / 4, 2 / 3]) and np.isnan(iou[2])


def test_a_folded_matrix_can_be_scored(pixels):
    truth, prediction = pixels
    lut = between(FINE, COARSE, NAMES)
    valid = lut[truth] != VOID
    ours, theirs = lut[truth][valid], lut[prediction][valid]
    expected = [((ours == c) & (theirs == c)).sum() / ((ours == c) | (theirs == c)).sum() for c in (0, 1)]
    folded = aggregated(confusion(truth, prediction, 4, 4), lut, 2)
    assert chosen(folded, (0, 1)) == pytest.approx(expected, rel=1e-12)
