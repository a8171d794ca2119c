"""A record answers one question: this last stage, on this test set, by these rules."""

from __future__ import annotations

import pytest

from bench import record
from bench.run import answers

ASKED = {
    "split": {"name": "town", "test": {"size": (192, 96), "limit": None}},
    "manifests": {"test": "aaaa"},
    "standard": True,
}


def kept(folder, **changes):
    written = record.RunRecord(
        key="abcd", method="toy", protocol="city-v1", selection="last", seed=0, metrics={"miou": 1.0}, **ASKED | changes
    )
    record.write(written, folder / record.RECORD)
    return folder / record.RECORD


def test_a_record_of_the_same_test_set_and_rules_is_the_answer(tmp_path):
    assert answers(kept(tmp_path), ASKED)


@pytest.mark.parametrize(
    "changes",
    [
        {"split": {"name": "town", "test": {"size": (192, 96), "limit": 8}}},
        {"manifests": {"test": "bbbb"}},
        {"manifests": {}},
        {"standard": False},
    ],
    ids=["other rules", "other images", "unknown images", "a split that has since become the declared one"],
)
def test_a_record_of_another_test_set_or_other_rules_is_none(tmp_path, changes):
    assert not answers(kept(tmp_path, **changes), ASKED)


def test_where_there_is_no_record_there_is_no_answer(tmp_path):
    assert not answers(tmp_path / record.RECORD, ASKED)
