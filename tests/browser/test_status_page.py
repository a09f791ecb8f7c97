"""The status page in a real Chromium: live, by itself, for everybody, on a phone and at night."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from builders import cluster, member, three_calm, unseen
from chromium import audit, chromium
from playwright.sync_api import Browser, Page, expect
from shown import busy_board, named, post

from galera_operator.runtime.board import Board
from galera_operator.runtime.pulse import Pulse
from galera_operator.web.server import serving

pytestmark = pytest.mark.integration

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def served(board: Board) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(("127.0.0.1", port), board, Pulse(2.0)):
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def busy() -> Iterator[tuple[Board, str]]:
    board = busy_board()
    for address in served(board):
        yield board, address


def opened(browser: Browser, address: str, *, dark: bool = False, size: dict[str, int] = DESK) -> Page:
    page = browser.new_page(viewport=size, color_scheme="dark" if dark else "light")
    page.goto(address)
    expect(page.locator("#live")).to_have_text("live")
    return page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing(browser: Browser, busy: tuple[Board, str], dark: bool, size: dict[str, int]) -> None:
    page = opened(browser, busy[1], dark=dark, size=size)
    assert audit(page) == []
    page.close()


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, busy: tuple[Board, str]) -> None:
    page = opened(browser, busy[1], size=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.close()


def test_nothing_is_asked_of_another_origin_and_nothing_is_refused(browser: Browser, busy: tuple[Board, str]) -> None:
    asked: list[str] = []
    said: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(busy[1])
    expect(page.locator("#live")).to_have_text("live")
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(busy[1]).netloc}
    assert said == []
    page.close()


def test_every_control_is_reached_by_the_tab_key_and_shows_where_it_is(browser: Browser, busy: tuple[Board, str]) -> None:
    page = opened(browser, busy[1])
    page.evaluate("document.querySelectorAll('*').forEach((one, at) => { one.dataset.at = at })")
    wanted = page.evaluate("[...document.querySelectorAll('a[href], button, summary')].map((one) => one.dataset.at)")
    assert len(wanted) > 8
    reached: set[str] = set()
    for _ in range(3 * len(wanted)):
        page.keyboard.press("Tab")
        at, outline = page.evaluate(
            "[document.activeElement.dataset.at, getComputedStyle(document.activeElement, ':focus-visible').outlineStyle]"
        )
        if at in wanted:
            assert outline != "none", at
        reached.add(at)
    assert set(wanted) <= reached
    page.close()


def test_what_changes_shows_without_a_reload_and_leaves_the_focus_where_it_is(browser: Browser) -> None:
    board = Board()
    post(board, named(three_calm(wish=3), "shop_db"))
    for address in served(board):
        page = opened(browser, address)
        page.evaluate("window.stays = true")
        expect(page.locator("[data-slot='3']")).to_contain_text("admitted")
        page.locator("footer a").first.focus()
        post(board, named(cluster(member(1), member(2), unseen(3, "no answer within 4 s"), wish=3), "shop_db"), second=3)
        expect(page.locator("[data-slot='3']")).to_contain_text("unseen", timeout=3000)
        assert page.evaluate("window.stays") is True, "it was loaded again"
        assert page.evaluate("document.activeElement.closest('footer') !== null")
        page.close()


def test_an_operator_that_is_gone_is_told_at_once(browser: Browser) -> None:
    board = Board()
    post(board, named(three_calm(wish=3), "shop_db"))
    serve = served(board)
    page = opened(browser, next(serve))
    next(serve, None)
    expect(page.locator("#live")).to_have_text("no answer from the operator", timeout=10_000)
    page.close()


def test_pictures_can_be_taken(browser: Browser, busy: tuple[Board, str], tmp_path: Path) -> None:
    """``PICTURES=charts/monitoring`` makes those that the READMEs show."""
    folder = Path(os.environ.get("PICTURES", tmp_path))
    for name, dark, size in (("desk", False, DESK), ("phone", True, PHONE)):
        page = opened(browser, busy[1], dark=dark, size=size)
        picture = folder / f"status-page-{name}.png"
        page.screenshot(path=picture)
        assert picture.stat().st_size > 20_000
        page.close()
