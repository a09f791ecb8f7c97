"""What the unit tier shares: no network, no Docker, no clock; builders and in-memory ports are plain modules beside this file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loguru import logger

logger.remove()  # loguru's own sink on standard error; a test that reads the log takes `said`


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The log lines of one test, each as ``LEVEL text``."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line).rstrip("\n")), format="{level} {message}", level="DEBUG")
    yield lines
    logger.remove(sink)
