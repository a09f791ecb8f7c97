"""A real Chromium for the tests of the status page, and axe-core in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",  # the tests run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without the calls home that it makes when it starts."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            browser.close()


def audit(page: Page) -> list[str]:
    """What axe-core finds wrong by WCAG 2.2 AA and its own best practices, one line each; empty: nothing."""
    page.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text())
    found: dict[str, Any] = page.evaluate("axe.run(document)")
    assert found["passes"], "axe has looked at nothing"
    return [f"{one['id']}: {one['help']}: {node['html'][:120]}" for one in found["violations"] for node in one["nodes"]]
