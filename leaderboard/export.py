"""The whole board as a folder of files: python -m leaderboard.export DIR [store=DIR]

HTML that opens from the disk, its tables as CSV, Parquet, LaTeX and Markdown, the read API's answers as JSON. A copy
holds every split, view, class set and selection rule, every run and method; it has no pinned rows, and of comparisons
only the first of each split.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from flask.testing import FlaskClient
from plotly.offline import get_plotlyjs

from leaderboard.app import make
from leaderboard.board import Board
from leaderboard.page import Query, parts_of
from leaderboard.pages import menu, page
from leaderboard.static import render

SERVED = ("/api/", "/download/", "/picture/")  # files that the server makes
ASSETS = ("style.css", "board.js", "scheme.js")


def export(board: Board, out: Path, progress: Callable[[int, int], None] = lambda written, known: None) -> int:
    """Write the board to a folder; the number of pages. Raises ValueError if something else is there.

    progress: is told how many pages are written and how many are known so far.
    """
    if out.exists() and any(out.iterdir()) and not (out / "assets" / "board.js").exists():
        raise ValueError(f"{out} is not empty and no copy of a board: expected a new folder, or an older copy")
    (out / "assets").mkdir(parents=True, exist_ok=True)
    (out / "files").mkdir(exist_ok=True)
    for name in ASSETS:
        shutil.copy(Path(__file__).with_name("assets") / name, out / "assets")
    (out / "assets" / "plotly.min.js").write_text(get_plotlyjs())
    client = make(board).server.test_client()
    todo, pages = ["/"], set()
    written: set[str] = set()
    while todo:
        address = todo.pop()
        if address in pages:
            continue
        pages.add(address)
        path, search = parts_of(address)
        made = page(board, path, search)
        found = [*made.links(), *(one.href for one in menu(Query.of(search)))]
        todo += [one for one in found if kept(one) and not one.startswith(SERVED)]

        def files(address: str) -> str:
            if not kept(address):
                return ""
            name = file(address)
            if address.startswith(SERVED) and name not in written:
                written.add(name)
                save(client, address, out / name)
            return name if not address.startswith(SERVED) or (out / name).exists() else ""

        text = render(made, menu(Query.of(search)), path, board.version, files)
        (out / file(address)).write_text(text, encoding="utf-8")
        progress(len(pages), len(pages | set(todo)))
    for address in ("/api/v1/splits", "/healthz"):
        save(client, address, out / file(address))
    return len(pages)


def kept(address: str) -> bool:
    """Whether the copy has it."""
    if not address.startswith("/") or address.startswith("//"):
        return False
    query = Query.of(parts_of(address)[1])
    return not (query.pin or query.a or query.b)


def file(address: str) -> str:
    """The name of an address's file: readable, and another one for other words."""
    path, search = parts_of(address)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.strip("/")).strip("-.") or "index"
    mark = f"-{hashlib.sha256(search.encode()).hexdigest()[:8]}" if search else ""
    if not address.startswith((*SERVED, "/healthz")):
        return f"{stem}{mark}.html"
    stem, dot, ending = stem.rpartition(".") if "." in stem and not address.startswith("/api/") else (stem, ".", "json")
    return f"files/{stem}{mark}{dot}{ending}"


def save(client: FlaskClient, address: str, to: Path) -> None:
    """What the server answers to an address; nothing where it has no answer."""
    answer = client.get(address)
    if answer.status_code == 200:
        to.write_bytes(answer.data)


def show(written: int, known: int) -> None:
    if written % 50 == 0:
        print(f"{written} of {known} pages so far", flush=True)


def main(arguments: Sequence[str]) -> None:
    bare = [word for word in arguments if "=" not in word]
    stores = [word.partition("=")[2] for word in arguments if word.startswith("store=")]
    if len(bare) != 1 or len(bare) + len(stores) != len(arguments) or len(stores) > 1:
        raise SystemExit((__doc__ or "").strip())
    try:
        board = Board.of(Path(stores[0] if stores else "store"))
        board.wait = True
        count = export(board, Path(bare[0]), show)
    except (ValueError, OSError) as error:
        raise SystemExit(f"leaderboard.export: {error}") from None
    print(f"{count} pages of data version {board.version}: {Path(bare[0]) / 'index.html'}")


if __name__ == "__main__":
    main(sys.argv[1:])
