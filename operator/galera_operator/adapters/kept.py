"""SQL connections between two looks. A member that dies hangs up on the one kept to it: nobody hears of its end sooner."""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import pymysql

Key = tuple[str, str]
"""Address and token."""


class Open(Protocol):
    """A connection to a server."""

    def fileno(self) -> int:
        """The socket's."""

    def close(self) -> None:
        """Say goodbye; raises where nobody hears it."""


C = TypeVar("C", bound=Open)

_LISTEN = 1.0
"""Seconds between two looks at whether to stop listening."""


class KeptConnections(Generic[C]):
    """At most one idle connection for each key. Safe from any thread."""

    def __init__(self) -> None:
        self._idle: dict[Key, C] = {}
        self._keys: dict[int, Key] = {}
        self._lock = threading.Lock()
        self._hang_ups = select.epoll()

    def take(self, key: Key) -> C | None:
        """The connection kept for this key, which is kept no more."""
        with self._lock:
            return self._take(key)

    def keep(self, key: Key, connection: C) -> None:
        """Keep it until it is taken, or its member hangs up."""
        number = connection.fileno()
        with self._lock:
            former = self._take(key)
            self._idle[key], self._keys[number] = connection, key
            self._hang_ups.register(number, select.EPOLLRDHUP)
        close(former)

    def watch(self, wake: Callable[[], None], stop: Callable[[], bool]) -> None:
        """Call `wake` whenever a member hangs up on a kept connection, which is closed then; returns once `stop` says so."""
        while not stop():
            for number, _ in self._hang_ups.poll(_LISTEN):
                with self._lock:
                    key = self._keys.get(number)
                    gone = self._take(key) if key else None
                if gone is not None:
                    close(gone)
                    wake()

    def close(self) -> None:
        """Close all that are kept."""
        with self._lock:
            closing = [self._take(key) for key in list(self._idle)]
        for connection in closing:
            close(connection)

    def _take(self, key: Key) -> C | None:
        connection = self._idle.pop(key, None)
        if connection is not None:
            number = connection.fileno()
            self._hang_ups.unregister(number)
            del self._keys[number]
        return connection


def close(connection: Open | None) -> None:
    """Close a connection of which nobody knows whether its other end is there."""
    if connection is not None:
        with contextlib.suppress(pymysql.MySQLError, OSError):
            connection.close()
