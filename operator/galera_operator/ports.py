"""What the operator needs from the world, as protocols. The adapters speak to real systems, the simulator to none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from galera_operator.core.agent_api import AgentStatus, Command, Wsrep
from galera_operator.core.model import Memory, Service, Task
from galera_operator.core.spec import BadWish, Wish


class Conflict(Exception):
    """Somebody else wrote first; look again and decide again."""


class Refused(Exception):
    """The receiver did not do it, because the premise no longer holds or the request is not allowed; says which."""


class LoginRefused(Refused):
    """The database refused the operator's SQL account."""


class Unreachable(Exception):
    """No answer. `refused`: the address answered, but nothing listens on that port."""

    def __init__(self, cause: str, *, refused: bool = False) -> None:
        super().__init__(cause)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Cluster:
    """One managed service as the engine describes it: everything about it that is not a member's own word.

    `token` authenticates the operator to the agents; it never appears in `repr`.
    """

    service: Service
    wish: Wish | BadWish
    tasks: tuple[Task, ...]
    token: str = field(default="", repr=False)


class Engine(Protocol):
    """The Swarm. Every method raises `Unreachable` when the engine does not answer within its time limit."""

    def clusters(self, only: Collection[str] = ()) -> Sequence[Cluster]:
        """All services that are ours to operate, with their tasks; or those of these names."""

    def resize(self, service_id: str, version: int, replicas: int) -> None:
        """Write the service's replicas and nothing else.

        Raises:
            Conflict: the service has another version by now.
        """

    def set_label(self, service_id: str, version: int, label: str, value: str) -> None:
        """Write one service label, as a user would. Raises `Conflict` like `resize`."""

    def watch(self, wake: Callable[[str], None], stop: Callable[[], bool]) -> None:
        """Call `wake` on every event until `stop()`: with the service's name, or with nothing for an event of a node.

        Returns when the stream breaks.
        """


class Members(Protocol):
    """The members of one cluster, by address on the database's network."""

    def ask(self, address: str, token: str) -> AgentStatus:
        """The agent's status. Raises `Unreachable`, or `Refused` for an answer that is not of the agreed shape."""

    def wsrep(self, address: str, token: str, members: Sequence[str]) -> Wsrep:
        """The database's own word, over SQL. Raises `Unreachable`, `LoginRefused`, or `Refused` for odd rows."""

    def send(self, address: str, token: str, command: Command) -> None:
        """Give an agent a command. Raises `Refused` with the agent's reason, or `Unreachable`."""


@dataclass(frozen=True, slots=True)
class Record:
    """A cluster's state as stored. `version` is what the next write has to name."""

    version: int
    holder: str
    epoch: int
    memory: Memory


class Store(Protocol):
    """One record per cluster, compare-and-swap."""

    def load(self, cluster: str) -> Record | None:
        """The record, or None when there never was one. Raises `Refused` when what is stored is not to be trusted."""

    def create(self, cluster: str, record: Record) -> Record:
        """Make the first record. Raises `Conflict` when somebody else just did."""

    def save(self, cluster: str, record: Record) -> Record:
        """Write it over `record.version`; returns it with its new version. Raises `Conflict`."""
