"""How far a member's data got: the position, where it is written, and what a data directory is good for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

ZERO_UUID = "00000000-0000-0000-0000-000000000000"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SEQNO = re.compile(r"-1|[0-9]{1,19}")
_GRASTATE_LINES = ("version", "uuid", "seqno", "safe_to_bootstrap", "cert_index")
_RECOVERED = re.compile(r"WSREP: Recovered position:?\s+(?P<rest>\S+)")


class PositionNotFound(ValueError):
    """No usable position where one was expected; the message says what stood there."""


@dataclass(frozen=True, slots=True, order=False)
class Position:
    """A state UUID and the number of the last write-set applied in that state's history.

    `seqno` orders members **only within one `uuid`**: comparing across two histories is how data gets lost, so this type has
    no `<`; use `is_behind`, which refuses to compare two histories.
    """

    uuid: str
    seqno: int

    def __post_init__(self) -> None:
        if not _UUID.fullmatch(self.uuid):
            raise PositionNotFound(f"state UUID is {self.uuid!r}; expected 8-4-4-4-12 lower-case hex digits")

    def __str__(self) -> str:
        return f"{self.uuid}:{self.seqno}"

    @property
    def is_usable(self) -> bool:
        """True when both halves are known: the UUID is not zeros and the seqno is not -1."""
        return self.uuid != ZERO_UUID and self.seqno >= 0

    def is_behind(self, other: Position) -> bool:
        """Tell whether `other` has applied more of the same history.

        Raises:
            ValueError: the two belong to different histories and have no order.
        """
        if self.uuid != other.uuid:
            raise ValueError(f"{self} and {other} are two histories; a seqno orders members only within one state UUID")
        return self.seqno < other.seqno

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read ``UUID:SEQNO``.

        Raises:
            PositionNotFound: the text has another shape.
        """
        uuid, _, seqno = text.strip().partition(":")
        if not re.fullmatch(r"-?\d+", seqno):
            raise PositionNotFound(f"{text!r} is not a position; expected UUID:SEQNO")
        return cls(uuid.lower(), int(seqno))


class Directory(StrEnum):
    """What a member's data directory is good for."""

    EMPTY = "empty"
    """No database in it: may join by SST; may be initialised as the first member of a new cluster."""

    USABLE = "usable"
    """A database with a known position: may join, and may seed the cluster when it is the newest."""

    MID_DDL = "mid-ddl"
    """A database that was killed while it ran DDL. Its position is InnoDB's, and the statement may be in it or not: may join,
    by a full copy; may seed only where a person decides so, under a new history."""

    INCOMPLETE = "incomplete"
    """A database without a usable position (a file is corrupt, a recovery failed): may join, may never seed."""

    HALF_COPIED = "half-copied"
    """A state transfer into it was cut off: may join, may never seed. What it held before was in the component that sent it."""


@dataclass(frozen=True, slots=True)
class Grastate:
    """The content of ``grastate.dat``: the position Galera wrote at the last clean stop."""

    uuid: str
    seqno: int
    safe_to_bootstrap: bool

    @property
    def position(self) -> Position | None:
        """The position, or None where the file does not know it (seqno -1 after a crash, UUID zeros before a join)."""
        position = Position(self.uuid, self.seqno)
        return position if position.is_usable else None


def parse_grastate(text: str) -> Grastate:
    """Read ``grastate.dat``.

    Args:
        text: The whole file: ``# GALERA saved state`` and the lines ``version``, ``uuid``, ``seqno``, ``safe_to_bootstrap``.
            Older and hand-made ones have ``cert_index`` instead of the last; they are not safe to bootstrap. Blanks may
            follow: Galera writes over the old content in place.

    Raises:
        PositionNotFound: a line is missing, half-written, there twice or not Galera's. Such a file is reported, never trusted:
            half of a seqno is a number, too.

    Source: Galera documentation, Restarting the Cluster; galera/src/saved_state.cpp.
    """
    found: dict[str, str] = {}
    *lines, rest = text.split("\n")
    for line in lines:
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not line.strip() or line.startswith("#"):
            continue
        if not colon or key not in _GRASTATE_LINES:
            raise PositionNotFound(f"grastate.dat has a line {line[:30]!r}; expected {', '.join(_GRASTATE_LINES)}")
        if key in found:
            raise PositionNotFound(f"grastate.dat has two lines {key}; expected one")
        found[key] = value
    if rest.strip():
        raise PositionNotFound(f"grastate.dat ends in the middle of the line {rest[:30]!r}; expected whole lines")
    missing = {"uuid", "seqno"} - found.keys()
    if missing:
        raise PositionNotFound(f"grastate.dat has no line {' and no line '.join(sorted(missing))}; expected uuid and seqno")
    seqno, safe = found["seqno"], found.get("safe_to_bootstrap", "0")
    if not _SEQNO.fullmatch(seqno):
        raise PositionNotFound(f"grastate.dat says seqno {seqno[:30]!r}; expected -1 or the number of a write-set")
    if safe not in {"0", "1"}:
        raise PositionNotFound(f"grastate.dat says safe_to_bootstrap {safe[:30]!r}; expected 0 or 1")
    position = Position(found["uuid"][:60], int(seqno))
    return Grastate(position.uuid, position.seqno, safe == "1")


def recovered_position(log: str) -> Position:
    """Read the position that ``mariadbd --wsrep-recover`` wrote to its log.

    Needed when ``grastate.dat`` says ``seqno: -1``: the member crashed, so the file no longer knows how far it got, but
    InnoDB does. With GTID mode on, the GTID stands before or after the position, separated by a comma; both orders occur.

    Args:
        log: The whole error log of that one run; its last such line wins.

    Raises:
        PositionNotFound: the run was cut short. Safe to run again.

    Source: Galera documentation, Crash Recovery; MariaDB's galera_recovery.sh.
    """
    lines = _RECOVERED.findall(log)
    if not lines:
        raise PositionNotFound("the log of mariadbd --wsrep-recover has no line 'WSREP: Recovered position'")
    for part in lines[-1].split(","):
        if _UUID.match(part):
            return Position.parse(part)
    raise PositionNotFound(f"the recovered position reads {lines[-1]!r}; expected UUID:SEQNO in it")
