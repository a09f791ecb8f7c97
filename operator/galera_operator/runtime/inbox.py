"""What wakes the loop: events, the periodic look, a recheck. All of them only leave a word here; the loop takes them together."""

from __future__ import annotations

import threading


class Inbox:
    """Reasons to look, from any thread."""

    def __init__(self) -> None:
        self._reasons: set[str] = set()
        self._filled = threading.Condition()

    def put(self, reason: str) -> None:
        with self._filled:
            self._reasons.add(reason)
            self._filled.notify()

    def take(self, within: float) -> frozenset[str]:
        """Wait for reasons, at most `within` seconds; empty when there were none."""
        with self._filled:
            if not self._reasons:
                self._filled.wait(within)
            taken = frozenset(self._reasons)
            self._reasons.clear()
        return taken
