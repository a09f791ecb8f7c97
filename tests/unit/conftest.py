"""What the unit tier shares: no network, no Docker, no clock; builders and in-memory ports are plain modules beside this file."""

from __future__ import annotations

from loguru import logger

logger.remove()  # loguru's own sink on standard error; a test that reads the log takes `said`
