"""The read API, downloads, pictures and health: plain Flask, every answer with an ETag."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, jsonify, request

from leaderboard import pages, pictures, published, receipt, rows, tables
from leaderboard.board import Board
from leaderboard.page import Column, Page, Query, Table
from leaderboard.pages import about, front, run, submissions

MOST = 1000  # runs in one answer
HIDDEN = ("written", "per_class", "classes")  # in the record, in full


def add(server: Flask, board: Board) -> None:
    """Give the server its addresses. Reading only: nothing here writes."""

    @server.get("/healthz")
    def healthz() -> Response:
        found = {"status": "ok", "version": board.version, "runs": len(board.index.frame)}
        waits = {"waiting": len(submissions.waiting(board)), "oldest_waits_s": submissions.oldest(board)}
        return jsonify(found | {"unreadable": len(board.index.faults)} | waits)

    @server.get("/api/v1/")
    def api() -> Response:
        return answer(board, "api", lambda: [{"address": name, "what": words} for name, words in about.API])

    @server.get("/api/v1/splits")
    def splits() -> Response:
        return answer(board, "splits", lambda: [split(board, place) for place in board.places()])

    @server.get("/api/v1/rows")
    def listed() -> Response:
        return answer(board, "rows", lambda: rows_of(board, asked()))

    @server.get("/api/v1/runs")
    def runs() -> Response:
        return answer(board, "runs", lambda: runs_of(board, asked()))

    @server.get("/api/v1/runs/<key>")
    def one(key: str) -> Response:
        return answer(board, "run", lambda: json.loads(board.index.record(key).model_dump_json()))

    @server.get("/api/v1/receipts/<key>")
    def receipts(key: str) -> Response:
        def made() -> dict[str, Any]:
            return receipt.receipt(board.index.folder(key), board.index.record(key), run.trust(board, key))

        return answer(board, "receipt", made)

    @server.get("/api/v1/reported")
    def reported() -> Response:
        return answer(board, "reported", lambda: reported_of(asked().split))

    @server.get("/api/v1/submissions")
    def sent_in() -> Response:
        return answer(board, "submissions", lambda: rows.dicts(submissions.table(board)))

    @server.get("/download/<name>.<form>")
    def download(name: str, form: str) -> Response:
        return file(board, name, form, asked())

    @server.get("/picture/<key>/<int:number>/<what>.png")
    def picture(key: str, number: int, what: str) -> Response:
        try:
            body = painted(board, key, number, what)
        except (KeyError, ValueError, OSError):
            return refused(404, "no such picture")
        return sent(pack(body, worth=False), "image/png")


def asked() -> Query:
    return Query.of(request.query_string.decode("utf-8", "replace"))


def answer(board: Board, name: str, make: Callable[[], Any]) -> Response:
    """JSON, kept as bytes for a version of the data. What is not there is 404, in one line."""

    def packed() -> Packed:
        return pack(json.dumps(finite(make()), separators=(",", ":")).encode())

    try:
        content: Packed = board.once(("api", name, request.full_path), packed)
    except (KeyError, ValueError, OSError) as error:
        return refused(404, "not found" if isinstance(error, KeyError | OSError) else str(error))
    return sent(content, "application/json")


@dataclass(frozen=True)
class Packed:
    """An answer, compressed where that is worth it, and its ETag."""

    body: bytes
    zipped: bytes
    tag: str


def pack(body: bytes, worth: bool = True) -> Packed:
    zipped = gzip.compress(body, 5) if worth and len(body) > 2000 else b""
    return Packed(body, zipped, hashlib.sha256(body).hexdigest()[:20])


def refused(status: int, why: str) -> Response:
    return Response(json.dumps({"error": why}), status, mimetype="application/json")


def sent(content: Packed, kind: str, filename: str = "") -> Response:
    """With an ETag of the content; 304 to whoever has it."""
    headers = {"Content-Type": kind, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if filename:
        headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    zipped = content.zipped and "gzip" in request.headers.get("Accept-Encoding", "")
    if zipped:
        headers["Content-Encoding"] = "gzip"
    response = Response(content.zipped if zipped else content.body, headers=headers)
    response.set_etag(content.tag)
    response.make_conditional(request)
    return response


def finite(value: Any) -> Any:
    """JSON knows no NaN: null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value.item() if hasattr(value, "item") else value


def split(board: Board, place: Any) -> dict[str, Any]:
    if place.reported_only:
        return {"split": place.split, "reported": True, "about": published.PROTOCOLS[place.split]}
    runs = board.runs(place)
    return {
        "split": place.split,
        "protocol": place.protocol,
        "version": place.evaluator,
        "reported": False,
        "runs": len(runs),
        "selections": front.selections(runs),
        "by": rows.choices(runs["scored"].iloc[-1]),
        "classes": list(front.class_sets(runs)),
    }


def settled(board: Board, query: Query) -> tuple[Query, Any]:
    """The query with its place spelt out. Raises ValueError if nothing was measured there."""
    place = board.place(query.split, query.protocol, query.version)
    if place is None or place.reported_only:
        raise ValueError("nothing measured there: /api/v1/splits says what there is")
    return front.chosen(board, front.settled(query, place), place), place


def rows_of(board: Board, query: Query) -> dict[str, Any]:
    query, place = settled(board, query)
    ranking = board.ranking(place, query.by, query.selection, query.classes)
    context = {"split": place.split, "protocol": place.protocol, "version": place.evaluator}
    context |= {"selection": query.selection, "classes": query.classes, "by": query.by, "data": board.version}
    table = ranking.table.drop(columns=["classes"], errors="ignore")
    return {**context, "waiting": ranking.waiting, "rows": rows.dicts(table)}


def runs_of(board: Board, query: Query) -> dict[str, Any]:
    query, place = settled(board, query)
    found = board.runs(place, query.selection)
    first = max(0, number("offset", 0))
    some = found.iloc[first : first + min(MOST, max(1, number("limit", MOST)))]
    listed = rows.dicts(some.drop(columns=[*HIDDEN]))
    return {"data": board.version, "total": len(found), "offset": first, "runs": listed}


def number(name: str, default: int) -> int:
    word = request.args.get(name, "")
    return int(word) if word.isdecimal() and len(word) < 9 else default


def reported_of(protocol: str) -> dict[str, Any]:
    if protocol not in published.protocols():
        raise ValueError("no such protocol: /api/v1/splits says which are reported")
    both = {"means": published.means(protocol), "classes": published.cells(protocol)}
    return {"split": protocol, **{name: rows.dicts(t.drop(columns=["mark", "printed"])) for name, t in both.items()}}


def file(board: Board, name: str, form: str, query: Query) -> Response:
    """The rows of a view, as filtered and sorted, in one of the forms."""
    if form not in tables.FORMS or name not in ("rows", "reported", "table"):
        return refused(404, f"no such file; forms are {' '.join(tables.FORMS)}")
    try:
        table, context = listing(board, name, query)
        body = tables.file(table, form, context)
    except ImportError:
        return refused(501, "Parquet needs pyarrow on the server: pip install pyarrow")
    except (KeyError, ValueError) as error:
        return refused(404, str(error))
    said = request.args.get("name", "")[:60] if name == "table" else f"{name}-{query.split}"
    stem = "".join(letter for letter in said if letter.isalnum() or letter in "-_")
    return sent(pack(body, form != "parquet"), tables.FORMS[form], f"{stem}.{form}")


def listing(board: Board, name: str, query: Query) -> tuple[Table, dict[str, str]]:
    """The table of a download and the words it stands under. Raises ValueError if there is none."""
    if name == "reported":
        if query.split not in published.protocols():
            raise ValueError("no such protocol")
        page = front.reported(query.split)[-1]
        context = {"protocol": query.split}
    elif name == "table":
        path, search = request.args.get("page", ""), request.query_string.decode("utf-8", "replace")
        made: Page = board.once(("page", path, search), lambda: pages.page(board, path, search))
        page = pages.table_of(made, request.args.get("name", ""))
        context = {"page": made.title}
    else:
        query, place = settled(board, query)
        page = next(b for b in front.page(board, query).blocks if isinstance(b, Table))
        context = {"split": place.split, "protocol": place.protocol, "evaluator": place.evaluator}
        context |= {"selection": query.selection, "classes": query.classes, "ranked by": query.by}
    assert isinstance(page, Table)
    frame = tables.arranged(page.frame, query.filter, query.sort)
    columns: tuple[Column, ...] = page.columns
    return Table(frame, columns, page.caption), {**context, "data version": board.version}


def painted(board: Board, key: str, number: int, what: str) -> bytes:
    """One picture of a run as PNG. KeyError, OSError, ValueError: there is none."""
    folder = board.index.folder(key) / "panels"
    files = sorted(folder.glob("*.npz"))[:16]
    kept = {file.name: pictures.read(file, file.stat().st_mtime_ns) for file in files}
    span = pictures.depth_span(list(kept.values()))
    return pictures.png(kept[f"{number}.npz"], what, span)
