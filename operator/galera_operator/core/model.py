"""The cluster as seen in one look: values only, nothing here knows where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from galera_operator.core.agent_api import Admission, AgentStatus, Wsrep
from galera_operator.core.position import Position
from galera_operator.core.spec import BadWish, Wish


@dataclass(frozen=True, slots=True)
class Live:
    """Agent and database both answered. `wsrep` is what the database itself said over SQL."""

    agent: AgentStatus
    wsrep: Wsrep


@dataclass(frozen=True, slots=True)
class Stopped:
    """The agent answered; its database does not take SQL: waiting, starting, joining, or on its way out."""

    agent: AgentStatus


class Silence(StrEnum):
    """How a member was not seen."""

    NO_ANSWER = "no answer"
    NO_AGENT = "no agent"
    """The address lives (it refused the connection), but no agent listens there."""
    NO_LOGIN = "no login"
    """Its database refused the operator's SQL account: the secrets differ."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """No answer that can be believed. Unseen is not absent: nothing destructive follows from it."""

    cause: str
    kind: Silence = Silence.NO_ANSWER


Member = Live | Stopped | Unseen


@dataclass(frozen=True, slots=True)
class Task:
    """A Swarm task of the service. Empty strings where Swarm has not decided yet."""

    id: str
    slot: int
    node_id: str
    node: str
    state: str
    """Swarm's word: pending, assigned, preparing, starting, running, complete, failed, shutdown, ..."""
    desired: str
    """Swarm's word: running, ready, shutdown, remove."""
    address: str
    """On the database's network, without the prefix length."""
    message: str = ""
    """Swarm's own words about the state, e.g. why no node is suitable."""
    node_is_down: bool = False
    """Swarm has lost its node: the state is the last one heard of, for up to a day."""
    is_outdated: bool = False
    """It was made from an earlier version of the service's spec: a rollout under way will replace it."""

    @property
    def never_placed(self) -> bool:
        """True for a task that Swarm has found no node for: it is not a member of anything."""
        return not self.node_id

    @property
    def is_running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True)
class Seat:
    """One slot that Swarm means to keep, its newest task, and the member found there."""

    task: Task
    member: Member

    @property
    def slot(self) -> int:
        return self.task.slot

    @cached_property
    def agent(self) -> AgentStatus | None:
        return None if isinstance(self.member, Unseen) else self.member.agent

    @cached_property
    def wsrep(self) -> Wsrep | None:
        return self.member.wsrep if isinstance(self.member, Live) else None

    @cached_property
    def is_admitted(self) -> bool:
        return self.agent is not None and self.agent.admission is not Admission.NONE

    @property
    def title(self) -> str:
        """How sentences call it: ``slot 2 (node1)``."""
        return f"slot {self.slot} ({self.task.node})" if self.task.node else f"slot {self.slot}"


@dataclass(frozen=True, slots=True)
class Service:
    """The Swarm service. `version` is the index that a write must name (optimistic concurrency)."""

    id: str
    name: str
    version: int
    replicas: int
    update_state: str = ""
    """Swarm's UpdateStatus: updating, paused, rollback_started, rollback_paused, completed, ... or empty."""
    stop_grace: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""
    restart_condition: str = "any"
    """Swarm's word for when a task that has ended is made anew: any, on-failure, none."""


@dataclass(frozen=True)
class Snapshot:
    """One cluster in one look.

    Attributes:
        seats: by slot; only slots that Swarm means to keep.
        leaving: tasks that Swarm means to end and that still run.
        lost: tasks that Swarm means to end, on nodes that it has lost. Whether they run nobody knows; what they hold is away.
    """

    service: Service
    wish: Wish | BadWish
    seats: tuple[Seat, ...]
    leaving: tuple[Task, ...] = ()
    lost: tuple[Task, ...] = ()

    @cached_property
    def settings(self) -> Wish:
        """The wish, or the defaults where the labels cannot be obeyed: life goes on, scaling does not."""
        return self.wish if isinstance(self.wish, Wish) else Wish()

    @cached_property
    def wanted(self) -> int:
        wished = self.settings.replicas
        return self.service.replicas if wished is None else wished

    @cached_property
    def live(self) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if isinstance(seat.member, Live))

    @cached_property
    def primaries(self) -> tuple[Seat, ...]:
        """Seats whose database says that it is part of a Primary component."""
        return tuple(seat for seat in self.live if seat.wsrep and seat.wsrep.is_primary)

    @cached_property
    def stopped(self) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if isinstance(seat.member, Stopped))

    @cached_property
    def unseen(self) -> tuple[Seat, ...]:
        return tuple(seat for seat in self.seats if isinstance(seat.member, Unseen))

    def seat(self, slot: int) -> Seat | None:
        return next((seat for seat in self.seats if seat.slot == slot), None)

    def named(self, name: str) -> Seat | None:
        """The seat whose agent goes by this wsrep node name."""
        return next((seat for seat in self.seats if seat.agent and seat.agent.name == name), None)


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
        move: a person's wish for another writer that has not come true yet.
        restart: the rolling restart under way.
    """

    uuid: str = ""
    ledger: Mapping[int, Copy] = field(default_factory=dict)
    shrink: Shrink | None = None
    kept: Mapping[str, int] = field(default_factory=dict)
    consent: Consent | None = None
    fork: Fork | None = None
    given_up: Mapping[int, str] = field(default_factory=dict)
    move: WriterMove | None = None
    restart: Restart | None = None

    @property
    def highest_seqno(self) -> int:
        """The newest write-set that any member was seen to hold, also one that left; -1 when nothing was recorded."""
        return max([*(copy.seqno for copy in self.ledger.values()), *self.kept.values()], default=-1)
