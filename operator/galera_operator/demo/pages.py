"""A visitor of WordPress: fetches the front page every second from its nodes in turn and counts what fails."""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

TITLE = "Galera on Swarm"
"""The site's title, which its front page shows: it comes out of the database."""

TIMEOUT = 10.0
"""Seconds for one page."""

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never a proxy of this machine's environment


@dataclass(frozen=True, slots=True)
class Page:
    """One fetch. `status` 0: no HTTP answer came. `seconds`: how long it took."""

    status: int
    body: str
    seconds: float
    url: str = ""
    """Where it ended, after redirections."""


@dataclass(frozen=True, slots=True)
class PageFailure:
    """`at`: `time.monotonic()` when the fetch began."""

    at: float
    url: str
    why: str


@dataclass(frozen=True, slots=True)
class PagesResult:
    """What a visitor saw. `slowest`: seconds."""

    fetched: int
    failed: int
    slowest: float
    failures: tuple[PageFailure, ...] = ()


def fault(page: Page, title: str = TITLE) -> str | None:
    """Why this is not the front page, whole and in time; None when it is."""
    if page.status != 200:
        return f"no answer: {page.body}" if page.status == 0 else f"HTTP {page.status}"
    if page.seconds > TIMEOUT:
        return f"took {page.seconds:.1f} s"
    if title not in page.body:
        return f"HTTP 200, but without the title '{title}'"
    if not page.body.rstrip().endswith("</html>"):
        return "HTTP 200, but cut off"
    return None


def fetch(url: str, form: dict[str, str] | None = None) -> Page:
    """Fetch a page (or send a form). Never raises: what went wrong is in the page."""
    begun = time.monotonic()
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with _OPENER.open(url, data, timeout=TIMEOUT) as answer:
            body = answer.read().decode(errors="replace")
            return Page(answer.status, body, time.monotonic() - begun, answer.url)
    except urllib.error.HTTPError as error:
        with error:
            return Page(error.code, str(error.reason), time.monotonic() - begun, url)
    except (OSError, http.client.HTTPException) as error:
        return Page(0, f"{type(error).__name__}: {error}", time.monotonic() - begun, url)


def install_where_asked(page: Page, password: str) -> bool:
    """The public WordPress image asks a new site's first visitor for its title; give it. True when it asked."""
    if page.status != 200 or "/wp-admin/install.php" not in page.url:
        return False
    form = {"weblog_title": TITLE, "user_name": "admin", "admin_password": password, "admin_password2": password}
    form |= {"admin_email": "admin@example.org", "blog_public": "0", "pw_weak": "1", "language": ""}
    fetch(urllib.parse.urljoin(page.url, "/wp-admin/install.php?step=2"), form)
    return True


class Visitor:
    """Fetches one page a second until stopped. A fetch that takes longer delays the next; none are made up for."""

    def __init__(self, urls: Sequence[str], every: float = 1.0) -> None:
        self._urls = urls
        self._every = every
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._fetched = 0
        self._slowest = 0.0
        self._failures: list[PageFailure] = []
        self._thread = threading.Thread(target=self._visit, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> PagesResult:
        """Let the fetch under way end, and return what was seen."""
        self._over.set()
        self._thread.join(3 * TIMEOUT)
        return self.snapshot()

    def abandon(self) -> None:
        """Stop without waiting."""
        self._over.set()

    def snapshot(self) -> PagesResult:
        with self._lock:
            return PagesResult(self._fetched, len(self._failures), self._slowest, tuple(self._failures))

    def _visit(self) -> None:
        number, due = 0, time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            at, url = time.monotonic(), self._urls[number % len(self._urls)]
            page = fetch(url)
            why = fault(page)
            with self._lock:
                self._fetched += 1
                self._slowest = max(self._slowest, page.seconds)
                if why is not None:
                    self._failures.append(PageFailure(at, url, why))
            number += 1
            due = max(due + self._every, at + page.seconds)
