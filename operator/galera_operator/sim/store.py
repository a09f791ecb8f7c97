"""The state store in memory, with real compare-and-swap."""

from __future__ import annotations

from galera_operator.ports import Conflict, Record


class SimStore:
    """`ports.Store`. Every write has a version of its own."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self._version = 100

    def load(self, cluster: str) -> Record | None:
        return self.records.get(cluster)

    def create(self, cluster: str, record: Record) -> Record:
        if cluster in self.records:
            raise Conflict(f"the record of {cluster} was made by somebody else")
        return self._put(cluster, record)

    def save(self, cluster: str, record: Record) -> Record:
        stored = self.records.get(cluster)
        if stored is None or stored.version != record.version:
            raise Conflict("update out of sequence")
        return self._put(cluster, record)

    def _put(self, cluster: str, record: Record) -> Record:
        self._version += 1
        written = Record(self._version, record.holder, record.epoch, record.memory)
        self.records[cluster] = written
        return written
