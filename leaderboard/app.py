"""Serve the board: python -m leaderboard.app store=DIR [port=8050] [host=127.0.0.1] [database=URL]

For many users, with as many workers as cores (each has an index of its own, and all watch the same files):

    STORE=DIR gunicorn --workers 2 --threads 8 --timeout 120 'leaderboard.app:server()'

It takes submissions if there was a token when it started (leaderboard.admin); DATABASE=URL where SQLite will not do.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dash
from dash import MATCH, ClientsideFunction, Input, Output, State, dcc, html
from flask import Flask, Response, request

from bench import bundle
from leaderboard import api
from leaderboard.board import Board
from leaderboard.desk import Desk
from leaderboard.page import Query
from leaderboard.pages import menu, page
from leaderboard.show import show
from leaderboard.store import watch

VIEWS = 256  # answers kept, each some 10 to 200 kB
SHELL = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>
<link rel="icon" href="data:,">
<script src="/assets/scheme.js"></script>
{%css%}
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header class="top"><strong><a href="/">mtda-bench</a></strong>
<span>multi-task domain adaptation: segmentation, depth, normals</span>
<button id="scheme" type="button">Light / dark</button></header>
<p id="news" role="status" hidden>There are new results. <a href="">Show them</a></p>
{%app_entry%}
{%config%}
{%scripts%}
{%renderer%}
</body>
</html>"""


def make(board: Board) -> dash.Dash:
    """The application over a board: one callback, from an address to a page; the rest happens in the browser."""
    app = dash.Dash(
        "leaderboard",
        assets_folder=str(Path(__file__).with_name("assets")),
        assets_ignore="scheme.js",
        title="mtda-bench",
        update_title="",
        index_string=SHELL,
        serve_locally=True,
        suppress_callback_exceptions=True,
    )
    app.layout = html.Div([dcc.Location(id="address", refresh=False), html.Div(id="whole")])

    @app.callback(Output("whole", "children"), Input("address", "pathname"), Input("address", "search"))
    def view(path: str | None, search: str | None) -> list[Any]:
        path, search = path or "/", search or ""
        query = Query.of(search)
        made: list[Any] = board.once(
            ("view", path, search), lambda: show(page(board, path, search), menu(query), query, path, board.version)
        )
        return made

    pick = {"type": "pick", "label": MATCH}
    app.clientside_callback(
        ClientsideFunction("board", "pick"), Output(pick, "className"), Input(pick, "value"), State(pick, "id"),
        prevent_initial_call=True,
    )  # fmt: skip
    graph = {"type": "graph", "name": MATCH}
    app.clientside_callback(
        ClientsideFunction("board", "click"), Output(graph, "className"), Input(graph, "clickData"),
        prevent_initial_call=True,
    )  # fmt: skip
    assert isinstance(app.server, Flask)
    api.add(app.server, board)
    remember(app.server, board)
    guard(app)
    return app


def remember(server: Flask, board: Board) -> None:
    """A page is a function of its address and the data: what was answered once is sent again as it is, compressed."""
    kept: OrderedDict[bytes, bytes] = OrderedDict()
    lock = threading.Lock()

    def key() -> bytes:
        return hashlib.sha256(board.version.encode() + request.get_data()).digest()

    @server.before_request
    def again() -> Response | None:
        if request.path != "/_dash-update-component" or "gzip" not in request.headers.get("Accept-Encoding", ""):
            return None
        with lock:
            body = kept.get(key())
        return compressed(body) if body is not None else None

    @server.after_request
    def keep(response: Response) -> Response:
        if (
            request.path != "/_dash-update-component"
            or response.status_code != 200
            or "Content-Encoding" in response.headers
            or "gzip" not in request.headers.get("Accept-Encoding", "")
        ):
            return response
        body = gzip.compress(response.get_data(), 5)
        with lock:
            kept[key()] = body
            while len(kept) > VIEWS:
                kept.popitem(last=False)
        return compressed(body)


def compressed(body: bytes) -> Response:
    return Response(body, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})


def guard(app: dash.Dash) -> None:
    """Nothing from another host, by the browser's own word; no larger request than a page needs."""
    server = app.server
    server.config["MAX_CONTENT_LENGTH"] = 1 << 20
    scripts = " ".join(f"'{one}'" if not one.startswith("'") else one for one in app.csp_hashes())
    policy = (
        f"default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; font-src 'self' data:; object-src 'none'; "
        "base-uri 'self'; frame-ancestors 'none'"
    )

    @server.after_request
    def headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response


def server(store: str = "", database: str = "") -> Flask:
    """The WSGI application, its index watching the store: what gunicorn is given."""
    board = Board.of(Path(store or os.environ.get("STORE", "store")))
    desk = Desk.of(board.index.root)
    threading.Thread(target=watch, args=(board.index,), daemon=True).start()
    threading.Thread(target=page, args=(board, "/"), daemon=True).start()  # the first reader finds it made
    found = make(board).server
    assert isinstance(found, Flask)
    if desk.is_open:
        from leaderboard import reception
        from leaderboard.ledger import Ledger

        ledger = Ledger.open(desk, database or os.environ.get("DATABASE", ""))
        reception.add(found, desk, ledger, version("mtda-bench"))
    return found


def main(arguments: Sequence[str]) -> None:
    known = {"store": "store", "port": "8050", "host": "127.0.0.1", "database": ""}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name not in known:
            raise SystemExit(f"unknown word {argument!r}; known: {' '.join(f'{word}=' for word in known)}")
        known[name] = value
    if not known["port"].isdecimal():
        raise SystemExit(f"port={known['port']} is no number")
    try:
        application = server(known["store"], known["database"])
    except ValueError as error:
        raise SystemExit(f"leaderboard.app: {error}") from None
    print(f"The board is at http://{known['host']}:{known['port']}/ (Ctrl-C ends it)", flush=True)
    try:
        from waitress import serve
    except ImportError:
        application.run(known["host"], int(known["port"]), threaded=True)
    else:
        serve(application, host=known["host"], port=int(known["port"]), threads=8,
              max_request_body_size=bundle.LIMITS.bundle)  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
