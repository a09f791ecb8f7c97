"""Connections between two looks. A member that dies hangs up on those kept to it: nobody hears of its end sooner."""

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


class HangUps:
    """Hears the other ends of idle connections hang up. Safe from any thread."""

    def __init__(self) -> None:
        self._heard: dict[int, Callable[[], bool]] = {}
        self._epoll = select.epoll()

    def listen(self, number: int, hung_up: Callable[[], bool]) -> None:
        """Have `hung_up` called, which says whether that connection was still idle. Args: `number`: the socket's file number."""
        self._heard[number] = hung_up
        self._epoll.register(number, select.EPOLLRDHUP)

    def forget(self, number: int) -> None:
        self._epoll.unregister(number)
        del self._heard[number]

    def watch(self, wake: Callable[[], None], stop: Callable[[], bool]) -> None:
        """Call `wake` whenever one was hung up on; returns once `stop` says so."""
        while not stop():
            for number, _ in self._epoll.poll(_LISTEN):
                hung_up = self._heard.get(number)
                if hung_up is not None and hung_up():
                    wake()


class KeptConnections(Generic[C]):
    """At most one idle connection for each key, closed when its member hangs up. Safe from any thread."""

    def __init__(self, hang_ups: HangUps) -> None:
        self._idle: dict[Key, C] = {}
        self._hang_ups = hang_ups
        self._lock = threading.Lock()

    def take(self, key: Key) -> C | None:
        """The connection kept for this key, which is kept no more."""
        with self._lock:
            return self._take(key)

    def keep(self, key: Key, connection: C) -> None:
        """Keep it until it is taken, or its member hangs up."""
        with self._lock:
            former = self._take(key)
            self._idle[key] = connection
            self._hang_ups.listen(connection.fileno(), lambda: self._hung_up(key))
        close(former)

    def close(self) -> None:
        """Close all that are kept."""
        for key in list(self._idle):
            close(self.take(key))

    def _take(self, key: Key) -> C | None:
        connection = self._idle.pop(key, None)
        if connection is not None:
            self._hang_ups.forget(connection.fileno())
        return connection

    def _hung_up(self, key: Key) -> bool:
        gone = self.take(key)
        close(gone)
        return gone is not None


def close(connection: Open | None) -> None:
    """Close a connection of which nobody knows whether its other end is there."""
    if connection is not None:
        with contextlib.suppress(pymysql.MySQLError, OSError):
            connection.close()
