"""Look at clusters for the command line: the operator's own eyes and judgement, without its hands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from galera_operator.adapters.members import RealMembers
from galera_operator.adapters.names import DockerNames
from galera_operator.adapters.swarm import SwarmEngine
from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.adapters.swarm_store import SwarmStore
from galera_operator.core.doubt import record_damaged
from galera_operator.core.memory import remember
from galera_operator.core.remembered import DamagedRecord, Memory
from galera_operator.core.report import View, named_kept
from galera_operator.core.runbook import Runbook, runbook_for
from galera_operator.core.verdict import verdict
from galera_operator.ports import Damaged
from galera_operator.runtime.observe import look
from galera_operator.runtime.runbooks import load
from galera_operator.settings import Settings


class NotFound(Exception):
    """No such cluster; names those there are."""


class Lookout:
    def __init__(self, engine: SwarmEngine, store: SwarmStore, pool: ThreadPoolExecutor, books: Mapping[str, Runbook]) -> None:
        self.engine = engine
        self.store = store
        self.books = books
        self._members = RealMembers()
        self._names = DockerNames()
        self._pool = pool

    def views(self) -> list[View]:
        """Look at every cluster."""
        found = []
        for cluster in self.engine.clusters():
            seen = look(cluster, self._members, self._pool, names=self._names)
            name = cluster.service.name
            try:
                record = self.store.load(name)
            except Damaged as damage:
                page, there = record_damaged(name, str(damage)), DamagedRecord(str(damage), damage.version, damage.text)
                found.append(View(seen, page, "", {}, remember(Memory(), seen), there, runbook_for(page, self.books)))
                continue
            memory = remember(record.memory if record else Memory(), seen)
            plan, kept = verdict(seen, memory), named_kept(memory, cluster.nodes)
            book = runbook_for(plan, self.books)
            found.append(View(seen, plan, record.holder if record else "", kept, memory, runbook=book))
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
    """Connect to the engine. Raises `BadRunbook`, `Unreachable`, or `Refused` when it is not a manager."""
    settings = Settings()
    api = EngineApi()
    engine = SwarmEngine(api, settings.token())
    engine.check_manager()
    with ThreadPoolExecutor(32, thread_name_prefix="ask") as pool:
        yield Lookout(engine, SwarmStore(api), pool, load(settings.runbooks))
