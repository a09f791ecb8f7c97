"""The operator's own words while the demo runs: its log, followed, and its decisions picked out."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d)\s+[A-Z]+\s+(?P<service>[\w.-]+): "
    r"(?P<kind>act|hold|done|not done|PAGE [\w-]+): (?P<text>.*)"
)

_DEEDS_OF_NOTE = ("grant", "admit", "drain", "appoint")
"""Of what was done, what goes into the table; a change of replicas is seen in Swarm itself."""

AGAIN_SECONDS = 1.0


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
        return self.kind == "done" and self.text.startswith(_DEEDS_OF_NOTE)

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def parse(line: str) -> Said | None:
    """Read a line of the log; None when it is no decision."""
    match = _LINE.search(line)
    if match is None:
        return None
    at = datetime.fromisoformat(match["time"]).timestamp()
    return Said(at, match["service"], match["kind"], match["text"].rstrip())


class Follower:
    """Reads a log as it grows, by a command that prints it all and goes on, in a thread of its own.

    The command ends when the engine that it asks has nothing to follow; then it is started again and what was told is skipped.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], on_said: Callable[[Said], None]) -> None:
        self._command, self._env, self._on_said = list(command), dict(env), on_said
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._last = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        with self._lock:
            self._over.set()
            if self._process is not None:
                self._process.kill()
        self._thread.join(10.0)

    def _run(self) -> None:
        while not self._over.wait(AGAIN_SECONDS if self._process else 0.0):
            with self._lock:
                if self._over.is_set():
                    return
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    env=self._env,
                    start_new_session=True,  # a Ctrl-C is for the demo, which ends it
                )
            with self._process as process:
                assert process.stdout is not None
                for line in process.stdout:
                    self._take(line)

    def _take(self, line: str) -> None:
        said = parse(line)
        if said is not None and said.at > self._last:
            self._last = said.at
            self._on_said(said)
