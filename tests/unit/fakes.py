"""Small stand-ins: a pool without threads, a fuse that kills or freezes an operator, a state store with real compare-and-swap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import replace
from typing import Any

from galera_operator.core.model import Task
from galera_operator.core.remembered import Memory
from galera_operator.ports import Conflict, Record, Unreachable


class InlinePool(Executor):
    """Runs what it is given at once, in the caller's thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        try:
            answer.set_result(fn(*args, **kwargs))
        except Exception as error:
            answer.set_exception(error)
        return answer


class OperatorKilled(BaseException):
    """The operator died here: nothing of it runs any more, so nothing may catch this."""


class Fuse:
    """Kills the operator around its write number `at`, before it arrived or right after; or freezes it right before.

    `meanwhile`: what happens in the world while the operator is frozen; after that its write goes on its way.
    """

    def __init__(self, at: int = 0, *, arrives: bool = True, meanwhile: Callable[[], None] | None = None) -> None:
        self.at = at
        self.arrives = arrives
        self.meanwhile = meanwhile
        self.writes = 0

    def around(self, write: Callable[[], Any]) -> Any:
        self.writes += 1
        if self.writes != self.at:
            return write()
        if self.meanwhile:
            self.meanwhile()
            return write()
        if self.arrives:
            with suppress(Exception):  # nobody is left to hear of a refusal
                write()
        raise OperatorKilled


class MemoryStore:
    """`ports.Store`. `fault`: raised by every call while it is set; `lost`: the next write arrives, its answer does not."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.records: dict[str, Record] = {}
        self.fault: Exception | None = None
        self.lost = False
        self.saves = 0
        self._fuse = fuse or Fuse()
        self._version = 100

    def load(self, cluster: str) -> Record | None:
        self._check()
        return self.records.get(cluster)

    def create(self, cluster: str, record: Record) -> Record:
        self._check()
        return self._fuse.around(lambda: self._first(cluster, record))

    def save(self, cluster: str, record: Record) -> Record:
        self._check()
        return self._fuse.around(lambda: self._over(cluster, record))

    def edit(self, cluster: str, change: Callable[[Memory], Memory]) -> None:
        """A person's write: over whatever the operator has written, its lease left as it is."""
        stored = self.records[cluster]
        self._over(cluster, replace(stored, memory=change(stored.memory)))

    def _check(self) -> None:
        if self.fault:
            raise self.fault

    def _first(self, cluster: str, record: Record) -> Record:
        if cluster in self.records:
            raise Conflict(f"{cluster} exists")
        return self._put(cluster, record)

    def _over(self, cluster: str, record: Record) -> Record:
        stored = self.records.get(cluster)
        if stored is None or stored.version != record.version:
            raise Conflict("update out of sequence")
        return self._put(cluster, record)

    def _put(self, cluster: str, record: Record) -> Record:
        self._version += 1
        self.saves += 1
        self.records[cluster] = replace(record, version=self._version)
        if self.lost:
            self.lost = False
            raise Unreachable("the answer was lost")
        return self.records[cluster]


def literal_victims(tasks: Sequence[Task], remaining: int) -> list[int]:
    """Swarm's rule for who is removed, word by word as FACTS-SWARM has it, in the plainest code; slots, sorted."""
    by_slot: dict[int, list[Task]] = defaultdict(list)
    for found in tasks:
        by_slot[found.slot].append(found)
    # 1. sort slots, running ones first, ties by slot number
    running = [slot for slot in sorted(by_slot) if any(found.state == "running" for found in by_slot[slot])]
    others = [slot for slot in sorted(by_slot) if slot not in running]
    # 2. number each slot's copy per node; more than one task or no node gets -1
    number: dict[int, int] = {}
    on_node: dict[str, int] = {}
    for slot in running + others:
        if len(by_slot[slot]) > 1 or by_slot[slot][0].node_id == "":
            number[slot] = -1
        else:
            node = by_slot[slot][0].node_id
            on_node[node] = on_node.get(node, 0) + 1
            number[slot] = on_node[node]
    # 3. sort by that number, -1 last
    order = []
    for wanted in [*range(1, len(by_slot) + 1), -1]:
        order += [slot for slot in running + others if number[slot] == wanted]
    # 4. keep the first, remove the rest
    return sorted(order[remaining:])
