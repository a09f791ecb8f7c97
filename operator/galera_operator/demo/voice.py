"""What the demo tells a person: one line at a time, and on a terminal one more that changes in place."""

from __future__ import annotations

import threading
import time

from rich.console import Console, RenderableType
from rich.status import Status
from rich.text import Text

PROGRESS_SECONDS = 5.0
"""Between two lines of progress where there is no terminal."""


class Voice:
    """Prints from any thread. Never raises: that nobody listens any more must not keep the demo from cleaning up."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._told_at = 0.0
        self._status: Status | None = None

    def say(self, line: str, style: str = "") -> None:
        """Print a line with the seconds since the demo began."""
        since = time.monotonic() - self._begun
        for part in line.splitlines() or [""]:
            self._print(Text.assemble((f"{since:6.1f} s  ", "dim"), (part, style)))

    def show(self, what: RenderableType) -> None:
        """Print a table, or a text as it is."""
        self._print(Text(what) if isinstance(what, str) else what)

    def progress(self, line: str) -> None:
        """Tell how it goes: in place on a terminal, else as a line now and then."""
        if not self._console.is_terminal:
            now = time.monotonic()
            if now - self._told_at >= PROGRESS_SECONDS:
                self._told_at = now
                self.say(line, "dim")
            return
        with self._lock:
            if self._status is None:
                self._status = self._console.status(Text(line))
                self._status.start()
            self._status.update(Text(line))

    def hush(self) -> None:
        """Take away the line that changes."""
        with self._lock:
            status, self._status = self._status, None
        if status is not None:
            status.stop()

    def _print(self, what: RenderableType) -> None:
        try:
            with self._lock:
                self._console.print(what, highlight=False, soft_wrap=isinstance(what, Text))
        except OSError:
            pass
