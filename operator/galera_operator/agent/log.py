"""Plain one-line-per-event log on stdout: time, name, sentence."""

from __future__ import annotations

import logging
import sys
import time


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", " | ")


def start_logging(name: str) -> None:
    handler = logging.StreamHandler(sys.stdout)
    formatter = _OneLine(f"%(asctime)s.%(msecs)03dZ {name} agent: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
