"""`ports.Members` on real members: the agent over HTTP, the database over SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from galera_operator.adapters import agent_client
from galera_operator.adapters.agent_client import AgentPoll
from galera_operator.adapters.kept import HangUps
from galera_operator.adapters.sql import SqlPoll
from galera_operator.core.agent_api import AgentStatus, Command, Wsrep


class RealMembers:
    def __init__(self) -> None:
        self._hang_ups = HangUps()
        self._agents = AgentPoll(self._hang_ups)
        self._sql = SqlPoll(self._hang_ups)

    def ask(self, address: str, token: str) -> AgentStatus:
        return self._agents.ask(address, token)

    def wsrep(self, address: str, token: str, members: Sequence[str]) -> Wsrep:
        return self._sql.wsrep(address, token, members)

    def run_sql(self, address: str, token: str, statement: str) -> str:
        return self._sql.run(address, token, statement)

    def send(self, address: str, token: str, command: Command) -> None:
        agent_client.send(address, token, command)

    def watch(self, wake: Callable[[], None], stop: Callable[[], bool]) -> None:
        """Call `wake` as soon as an agent or a mariadbd ends, wherever the kernel or the network still says so; until `stop`."""
        self._hang_ups.watch(wake, stop)

    def close(self) -> None:
        """Close the connections that are kept between looks."""
        self._agents.close()
        self._sql.close()
