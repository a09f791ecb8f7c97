"""`ports.Members` on real members: the agent over HTTP, the database over SQL."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from galera_operator.adapters.agent_client import AgentConnection, AgentPoll, send
from galera_operator.adapters.kept import HangUps, close
from galera_operator.adapters.sql import SqlConnection, SqlPoll
from galera_operator.core.agent_api import AgentStatus, Command, Wsrep
from galera_operator.ports import Refused, Unreachable

MOMENTS = 0.05
"""Seconds in which a member answers that is well, on a network that is."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One member that was asked for its status on both of its kept connections."""

    agent: AgentConnection
    database: SqlConnection

    @property
    def numbers(self) -> set[int]:
        return {self.agent.fileno(), self.database.fileno()}


class RealMembers:
    def __init__(self) -> None:
        self._hang_ups = HangUps()
        self._agents = AgentPoll(self._hang_ups)
        self._databases = SqlPoll(self._hang_ups)
        self._turnstile = threading.Lock()

    def at_once(self, addresses: Sequence[str], token: str) -> Mapping[str, tuple[AgentStatus, Wsrep]]:
        """`ports.Members.at_once`: over kept connections, every question before the first answer.

        One caller at a time: threads that do it beside each other fight for Python's own lock, at twice the cost. Who is silent
        holds the others up for `MOMENTS`, and only once: it loses its kept connections. Who stops in the middle of an answer
        holds them up for a connection's time limit, as often.
        """
        with self._turnstile:
            asked = {address: both for address in addresses if (both := self._begin(address, token))}
            silent = _silent_after(MOMENTS, (number for both in asked.values() for number in both.numbers))
            answers = {}
            for address, both in asked.items():
                if silent.isdisjoint(both.numbers):
                    answers[address] = self._end(both, token)
                else:
                    close(both.agent)
                    close(both.database)
            return {address: answer for address, answer in answers.items() if answer}

    def ask(self, address: str, token: str) -> AgentStatus:
        return self._agents.ask(address, token)

    def wsrep(self, address: str, token: str, members: Sequence[str]) -> Wsrep:
        return self._databases.wsrep(address, token, members)

    def run_sql(self, address: str, token: str, statement: str) -> str:
        return self._databases.run(address, token, statement)

    def send(self, address: str, token: str, command: Command) -> None:
        send(address, token, command)

    def watch(self, wake: Callable[[], None], stop: Callable[[], bool]) -> None:
        """Call `wake` as soon as an agent or a mariadbd ends, wherever the kernel or the network still says so; until `stop`."""
        self._hang_ups.watch(wake, stop)

    def close(self) -> None:
        """Close the connections that are kept between looks."""
        self._agents.close()
        self._databases.close()

    def _begin(self, address: str, token: str) -> _Asked | None:
        database = self._databases.begin(address, token)
        agent = self._agents.begin(address, token) if database else None
        if database and agent:
            return _Asked(agent, database)
        close(database)
        return None

    def _end(self, both: _Asked, token: str) -> tuple[AgentStatus, Wsrep] | None:
        """None: one of the answers is none."""
        try:
            status = self._agents.end(both.agent, token)
        except (Refused, OSError):
            close(both.database)
            return None
        try:
            return status, self._databases.end(both.database, token, status.wsrep.members if status.wsrep else ())
        except (Unreachable, Refused):
            return None


def _silent_after(seconds: float, numbers: Iterable[int]) -> set[int]:
    """Wait until each of these sockets has something to read, but no longer than this; return those that have nothing."""
    silent, poll = set(numbers), select.poll()
    for number in silent:
        poll.register(number, select.POLLIN)
    deadline = time.monotonic() + seconds
    while silent and (left := deadline - time.monotonic()) > 0:
        for number, _ in poll.poll(left * 1000):
            poll.unregister(number)
            silent.discard(number)
    return silent
