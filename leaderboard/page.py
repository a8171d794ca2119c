"""What a page is made of: blocks of words, tables, figures and pictures, that a browser or a file can show alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pandas as pd

from leaderboard import classes, rows


@dataclass(frozen=True)
class Link:
    words: str
    href: str


Words = str | Link


@dataclass(frozen=True)
class Text:
    """A paragraph; kind: "p", "h2", "h3", "note" (set apart)."""

    parts: tuple[Words, ...]
    kind: str = "p"


def text(*parts: Words, kind: str = "p") -> Text:
    return Text(parts, kind)


@dataclass(frozen=True)
class Choice:
    """One of several links, the chosen one marked; a list to pick from where there are many."""

    label: str
    options: tuple[Link, ...]
    chosen: str  # the words of one of them


@dataclass(frozen=True)
class Column:
    """How a column of a frame is read."""

    name: str  # in the frame
    heading: str
    about: str = ""  # what, which way is better, in which unit
    digits: int | None = None  # None: words
    spread: str = ""  # the column of its deviation
    group: str = ""
    link: str = ""  # the column of its address
    shown: str = ""  # the column that is read where `name` is sorted by
    width: int = 0  # pixels, where the grid must not choose


@dataclass(frozen=True)
class Table:
    frame: pd.DataFrame
    columns: tuple[Column, ...]
    caption: str
    name: str = ""  # a table with a name is a grid: sorted, filtered, downloaded
    download: str = ""  # where it is had as a file; the form is put before the question mark
    pinned: tuple[str, ...] = ()  # ids of rows that stay in sight


@dataclass(frozen=True)
class Figure:
    """plot: plotly's data and layout. table: the same numbers, for those who do not see it."""

    plot: Mapping[str, Any]
    table: Table
    wide: int = 0  # pixels that it needs: on a narrower screen it scrolls


@dataclass(frozen=True)
class Pair:
    """Two pictures in one frame with a slider between them, or one."""

    title: str
    left: str
    right: str = ""


@dataclass(frozen=True)
class Pairs:
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    facts: tuple[tuple[str, Words], ...]


@dataclass(frozen=True)
class Code:
    content: str
    caption: str = ""


Block = Text | Choice | Table | Figure | Pairs | Facts | Code


@dataclass(frozen=True)
class Page:
    title: str
    blocks: tuple[Block, ...]
    found: bool = True

    def links(self) -> Iterator[str]:
        """Every address the page leads to."""
        for block in self.blocks:
            match block.table if isinstance(block, Figure) else block:
                case Text(parts):
                    yield from (one.href for one in parts if isinstance(one, Link))
                case Choice(options=options):
                    yield from (one.href for one in options)
                case Facts(facts):
                    yield from (one.href for _, one in facts if isinstance(one, Link))
                case Table(frame, columns):
                    for name in {column.link for column in columns if column.link}:
                        yield from (href for href in frame[name] if href)

    def pictures(self) -> Iterator[str]:
        for block in self.blocks:
            if isinstance(block, Pairs):
                for pair in block.pairs:
                    yield from filter(None, (pair.left, pair.right))


@dataclass(frozen=True)
class Query:
    """The state of a view, all of it in the link."""

    split: str = ""
    protocol: str = ""
    version: str = ""  # of the evaluator, Major.Minor
    selection: str = rows.LAST
    classes: str = classes.FULL
    by: str = ""  # what is ranked by
    metric: str = ""
    pin: str = ""  # the row that others are set against
    a: str = ""
    b: str = ""
    sort: str = ""  # of the grid: "column:asc"
    filter: str = ""  # of the grid: its model as JSON

    @classmethod
    def of(cls, search: str) -> Query:
        """From a question mark on; words that nobody knows are dropped, and what is too long to be meant."""
        asked = parse_qs(search.removeprefix("?"), max_num_fields=50) if len(search) < 20000 else {}
        known = {one.name for one in fields(cls)}
        return cls(**{name: values[-1] for name, values in asked.items() if name in known})

    def to(self, path: str, *keep: str, **changes: str) -> str:
        """The link to a page with the words that it knows, some of them changed."""
        state = replace(self, **changes)
        words = {name: getattr(state, name) for name in (*PLACE, *keep)}
        defaults = Query()
        return href(path, **{k: v for k, v in words.items() if v and v != getattr(defaults, k)})


PLACE = ("split", "protocol", "version")


def href(path: str, **words: str) -> str:
    return f"{path}?{urlencode(words, quote_via=quote)}" if words else path


def parts_of(address: str) -> tuple[str, str]:
    """The path and the search of an address within the board."""
    split = urlsplit(address)
    return split.path, split.query


def missing(title: str, *why: Words) -> Page:
    return Page(title, (Text(why or (title,), "note"), text(Link("To the board", "/"))), found=False)
