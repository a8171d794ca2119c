"""A page as HTML text, for the board as a folder of files: the same blocks; tables sort, plotly draws the figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from typing import Any

from leaderboard import rows, tables
from leaderboard.figures import CONFIG
from leaderboard.page import Block, Choice, Code, Column, Facts, Figure, Link, Page, Pair, Pairs, Table, Text, Words
from leaderboard.show import FEW, FILES

Files = Callable[[str], str]  # an address of the board -> the file that has it; empty: there is none


def render(page: Page, menu: tuple[Link, ...], here: str, version: str, files: Files) -> str:
    """The whole page. Every word of a record is escaped: nothing in it becomes markup."""
    links = "".join(
        f"<li>{anchor(one, files, one.href.partition('?')[0] == here)}</li>" for one in menu if files(one.href)
    )
    body = "\n".join(block(one, files) for one in page.blocks)
    plotly = '<script src="assets/plotly.min.js"></script>' if 'data-plot="' in body else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(page.title)}</title>
<link rel="icon" href="data:,">
<script src="assets/scheme.js"></script>
<link rel="stylesheet" href="assets/style.css">
{plotly}<script src="assets/board.js" defer></script>
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header class="top"><strong><a href="index.html">mtda-bench</a></strong>
<span>multi-task domain adaptation: segmentation, depth, normals</span>
<button id="scheme" type="button">Light / dark</button></header>
<nav class="menu" aria-label="Pages"><ul>{links}</ul></nav>
<main id="content"><h1>{escape(page.title)}</h1>
{body}
</main>
<footer>Data version {escape(version)}. A copy of the board as it was then.</footer>
</body>
</html>
"""


def anchor(one: Link, files: Files, current: bool = False) -> str:
    file = one.href if one.href.startswith("https://") else files(one.href)
    mark = ' aria-current="page"' if current else ""
    return f'<a href="{escape(file)}"{mark}>{escape(one.words)}</a>' if file else escape(one.words)


def words(part: Words, files: Files) -> str:
    return anchor(part, files) if isinstance(part, Link) else escape(part)


def block(one: Block, files: Files) -> str:
    match one:
        case Text(parts, kind):
            inner = "".join(words(part, files) for part in parts)
            return f"<{kind}>{inner}</{kind}>" if kind in ("h2", "h3") else f'<p class="{kind}">{inner}</p>'
        case Choice():
            return choice(one, files)
        case Table():
            return table(one, files)
        case Figure(plot, numbers, wide):
            return figure(plot, numbers, wide, files)
        case Pairs(pairs):
            return '<div class="pairs">' + "".join(pair(each, files) for each in pairs) + "</div>"
        case Facts(facts):
            lines = (f"<div><dt>{escape(name)}</dt><dd>{words(value, files)}</dd></div>" for name, value in facts)
            return f'<dl class="facts">{"".join(lines)}</dl>'
        case Code(content, caption):
            head = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
            return f'<figure class="code">{head}<pre tabindex="0"><code>{escape(content)}</code></pre></figure>'


def choice(one: Choice, files: Files) -> str:
    """Only what the copy holds can be chosen."""
    there = [option for option in one.options if files(option.href) or option.words == one.chosen]
    if len(there) < 2:
        return ""
    label = escape(one.label)
    if len(there) <= FEW:
        links = "".join(f"<li>{anchor(option, files, option.words == one.chosen)}</li>" for option in there)
        return f'<nav class="choice" aria-label="{label}"><span>{label}</span><ul>{links}</ul></nav>'
    options = "".join(
        f'<option value="{escape(files(o.href))}"{" selected" * (o.words == one.chosen)}>{escape(o.words)}</option>'
        for o in there
    )
    return f'<label class="choice pick"><span>{label}</span><select data-go>{options}</select></label>'


def table(one: Table, files: Files) -> str:
    head = "".join(heading(column) for column in one.columns)
    body = "".join(row(each, one, files) for each in rows.dicts(one.frame))
    caption = escape(one.caption)
    shown = (
        f'<div class="table" tabindex="0" role="region" aria-label="{caption}"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    path, mark, search = one.download.partition("?")
    had = [(said, files(f"{path}.{form}{mark}{search}")) for form, said in FILES.items() if one.download]
    links = "".join(f'<a class="file" href="{escape(file)}">{said}</a>' for said, file in had if file)
    files_line = f'<p class="files">As {links}</p>' if links else ""
    if not one.name:
        return f'<div class="small">{shown}{files_line}</div>' if files_line else shown
    meaning = "".join(
        f"<div><dt>{escape(column.heading)}</dt><dd>{escape(column.about)}</dd></div>"
        for column in one.columns
        if column.about
    )
    details = f'<details><summary>What the columns mean</summary><dl class="facts">{meaning}</dl></details>'
    return f'<section class="grid">{shown}{files_line}{details}</section>'


def heading(column: Column) -> str:
    kind = ' class="number"' if column.digits is not None else ""
    return f'<th scope="col" title="{escape(column.about)}"{kind}><button>{escape(column.heading)}</button></th>'


def row(values: dict[str, Any], one: Table, files: Files) -> str:
    cells = []
    for column in one.columns:
        said = escape(tables.cell(values, column))
        file = files(values[column.link]) if column.link and values[column.link] else ""
        inner = f'<a href="{escape(file)}">{said or "-"}</a>' if file else said
        value = values.get(column.name)
        sortable = f' data-value="{value}"' if column.digits is not None and value == value else ""
        kind = ' class="number"' if column.digits is not None else ""
        cells.append(f"<td{kind}{sortable}>{inner}</td>")
    marks = ["tied"] if values.get("group", 0) % 2 == 1 else []
    marks += ["bound"] if values.get("oracle") is True else []
    marks += ["unranked"] if "place" in values and values["place"] != values["place"] else []
    return f'<tr class="{" ".join(marks)}">{"".join(cells)}</tr>' if marks else f"<tr>{''.join(cells)}</tr>"


def figure(plot: Any, numbers: Table, wide: int, files: Files) -> str:
    caption = escape(numbers.caption)
    data = escape(json.dumps({**plot, "config": CONFIG}, separators=(",", ":"), allow_nan=False))
    style = f' style="min-width:{wide}px"' if wide else ""
    return (
        f'<figure class="figure"><div class="plot" role="group" aria-label="{caption}. The numbers are in the table '
        f'below."><div data-plot="{data}"{style}></div></div><figcaption>{caption}</figcaption>'
        f"<details><summary>The numbers</summary>{table(numbers, files)}</details></figure>"
    )


def pair(one: Pair, files: Files) -> str:
    title, left, right = escape(one.title), escape(files(one.left)), escape(files(one.right) if one.right else "")
    if not right:
        return f'<figure class="pair"><img src="{left}" alt="{title}"><figcaption>{title}</figcaption></figure>'
    return (
        f'<figure class="pair"><div class="stack"><img src="{right}" alt="{title}, truth">'
        f'<img src="{left}" alt="{title}, prediction" class="over"></div><figcaption><label>'
        f"<span>{title}: prediction | truth</span>"
        f'<input type="range" min="0" max="100" value="50" class="wipe"></label></figcaption></figure>'
    )
