"""What wakes the loop: events, the periodic look, a recheck. All of them only leave a word here; the loop takes them together."""

from __future__ import annotations

import threading
import time


class Inbox:
    """Reasons to look, from any thread, now or later."""

    def __init__(self) -> None:
        self._reasons: set[str] = set()
        self._later: dict[str, float] = {}
        self._filled = threading.Condition()

    def put(self, reason: str) -> None:
        with self._filled:
            self._reasons.add(reason)
            self._filled.notify()

    def put_later(self, reason: str, seconds: float) -> None:
        """Put it in after so many seconds; the same reason given again replaces the earlier one."""
        with self._filled:
            self._later[reason] = time.monotonic() + seconds
            self._filled.notify()

    def take(self, within: float) -> frozenset[str]:
        """Wait for reasons, at most `within` seconds; empty when there were none."""
        until = time.monotonic() + within
        with self._filled:
            while not self._ripe():
                wake = min([until, *self._later.values()])
                if time.monotonic() >= until:
                    break
                self._filled.wait(max(0.0, wake - time.monotonic()))
            taken = frozenset(self._reasons)
            self._reasons.clear()
        return taken

    def _ripe(self) -> bool:
        """Move what is due now to the reasons; True when there are any."""
        now = time.monotonic()
        for reason in [reason for reason, due in self._later.items() if due <= now]:
            del self._later[reason]
            self._reasons.add(reason)
        return bool(self._reasons)
