"""The cluster as seen in one look: values only, nothing here knows where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TypeGuard

from galera_operator.core.agent_api import Admission, AgentStatus, Wsrep
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


class UnseenSeat(Seat):
    """A seat with an unseen member. For the type checker: no seat is made as one, `is_unseen` tells that one is such."""

    member: Unseen


class StoppedSeat(Seat):
    """A seat with a stopped member. For the type checker: no seat is made as one, `is_stopped` tells that one is such."""

    member: Stopped
    agent: AgentStatus


class LiveSeat(Seat):
    """A seat with a live member. For the type checker: no seat is made as one, `is_live` tells that one is such."""

    member: Live
    agent: AgentStatus
    wsrep: Wsrep


def is_live(seat: Seat) -> TypeGuard[LiveSeat]:
    """True where agent and database both answered."""
    return isinstance(seat.member, Live)


def is_stopped(seat: Seat) -> TypeGuard[StoppedSeat]:
    """True where the agent answered and its database does not take SQL."""
    return isinstance(seat.member, Stopped)


def is_unseen(seat: Seat) -> TypeGuard[UnseenSeat]:
    """True where no answer that can be believed came back."""
    return isinstance(seat.member, Unseen)


@dataclass(frozen=True, slots=True)
class Listed:
    """The addresses that ``tasks.<service>`` stood for in the DNS of the operator's node, sorted. None: no such name."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamesUnknown:
    """DNS was not asked, or gave no answer that can be believed."""

    cause: str


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
    constraints: tuple[str, ...] = ()
    """Placement constraints as written."""
    image: str = ""
    args: tuple[str, ...] = ()
    """The command's arguments (``command:`` of a stack file)."""
    one_at_a_time: bool = True
    """Whether a rollout stops one task before it starts the next, one at a time, and stops at a failure."""
    restart_condition: str = "any"
    """Swarm's word for when a task that has ended is made anew: any, on-failure, none."""


@dataclass(frozen=True)
class Snapshot:
    """One cluster in one look.

    Attributes:
        seats: by slot; only slots that Swarm means to keep.
        leaving: tasks that Swarm means to end and that still run.
        lost: tasks that Swarm means to end, on nodes that it has lost. Whether they run nobody knows; what they hold is away.
        names: whom Swarm's DNS lists.
        unlisted: by slot, for how many seconds a member that serves has been missing there.
    """

    service: Service
    wish: Wish | BadWish
    seats: tuple[Seat, ...]
    leaving: tuple[Task, ...] = ()
    lost: tuple[Task, ...] = ()
    names: Listed | NamesUnknown = NamesUnknown("not asked")
    unlisted: Mapping[int, float] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Wish:
        """The wish, or the defaults where the labels cannot be obeyed: life goes on, scaling does not."""
        return self.wish if isinstance(self.wish, Wish) else Wish()

    @cached_property
    def wanted(self) -> int:
        wished = self.settings.replicas
        return self.service.replicas if wished is None else wished

    @cached_property
    def live(self) -> tuple[LiveSeat, ...]:
        return tuple(seat for seat in self.seats if is_live(seat))

    @cached_property
    def primaries(self) -> tuple[LiveSeat, ...]:
        """Seats whose database says that it is part of a Primary component."""
        return tuple(seat for seat in self.live if seat.wsrep.is_primary)

    @cached_property
    def stopped(self) -> tuple[StoppedSeat, ...]:
        return tuple(seat for seat in self.seats if is_stopped(seat))

    @cached_property
    def unseen(self) -> tuple[UnseenSeat, ...]:
        return tuple(seat for seat in self.seats if is_unseen(seat))

    @cached_property
    def obeyed(self) -> int:
        """The highest epoch that any member says it has obeyed; 0 where nobody says anything."""
        return max((seat.agent.epoch for seat in self.seats if seat.agent), default=0)

    def seat(self, slot: int) -> Seat | None:
        return next((seat for seat in self.seats if seat.slot == slot), None)

    def named(self, name: str) -> Seat | None:
        """The seat whose agent goes by this wsrep node name."""
        return next((seat for seat in self.seats if seat.agent and seat.agent.name == name), None)
