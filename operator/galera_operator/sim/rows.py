"""What data is, for certain: which write-sets a copy holds, whatever its files and its status say."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Branch:
    """A line of write-sets. Two members that commit apart from each other make two branches, also under one state UUID.

    Attributes:
        base: the seqno up to which it is its parent's; its own write-sets are `base + 1` to `tip`.
        acknowledged: the newest write-set of its own that a client was told is committed; -1: none.
        views: those of its seqnos that are a change of the Primary component, with no row in it.
    """

    uuid: str
    parent: Branch | None = None
    base: int = -1
    tip: int = -1
    acknowledged: int = -1
    views: set[int] = field(default_factory=set)

    def commit(self, at: int, count: int) -> Branch:
        """Append write-sets after seqno `at`. The branch that now holds them: this one, or a new one where it had gone on."""
        branch = self if at == self.tip else Branch(self.uuid, self, at, at)
        branch.tip = at + count
        return branch

    def view(self, at: int) -> Branch:
        """A new view after seqno `at`: it takes the next one. Two lines that differ by views alone hold the same rows."""
        if at == self.tip:
            self.tip = at + 1
            self.views.add(at + 1)
            return self
        if at + 1 in self.views:
            return self
        return Branch(self.uuid, self, at, at).view(at)

    def renamed(self, uuid: str, at: int) -> Branch:
        """The same write-sets up to `at`, under another state UUID from there on."""
        return Branch(uuid, self, at, at)

    def holds(self, seqno: int, branch: Branch, wanted: int) -> bool:
        """Tell whether a copy of this branch at `seqno` contains `branch`'s write-sets up to `wanted`."""
        line: Branch | None = self
        while line is not None:
            if line is branch:
                return seqno >= wanted
            seqno = min(seqno, line.base)
            line = line.parent
        return False
