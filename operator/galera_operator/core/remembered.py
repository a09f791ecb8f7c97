"""What must outlive the operator, as values; how it changes with each look is in memory.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from galera_operator.core.planned import Planned
from galera_operator.core.position import Position


@dataclass(frozen=True, slots=True)
class Copy:
    """What the operator last knew of the data in one slot."""

    node_id: str
    seqno: int


@dataclass(frozen=True, slots=True)
class Shrink:
    """A scale-down that was written and is not yet seen finished."""

    to: int
    slot: int
    task_id: str


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's decision to go on from one copy, recorded before it is carried out.

    Attributes:
        slot: the copy to go on from.
        position: where that copy was when the person decided: the premise.
        accepted: slots whose data is given up where it is newer or of another history.
        history: the state UUID under which the cluster goes on.
        by: who, as well as the command could tell.
        at: when, ISO 8601.
    """

    slot: int
    position: Position
    accepted: tuple[int, ...]
    history: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Fork:
    """Where the present history left the one before it, by a person's consent.

    A copy at `origin.uuid` up to `origin.seqno` is contained in the present data; `accepted` are the slots whose data was
    given up.
    """

    origin: Position
    accepted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WriterMove:
    """A person's wish that another member be the writer, until it is so and the sessions at the one before have ended.

    Attributes:
        slot: the member to become the writer.
        away_from: the incarnation of the member that was the writer when it was asked; empty where there was none.
        by: who, as well as the command could tell.
        at: when, ISO 8601.
    """

    slot: int
    away_from: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Restart:
    """A rolling restart that a person asked for, until every member of it lives anew and serves.

    Attributes:
        members: slot to the incarnation that lived there when it was asked.
        by: who, as well as the command could tell.
        at: when, ISO 8601.
        alone: the restart of an only member, which is an outage, was asked for as well.
    """

    members: Mapping[int, str]
    by: str
    at: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """A record that cannot be understood: what is wrong, the version that a write over it has to name, what stands there."""

    fault: str
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What must outlive the operator; kept in the state store, never in the user's service.

    Attributes:
        uuid: the cluster's state UUID; empty before the first member was Synced.
        ledger: per slot, the node its data lies on and the highest seqno seen there. Slots that left in order are not in it.
        shrink: the scale-down in progress.
        kept: node ids where a member that left in order may have kept its volume, and how far its data was seen to go.
        consent: a person's decision that is not carried out yet.
        fork: where the present history began, if a person's decision began it.
        given_up: slot to state UUID of a copy that a person gave up: a full transfer may replace it.
        rebound: slot to the task that was restarted because Swarm's DNS had lost it, until the slot is listed.
        move: a person's wish for another writer that has not come true yet.
        restart: the rolling restart under way.
        planned: runbooks, schedules, nodes to be kept empty.
    """

    uuid: str = ""
    ledger: Mapping[int, Copy] = field(default_factory=dict)
    shrink: Shrink | None = None
    kept: Mapping[str, int] = field(default_factory=dict)
    consent: Consent | None = None
    fork: Fork | None = None
    given_up: Mapping[int, str] = field(default_factory=dict)
    rebound: Mapping[int, str] = field(default_factory=dict)
    move: WriterMove | None = None
    restart: Restart | None = None
    planned: Planned = field(default_factory=Planned)

    @property
    def highest_seqno(self) -> int:
        """The newest write-set that any member was seen to hold, also one that left; -1 when nothing was recorded."""
        return max([*(copy.seqno for copy in self.ledger.values()), *self.kept.values()], default=-1)
