"""The operator's own words while the demo runs: its log, followed, and its decisions picked out."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d{4})\s+[A-Z]+\s+(?P<service>[\w.-]+): "
    r"(?P<kind>act|hold|done|not done|PAGE [\w-]+): (?P<text>.*)"
)

_STEPS_OF_NOTE = ("grant", "admit", "drain", "appoint")
"""Of what was done, what goes into the table; a change of replicas is seen in Swarm itself."""


@dataclass(frozen=True, slots=True)
class Said:
    """One decision or deed. `at`: seconds since the epoch, by the operator's clock."""

    at: float
    service: str
    kind: str
    """``act``, ``hold``, ``done``, ``not done`` or ``PAGE <name>``."""
    text: str

    @property
    def is_milestone(self) -> bool:
        return self.kind == "done" and self.text.startswith(_STEPS_OF_NOTE)

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def parse(line: str) -> Said | None:
    """Read a line of the log; None when it is no decision."""
    match = _LINE.search(line)
    if match is None:
        return None
    at = datetime.strptime(match["time"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    return Said(at, match["service"], match["kind"], match["text"].rstrip())


class Follower:
    """Reads a log as it grows, by a command that prints it, in a thread of its own."""

    def __init__(self, command: Sequence[str], on_said: Callable[[Said], None]) -> None:
        self._on_said = on_said
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # a Ctrl-C is for the demo, which ends it
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10.0)
        self._thread.join(5.0)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                said = parse(line)
                if said is not None:
                    self._on_said(said)
