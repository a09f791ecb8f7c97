"""What is examined: services as their stack file or their Swarm spec describes them, the machines, what members measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from galera_operator.core.checkup.finding import Place
from galera_operator.core.spec import BadWish, Wish

DEFAULT_GRACE = 10.0
"""Swarm's stop grace period, in seconds, where none is set."""


class Origin(StrEnum):
    FILE = "file"
    """Described by a stack file: what to change is a line of it."""
    SWARM = "swarm"
    """Described by the engine: what to change is a command."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """`start_period` in seconds. `disabled`: the image's own check is switched off."""

    test: tuple[str, ...] = ()
    start_period: float = 0.0
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """`kind`: volume, bind, tmpfs. `source`: empty for an anonymous volume. `driver`, `options`: of a volume."""

    kind: str
    source: str
    target: str
    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Port:
    """`mode`: ingress (every node answers for it) or host."""

    published: int
    target: int
    mode: str = "ingress"


@dataclass(frozen=True, slots=True)
class Restart:
    condition: str = "any"
    max_attempts: int = 0
    """0: without limit."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """How an update, or a rollback, goes. `parallelism` 0: all tasks at once."""

    parallelism: int = 1
    order: str = "stop-first"
    failure_action: str = "pause"


@dataclass(frozen=True)
class Service:
    """One service, with Swarm's defaults filled in.

    Attributes:
        command: entrypoint and command, as words.
        labels, container_labels: of the service (``deploy: labels:``), of its containers (``labels:``).
        wish: what the ``galera.*`` labels of the service say.
        mode: replicated, global, replicated-job, global-job.
        stop_grace: seconds; None where not set.
        health: None where the image's own check holds.
        secrets: the names of their files in the container.
        max_per_node: 0: without limit.
        endpoint_mode: vip or dnsrr.
        refused: the reason for which the member image would not start with these options, empty where it would.
        version: of the stack file, as numbers.
        places: where each setting stands, by its path below the service.
    """

    name: str
    image: str
    origin: Origin = Origin.FILE
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    container_labels: Mapping[str, str] = field(default_factory=dict)
    wish: Wish | BadWish = field(default_factory=Wish)
    mode: str = "replicated"
    replicas: int = 1
    stop_grace: float | None = None
    health: HealthCheck | None = None
    restart: Restart = field(default_factory=Restart)
    update: Rollout = field(default_factory=Rollout)
    rollback: Rollout = field(default_factory=Rollout)
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Port, ...] = ()
    secrets: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    networks: frozenset[str] = frozenset()
    max_per_node: int = 0
    constraints: tuple[str, ...] = ()
    endpoint_mode: str = "vip"
    refused: str = ""
    version: tuple[int, int] = (3, 8)
    places: Mapping[tuple[str, ...], Place] = field(default_factory=dict)

    @cached_property
    def settings(self) -> Wish:
        """The wish, or the defaults where the labels cannot be read."""
        return self.wish if isinstance(self.wish, Wish) else Wish()

    @cached_property
    def wanted(self) -> int:
        """How many members are wished."""
        return self.replicas if self.settings.replicas is None else self.settings.replicas

    @property
    def is_from_file(self) -> bool:
        return self.origin is Origin.FILE

    def place(self, *path: str) -> tuple[Place, ...]:
        """Where a setting stands; where it is missing, the nearest line above that exists. Empty outside files."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return (self.places[path[:length]],)
        return ()


@dataclass(frozen=True, slots=True)
class Setup:
    """What is examined together: `databases` and `others` are looked at, `around` only makes sense of them."""

    databases: tuple[Service, ...]
    others: tuple[Service, ...] = ()
    """The rest of the same stack: applications, proxy, operator."""
    around: tuple[Service, ...] = ()
    """Other services of the Swarm: the operator or a proxy may be among them."""
    unread: tuple[str, ...] = ()
    """Sentences about what the reader could not know."""

    @property
    def everything(self) -> tuple[Service, ...]:
        return (*self.databases, *self.others, *self.around)


@dataclass(frozen=True, slots=True)
class Node:
    """`usable`: ready, and takes tasks."""

    name: str
    address: str
    engine: str
    is_manager: bool = False
    usable: bool = True


@dataclass(frozen=True, slots=True)
class Machine:
    """The engine that was asked, its kernel, and its Swarm.

    Attributes:
        ip_vs: None where it cannot be told from here.
        state: the engine's word for its part in a Swarm: active, inactive, ...
        closed: node name and TCP port for what did not answer from here.
        is_blind: nothing answered, not even the asked engine's own node: that says something of this place, not of the nodes.
        data_port: UDP port of the overlay networks.
    """

    ip_vs: bool | None
    is_manager: bool
    state: str = "active"
    nodes: tuple[Node, ...] = ()
    closed: tuple[tuple[str, int], ...] = ()
    is_blind: bool = False
    data_port: int = 4789


@dataclass(frozen=True, slots=True)
class Measured:
    """What one running member says of itself.

    Attributes:
        title: how sentences call it: ``slot 2 (node1)``.
        gcache_bytes: size of the write-set history.
        written_per_second: bytes of write-sets, its own and the others', while it was watched.
        keepalive: seconds until the server's first TCP keepalive; 0: the kernel's default, 7200 s.
    """

    title: str
    gcache_bytes: int
    written_per_second: float
    keepalive: int = 0
