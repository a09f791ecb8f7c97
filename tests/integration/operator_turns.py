"""The operator's own turns over members on loopback: real looks, decisions, vetoes and commands; no Swarm beneath them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Self

from galera_processes import TOKEN, Member

from galera_operator.adapters.members import RealMembers
from galera_operator.core.model import Service, Task
from galera_operator.core.plan import SOON, Act, Hold, Page, Plan
from galera_operator.core.spec import Wish
from galera_operator.ports import Cluster, Conflict, Record, Refused
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease
from galera_operator.runtime.tick import ClusterTick, World
from galera_operator.sandbox.waiting import NotYet, wait_until

NAME = "loopback_db"


class Notebook:
    """`ports.Store` for one process: what one operator writes, the next one reads."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}

    def load(self, cluster: str) -> Record | None:
        return self._records.get(cluster)

    def create(self, cluster: str, record: Record) -> Record:
        if cluster in self._records:
            raise Conflict(f"{cluster} exists")
        return self._put(cluster, replace(record, version=1))

    def save(self, cluster: str, record: Record) -> Record:
        if self._records[cluster].version != record.version:
            raise Conflict("update out of sequence")
        return self._put(cluster, replace(record, version=record.version + 1))

    def _put(self, cluster: str, record: Record) -> Record:
        self._records[cluster] = record
        return record


class FixedSize:
    """`ports.Engine` of a service whose size nobody changes: the tests start and end the members themselves."""

    def clusters(self) -> Sequence[Cluster]:
        raise NotImplementedError

    def resize(self, service_id: str, version: int, replicas: int) -> None:
        raise Refused(f"these members are not Swarm's; asked for {replicas}")

    def set_label(self, service_id: str, version: int, label: str, value: str) -> None:
        raise NotImplementedError

    def constrain(self, service_id: str, version: int, constraint: str, *, back: bool) -> None:
        raise NotImplementedError

    def update_tasks(self, service_id: str, version: int, image: str, option: str) -> None:
        raise NotImplementedError

    def watch(self, wake: Callable[[str], None], stop: Callable[[], bool]) -> None:
        raise NotImplementedError


class Operator:
    """One operator for these members. Remembers over its turns, as it does in a Swarm."""

    def __init__(self, members: Sequence[Member], store: Notebook | None = None, wish: Wish | None = None) -> None:
        self._pool = ThreadPoolExecutor(max_workers=len(members) + 1)
        lease = Lease(store or Notebook(), NAME, "operator of the tests")
        self._members = RealMembers()
        world = World(FixedSize(), self._members, Journal(None), self._pool)
        self._tick = ClusterTick(NAME, lease, world)
        tasks = tuple(
            Task(f"task{m.slot}", m.slot, f"node{m.slot}", f"node{m.slot}", "running", "running", m.address) for m in members
        )
        self._cluster = Cluster(Service("svc", NAME, 1, len(tasks), stop_grace=120.0), wish or Wish(), tasks, TOKEN)
        self.plans: list[Plan] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._tick.stop()
        self._pool.shutdown()
        self._members.close()

    def turn(self) -> Plan:
        """Look, decide, act once."""
        self.plans.append(self._tick.turn(self._cluster))
        return self.plans[-1]

    def turns_until(self, what: str, is_so: Callable[[Plan], object], seconds: float) -> Plan:
        """Take turns until one's plan is as wanted, as often as the operator takes them while something is on its way."""

        def turn() -> Plan | NotYet:
            plan = self.turn()
            return plan if is_so(plan) else NotYet(self.plans[-3:])

        found = wait_until(turn, seconds, what, every=SOON)
        assert isinstance(found, Act | Hold | Page)
        return found
