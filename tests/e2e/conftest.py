"""One sandbox for all end-to-end tests, and one stack for each module that asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from deployment import CHARTS, ROOT, Deployment
from faults.table import TABLE

from galera_operator.sandbox.api import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Three nodes with all images. KEEP=1 leaves it up."""
    Sandbox.prepare_images(ROOT)
    up = Sandbox.up(3)
    try:
        yield up
    finally:
        if not os.environ.get("KEEP"):
            up.down()


@pytest.fixture(scope="module")
def galera(sandbox: Sandbox) -> Iterator[Deployment]:
    """charts/galera with one member, as stack `db`."""
    deployment = Deployment(sandbox, "db")
    deployment.make_secrets("galera_token", "galera_root_password")
    deployment.deploy(CHARTS / "galera" / "stack.yml")
    try:
        deployment.wait_settled(1)
        yield deployment
    finally:
        Sandbox.up(3)  # nodes that a failed test left down: the next module is not to pay for it
        deployment.remove()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of test_faults.py; they are also written to build/faults.md."""
    if TABLE.rows or TABLE.remarks:
        TABLE.write()
        terminalreporter.section("faults on a real Swarm")
        terminalreporter.write_line(TABLE.markdown())
