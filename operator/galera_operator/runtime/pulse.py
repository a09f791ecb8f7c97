"""Whether the operator's loop is alive: it came round lately, and no turn has been under way for too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

TURNS_LATE = 10
"""Periodic looks that may be missing before the loop counts as hung."""

LEAST = 20.0
"""Seconds that it may be silent in any case: the engine has its own time limits, and a busy manager is no hung one."""

TURN_LIMIT = 180.0
"""Seconds that one turn may take. Its look ends after 4 s; a step asks each member in turn, each with a time limit."""


class Pulse:
    """Beaten by the loop, felt by `/healthz` and the metrics; from any thread."""

    def __init__(self, look_every: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: `look_every`: seconds between two periodic looks."""
        self._clock = clock
        self._patience = max(LEAST, TURNS_LATE * look_every)
        self._came_round = clock()
        self._begun: dict[str, float] = {}
        self._lock = threading.Lock()
        self.swarm_fault = ""
        """Why the Swarm cannot be read; empty when it can. No reason to be restarted: that would not help."""
        self.failed_turns = 0
        """Turns that ended in an unforeseen exception: bugs."""

    def came_round(self, swarm_fault: str = "") -> None:
        """The loop has listed the clusters, or tried to."""
        with self._lock:
            self._came_round = self._clock()
            self.swarm_fault = swarm_fault

    def turn_began(self, cluster: str) -> None:
        with self._lock:
            self._begun[cluster] = self._clock()

    def turn_ended(self, cluster: str, *, failed: bool) -> None:
        with self._lock:
            self._begun.pop(cluster, None)
            self.failed_turns += failed

    def fault(self) -> str:
        """Say what is wrong with the loop, or nothing."""
        with self._lock:
            now = self._clock()
            silent = now - self._came_round
            if silent > self._patience:
                return f"the loop has not come round for {silent:.0f} s; expected within {self._patience:.0f} s"
            for cluster, begun in self._begun.items():
                if now - begun > TURN_LIMIT:
                    return (
                        f"the turn of {cluster} has been under way for {now - begun:.0f} s; expected at most {TURN_LIMIT:.0f} s"
                    )
        return ""
