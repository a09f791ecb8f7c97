"""What a decision can be: `Act`, `Hold` or `Page`, each with the one sentence that says why.

Every step carries its premise: what has to be still true when it arrives. The receiver (the Swarm API by the service's
version, the agent by the member's incarnation and position) refuses it otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from galera_operator.core.position import Position

SOON = 0.5
"""Seconds until the next look while something is on its way."""

LATER = 2.0
"""Seconds until the next look while nothing is."""


Recipient = tuple[int, str, str]
"""Slot, address and incarnation of a member."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Let this member, and no other, form a new Primary component from the data at `position` (None: an empty directory).

    `fence`: every other member; each has to promise first that it obeys no older epoch. `history`: the state UUID to go on
    under after a person's consent, else empty.
    """

    slot: int
    address: str
    incarnation: str
    position: Position | None
    fence: tuple[Recipient, ...] = ()
    history: str = ""

    def __str__(self) -> str:
        renamed = f" as {self.history}" if self.history else ""
        return f"grant slot {self.slot} to bootstrap from {self.position or 'an empty directory'}{renamed}"


@dataclass(frozen=True, slots=True)
class FormPrimary:
    """Make the component of this member, which lives but is not Primary, the Primary one (``pc.bootstrap``)."""

    slot: int
    address: str
    incarnation: str
    position: Position
    fence: tuple[Recipient, ...] = ()

    def __str__(self) -> str:
        return f"pc.bootstrap on slot {self.slot} at {self.position}"


@dataclass(frozen=True, slots=True)
class StopMember:
    """End a member that lives outside any Primary component; Swarm starts it again, and it waits."""

    slot: int
    address: str
    incarnation: str

    def __str__(self) -> str:
        return f"stop slot {self.slot}"


@dataclass(frozen=True, slots=True)
class Invite:
    """Tell a waiting member the addresses of the Primary component, because it did not find them by DNS.

    `replaces`: its copy belongs to the history before a person's consent and may be replaced by a full transfer.
    """

    slot: int
    address: str
    incarnation: str
    position: Position | None
    peers: tuple[str, ...]
    replaces: bool = False

    def __str__(self) -> str:
        replacing = f", replacing its copy at {self.position}" if self.replaces else ""
        return f"invite slot {self.slot} to join {', '.join(self.peers)}{replacing}"


@dataclass(frozen=True, slots=True)
class AdmitMember:
    """Let traffic come to this member on these terms; also ends a drain that is not wanted any more."""

    slot: int
    address: str
    incarnation: str
    drain_seconds: float
    allow_donor: bool
    causal_reads: bool = False

    def __str__(self) -> str:
        return f"admit slot {self.slot}"


@dataclass(frozen=True, slots=True)
class Appoint:
    """Tell members who the writer is. `to`: slot, address and incarnation of each member that believes otherwise.

    With `ANY_WRITER` and slot 0: that every member is one.
    """

    writer: str
    slot: int
    to: tuple[Recipient, ...]

    def __str__(self) -> str:
        whom = f"appoint slot {self.slot} the writer" if self.slot else "let every member take writes"
        return f"{whom} (tell {', '.join(f'slot {slot}' for slot, _, _ in self.to)})"


@dataclass(frozen=True, slots=True)
class DrainMember:
    """Take no new traffic at this member and end its sessions at transaction boundaries."""

    slot: int
    address: str
    incarnation: str
    seconds: float

    def __str__(self) -> str:
        return f"drain slot {self.slot} for at most {self.seconds:.0f} s"


@dataclass(frozen=True, slots=True)
class RestartMember:
    """Drain a member that serves and end its task; Swarm makes a new one in its slot.

    `task_id`: the one that ends. `only_drained`: it is drained already, and not to be stopped where that was taken back since.
    """

    slot: int
    address: str
    incarnation: str
    task_id: str
    only_drained: bool = False

    def __str__(self) -> str:
        return f"restart slot {self.slot}"


@dataclass(frozen=True, slots=True)
class Resize:
    """Write the service's replicas. `victim`: the slot and task id that Swarm's rule will take on a scale-down."""

    service_id: str
    version: int
    before: int
    after: int
    victim: tuple[int, str] | None = None

    def __str__(self) -> str:
        taken = f", Swarm will take slot {self.victim[0]}" if self.victim else ""
        return f"set replicas {self.before} -> {self.after}{taken}"


@dataclass(frozen=True, slots=True)
class SetWish:
    """Write the label ``galera.replicas``, as a person would, for a runbook or a schedule."""

    service_id: str
    version: int
    replicas: int

    def __str__(self) -> str:
        return f"set the label galera.replicas to {self.replicas}"


@dataclass(frozen=True, slots=True)
class Exclude:
    """Keep a node out by a placement constraint, or take that back: Swarm stops the member there in order."""

    service_id: str
    version: int
    node: str
    back: bool = False

    def __str__(self) -> str:
        return f"take back the constraint that keeps {self.node} out" if self.back else f"keep {self.node} out by a constraint"


@dataclass(frozen=True, slots=True)
class UpdateService:
    """Change what the service's tasks run; Swarm rolls it out.

    `image`, `option` (``--name=value``): empty for no change.
    """

    service_id: str
    version: int
    image: str = ""
    option: str = ""

    def __str__(self) -> str:
        return f"update the service to {self.image or self.option}"


@dataclass(frozen=True, slots=True)
class RunSql:
    """Run one statement on this member, for a runbook, as the operator's own account and with no more privileges than it has."""

    slot: int
    address: str
    statement: str

    def __str__(self) -> str:
        return f"ask slot {self.slot}: {self.statement}"


Step = (
    Bootstrap
    | FormPrimary
    | StopMember
    | Invite
    | AdmitMember
    | Appoint
    | DrainMember
    | RestartMember
    | Resize
    | SetWish
    | Exclude
    | UpdateService
    | RunSql
)


@dataclass(frozen=True, slots=True)
class Act:
    """Do these steps, in this order, stopping at the first that is refused."""

    steps: tuple[Step, ...]
    why: str
    recheck: float = SOON


@dataclass(frozen=True, slots=True)
class Hold:
    """Do nothing, for a reason."""

    why: str
    recheck: float = LATER


@dataclass(frozen=True, slots=True)
class Page:
    """Do nothing and call a person: the operator would have to guess."""

    name: str
    """Stable, for alerts and runbooks: ``split-brain``, ``data-gone``, ..."""
    why: str
    remedy: str
    """What the person has to do or decide: an exact command where there is one."""
    recheck: float = LATER


Plan = Act | Hold | Page


def forms_primary(plan: Plan) -> bool:
    """True when a step of the plan makes a Primary component: that needs an epoch of its own."""
    return isinstance(plan, Act) and any(isinstance(step, Bootstrap | FormPrimary) for step in plan.steps)


def asks_database(plan: Plan) -> bool:
    """True when the plan is a statement for a member: its answer is what comes of it."""
    return isinstance(plan, Act) and any(isinstance(step, RunSql) for step in plan.steps)
