"""What the operator and a member agent say to each other: the values, their JSON, and the names of the HTTP paths.

Both sides import this module, so there is one description of the interface. Reading is strict: a missing key or a wrong type
is refused with its name, in a command an unknown key too, because a half-understood word about data is worse than none.
Keys with a default came later: an older version does not send them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from galera_operator.core.position import Directory, Position
from galera_operator.core.serving import FlowControl, Terms
from galera_operator.core.strict_json import BadMessage, exact, json_object, known_keys

HTTP_PORT = 9200
"""The agent's HTTP port on the overlay network. 9200 is what Galera health checks have used since clustercheck."""

HAPROXY_PORT = 9201
"""HAProxy agent-check: one line per connection."""

MONITOR_USER = "galera_monitor"
"""The operator's SQL account on every member: may log in and read status, nothing else."""


API_LEVEL = 1
"""What this version's agents understand. 1: an appointment of `ANY_WRITER`, and `Stop.only_drained`."""

ANY_WRITER = "*"
"""In place of the writer's name: every member that is Synced and in service takes writes."""


WAITING_FOR_DONOR = "waiting for a donor"
"""The stage of a transfer in which nothing of the joiner's own data has been touched yet."""


class Stage(StrEnum):
    """What the agent is doing with its MariaDB server."""

    STARTING = "starting"
    """Taking the data directory's lock or reading the disk."""
    WAITING = "waiting"
    """mariadbd is down, the position is known (or the directory is empty or incomplete), nobody to join was found."""
    JOINING = "joining"
    """mariadbd was started to join a Primary component and has not been Synced yet."""
    BOOTSTRAPPING = "bootstrapping"
    """mariadbd was started by a grant as the first member of a Primary component and has not been Synced yet."""
    RUNNING = "running"
    """mariadbd has been Synced since it was started; `wsrep` says what it is now."""
    DRAINING = "draining"
    """Not routed any more; sessions from before the drain are being ended at a transaction boundary."""
    DRAINED = "drained"
    """No session from before the drain is left."""
    STOPPING = "stopping"
    """mariadbd is being shut down; the agent exits after it."""


class Admission(StrEnum):
    """Who let traffic in."""

    NONE = "none"
    OPERATOR = "operator"
    SELF = "self"
    """The operator was away for 30 s and the member had joined a Primary component that existed before it."""


@dataclass(frozen=True, slots=True)
class Wsrep:
    """A member's own wsrep status, as MariaDB's ``SHOW GLOBAL STATUS`` and ``SHOW GLOBAL VARIABLES`` tell it.

    `local_state`: 0/1 Joining, 2 Donor/Desynced, 3 Joined, 4 Synced. `queue`: write-sets received and not yet applied.
    `flow_control_paused`: fraction (0 to 1) of time paused since the status was last flushed.
    `members`: the wsrep node names of the component, sorted. Empty where the server does not tell.
    """

    ready: bool
    connected: bool
    cluster_status: str
    local_state: int
    local_state_comment: str
    state_uuid: str
    conf_id: int
    cluster_size: int
    last_committed: int
    queue: int
    flow_control_paused: float
    desync_count: int
    members: tuple[str, ...]

    @property
    def is_primary(self) -> bool:
        return self.cluster_status == "Primary"

    @property
    def is_synced(self) -> bool:
        """True when the member itself says that it serves current data: Synced, ready, connected and Primary."""
        return self.local_state == 4 and self.ready and self.connected and self.is_primary

    @property
    def answers_queries(self) -> bool:
        """True for a Synced member, and for a donor or one that works off its queue: those serve as well."""
        return self.ready and self.local_state in {2, 3, 4}

    @property
    def in_words(self) -> str:
        """For sentences: ``Joined (Primary, not ready)``."""
        lacks = [f", not {word}" for word, has in (("ready", self.ready), ("connected", self.connected)) if not has]
        return f"{self.local_state_comment} ({self.cluster_status}{''.join(lacks)})"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A state transfer that is going on, as one of its two sides sees it. Bytes are 0 where unknown."""

    role: str
    """``joiner`` or ``donor``."""
    method: str
    """``mariabackup``, ``rsync`` or ``IST``."""
    stage: str
    """In words, e.g. ``waiting for donor``, ``receiving``, ``preparing``."""
    moved: int
    """Bytes in the joiner's directory, or read by the donor's side so far."""
    total: int = 0
    """Bytes in the donor's data directory: about what will have moved at the end."""
    rate: float = 0.0
    """Bytes a second, over the last ten seconds or so."""
    idle: float = 0.0
    """Seconds since a byte moved, a process of the transfer computed, or the stage changed."""


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """``GET /status``: all that an agent knows about its member. Needs no token: it holds no secret."""

    name: str
    """The wsrep node name, ``<service>.<slot>`` where Swarm told the agent, else the host name."""
    incarnation: str
    """Random, new with each start of the agent: a grant names it, so it cannot reach the member's next life."""
    stage: Stage
    since: float
    """Seconds the stage has lasted."""
    directory: Directory
    position: Position | None
    safe_to_bootstrap: bool
    wsrep: Wsrep | None
    """None while mariadbd does not answer SQL."""
    transfer: Transfer | None
    admission: Admission
    writer: str
    """The wsrep node name that this agent takes for the writer; empty while it knows none; `ANY_WRITER`: every member."""
    sessions: int
    """Client sessions open now, without replication's, the agent's and the operator's."""
    in_flight: int
    """Those of them that are inside a transaction or a statement."""
    cut: int
    """Sessions that were cut inside a transaction because the drain limit was reached."""
    epoch: int
    """The highest lease epoch this agent has obeyed."""
    note: str
    """One human sentence: what it does or waits for now, or why the last thing failed. No secret."""
    term: int = 0
    """How often the writer has changed, as this agent knows: among agents the `writer` with the highest term counts."""
    view_age: float = 0.0
    """Seconds since mariadbd last told of another view: component, number, size, being Primary or members."""
    leaving: bool = False
    """Asked to stop (SIGTERM or /stop): the drain ends with the end of the task, no admission takes it back."""
    data_bytes: int = 0
    """Size of the data directory; 0 where not measured yet."""
    flow: FlowControl | None = None
    """None: not known, because the member has not been Synced for long enough, or its agent is of an older version."""
    terms: Terms | None = None
    """None: its agent is of an older version, and does not tell."""
    api_level: int = 0
    """What this agent understands that an older one would refuse; see `API_LEVEL`."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> AgentStatus:
        """Read an agent's answer.

        Keys that this version does not know are left out: during a rolling update members of two versions have to
        understand each other. What it does know has to be there and right.

        Raises:
            BadMessage: not JSON, or not of this shape.
        """
        return cls(
            **exact(
                cls,
                known_keys(cls, json_object(text)),
                stage=Stage,
                directory=Directory,
                admission=Admission,
                position=_position,
                wsrep=lambda raw: None if raw is None else Wsrep(**exact(Wsrep, known_keys(Wsrep, raw), members=_texts)),
                transfer=lambda raw: None if raw is None else Transfer(**exact(Transfer, known_keys(Transfer, raw))),
                terms=lambda raw: None if raw is None else Terms(**exact(Terms, known_keys(Terms, raw))),
                flow=lambda raw: None if raw is None else FlowControl(**exact(FlowControl, known_keys(FlowControl, raw))),
            )
        )


@dataclass(frozen=True, slots=True)
class Command:
    """What every command carries: who may send it (epoch) and whom it means (incarnation)."""

    epoch: int
    incarnation: str


@dataclass(frozen=True, slots=True)
class Grant(Command):
    """``POST /grant``: start mariadbd. The only way a member ever bootstraps.

    `position` is the premise: the agent refuses a bootstrap when its own position is another. None means an empty directory.
    `peers` empty: bootstrap a new Primary component from this member. Else: join the component at these addresses.
    """

    address: str
    """The member's own address on the database's network, as Swarm assigned it."""
    position: Position | None
    peers: tuple[str, ...]
    history: str = ""
    """Only with a bootstrap that a person chose over a missing or diverged copy: the new state UUID to go on under. The old
    copies then differ by name, so none of them can come back by a partial transfer and keep its own rows."""
    replaces: bool = False
    """Only with a join: the copy at `position` may be replaced by a full transfer, because its rows are in the component or a
    person gave them up."""


@dataclass(frozen=True, slots=True)
class Fence(Command):
    """``POST /fence``: promise to obey no older epoch. Refused by a member that is in a Primary component or starts into one.

    The operator collects this promise from every other member before it lets one form a Primary component: a command of an
    operator that was frozen meanwhile then finds nobody who obeys it.
    """


@dataclass(frozen=True, slots=True)
class FormPrimary(Command):
    """``POST /form-primary``: ``pc.bootstrap=YES`` on a member that lives without a Primary component.

    `position` is the premise: what the member last committed.
    """

    position: Position


@dataclass(frozen=True, slots=True)
class Admit(Command):
    """``POST /admit``: traffic may come in, on these terms. Again: other terms, and the end of a drain."""

    drain_seconds: float
    """How long a later drain may take: the label's limit, cut to what the service's stop grace period allows."""
    allow_donor: bool
    causal_reads: bool = False
    """Sessions that are opened from now on read only what includes every commit before their statement."""


@dataclass(frozen=True, slots=True)
class AppointWriter(Command):
    """``POST /appoint``: the wsrep node name of the one member that the write port routes to, or `ANY_WRITER`.

    Sent to every member.
    """

    writer: str


@dataclass(frozen=True, slots=True)
class Drain(Command):
    """``POST /drain``: take no new traffic, end what is there at transaction boundaries, at the latest after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stop(Command):
    """``POST /stop``: drain, shut mariadbd down cleanly and exit 143, as on SIGTERM."""

    only_drained: bool = False
    """The premise of a restart in order: refused by a member that serves again, because its drain was taken back since."""


PATHS: Mapping[str, type[Command]] = {
    "/grant": Grant,
    "/fence": Fence,
    "/form-primary": FormPrimary,
    "/admit": Admit,
    "/appoint": AppointWriter,
    "/drain": Drain,
    "/stop": Stop,
}


def command_to_json(command: Command) -> str:
    """The body of a command. What has its default is left out, so that a member of an older version understands the rest."""
    defaults = {field.name: field.default for field in fields(command)}
    return json.dumps({key: value for key, value in asdict(command).items() if value != defaults[key]})


def command_from_json(path: str, text: str | bytes) -> Command:
    """Read the body of a command.

    Raises:
        BadMessage: unknown path, not JSON, or not of the shape that the path takes.
    """
    kind = PATHS.get(path)
    if kind is None:
        raise BadMessage(f"there is no command {path}; expected one of {', '.join(sorted(PATHS))}")
    return kind(**exact(kind, json_object(text), peers=_texts, position=_position))


def sql_password(token: str, account: str) -> str:
    """Derive the SQL password of one of our own accounts from the cluster's one secret.

    One secret to hand out and to rotate instead of one per account; HMAC-SHA-256, so that an account's password does not
    tell the token.
    """
    return hmac.new(token.encode(), f"sql:{account}".encode(), hashlib.sha256).hexdigest()


def token_from_root_password(root_password: str, service: str) -> str:
    """Derive the cluster's token where a stack has no `galera_token` secret but a root password in its environment.

    Both sides know that password: the member has it in its environment, the operator reads it from the service's spec.
    """
    return hmac.new(root_password.encode(), f"galera-operator token:{service}".encode(), hashlib.sha256).hexdigest()


def _position(raw: object) -> Position | None:
    return None if raw is None else Position(**exact(Position, raw))


def _texts(raw: object) -> tuple[str, ...]:
    """A list of strings; a bare string is refused, since it would read as a list of its letters."""
    if not isinstance(raw, list) or not all(isinstance(text, str) for text in raw):
        raise BadMessage("expected a list of strings")
    return tuple(raw)
