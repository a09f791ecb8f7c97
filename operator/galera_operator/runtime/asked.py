"""What other programs ask for over HTTP, kept until the cluster's next turn takes it over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from galera_operator.core.remembered import Memory
from galera_operator.core.runbook import Runbook

Change = Callable[[Memory], Memory]
"""Raises `running.NotRequested` where it cannot be any more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """From any thread. `token`: who knows it may ask; empty: nobody may. `wake`: is told the cluster's name."""

    books: Mapping[str, Runbook] = field(default_factory=dict)
    token: str = field(default="", repr=False)
    wake: Callable[[str], None] = lambda _: None
    _changes: dict[str, list[Change]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, cluster: str, change: Change) -> None:
        with self._lock:
            self._changes.setdefault(cluster, []).append(change)
        self.wake(cluster)

    def take(self, cluster: str) -> list[Change]:
        """All that was asked for since the last time, in order."""
        with self._lock:
            return self._changes.pop(cluster, [])
