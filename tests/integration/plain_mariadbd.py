"""mariadbd started by hand, as a person or the stock image does it: no recovered position, and Galera's own `pc.recovery` on.

And an agent's eyes on such a server: the real watcher, ports and commands around a mariadbd that the agent did not start.
"""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import pymysql
from galera_processes import ROOT_PASSWORD, Member, wait_for

from galera_operator.agent.life import SESSION
from galera_operator.agent.member import Member as AgentsMember
from galera_operator.agent.options import PROVIDER_PATHS
from galera_operator.agent.peers import Peers
from galera_operator.agent.server import Server
from galera_operator.agent.settings import read_settings
from galera_operator.agent.sql import Client
from galera_operator.agent.watch import Watcher
from galera_operator.core.agent_api import Stage, Wsrep
from galera_operator.core.wsrep_status import STATUS_NAMES, StatusUnreadable, wsrep_from_status


class PlainMariadbd:
    """One mariadbd on a member's directory, without an agent."""

    def __init__(self, member: Member, peers: Sequence[Member]) -> None:
        """Args: `peers`: the members to find, itself among them; empty: a new cluster."""
        self.member = member
        addresses = ",".join(peer.address for peer in peers)
        provider = f"gmcast.listen_addr=tcp://{member.address}:4567;gcache.size=16M"
        with (member.home / "plain.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "mariadbd", f"--defaults-file={member.home}/conf/small.cnf", "--user=mysql", f"--datadir={member.data}",
                    f"--socket={member.home}/run/mysqld.sock", f"--pid-file={member.home}/run/mysqld.pid",
                    f"--bind-address={member.address}", "--port=3306", "--skip-name-resolve",
                    "--binlog-format=row", "--innodb-autoinc-lock-mode=2", "--plugin-load-add=wsrep_info",
                    "--wsrep-on=ON", f"--wsrep-provider={PROVIDER_PATHS[0]}", f"--wsrep-provider-options={provider}",
                    "--wsrep-cluster-name=db", f"--wsrep-cluster-address=gcomm://{addresses}", "--wsrep-slave-threads=4",
                    f"--wsrep-node-name={member.name}", f"--wsrep-node-address={member.address}", "--wsrep-sst-method=rsync",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def kill(self) -> None:
        """Kill -9; does not wait."""
        self._process.kill()

    def wait_end(self) -> None:
        self._process.wait(20)

    def wsrep(self) -> Wsrep | None:
        """What it says of itself; None while it does not answer SQL."""
        names = ", ".join(repr(name) for name in STATUS_NAMES)
        try:
            return wsrep_from_status(dict(self.member.query(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")), ())
        except (pymysql.Error, StatusUnreadable):
            return None

    def wait_synced(self, size: int, seconds: float = 60.0) -> Wsrep:
        """Wait until it says Synced in a Primary component of this size."""

        def probe() -> Wsrep | None:
            assert self._process.poll() is None, f"{self.member.name} ended: {self.log[-2000:]}"
            now = self.wsrep()
            return now if now and now.is_synced and now.cluster_size == size else None

        return wait_for(f"{self.member.name} is Synced, one of {size}", probe, seconds, lambda: self.log[-2000:])

    @property
    def log(self) -> str:
        return (self.member.home / "plain.log").read_text(errors="replace")


class AgentBeside:
    """The member agent's watcher, state and ports, on a mariadbd that is up already; without the life that would start it."""

    def __init__(self, member: Member) -> None:
        settings = read_settings(member.environ | {"GALERA_OPERATOR_AWAY": "0"}, [])
        self.state = AgentsMember(settings, Peers(settings.incarnation, (), ()))
        self.state.enter(Stage.RUNNING, "mariadbd was started by somebody else")
        self._watcher = Watcher(self.state, Client(settings.socket, ROOT_PASSWORD, SESSION))
        self._server = Server(self.state, settings.bind_address, settings.http_port, settings.haproxy_port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._watcher.start()
        try:
            asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(5)
            wait_for("the agent has read mariadbd's status", lambda: self.state.wsrep, 10)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._watcher.ended.set()
        self._watcher.join(5)
        self._watcher._client._end()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        await self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
