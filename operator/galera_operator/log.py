"""Logging: loguru to standard error, one line per decision, JSON on request."""

from __future__ import annotations

import sys

from loguru import logger

_TEXT = "{time:YYYY-MM-DDTHH:mm:ss.SSSZ} {level: <7} {message}"


def configure(level: str = "INFO", *, as_json: bool = False) -> None:
    """Set up the one sink. `diagnose` stays off: it prints the values of variables into tracebacks, secrets included."""
    logger.remove()
    logger.add(sys.stderr, level=level.upper(), format=_TEXT, serialize=as_json, diagnose=False, backtrace=False)
