"""Writes through SQL that note what was acknowledged: one row per transaction, every row another number."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import pymysql
from galera_processes import DATABASE, Member, wait_for

TABLE = f"{DATABASE}.writes"
_CREATE = f"CREATE TABLE IF NOT EXISTS {TABLE} (id BIGINT PRIMARY KEY, v CHAR(200) NOT NULL)"
_PER_CLIENT = 10**6


class Writes:
    """Clients that insert until told to end. A client ends at its first failure, and that is noted."""

    def __init__(self, members: Sequence[Member], clients: int = 1, pause: float = 0.0, round_: int = 0) -> None:
        """Args: `clients`: per member. `pause`: seconds between two rows. `round_`: another one, other numbers."""
        self.acknowledged: list[tuple[int, float]] = []
        """The number and the moment (monotonic) of each acknowledged row."""
        self.failed: list[str] = []
        self._ended = threading.Event()
        self._pause = pause
        self._threads = [
            threading.Thread(target=self._work, args=(member, (round_ * 1000 + member.slot * 100 + client) * _PER_CLIENT))
            for member in members
            for client in range(clients)
        ]
        members[0].query(_CREATE)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """Let every client finish its row."""
        self._ended.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a client hangs in a write"

    def wait_for(self, count: int) -> None:
        """Wait until so many rows were acknowledged."""
        wait_for(f"{count} rows are written", lambda: len(self.acknowledged) >= count, 30, lambda: self.failed)

    @property
    def numbers(self) -> set[int]:
        return {number for number, _ in self.acknowledged}

    def longest_gap(self, since: float) -> float:
        """Seconds between two acknowledged rows, at the longest, from the moment `since` until now."""
        moments = [since, *(at for _, at in self.acknowledged if at > since), time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))

    def _work(self, member: Member, number: int) -> None:
        try:
            with member.connect(autocommit=True) as connection, connection.cursor() as cursor:
                while not self._ended.wait(self._pause):
                    number += 1
                    cursor.execute(f"INSERT INTO {TABLE} VALUES (%s, REPEAT('x', 200))", (number,))
                    self.acknowledged.append((number, time.monotonic()))
        except (pymysql.Error, OSError) as error:
            self.failed.append(f"{member.name}: {error}")


def rows(member: Member) -> set[int]:
    """The numbers of the rows on this member."""
    return {number for (number,) in member.query(f"SELECT id FROM {TABLE}")}


def checksums(member: Member) -> list[tuple[object, ...]]:
    """The checksum of every table of the user's, as this member computes it."""
    tables = member.query(f"SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{DATABASE}' ORDER BY 1")
    return member.query(f"CHECKSUM TABLE {', '.join(f'{DATABASE}.{table}' for (table,) in tables)} EXTENDED")
