"""mariadbd processes and the components (Galera's views) that they form."""

from __future__ import annotations

from dataclasses import dataclass, field

from galera_operator.core.agent_api import Wsrep
from galera_operator.core.position import ZERO_UUID, Position
from galera_operator.sim.disk import Volume
from galera_operator.sim.rows import Branch

NO_VIEW = 18446744073709551615
"""What wsrep_cluster_conf_id says outside of a Primary component."""

INITIALIZED, JOINING, DONOR, JOINED, SYNCED = range(5)
COMMENTS = ("Initialized", "Joining", "Donor/Desynced", "Joined", "Synced")


@dataclass(slots=True, eq=False)
class Server:
    """One mariadbd process.

    Attributes:
        peers, donors, position, bootstrap: how it was started; `position` None: it did not get one.
        state: wsrep_local_state.
        voters, voted, number: who was in the last Primary view that it was in; a count that orders views; that view's conf_id.
        slow: applies nothing, so write-sets queue up.
        zeros: runs without knowing whose rows it has; says a state UUID of zeros.
        moving: its part in a state transfer, as the joiner.
    """

    name: str
    node: str
    address: str
    volume: Volume
    peers: tuple[str, ...]
    donors: tuple[str, ...]
    position: Position | None
    bootstrap: bool
    started: float
    history: str = ""
    component: Component | None = None
    state: int = INITIALIZED
    alive: bool = True
    frozen: bool = False
    slow: bool = False
    desync: bool = False
    zeros: bool = False
    voters: frozenset[Server] = frozenset()
    voted: int = 0
    number: int = 0
    frozen_at: float = float("-inf")
    thawed_at: float = float("-inf")
    view_at: float = 0.0
    moving: Moving | None = None
    last_words: str = ""
    viewed: tuple[object, ...] = ()
    told: tuple[int, int] = (-1, -1)
    said: Wsrep | None = None

    @property
    def answers(self) -> bool:
        """Takes SQL: not before it has met the group, and not while an SST replaces its files."""
        return (
            self.alive and not self.frozen and self.component is not None and (self.moving is None or self.moving.method == "IST")
        )

    @property
    def is_synced(self) -> bool:
        return self.state == SYNCED and self.component is not None and self.component.primary

    @property
    def queue(self) -> int:
        """Write-sets received and not applied."""
        component = self.component
        if component is None or not component.primary or component.ghost or self.state < DONOR:
            return 0
        return max(0, component.seqno - self.volume.seqno)

    def wsrep(self, *, brief: bool = False) -> Wsrep:
        """Its own status, as it tells it; only while it `answers`. `brief`: the seqno and the queue may be out of date."""
        component, volume = self.component, self.volume
        assert component is not None
        view = (component, component.number, component.primary, component.names, self.state, self.desync)
        if brief and view == self.viewed and self.said is not None:
            return self.said
        queue = 0
        if component.primary and self.state >= DONOR and not component.ghost:
            queue = component.seqno - volume.seqno
            queue = max(0, queue)
        told = (volume.seqno, queue)
        if view == self.viewed and told == self.told and self.said is not None:
            return self.said
        knows = not self.zeros and (self.state >= DONOR or (self.moving is not None and self.moving.method == "IST"))
        self.viewed, self.told = view, told
        self.said = Wsrep(
            ready=component.primary and self.state >= DONOR,
            connected=True,
            cluster_status="Primary" if component.primary else "non-Primary",
            local_state=self.state,
            local_state_comment=COMMENTS[self.state],
            state_uuid=component.uuid if knows else (volume.uuid if not component.primary and not self.zeros else ZERO_UUID),
            conf_id=component.number if component.primary else NO_VIEW,
            cluster_size=len(component.names),
            last_committed=0 if self.zeros else max(0, volume.seqno),
            queue=queue,
            flow_control_paused=0.0,
            desync_count=int(self.desync or self.state == DONOR),
            members=component.names,
        )
        return self.said


@dataclass(slots=True, eq=False)
class Moving:
    """A state transfer. `donor` None: still waiting for one. `stuck`: nothing moves any more."""

    joiner: Server
    method: str
    begun: float
    donor: Server | None = None
    until: float = 0.0
    stuck: bool = False
    moved_at: float = 0.0
    total: int = 0
    failed_at: float = 0.0


@dataclass(slots=True, eq=False)
class Component:
    """Servers that share a view.

    Attributes:
        number: the view's conf_id.
        branch, seqno: what the group has ordered; members may be behind it. Only while Primary.
        history_from: the oldest write-set that a gcache still holds.
        broken_since: since when its members cannot all reach each other, in the same `parts`; nothing commits meanwhile.
        ghost: the view of a frozen member that the others have gone on without: it believes in it, nobody else does.
    """

    members: list[Server]
    primary: bool
    number: int = 0
    uuid: str = ZERO_UUID
    branch: Branch | None = None
    seqno: int = -1
    history_from: int = 0
    broken_since: float | None = None
    parts: tuple[frozenset[Server], ...] = ()
    ghost: bool = False
    names: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        self.count()

    def count(self) -> None:
        """Its members changed: list their names anew."""
        self.names = tuple(sorted([member.name for member in self.members]))

    @property
    def commits(self) -> bool:
        """A write at one of its Synced members is certified now."""
        return self.primary and not self.ghost and self.broken_since is None
