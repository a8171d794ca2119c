"""Tables as files: what a grid shows, in four forms, without traps for spreadsheets."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from leaderboard import columns, tables
from leaderboard.page import Column, Table

FRAME = pd.DataFrame(
    {
        "method": ["alpha", "beta", "=cmd()", "100%_a|b"],
        "miou": [40.123, 50.456, float("nan"), 60.0],
        "miou_std": [0.5, float("nan"), float("nan"), 1.25],
    }
)
TABLE = Table(FRAME, (Column("method", "method"), columns.metric("miou")), "Some rows")
CONTEXT = {"split": "town", "protocol": "city-v1"}


def test_a_cell_is_a_mean_with_its_deviation_where_there_is_one() -> None:
    assert tables.shown(TABLE)["mIoU % ↑"].tolist() == ["40.1 ± 0.5", "50.5", "-", "60.0 ± 1.2"]


def test_a_csv_has_numbers_in_full_units_and_what_they_stand_under() -> None:
    found = pd.read_csv(io.BytesIO(tables.file(TABLE, "csv", CONTEXT)))
    assert list(found.columns) == ["split", "protocol", "method", "miou [%]", "miou_std [%]"]
    assert found["miou [%]"].iloc[0] == 40.123 and set(found["split"]) == {"town"}


@pytest.mark.parametrize("evil", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_spreadsheet_takes_no_cell_for_a_formula(evil: str) -> None:
    text = tables.csv(pd.DataFrame({"method": [evil, "plain"], "miou": [-1.0, 2.0]}))
    assert f"'{evil.strip()[:1]}" in text.replace('"', "") or f"'{evil}" in text
    assert "\nplain,2.0" in text and "-1.0" in text


def test_parquet_keeps_types() -> None:
    pytest.importorskip("pyarrow")
    found = pd.read_parquet(io.BytesIO(tables.file(TABLE, "parquet", CONTEXT)))
    assert found["miou [%]"].dtype == float and len(found) == 4


def test_latex_and_markdown_escape_what_they_must() -> None:
    latex = tables.file(TABLE, "tex", CONTEXT).decode()
    assert r"100\%\_a|b" in latex and r"$\pm$" in latex and latex.rstrip().endswith(r"\end{tabular}")
    markdown = tables.file(TABLE, "md", CONTEXT).decode()
    assert r"100%_a\|b" in markdown and "city-v1" in markdown


@pytest.mark.parametrize(("model", "left"), [
    ('{"method": {"filterType": "text", "type": "contains", "filter": "ALPH"}}', ["alpha"]),
    ('{"method": {"filterType": "text", "type": "notContains", "filter": "a"}}', ["=cmd()"]),
    ('{"method": {"filterType": "text", "type": "startsWith", "filter": "be"}}', ["beta"]),
    ('{"miou": {"filterType": "number", "type": "greaterThan", "filter": 45}}', ["beta", "100%_a|b"]),
    ('{"miou": {"filterType": "number", "type": "inRange", "filter": 40, "filterTo": 45}}', ["alpha"]),
    ('{"miou": {"filterType": "number", "type": "blank"}}', ["=cmd()"]),
    ('{"miou": {"filterType": "number", "operator": "OR", "conditions": [{"filterType": "number", "type": "lessThan", '
     '"filter": 45}, {"filterType": "number", "type": "greaterThan", "filter": 55}]}}', ["alpha", "100%_a|b"]),
])  # fmt: skip
def test_a_file_has_the_rows_that_the_grid_shows(model: str, left: list[str]) -> None:
    assert tables.arranged(FRAME, model, "")["method"].tolist() == left


@pytest.mark.parametrize(
    "model",
    [
        "{",
        "[]",
        '{"nothing": {}}',
        '{"miou": 3}',
        '{"miou": {"type": "what", "filter": []}}',
        '{"miou": {"filterType": "number", "type": "inRange", "filter": 1}}',
    ],
)
def test_a_filter_that_means_nothing_changes_nothing(model: str) -> None:
    assert len(tables.arranged(FRAME, model, "nothing:up")) == len(FRAME)


def test_a_file_is_sorted_as_the_grid_is() -> None:
    assert tables.arranged(FRAME, "", "miou:desc")["method"].tolist() == ["100%_a|b", "beta", "alpha", "=cmd()"]
