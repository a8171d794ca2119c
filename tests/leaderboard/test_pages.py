"""Every page as a function of the board and a link: no browser, no server."""

from __future__ import annotations

import json
import time

import pytest

from leaderboard import figures, receipt, show
from leaderboard.board import Board
from leaderboard.page import Choice, Code, Facts, Figure, Pairs, Query, Table, Text, parts_of
from leaderboard.pages import menu, page, views
from leaderboard.pages.views import VIEWS
from leaderboard.static import render
from tests.leaderboard.stores import begun, keep

VIEWED = [f"/view/{name}" for name in VIEWS]


def at(board: Board, address: str):
    return page(board, *parts_of(address))


def blocks(found, kind):
    return [one for one in found.blocks if isinstance(one, kind)]


def words(found) -> str:
    return render(found, (), "", "v", lambda address: address)


def run_of(board: Board, method: str, seed: int = 0, selection: str = "last") -> str:
    f = board.index.frame
    return str(f[(f["method"] == method) & (f["seed"] == seed) & (f["selection"] == selection)]["key"].iloc[0])


def test_every_link_of_every_page_leads_somewhere(board):
    todo, seen = ["/"], set()
    while todo:
        address = todo.pop()
        query = Query.of(parts_of(address)[1])
        key = (parts_of(address)[0], query.split) if query.split != "town2city" else address
        if key in seen or query.pin or query.a or address.startswith(("/api/", "https://arxiv.org/")):
            continue
        seen.add(key)
        found = at(board, address)
        assert found.found, address
        json.dumps([one.plot for one in blocks(found, Figure)], allow_nan=False)
        todo += [*found.links(), *(one.href for one in menu(query))]
    assert len(seen) > 60


@pytest.mark.parametrize("address", ["/nothing", "/run/ffff", "/run/../../etc", "/view/nothing", "/method/nothing",
                                     "/?split=nothing", "/view/classes?split=gta2cs19", "/run"])  # fmt: skip
def test_what_is_not_there_is_a_page_that_says_so(board, address):
    found = at(board, address)
    assert not found.found and blocks(found, Text)


@pytest.mark.parametrize("address", ["/", *VIEWED, "/compare"])
def test_words_that_mean_nothing_change_nothing(board, address):
    odd = f"{address}?selection=x&classes=x&by=x&metric=x&pin=x&a=x&b=x&unknown=1&version=&protocol="
    assert at(board, odd).title == at(board, address).title


def test_a_link_holds_the_whole_state():
    query = Query(split="a b", by="miou", classes="13", pin="<&>", sort="miou:desc", filter='{"method":{}}')
    address = query.to("/", "by", "classes", "pin", "sort", "filter")
    assert Query.of(parts_of(address)[1]) == query


@pytest.mark.parametrize("address", ["/", *VIEWED])
def test_each_choice_marks_one_of_its_options(board, address):
    for one in blocks(at(board, address), Choice):
        assert [o.words for o in one.options].count(one.chosen) == 1, one.label


def test_each_figure_sends_nothing_anywhere_and_has_its_numbers_as_a_table(board):
    found = [one for address in VIEWED for one in blocks(at(board, address), Figure)]
    assert len(found) >= 5
    assert figures.CONFIG["showSendToCloud"] is False and figures.CONFIG["toImageButtonOptions"]["format"] == "svg"
    for one in found:
        assert len(one.table.frame) and one.table.caption
        json.dumps(one.plot, allow_nan=False)


def graphs(component) -> list:
    inner = getattr(component, "children", None)
    inner = inner if isinstance(inner, list | tuple) else [] if inner is None else [inner]
    mine = [component] if type(component).__name__ == "Graph" else []
    return mine + [graph for one in inner for graph in graphs(one)]


def test_plotlys_cloud_button_is_off_in_every_graph(board):
    found = [
        g for address in VIEWED for one in show.show(at(board, address), (), Query(), "", "v") for g in graphs(one)
    ]
    assert len(found) >= 5 and all(graph.config["showSendToCloud"] is False for graph in found)


def test_every_column_of_the_board_says_what_it_is(board):
    (grid, *_) = [one for one in blocks(at(board, "/"), Table) if one.name == "rows"]
    silent = [column.heading for column in grid.columns if not column.about]
    assert silent == []


def test_a_pinned_row_turns_the_heat_map_into_differences(board):
    place = board.place("town2city")
    pin = board.table(place).set_index("method").loc["alpha", "id"]
    (figure,) = blocks(at(board, f"/view/classes?pin={pin}"), Figure)
    table = figure.table.frame.set_index("label")
    assert (table.loc["alpha"] == 0).all() and (table.loc["gamma"] > 0).all()
    assert figure.plot["data"][0]["zmin"] == -figure.plot["data"][0]["zmax"]


def test_a_class_set_is_reckoned_from_the_matrices(board):
    (figure,) = blocks(at(board, "/view/classes?classes=7"), Figure)
    assert list(figure.table.frame.columns) == "label flat construction object nature sky human vehicle".split()


def test_a_point_that_another_beats_is_not_on_the_front():
    assert figures.pareto_front([1, 2, 3, 2], [1, 2, 3, 2.5]).tolist() == [True, True, True, False]
    assert figures.pareto_front([1, 1], [1, 2]).tolist() == [True, False]
    assert figures.pareto_front([1, 1], [1, 1]).tolist() == [True, True]


def test_the_oracle_is_no_part_of_the_front(board):
    (figure,) = blocks(at(board, "/view/pareto"), Figure)
    front = figure.table.frame.set_index("label")["front"]
    assert "oracle" in front["target_oracle"] and front["gamma"] == "on the front"


def test_a_crowd_is_drawn_by_its_front_and_its_best(tmp_path, monkeypatch):
    monkeypatch.setattr(views, "MOST", 3)
    for number in range(9):
        speed = {"batch1": {"images_per_second": 90.0 if number == 1 else 10.0}, "threads": 2}
        for seed in range(3):
            keep(tmp_path, f"m{number}", seed, 0.3 + number / 20, throughput=speed)
    board = Board.of(tmp_path)
    board.wait = True
    (figure,) = blocks(at(board, "/view/pareto"), Figure)
    assert set(figure.table.frame["label"]) == {"m8", "m7", "m6", "m1"}
    assert "the best 3 of 9 rows" in figure.table.caption


def test_speeds_of_two_testbeds_are_two_figures(tmp_path):
    for seed in range(3):
        keep(tmp_path, "ours", seed, None, {"miou": 40.0})
        keep(tmp_path, "theirs", seed, None, {"miou": 41.0}, hardware={"cpu": "slide rule", "gpu": ""})
    found = blocks(at(Board.of(tmp_path), "/view/pareto"), Figure)
    assert len(found) == 2 and {len(one.table.frame) for one in found} == {1}


def test_depth_is_shown_by_range_of_true_depth(board, tmp_path):
    (figure,) = blocks(at(board, "/view/depth?metric=rmse"), Figure)
    shown = figure.table.frame.set_index("label")
    assert list(shown.columns) == ["5 to 10 m", "10 to 20 m"]  # where there are pixels
    assert shown.loc["gamma", "5 to 10 m"] < shown.loc["source_only", "5 to 10 m"] < shown.loc["source_only"].iloc[1]
    keep(tmp_path, "older", 0, None, {"abs_rel": 0.3})
    assert "older suite" in words(at(Board.of(tmp_path), "/view/depth"))


def test_selection_rules_stand_side_by_side_for_the_same_runs(board):
    (figure,) = blocks(at(board, "/view/selection"), Figure)
    row = figure.table.frame.set_index("label").loc["alpha"]
    assert list(row.index) == ["last step", "entropy", "oracle (target labels)"]
    assert row["last step"] < row["entropy"] < row["oracle (target labels)"]


def test_a_run_shows_its_pictures_worst_images_curves_and_command(board):
    found = at(board, f"/run/{run_of(board, 'alpha', 1)}")
    (pictures,) = blocks(found, Pairs)
    assert len(pictures.pairs) == 8 and len(blocks(found, Figure)) == 1
    captions = [table.caption for table in blocks(found, Table)]
    assert sum("worst" in caption for caption in captions) == 3
    command = next(one.content for one in blocks(found, Code) if "bench.run" in one.content)
    assert "method=alpha split=town2city seed=1 network=small" in command and "data.cityscapes=DIR" in command


def test_a_run_shows_the_metrics_of_groups_of_its_test_images(tmp_path):
    keep(tmp_path, "alpha", groups={"fog": {"miou": 40.0, "pixel_accuracy": 80.0}, "night": {"miou": 20.0}})
    board = Board.of(tmp_path)
    tables = blocks(at(board, f"/run/{run_of(board, 'alpha')}"), Table)
    (table,) = (one for one in tables if one.caption == "Metrics of groups of the test images")
    assert [one.name for one in table.columns] == ["group", "miou"]
    assert table.frame["miou"].tolist() == [40.0, 20.0]


def test_a_run_that_failed_says_why_and_its_row_leads_to_it(tmp_path):
    keep(tmp_path, "delta", 0)
    begun(tmp_path, "delta", 1, "aaee" * 8, ("out of memory", "OutOfMemoryError: 80 GiB of 79"))
    board = Board.of(tmp_path)
    row = next(one for one in blocks(at(board, "/"), Table) if one.name == "rows").frame.iloc[0]
    assert (row["why"], row["torn_href"]) == ("1 of 3 seeds; seed 1 out of memory", f"/run/{'aaee' * 8}")
    facts = dict(blocks(at(board, row["torn_href"]), Facts)[0].facts)
    assert (facts["marks"], facts["failure"]) == ("failed: out of memory", "OutOfMemoryError: 80 GiB of 79")


def test_a_command_is_safe_to_paste(board, tmp_path):
    keep(tmp_path, "ours", 0, None, {"miou": 1.0}, overrides=["method.lr=1; rm -rf ~"])
    run = Board.of(tmp_path).index
    assert "'method.lr=1; rm -rf ~'" in receipt.command(run.record(run.frame["key"].iloc[0]))


def test_a_record_that_does_not_follow_from_its_statistics_is_seen(tmp_path):
    keep(tmp_path, "liar", 0, 0.5, {"miou": 88.0, "abs_rel": 0.1})
    board = Board.of(tmp_path)
    page_ = at(board, f"/run/{run_of(board, 'liar')}")
    (again,) = [table.frame for table in blocks(page_, Table) if "agrees" in table.frame.columns]
    assert again.set_index("metric")["agrees"]["mIoU % ↑"] == "NO"


def test_two_methods_are_compared_by_classes_with_significance(board):
    ids = board.table(board.place("town2city")).set_index("method")["id"]
    clear = at(board, f"/compare?a={ids['gamma']}&b={ids['alpha']}")
    (figure,) = blocks(clear, Figure)
    assert (figure.table.frame["sure"] == "yes").all() and (figure.table.frame["difference"] > 5).all()
    close = at(board, f"/compare?a={ids['alpha']}&b={ids['beta']}")
    (figure,) = blocks(close, Figure)
    assert (figure.table.frame["sure"] == "").sum() > 8
    settings = next(t.frame for t in blocks(close, Table) if "without seeds" in t.caption)
    assert "config.lr" in set(settings["name"]) and "network.name" not in set(settings["name"])


def test_submissions_are_listed_with_their_state_and_why(board):
    found = at(board, "/submissions")
    (table,) = blocks(found, Table)
    lines = {row["method"]: row for row in table.frame.to_dict("records")}
    assert {name: row["state"] for name, row in lines.items()} == {"fresh": "received", "weak": "rejected"}
    assert "no prediction of depth" in lines["weak"]["note"] and "1 not scored yet" in table.caption


def test_a_method_has_its_paper_and_bibtex(board):
    found = at(board, "/method/dacs")
    (code,) = blocks(found, Code)
    assert code.content.startswith("@inproceedings{tranheden2021dacs,") and "2007.08702" in code.content
    assert "Our own, after" in words(at(board, "/method/dakd_mt"))


def test_words_of_a_record_never_become_markup(tmp_path):
    evil = "<script>alert(1)</script>"
    keep(tmp_path, evil, 0, None, {"miou": 1.0}, overrides=[evil], config={evil: evil}, commit=evil)
    board = Board.of(tmp_path)
    for address in ("/", "/view/seeds", f"/method/{evil}", f"/run/{board.index.frame['key'].iloc[0]}"):
        assert "<script>alert" not in words(at(board, address))


def test_a_large_board_shows_its_rows_at_once_and_its_ranks_when_they_are_drawn(tmp_path, monkeypatch):
    keep(tmp_path, "first", 0)
    for seed in range(3):
        keep(tmp_path, "ours", seed)
    monkeypatch.setattr("leaderboard.board.PATIENCE", -1)
    board = Board.of(tmp_path)
    before, version = board.ranking(board.place(), "miou"), board.version
    assert before.waiting == 3 and set(before.table["rank"]) == {"...", "1 seed"}
    for _ in range(200):
        if board.version != version:
            break
        time.sleep(0.05)
    after = board.ranking(board.place(), "miou")
    assert after.waiting == 0 and set(after.table["rank"]) == {"1", "1 seed"}
