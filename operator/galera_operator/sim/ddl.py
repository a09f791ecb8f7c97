"""DDL in total order isolation: every member runs the statement by itself, and a crash in the middle of it leaves it done or not.

Galera writes a state UUID of zeros into grastate.dat before the statement and the right one after it. It is over with the next
tick; what is killed before that was killed in the middle of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from galera_operator.sim.component import DONOR, Server


class Ddl:
    """The statement that is under way, if any. `client`: the member that a client gave it to."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._client: Server | None = None
        self._running: set[Server] = set()

    def begin(self, client: Server) -> None:
        """Order it in the client's component. Members that are behind have not come to it yet."""
        component = client.component
        if component is None or not component.commits or client.frozen or client.state < DONOR:
            return
        if client.queue or client.volume.ddl:
            return
        assert component.branch is not None
        ready = [member for member in component.members if member.state >= DONOR and not member.queue and not member.slow]
        component.branch = component.branch.commit(component.seqno, 1)
        component.seqno += 1
        self._client = client
        for member in ready:
            member.volume.ddl = True
        self._running |= set(ready)

    def cut_off(self, server: Server) -> None:
        """It is killed: the statement may be done in its tables, and its position is still before it."""
        if server in self._running:
            self._running.remove(server)
            server.volume.differs = self._random.random() < 0.5

    def finish(self, servers: Iterable[Server]) -> bool:
        """Let everybody who lives be through with it. True when somebody who is behind has yet to run it."""
        done = [server for server in servers if server in self._running and not server.frozen]
        for server in done:
            component, volume = server.component, server.volume
            assert component is not None
            self._running.remove(server)
            volume.ddl = False
            if component.branch is not None:
                volume.branch, volume.seqno = component.branch, max(volume.seqno, component.seqno)
            if server is self._client:
                assert volume.branch is not None
                volume.branch.acknowledged = max(volume.branch.acknowledged, volume.seqno)
        behind = self._client is not None
        self._client = None
        return behind
