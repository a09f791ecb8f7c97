"""A member's data directory on its node: what its files say, and what is truly in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from galera_operator.core.position import ZERO_UUID, Directory, Position
from galera_operator.sim.rows import Branch


@dataclass(slots=True, eq=False)
class Volume:
    """One node's volume.

    Attributes:
        branch, seqno: the rows it truly holds (InnoDB's own position); no branch: no database.
        uuid, written: what grastate.dat says; `written` is -1 while mariadbd runs and after a crash.
        safe: safe_to_bootstrap.
        transfer: in the middle of an SST: the old files are gone, the new ones not complete.
        corrupt: grastate.dat is half-written.
        differs: its rows are not those that its position names.
        ddl: a DDL statement is under way in it, or was when it was killed.
        loose: the next mariadbd on it is started without its position (an older image, a person's hand).
        user: the container that has the lock.
    """

    node: str
    branch: Branch | None = None
    seqno: int = -1
    uuid: str = ZERO_UUID
    written: int = -1
    safe: bool = False
    transfer: bool = False
    corrupt: bool = False
    differs: bool = False
    ddl: bool = False
    loose: bool = False
    user: Any = None

    def empty(self) -> None:
        self.branch, self.seqno, self.uuid, self.written = None, -1, ZERO_UUID, -1
        self.safe = self.transfer = self.corrupt = self.differs = self.ddl = self.loose = False

    def opened(self) -> None:
        """Mariadbd runs: grastate.dat does not know the position any more."""
        self.written, self.safe = -1, False

    def closed(self, *, last: bool) -> None:
        """A clean stop writes the position; only the last one of a component may say that it is safe to bootstrap."""
        self.written, self.safe = self.seqno, last

    def holds(self, branch: Branch, seqno: int) -> bool:
        return self.branch is not None and not self.transfer and self.branch.holds(self.seqno, branch, seqno)


@dataclass(frozen=True, slots=True)
class Found:
    """What the agent finds out about its directory at its start, recovery included."""

    directory: Directory
    position: Position | None = None
    safe_to_bootstrap: bool = False
    cluster_uuid: str = ZERO_UUID
    note: str = ""


def read(volume: Volume) -> Found:
    """Read grastate.dat, and where it has no position let InnoDB tell it; only an agreement of the two is usable."""
    if volume.transfer:
        return Found(Directory.HALF_COPIED, note="a state transfer into this directory was cut off")
    if volume.branch is None:
        return Found(Directory.EMPTY)
    if volume.corrupt:
        return Found(Directory.INCOMPLETE, note="grastate.dat is corrupt and not trusted")
    if volume.uuid == ZERO_UUID:
        return Found(Directory.INCOMPLETE, note="InnoDB knows no position either")
    seqno = volume.written if volume.written >= 0 else volume.seqno
    if volume.ddl:
        return Found(Directory.MID_DDL, Position(volume.uuid, seqno), note="it was killed while it ran DDL")
    return Found(Directory.USABLE, Position(volume.uuid, seqno), volume.safe, volume.uuid)
