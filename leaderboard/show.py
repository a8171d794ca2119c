"""A page as Dash components; a table with a name becomes a grid."""

from __future__ import annotations

import json
import math
from typing import Any

import dash_ag_grid as dag
from dash import dcc, html
from dash.development.base_component import Component

from leaderboard import tables
from leaderboard.figures import CONFIG
from leaderboard.page import (
    Block,
    Choice,
    Code,
    Column,
    Facts,
    Figure,
    Link,
    Page,
    Pair,
    Pairs,
    Query,
    Table,
    Text,
    Words,
)
from leaderboard.rows import dicts

FEW = 8  # options that are shown as links side by side
TALL = 24  # rows, from which on a grid scrolls
THEME = """themeQuartz.withParams({fontFamily: 'inherit', headerFontSize: 12, spacing: 6, cellHorizontalPadding: 9,
    backgroundColor: 'var(--paper)', foregroundColor: 'var(--ink)', headerBackgroundColor: 'var(--tint)',
    borderColor: 'var(--line)', accentColor: 'var(--accent)', chromeBackgroundColor: 'var(--tint)'})"""
FILES = {"csv": "CSV", "parquet": "Parquet", "tex": "LaTeX", "md": "Markdown"}


def show(page: Page, menu: tuple[Link, ...], query: Query, here: str, version: str) -> list[Component]:
    """The whole page: menu, title, blocks, and which data it is of."""
    links = [html.Li(html.A(one.words, href=one.href, **current(one.href.partition("?")[0] == here))) for one in menu]
    return [
        html.Nav(html.Ul(links), className="menu", **{"aria-label": "Pages"}),
        html.Main(
            [html.H1(page.title, tabIndex="-1"), *(block(one, query) for one in page.blocks)],
            id="content",
        ),
        html.Footer([f"Data version {version}. ", html.A("Read API", href="/api/v1/"), ". Nothing is loaded from, "
                     "or sent to, another host."], **{"data-version": version}),
    ]  # fmt: skip


def current(yes: bool) -> dict[str, str]:
    return {"aria-current": "page"} if yes else {}


def words(part: Words) -> str | Component:
    return html.A(part.words, href=part.href) if isinstance(part, Link) else part


def block(one: Block, query: Query) -> Component:
    match one:
        case Text(parts, kind):
            kinds = {"h2": html.H2, "h3": html.H3}
            inner = [words(part) for part in parts]
            return kinds[kind](inner) if kind in kinds else html.P(inner, className=kind)
        case Choice():
            return choice(one)
        case Table():
            return grid(one, query if one.name == "rows" else Query()) if one.name else small(one)
        case Figure():
            return figure(one)
        case Pairs(pairs):
            return html.Div([pair(each) for each in pairs], className="pairs")
        case Facts(facts):
            rows = [html.Div([html.Dt(name), html.Dd(words(value))]) for name, value in facts]
            return html.Dl(rows, className="facts")
        case Code(content, caption):
            head = [html.Figcaption(caption)] if caption else []
            return html.Figure([*head, html.Pre(html.Code(content), tabIndex="0")], className="code")


def choice(one: Choice) -> Component:
    if len(one.options) <= FEW:
        links = [html.Li(html.A(o.words, href=o.href, **current(o.words == one.chosen))) for o in one.options]
        return html.Nav([html.Span(one.label), html.Ul(links)], className="choice", **{"aria-label": one.label})
    options = [{"label": o.words, "value": o.href} for o in one.options]
    value = next((o.href for o in one.options if o.words == one.chosen), None)
    picker = dcc.Dropdown(options, value, id={"type": "pick", "label": one.label}, clearable=False)
    return html.Div([html.Span(one.label), picker], className="choice pick", role="group", **{"aria-label": one.label})


def plain(table: Table) -> Component:
    """An ordinary table, for what is read and not searched."""
    head = html.Thead(html.Tr([html.Th(c.heading, scope="col", title=c.about, **numeric(c)) for c in table.columns]))
    body = [
        html.Tr([html.Td(linked(row, column), **numeric(column)) for column in table.columns])
        for row in dicts(table.frame)
    ]
    return html.Div(
        html.Table([html.Caption(table.caption), head, html.Tbody(body)]),
        className="table", tabIndex="0", role="region", **{"aria-label": table.caption},
    )  # fmt: skip


def small(table: Table) -> Component:
    """A plain table, and its files where it has any."""
    return html.Div([plain(table), downloads(table)], className="small") if table.download else plain(table)


def numeric(column: Column) -> dict[str, str]:
    return {"className": "number"} if column.digits is not None else {}


def linked(row: dict[str, Any], column: Column) -> str | Component:
    said = tables.cell(row, column)
    return html.A(said or "-", href=row[column.link]) if column.link and row[column.link] else said


def grid(table: Table, query: Query) -> Component:
    """Sorted and filtered in the browser; its state goes into the address, and with it into the downloads."""
    needed = {"id", "group", "beats_next"} & set(table.frame.columns)
    for column in table.columns:
        needed |= {name for name in (column.name, column.spread, column.link, column.shown) if name}
    frame = table.frame[[name for name in table.frame.columns if name in needed]]
    rows = [{k: clean(v) for k, v in row.items()} for row in dicts(frame)]
    if "id" not in needed:
        rows = [{"id": str(at), **row} for at, row in enumerate(rows)]
    free = [row for row in rows if row["id"] not in table.pinned]
    held = [row for row in rows if row["id"] in table.pinned]
    tall = len(rows) > TALL
    options: dict[str, Any] = {
        "theme": {"function": THEME},
        "domLayout": "normal" if tall else "autoHeight",
        "pinnedBottomRowData": held,
        "rowClassRules": {"tied": "params.data.group % 2 == 1", "unranked": "params.data.place === null"},
        "enableCellTextSelection": True,
        "ensureDomOrder": not tall,
        "suppressColumnMoveAnimation": True,
        "animateRows": False,
        "tooltipShowDelay": 300,
    }
    component = dag.AgGrid(
        id={"type": "grid", "name": table.name},
        rowData=free,
        columnDefs=groups(table.columns, query.sort),
        defaultColDef={"resizable": True, "sortable": True, "wrapHeaderText": True, "autoHeaderHeight": True},
        getRowId="params.data.id",
        eventListeners={
            **{one: [f"boardState(params, '{table.name}')"] for one in ("sortChanged", "filterChanged")},
            "displayedColumnsChanged": ["boardColumns(params)"],
        },
        filterModel=model(query.filter),
        dashGridOptions=options,
        style={"height": ("70vh" if "id" in needed else "26rem") if tall else None, "width": "100%"},
    )
    meaning = [html.Div([html.Dt(c.heading), html.Dd(c.about)]) for c in table.columns if c.about]
    return html.Section(
        [
            html.P(table.caption, className="caption"),
            html.P(className="chips", **{"data-grid": table.name, "aria-label": "Filters"}),
            component,
            downloads(table),
            html.Details([html.Summary("What the columns mean"), html.Dl(meaning, className="facts")]),
        ],
        className="grid",
        **{"aria-label": table.caption},
    )


def downloads(table: Table) -> Component:
    if not table.download:
        return html.Div()
    path, mark, search = table.download.partition("?")
    links = [
        html.A(said, href=f"{path}.{form}{mark}{search}", className="file", **{"data-grid": table.name})
        for form, said in FILES.items()
    ]
    return html.P(["As ", *links], className="files")


def clean(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return list(value) if isinstance(value, tuple) else value


def model(asked: str) -> dict[str, Any]:
    try:
        found = json.loads(asked) if asked else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def groups(columns: tuple[Column, ...], order: str) -> list[dict[str, Any]]:
    """Columns of one group stand under its name."""
    result: list[dict[str, Any]] = []
    for column in columns:
        defined = definition(column, order)
        if not column.group:
            result.append(defined)
        elif result and result[-1].get("headerName") == column.group and "children" in result[-1]:
            result[-1]["children"].append(defined)
        else:
            result.append({"headerName": column.group, "children": [defined]})
    return result


def definition(column: Column, order: str) -> dict[str, Any]:
    number = column.digits is not None
    found: dict[str, Any] = {
        "field": column.name,
        "headerName": column.heading,
        "headerTooltip": column.about,
        "filter": "agNumberColumnFilter" if number else "agTextColumnFilter",
        "tooltipField": None if number else column.name,
        "width": column.width or (130 if column.spread else 100 if number else 150),
    }
    if number:
        spread = f"params.data.{column.spread}" if column.spread else "null"
        shown = f"params.data.{column.shown}" if column.shown else "null"
        found["valueFormatter"] = {"function": f"boardNumber(params.value, {spread}, {column.digits}, {shown})"}
        found["type"] = "rightAligned"
        found["comparator"] = {"function": "boardOrder"}
    if column.link:
        found |= {"cellRenderer": "BoardLink", "cellRendererParams": {"href": column.link}}
    if column.name == "place":
        found["tooltipValueGetter"] = {"function": "boardBeats(params.data.beats_next)"}
    if column.name in ("place", "method"):
        found["pinned"] = "left"
    name, _, way = order.partition(":")
    if name == column.name and way in ("asc", "desc"):
        found["sort"] = way
    return {key: value for key, value in found.items() if value is not None}


def figure(one: Figure) -> Component:
    words = one.table.caption
    style = {"minWidth": one.wide} if one.wide else {}
    graph = dcc.Graph(figure=dict(one.plot), config=CONFIG, id={"type": "graph", "name": words}, style=style)
    said = {"aria-label": f"{words}. The numbers are in the table below."}
    return html.Figure(
        [
            html.Div(graph, role="group", className="plot", **said),
            html.Figcaption(words),
            html.Details([html.Summary("The numbers"), plain(one.table), downloads(one.table)]),
        ],
        className="figure",
    )


def pair(one: Pair) -> Component:
    """The right picture lies over the left one, cut off at the slider (assets/board.js)."""
    if not one.right:
        return html.Figure([html.Img(src=one.left, alt=one.title), html.Figcaption(one.title)], className="pair")
    stack = html.Div(
        [html.Img(src=one.right, alt=f"{one.title}, truth"),
         html.Img(src=one.left, alt=f"{one.title}, prediction", className="over")],
        className="stack",
    )  # fmt: skip
    said = f"{one.title}: prediction | truth"
    slider = html.Div(className="wipe", **{"data-label": said})
    return html.Figure([stack, html.Figcaption([said, slider])], className="pair")
