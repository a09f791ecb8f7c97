"""Real agents with real mariadbd on loopback, through the operator's own adapters."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from typing import TypeVar

import pymysql
from galera_processes import DATABASE, ROOT_PASSWORD, TOKEN, Cluster, Member, wait_for
from group_world import GroupWorld, in_order

from galera_operator.adapters.members import RealMembers
from galera_operator.core.agent_api import Stage
from galera_operator.ports import Unreachable
from galera_operator.sandbox.waiting import NotYet, wait_until

T = TypeVar("T")

TABLE = f"{DATABASE}.contract"
_STAGE = re.compile(rf" agent: ({'|'.join(Stage)}): ")


class RealGroup(GroupWorld):
    is_real = True
    token = TOKEN

    def __init__(self) -> None:
        self._cluster = Cluster()
        self._number = self._tables = 0
        self.members = self._members = RealMembers()

    def close(self) -> None:
        for slot in (1, 2, 3):
            self._signal(slot, signal.SIGCONT)
        self._members.close()
        self._cluster.destroy()

    def _member(self, slot: int) -> Member:
        return self._cluster.member(slot)

    def address(self, slot: int) -> str:
        return self._member(slot).address

    def now(self) -> float:
        return time.monotonic()

    def until(self, condition: Callable[[], T], within: float, what: str) -> T:
        def look() -> T | NotYet:
            return condition() or NotYet({slot: self._last_words(slot) for slot in (1, 2, 3)})

        return wait_until(look, within, what, every=0.03, ignoring=(Unreachable,))

    def _last_words(self, slot: int) -> str:
        lines = self._member(slot).log.splitlines()
        return next((line for line in reversed(lines) if " agent: " in line), "no agent yet")

    # What happens -----------------------------------------------------------------------------------------------------

    def start(self, slot: int) -> None:
        self._member(slot).start(GALERA_SST_METHOD="rsync", GALERA_OPERATOR_AWAY="600")

    def _signal(self, slot: int, what: signal.Signals) -> None:
        """To the agent first, so that it cannot react to what happens to its mariadbd."""
        member = self._member(slot)
        if self.has_agent(slot):
            assert member.agent is not None
            member.agent.send_signal(what)
        for process in member.processes(""):
            os.kill(process, what)

    def kill(self, slot: int) -> None:
        self._signal(slot, signal.SIGKILL)
        member = self._member(slot)
        wait_for(f"{member.name} is gone", lambda: not self.has_agent(slot) and not member.processes(""), 10)

    def kill_database(self, slot: int) -> None:
        os.kill(self._member(slot).mariadbd(), signal.SIGKILL)

    def sigterm(self, slot: int) -> None:
        self._member(slot).sigterm()

    def freeze(self, slot: int) -> None:
        self._signal(slot, signal.SIGSTOP)

    def thaw(self, slot: int) -> None:
        self._signal(slot, signal.SIGCONT)

    def desync(self, slot: int, on: bool) -> None:
        self._member(slot).query(f"SET GLOBAL wsrep_desync={'ON' if on else 'OFF'}", "root", ROOT_PASSWORD)

    def write(self, slot: int, count: int = 1) -> bool:
        try:
            with self._member(slot).connect(autocommit=True) as connection, connection.cursor() as cursor:
                if not self._tables:
                    cursor.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (id BIGINT PRIMARY KEY)")
                    self._tables = 1
                for _ in range(count):
                    self._number += 1
                    cursor.execute(f"INSERT INTO {TABLE} VALUES ({self._number})")
        except pymysql.Error:
            return False
        return True

    def wipe(self, slot: int) -> None:
        if self.has_agent(slot):
            self.kill(slot)
        for entry in self._member(slot).data.glob("*"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self._tables = 0

    # What is seen -----------------------------------------------------------------------------------------------------

    def exit_code(self, slot: int) -> int | None:
        return self._member(slot).exit_code

    def has_agent(self, slot: int) -> bool:
        agent = self._member(slot).agent
        return agent is not None and agent.poll() is None

    def stages(self, slot: int) -> list[str]:
        told = _STAGE.findall(self._member(slot).log)
        return in_order(told)
