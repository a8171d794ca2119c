"""Every page and flow in Chromium, light and dark, wide and narrow: an error in the console is a failure.

Set SCREENSHOTS=DIR to keep the pictures. Without Chromium these skip and say so; with CI=true that is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.serving import make_server

from leaderboard import app, export
from leaderboard.pages.views import VIEWS
from tests.leaderboard.test_pages import run_of

ADDRESSES = ("/", "/?split=gta2cs19", *(f"/view/{name}" for name in VIEWS), "/run/KEY", "/compare", "/method/dacs",
             "/about", "/submissions", "/nothing")  # fmt: skip
LOOKS = {"light-wide": ("light", 1280), "dark-narrow": ("dark", 390)}
NAMELESS = """() => [...document.querySelectorAll('button, a[href], input, select, img, [role=img]')]
    .filter(e => !e.closest('.modebar, .ag-root, .dash-dropdown-content') && e.getClientRects().length)
    .filter(e => !(e.textContent.trim() || e.alt || e.title || e.ariaLabel || e.labels?.length ||
                   e.closest('[aria-label]') || e.getAttribute('aria-labelledby')))
    .map(e => e.outerHTML.slice(0, 200))"""


def absent(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{why}: the board's pages must be looked at here")
    pytest.skip(why)


@pytest.fixture(scope="module")
def address(board) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app.make(board).server, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def chromium():
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        absent("there is no Chromium: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("there is no Playwright: pip install playwright")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Visit:
    """A page with what went wrong on it."""

    def __init__(self, chromium, scheme: str = "light", width: int = 1280) -> None:
        self.context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.on("requestfailed", lambda request: self.faults.append(f"failed: {request.url}"))

    def go(self, address: str) -> None:
        self.page.goto(address)
        self.settle()

    def settle(self) -> None:
        self.page.wait_for_selector("main h1")
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.dash-graph')].every(g => g.querySelector('.main-svg'))"
            " && [...document.querySelectorAll('.grid')].every(g => g.querySelector('.ag-row, table'))"
        )


@pytest.fixture
def visit(chromium, request) -> Iterator[Visit]:
    one = Visit(chromium, *LOOKS[getattr(request, "param", "light-wide")])
    yield one
    one.context.close()
    assert one.faults == []


@pytest.mark.parametrize("visit", LOOKS, indirect=True)
@pytest.mark.parametrize("where", ADDRESSES)
def test_a_page_is_whole(visit, address, board, where, request):
    visit.go(address + where.replace("KEY", run_of(board, "alpha")))
    page = visit.page
    assert page.title() == page.inner_text("main h1") != ""
    assert visit.hosts <= {urlsplit(address).netloc, ""}
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
        "the page is wider than the screen"
    )
    assert page.evaluate(NAMELESS) == []
    assert page.locator("[data-title*='Cloud'], [data-title*='hare']").count() == 0
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 28)"
    assert dark == ("dark" in request.node.callspec.params["visit"])
    if folder := os.environ.get("SCREENSHOTS"):
        page.wait_for_timeout(800)
        name = re.sub(r"\W+", "-", f"{where}-{request.node.callspec.params['visit']}").strip("-")
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_choice_changes_the_address_and_the_page(visit, address):
    visit.go(address)
    visit.page.get_by_role("link", name="13", exact=True).click()
    visit.page.wait_for_selector("nav[aria-label=Classes] a[aria-current]:text-is('13')")
    assert parse_qs(urlsplit(visit.page.url).query)["classes"] == ["13"]
    visit.page.go_back()
    visit.page.wait_for_selector("nav[aria-label=Classes] a[aria-current]:text-is('all 16')")


def test_the_split_is_picked_from_a_list(visit, address):
    visit.go(address)
    visit.page.locator("[aria-label=Split] button").first.click()
    visit.page.get_by_text(re.compile("^gta2cs19")).first.click()
    visit.page.wait_for_selector("main h1:has-text('gta2cs19')")
    assert "split=gta2cs19" in visit.page.url


def methods(page) -> list[str]:
    """Of the grid's rows, in the order of the screen."""
    rows = page.locator(".grid").first.locator(".ag-pinned-left-cols-container [row-index]")
    found = rows.evaluate_all("rows => rows.map(r => [+r.getAttribute('row-index'), r.innerText])")
    return [text.split()[-1] for _, text in sorted(found)]


def test_a_sorted_and_filtered_grid_is_a_link_and_a_file(visit, address, chromium):
    visit.go(address + "/?split=town2city&protocol=city-v1&version=0.1")
    page = visit.page
    heading = page.locator(".grid .ag-header-cell[col-id=miou] .ag-header-cell-text").first
    heading.click()
    page.wait_for_function("() => location.search.includes('sort=miou%3Aasc')")
    found = methods(page)
    assert found.index("source_only") < found.index("alpha") < found.index("gamma")
    model = '{"method":{"filterType":"text","type":"contains","filter":"ta"}}'
    visit.go(f"{page.url}&filter={model}")
    page.wait_for_function(
        "() => document.querySelector('.grid').querySelectorAll('.ag-center-cols-container .ag-row').length == 3"
    )
    assert set(methods(page)) == {"beta", "delta", "single_task"}
    page.wait_for_function("() => document.querySelector('a.file').href.includes('filter=')")
    chip = page.get_by_role("button", name="Remove the filter method: contains ta")
    text = page.request.get(page.locator("a.file").first.evaluate("a => a.href")).text()
    assert [line.split(",")[7] for line in text.splitlines()[1:]] != [] and "gamma" not in text and "beta" in text
    chip.click()
    page.wait_for_function("() => !location.search.includes('filter=')")
    assert "gamma" in methods(page) and chip.count() == 0


@pytest.mark.parametrize("visit", ["dark-narrow"], indirect=True)
def test_on_a_phone_the_score_stands_beside_the_method(visit, address):
    visit.go(address)
    visit.page.wait_for_function("""() => {
        const score = document.querySelector(".grid .ag-cell[col-id=miou]");
        return score && score.getBoundingClientRect().right <= window.innerWidth;
    }""")
    visit.go(address + "/view/selection")
    assert visit.page.locator(".menu a[aria-current]").bounding_box()["x"] < 390


def test_a_row_leads_to_its_run_and_back(visit, address):
    visit.go(address)
    visit.page.locator(".grid .ag-pinned-left-cols-container a", has_text="alpha").first.click()
    visit.page.wait_for_selector("main h1:has-text('alpha on town2city')")
    visit.page.locator(".pair input").first.fill("80")
    assert visit.page.locator(".pair:has(input)").first.evaluate("e => e.style.getPropertyValue('--cut')") == "80%"


def test_dark_is_chosen_and_remembered(visit, address):
    visit.go(address)
    assert visit.page.evaluate("document.documentElement.dataset.scheme") == "light"
    visit.page.get_by_role("button", name="Light / dark").click()
    visit.go(address + "/about")
    assert visit.page.evaluate("document.documentElement.dataset.scheme") == "dark"


def test_the_keyboard_reaches_the_content_first(visit, address):
    visit.go(address)
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.textContent") == "To the content"


def test_a_figure_is_had_as_svg(visit, address):
    visit.go(address + "/view/normals")
    visit.page.locator(".dash-graph").first.hover()
    with visit.page.expect_download() as saved:
        visit.page.locator(".modebar-btn[data-title*='ownload']").first.click(force=True)
    assert saved.value.suggested_filename == "figure.svg"


def test_a_point_of_the_front_leads_to_its_run(visit, address):
    visit.go(address + "/view/pareto")
    visit.page.wait_for_timeout(500)
    visit.page.locator(".scatterlayer .point").nth(1).hover(force=True)
    visit.page.locator(".scatterlayer .point").nth(1).click(force=True)
    visit.page.wait_for_selector("main h1:has-text(' on town2city')")


def test_a_copy_of_the_board_works_from_the_disk(visit, board, tmp_path, monkeypatch):
    left_out = re.compile("classes=|selection=|by=|metric=|/run/|/compare|split=(?!town2city)")
    monkeypatch.setattr(
        export, "kept", lambda address, real=export.kept: real(address) and not left_out.search(address)
    )
    export.export(board, tmp_path / "site")
    visit.page.goto((tmp_path / "site" / "index.html").as_uri())
    visit.page.locator("th button", has_text="mIoU").first.click()
    first = visit.page.locator("table").first.locator("tbody tr")
    assert "source_only" in first.nth(0).inner_text()
    visit.page.get_by_role("link", name="Classes", exact=True).click()
    visit.page.wait_for_selector("[data-plot] .main-svg")
