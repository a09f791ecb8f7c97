"""A client that opens a new connection and writes a row, every 50 ms, whatever became of the ones before."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pymysql
from pymysql.connections import Connection

USER, PORT = "demo", 3306
SPACING = 0.05
GAP = 1.0
"""Seconds without a successful write that count as an interruption; two busy cores alone make half a second."""
CONNECT_SECONDS = 12.0
"""Longer than the 10 s for which the proxy holds a connection that nobody may have yet."""
AT_ONCE = 120

SCHEMA = "CREATE TABLE IF NOT EXISTS demo.probes (run INT UNSIGNED, number INT UNSIGNED, PRIMARY KEY (run, number))"


@dataclass(frozen=True)
class Attempt:
    """One new connection and its write. Times in seconds since the epoch."""

    number: int
    begun: float
    ended: float
    fault: str


@dataclass(frozen=True)
class Gap:
    """A time without a successful write by a new connection."""

    begun: float
    ended: float


def connect(host: str, password: str, patience: float) -> Connection:
    """A new connection through a proxy. Raises pymysql.Error or OSError when there is none after `patience` seconds."""
    return pymysql.connect(
        host=host,
        port=PORT,
        user=USER,
        password=password,
        connect_timeout=patience,
        read_timeout=patience,
        write_timeout=patience,
        autocommit=True,
        ssl_disabled=True,
    )


class Probe:
    """Runs from `start` to `stop`."""

    def __init__(self, hosts: Sequence[str], password: str, run: int) -> None:
        self._hosts, self._password, self._run = hosts, password, run
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._attempts: list[Attempt] = []
        self._thread = threading.Thread(target=self._send_out, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Start no more, and wait for those under way."""
        self._over.set()
        self._thread.join()

    @property
    def attempts(self) -> list[Attempt]:
        """Those that have ended, in the order in which they ended."""
        with self._lock:
            return sorted(self._attempts, key=lambda attempt: attempt.ended)

    def written(self) -> set[int]:
        """The numbers of the acknowledged writes."""
        return {attempt.number for attempt in self.attempts if not attempt.fault}

    def gaps(self, since: float) -> list[Gap]:
        """The interruptions from a time on; one that lasts goes on until now."""
        done = [attempt.ended for attempt in self.attempts if not attempt.fault and attempt.ended >= since]
        edges = [since, *done, *([] if self._over.is_set() else [time.time()])]
        return [Gap(a, b) for a, b in itertools.pairwise(edges) if b - a > GAP]

    def _send_out(self) -> None:
        due, number = time.monotonic(), 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while not self._over.wait(max(0.0, due - time.monotonic())):
                number += 1
                pool.submit(self._attempt, number, self._hosts[number % len(self._hosts)])
                due = max(due + SPACING, time.monotonic() - 1.0)

    def _attempt(self, number: int, host: str) -> None:
        if self._over.is_set():
            return
        begun, fault = time.time(), ""
        try:
            connection = connect(host, self._password, CONNECT_SECONDS)
            try:
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO demo.probes VALUES (%s, %s)", (self._run, number))
            finally:
                connection.close()
        except Exception as error:  # whatever it is: this new connection could not write
            fault = f"{type(error).__name__}: {error}"
        with self._lock:
            self._attempts.append(Attempt(number, begun, time.time(), fault))
