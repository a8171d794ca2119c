"""The pages: each a function of the board and the link's words, without a browser."""

from __future__ import annotations

from leaderboard import published
from leaderboard.board import Board
from leaderboard.page import Link, Page, Query, missing
from leaderboard.pages import about, compare, front, method, run, submissions, views


def page(board: Board, path: str, search: str = "") -> Page:
    """The page of an address. What cannot be found is a page too, that says so."""
    query, words = Query.of(search), [word for word in path.split("/") if word]
    match words:
        case []:
            return front.page(board, query)
        case ["view", name] if name in views.VIEWS:
            return views.page(board, name, query)
        case ["run", key]:
            return run.page(board, key)
        case ["method", name]:
            return method.page(board, name)
        case ["compare"]:
            return compare.page(board, query)
        case ["submissions"]:
            return submissions.page(board)
        case ["about"]:
            return about.page(board)
    return missing("No such page", "There is no page at this address.")


def menu(query: Query) -> tuple[Link, ...]:
    """The pages of the place that a link names; of papers' numbers there are no views."""
    if query.split in published.protocols():
        return Link("Board", query.to("/")), *ALWAYS
    looks = (Link(SHORT[name], query.to(f"/view/{name}")) for name in views.VIEWS)
    return Link("Board", query.to("/")), *looks, Link("Compare", query.to("/compare")), *ALWAYS


ALWAYS = Link("Submissions", "/submissions"), Link("About", "/about")
SHORT = {
    "pareto": "Speed",
    "classes": "Classes",
    "depth": "Depth",
    "normals": "Normals",
    "seeds": "Seeds",
    "selection": "Selection",
}
