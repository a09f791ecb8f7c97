"""One operator acts per cluster: the lease in the state store, with its epoch as the fencing token.

Time-outs are measured on this process's own monotonic clock: the lease of another is over when its record was not written for
`ttl` seconds *as seen from here*, so clocks of different managers need not agree.
"""

from __future__ import annotations

from dataclasses import replace

from galera_operator.core.memory import differs_in_kind
from galera_operator.core.remembered import Memory
from galera_operator.ports import Conflict, Record, Store


class LeaseElsewhere(Exception):
    """Another operator acts for this cluster; says who and for how long it has been silent."""


class Lease:
    """The lease of one cluster as this process sees it."""

    def __init__(self, store: Store, cluster: str, holder: str, ttl: float = 15.0) -> None:
        """Args: `holder`: unique per process start. `ttl`: seconds of silence after which a lease may be taken over."""
        self._store = store
        self._cluster = cluster
        self.holder = holder
        self._ttl = ttl
        self._record: Record | None = None
        self._written = float("-inf")
        self._foreign_version = -1
        self._foreign_since = 0.0

    @property
    def epoch(self) -> int:
        return self._record.epoch if self._record else 0

    def hold(self, now: float) -> Memory:
        """Make sure that this process holds the lease, and return what is remembered.

        Args:
            now: seconds of a monotonic clock.

        Raises:
            LeaseElsewhere: another operator holds it.
            Conflict, Refused, Unreachable: of the store.
        """
        if self._record is not None and now - self._written < self._ttl / 3:
            return self._record.memory
        if self._record is not None:
            self._write(self._record, now)
        else:
            stored = self._store.load(self._cluster)
            if stored is None:
                self._keep(self._store.create(self._cluster, Record(0, self.holder, 1, Memory())), now)
            elif stored.holder == self.holder:
                self._write(stored, now)  # a write of ours arrived and its answer was lost
            else:
                self._take_over(stored, now)
        assert self._record is not None
        return self._record.memory

    def remember(self, memory: Memory, now: float) -> None:
        """Store the memory: at once when it changed in kind, with the next beat when only seqnos grew.

        Raises:
            LeaseElsewhere: somebody else wrote; nothing that rests on this memory may be done.
        """
        assert self._record is not None, "hold() comes first"
        if differs_in_kind(self._record.memory, memory):
            self._write(replace(self._record, memory=memory), now)
        else:
            self._record = replace(self._record, memory=memory)

    def advance(self, memory: Memory, now: float) -> None:
        """Store the memory under the next epoch: a command of the epoch before, still on its way, is then an old one.

        Written before every step that forms a Primary component, so that no epoch sees two of them, and so that an operator
        which lost the lease without knowing it finds out here.

        Raises:
            LeaseElsewhere: somebody else wrote; nothing may be done.
        """
        assert self._record is not None, "hold() comes first"
        self._write(replace(self._record, epoch=self._record.epoch + 1, memory=memory), now)

    def outbid(self, obeyed: int, now: float) -> None:
        """Go beyond an epoch that members have obeyed: they would refuse every command of an older one.

        Somebody removed the record, or another operator has the lease by now, which this write finds out.

        Raises:
            LeaseElsewhere: somebody else wrote; nothing may be done.
        """
        assert self._record is not None, "hold() comes first"
        if obeyed > self._record.epoch:
            self._write(replace(self._record, epoch=obeyed + 1), now)

    def release(self) -> None:
        """Give the lease back, so that the next operator need not wait for the silence. A conflict means it is gone anyway."""
        if self._record is not None:
            try:
                self._store.save(self._cluster, replace(self._record, holder=""))
            except Conflict:
                pass
            self._record = None

    def _write(self, record: Record, now: float) -> None:
        try:
            self._keep(self._store.save(self._cluster, record), now)
        except Conflict as error:
            self._record = None
            raise LeaseElsewhere(f"the state of {self._cluster} was written by somebody else: {error}") from error

    def _keep(self, record: Record, now: float) -> None:
        self._record, self._written = record, now

    def _take_over(self, stored: Record, now: float) -> None:
        if stored.version != self._foreign_version:
            self._foreign_version, self._foreign_since = stored.version, now
        silent = now - self._foreign_since
        if stored.holder and silent < self._ttl:
            raise LeaseElsewhere(
                f"operator {stored.holder} holds the lease (epoch {stored.epoch}); "
                f"this one waits, and takes over after {self._ttl:.0f} s of its silence"
            )
        self._write(Record(stored.version, self.holder, stored.epoch + 1, stored.memory), now)
