"""One client connection of the load and its transaction. The only module of the demo that imports pymysql."""

from __future__ import annotations

import contextlib
import itertools
import socket
from dataclasses import dataclass

import pymysql
from pymysql.connections import Connection

from galera_operator.demo.tally import Step

CONNECT_SECONDS = 10
READ_SECONDS = 30
"""Of silence from the server. pymysql's own default is to wait for ever."""

SCHEMA = """
CREATE DATABASE IF NOT EXISTS demo;
CREATE TABLE IF NOT EXISTS demo.writes (
  run INT UNSIGNED NOT NULL, worker SMALLINT UNSIGNED NOT NULL, seq INT UNSIGNED NOT NULL,
  half TINYINT NOT NULL, PRIMARY KEY (run, worker, seq)
) ENGINE=InnoDB;
"""
"""`half` is 1 after the INSERT and 2 after the UPDATE of the same transaction: a committed 1 is half a transaction."""


_WRITE = (
    (Step.BEGIN, "BEGIN"),
    (Step.INSERT, "INSERT INTO demo.writes (run, worker, seq, half) VALUES (%s, %s, %s, 1)"),
    (Step.UPDATE, "UPDATE demo.writes SET half = 2 WHERE run = %s AND worker = %s AND seq = %s"),
    (Step.COMMIT, "COMMIT"),
)
_READ = (
    (Step.BEGIN, "BEGIN"),
    (Step.SELECT, "SELECT COUNT(*), MAX(half) FROM demo.writes WHERE run = %s AND worker = %s AND seq < %s"),
    (Step.COMMIT, "COMMIT"),
)


class Broken(Exception):
    """A transaction did not end with an acknowledged COMMIT. Says at which step, with what number and words."""

    def __init__(self, step: Step, code: int | None, text: str) -> None:
        super().__init__(text)
        self.step = step
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Account:
    """Where a client connects and as whom. `host`: an address, or a name of several, which then take turns."""

    host: str
    port: int
    user: str
    password: str


class Client:
    """One connection. A pooled one is kept and pinged before use; else each transaction has its own. For one thread."""

    def __init__(self, account: Account, run: int, worker: int, *, pooled: bool) -> None:
        self._account = account
        self._row = (run, worker)
        self._pooled = pooled
        self._kept: Connection | None = None
        self._turns = itertools.count(worker)
        self.reconnects = 0

    def write(self, seq: int) -> None:
        """Write one row in one transaction: BEGIN, INSERT, UPDATE of that row, COMMIT.

        Raises:
            Broken: COMMIT was not acknowledged.
        """
        self._do(_WRITE, seq)

    def read(self, seq: int) -> None:
        """Read what this worker wrote so far in one transaction: BEGIN, SELECT, COMMIT. Raises `Broken` like `write`."""
        self._do(_READ, seq)

    def _do(self, transaction: tuple[tuple[Step, str], ...], seq: int) -> None:
        step = Step.CONNECT
        connection: Connection | None = None
        try:
            connection = self._take()
            with connection.cursor() as cursor:
                for following, statement in transaction:
                    step = following
                    cursor.execute(statement, (*self._row, seq) if "%s" in statement else None)
        except Exception as error:  # pymysql lets a few errors of the socket and of a cut packet through as they are
            _close(connection)
            raise Broken(step, *explain(error)) from error
        if self._pooled:
            self._kept = connection
        else:
            _close(connection)

    def close(self) -> None:
        kept, self._kept = self._kept, None
        _close(kept)

    def _take(self) -> Connection:
        kept, self._kept = self._kept, None
        if kept is None:
            return self._connect()
        try:
            kept.ping(reconnect=False)
        except Exception:
            _close(kept)
            self.reconnects += 1
            return self._connect()
        return kept

    def _connect(self) -> Connection:
        account = self._account
        return pymysql.connect(
            host=address_of(account.host, next(self._turns)),
            port=account.port,
            user=account.user,
            password=account.password,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            write_timeout=READ_SECONDS,
            autocommit=None,  # the server's default; to set it would be one more round trip
            ssl_disabled=True,  # the load measures the database, not Python's TLS
        )


def address_of(host: str, turn: int) -> str:
    """One of the addresses of a name, the next one at each turn, as Swarm's virtual address deals out connections.

    Raises:
        OSError: the name is not known.
    """
    found = sorted({str(answer[4][0]) for answer in socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)})
    return found[turn % len(found)]


def explain(error: Exception) -> tuple[int | None, str]:
    """The number and the words of an error of the driver or of the socket."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    words = str(error.args[1]) if number is not None and len(error.args) > 1 else str(error)
    return number, f"{type(error).__name__}: {words}"


def _close(connection: Connection | None) -> None:
    if connection is not None:
        with contextlib.suppress(Exception):
            connection.close()
