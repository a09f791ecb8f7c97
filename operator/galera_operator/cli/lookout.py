"""Look at clusters for the command line: the operator's own eyes and judgement, without its hands."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from galera_operator.adapters.members import RealMembers
from galera_operator.adapters.swarm import SwarmEngine
from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.adapters.swarm_store import SwarmStore
from galera_operator.core.memory import remember
from galera_operator.core.model import Memory
from galera_operator.core.report import View, named_kept
from galera_operator.core.verdict import verdict
from galera_operator.runtime.observe import look
from galera_operator.settings import Settings


class NotFound(Exception):
    """No such cluster; names those there are."""


class Lookout:
    def __init__(self, engine: SwarmEngine, store: SwarmStore, pool: ThreadPoolExecutor) -> None:
        self.engine = engine
        self.store = store
        self._members = RealMembers()
        self._pool = pool

    def views(self) -> list[View]:
        """Look at every cluster."""
        found = []
        for cluster in self.engine.clusters():
            seen = look(cluster, self._members, self._pool)
            record = self.store.load(cluster.service.name)
            memory = remember(record.memory if record else Memory(), seen)
            operator = record.holder if record else ""
            found.append(View(seen, verdict(seen, memory), operator, named_kept(memory, cluster.nodes), memory))
        return found

    def view(self, service: str) -> View:
        """Look at one cluster.

        Raises:
            NotFound: the name is not that of a managed service.
        """
        views = {view.seen.service.name: view for view in self.views()}
        if service not in views:
            known = ", ".join(sorted(views)) or "none: give a service the label galera.replicas"
            raise NotFound(f"there is no Galera service {service}; known are {known}")
        return views[service]


@contextmanager
def open_lookout() -> Iterator[Lookout]:
    """Connect to the engine. Raises `Unreachable`, or `Refused` when it is not a manager."""
    api = EngineApi()
    engine = SwarmEngine(api, Settings().token())
    engine.check_manager()
    with ThreadPoolExecutor(32, thread_name_prefix="ask") as pool:
        yield Lookout(engine, SwarmStore(api), pool)
