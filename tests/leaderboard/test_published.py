"""published.csv keeps its promises, and nothing of it is ranked or shown without its mark."""

from __future__ import annotations

import pandas as pd
import pytest

from leaderboard import columns, published, tables
from leaderboard.page import Table
from leaderboard.pages import front

TABLE = published.table()
HAS = TABLE["flags"].str.split(";")
UNITS = {"percent", "m", "deg", "ratio", "px", "points", "rank", "normalised_disparity"}


def test_a_number_has_one_row() -> None:
    assert not TABLE.duplicated([*published.KEY, "source"]).any()


def test_marks_units_and_protocols_are_known() -> None:
    assert set(TABLE["evidence"]) <= set(published.MARKS)
    assert set(TABLE["unit"]) <= UNITS
    assert set(TABLE["protocol"]) <= set(published.PROTOCOLS)


def test_classes_equal_their_stated_mean_or_say_that_they_do_not() -> None:
    named = TABLE[(TABLE["metric"] == "iou") & (TABLE["class_name"] != "")]
    checked = 0
    for key, each in named.groupby(["protocol", "method", "backbone", "source"]):
        same = TABLE[["protocol", "method", "backbone", "source"]].eq(list(key)).all(axis=1)
        stated = TABLE[same & (TABLE["metric"] == "iou") & (TABLE["class_name"] == "")]
        if len(stated):
            checked += 1
            close = abs(each["value"].mean() - stated["value"].iloc[0]) <= 0.06 + 1e-9
            assert close or all("mean_mismatch" in flags for flags in HAS[each.index]), key
    assert checked > 20


def test_a_delta_of_this_sign_is_better_when_lower() -> None:
    """The one of papers; the suite's own is the other way round."""
    better = TABLE.drop_duplicates("metric").set_index("metric")["higher_is_better"]
    assert not better["delta_m"] and better["delta_mtl"]


def test_thirteen_classes_are_never_more_than_sixteen() -> None:
    assert "train" not in set(TABLE["class_name"][TABLE["protocol"] == "syn2cs16"])
    assert not {"wall", "fence", "pole"} & set(TABLE["class_name"][TABLE["protocol"] == "syn2cs13"])


def test_cells_that_nobody_compared_with_the_paper_are_not_shown() -> None:
    for protocol in published.protocols():
        assert not published.cells(protocol)["flags"].str.contains(published.UNCHECKED).any()
    assert HAS.map(lambda flags: published.UNCHECKED in flags).any()


def test_the_strongest_evidence_is_shown_where_several_state_the_same() -> None:
    order = list(published.MARKS)
    for protocol in published.protocols():
        shown = published.means(protocol)
        same = TABLE[(TABLE["protocol"] == protocol) & (TABLE["class_name"] == "")]
        for row in shown.to_dict("records"):
            among = same[same[["method", "backbone", "metric", "flags"]].eq(
                [row[name] for name in ("method", "backbone", "metric", "flags")]).all(axis=1)]  # fmt: skip
            assert order.index(row["evidence"]) == min(map(order.index, among["evidence"]))


def test_every_number_shown_has_its_mark_and_its_source() -> None:
    tables = [b for p in published.protocols() for b in front.reported(p) if isinstance(b, Table)]
    assert len(tables) == len(published.protocols())
    for table in tables:
        assert {"evidence", "source", "flags"} <= {column.name for column in table.columns}
        assert (table.frame["evidence"] != "").all() and (table.frame["source"] != "").all()


def test_no_reported_number_enters_the_measured_rows(board) -> None:
    rows = board.ranking(board.place("town2city"), "all").table
    assert not set(rows["method"]) & set(TABLE["method"])
    assert "evidence" not in rows.columns and "evidence" not in {c.name for c in columns.front(rows, ("semseg",))}


@pytest.mark.parametrize("protocol", ["gta2cs19", "nyu13_mtan"])
def test_a_published_protocol_is_a_page_of_its_own(board, protocol: str) -> None:
    place = board.place(protocol)
    assert place.reported_only and isinstance(published.means(protocol), pd.DataFrame)


def test_a_number_is_shown_with_the_digits_that_were_printed() -> None:
    shown = tables.shown(Table(published.means("syn2cs16"), columns.REPORTED, ""))
    assert {"67.3", "55"} & set(shown["value"]) and "67.30" not in set(shown["value"])
