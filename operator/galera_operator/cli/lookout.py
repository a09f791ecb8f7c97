"""Look at clusters for the command line: the operator's own eyes and judgement, without its hands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from galera_operator.adapters.members import RealMembers
from galera_operator.adapters.swarm import SwarmEngine
from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.adapters.swarm_store import SwarmStore
from galera_operator.core.condition import Condition, condition_of
from galera_operator.core.memory import remember
from galera_operator.core.model import Memory, Snapshot
from galera_operator.core.plan import Plan
from galera_operator.core.verdict import verdict
from galera_operator.runtime.observe import look
from galera_operator.settings import Settings


class NotFound(Exception):
    """No such cluster; names those there are."""


@dataclass(frozen=True, slots=True)
class View:
    """One cluster as seen just now, and what the operator would do about it."""

    seen: Snapshot
    plan: Plan
    operator: str
    """Who holds the lease; empty when nobody does."""
    kept: Mapping[str, int]
    """Nodes (host names) where a member that left may have kept its volume, and the last write-set seen there."""
    memory: Memory
    """What is remembered, with this look."""

    @property
    def condition(self) -> Condition:
        return condition_of(self.seen, self.memory)


class Lookout:
    def __init__(self, engine: SwarmEngine, store: SwarmStore, pool: ThreadPoolExecutor) -> None:
        self.engine = engine
        self.store = store
        self._members = RealMembers()
        self._pool = pool

    def views(self) -> list[View]:
        """Look at every cluster."""
        found = []
        names = self.engine.node_names()
        for cluster in self.engine.clusters():
            seen = look(cluster, self._members, self._pool)
            record = self.store.load(cluster.service.name)
            memory = remember(record.memory if record else Memory(), seen)
            kept = {names.get(node, node): seqno for node, seqno in memory.kept.items()}
            found.append(View(seen, verdict(seen, memory), record.holder if record else "", kept, memory))
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
