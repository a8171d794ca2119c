"""The pages: each a function of the board and the link's words, without a browser."""

from __future__ import annotations

import re
from dataclasses import replace

from leaderboard import published
from leaderboard.board import Board
from leaderboard.page import Block, Figure, Link, Page, Query, Table, href, missing
from leaderboard.pages import about, compare, front, method, run, submissions, views


def page(board: Board, path: str, search: str = "") -> Page:
    """The page of an address. What cannot be found is a page too, that says so."""
    made = found(board, [word for word in path.split("/") if word], Query.of(search))
    if path.startswith(FILED):
        return replace(made, blocks=tuple(filed(one, path, search) for one in made.blocks))
    return made


def filed(block: Block, path: str, search: str) -> Block:
    """The block with the address at which its table is had as a file."""
    if isinstance(block, Figure):
        table = filed(block.table, path, search)
        return replace(block, table=table) if isinstance(table, Table) else block
    if not isinstance(block, Table) or block.download:
        return block
    address = href("/download/table", page=path, name=name_of(block))
    return replace(block, download=f"{address}&{search.removeprefix('?')}" if search else address)


def name_of(table: Table) -> str:
    """Of a table on its page, in the letters of an address."""
    return table.name or re.sub(r"[^a-z0-9]+", "-", table.caption.lower()).strip("-")


def table_of(made: Page, name: str) -> Table:
    """The table of a page by its name. Raises ValueError if there is none."""
    tables = (one.table if isinstance(one, Figure) else one for one in made.blocks)
    for one in tables:
        if isinstance(one, Table) and name_of(one) == name:
            return one
    raise ValueError(f"the page has no table {name[:80]!r}")


def found(board: Board, words: list[str], query: Query) -> Page:
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


FILED = ("/view/", "/compare", "/method/", "/submissions")  # of a run the record itself is the file
ALWAYS = Link("Submissions", "/submissions"), Link("About", "/about")
SHORT = {
    "pareto": "Speed",
    "classes": "Classes",
    "depth": "Depth",
    "normals": "Normals",
    "seeds": "Seeds",
    "selection": "Selection",
}
