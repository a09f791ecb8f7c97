"""What the operator needs from the world, as protocols. The adapters speak to real systems, the simulator to none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from galera_operator.core.agent_api import AgentStatus, Command, Wsrep
from galera_operator.core.model import Listed, NamesUnknown, Service, Task
from galera_operator.core.remembered import Memory
from galera_operator.core.spec import BadWish, Wish


class Conflict(Exception):
    """Somebody else wrote first; look again and decide again."""


class Refused(Exception):
    """The receiver did not do it, because the premise no longer holds or the request is not allowed; says which."""


class Damaged(Refused):
    """A stored record cannot be understood; says what is wrong with it.

    Attributes:
        version: what a write over it has to name.
        text: what stands there.
    """

    def __init__(self, fault: str, version: int, text: str) -> None:
        super().__init__(fault)
        self.version = version
        self.text = text


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

    `token` authenticates the operator to the agents; it never appears in `repr`. `nodes`: host names by node id, of all nodes.
    """

    service: Service
    wish: Wish | BadWish
    tasks: tuple[Task, ...]
    token: str = field(default="", repr=False)
    nodes: Mapping[str, str] = field(default_factory=dict)


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

    def constrain(self, service_id: str, version: int, constraint: str, *, back: bool) -> None:
        """Add one placement constraint, or take it back. Restarts no task that still fits. Raises like `resize`."""

    def update_tasks(self, service_id: str, version: int, image: str, option: str) -> None:
        """Change the image or a server option (``--name=value``); empty: no change.

        Swarm replaces the tasks by the service's own `update_config`. Raises like `resize`.
        """

    def watch(self, wake: Callable[[str], None], stop: Callable[[], bool]) -> None:
        """Call `wake` on every event until `stop()`: with the service's name, or with nothing for an event of a node.

        Returns when the stream breaks.
        """


class Names(Protocol):
    """Swarm's DNS, as the operator's own container asks it."""

    def tasks(self, service: str) -> Listed | NamesUnknown:
        """The addresses of ``tasks.<service>``. Never raises: no answer is an answer with its cause."""


class Nameless:
    """No DNS of a Swarm: nothing is known, so nobody is found missing."""

    def tasks(self, service: str) -> Listed | NamesUnknown:
        return NamesUnknown(f"nobody was asked for tasks.{service}")


class Members(Protocol):
    """The members of one cluster, by address on the database's network."""

    def at_once(self, addresses: Sequence[str], token: str) -> Mapping[str, tuple[AgentStatus, Wsrep]]:
        """Ask many together: what `ask` and `wsrep` would say of those that answer within moments. Never raises.

        Who is missing, for whatever reason, is to be asked for itself.
        """

    def ask(self, address: str, token: str) -> AgentStatus:
        """The agent's status. Raises `Unreachable`, or `Refused` for an answer that is not of the agreed shape."""

    def wsrep(self, address: str, token: str, members: Sequence[str]) -> Wsrep:
        """The database's own word, over SQL. Raises `Unreachable`, `LoginRefused`, or `Refused` for odd rows."""

    def run_sql(self, address: str, token: str, statement: str) -> str:
        """Run one statement as the operator's account; the first value of the first row, or how many rows it changed.

        Raises `Unreachable`, or `Refused` with the database's reason.
        """

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
        """The record, or None when there never was one. Raises `Damaged` when what is stored is not to be trusted."""

    def create(self, cluster: str, record: Record) -> Record:
        """Make the first record. Raises `Conflict` when somebody else just did."""

    def save(self, cluster: str, record: Record) -> Record:
        """Write it over `record.version`; returns it with its new version. Raises `Conflict`."""
