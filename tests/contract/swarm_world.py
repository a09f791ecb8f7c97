"""What a test of the Swarm may do and see, on the real one and on the simulated one alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from galera_operator.core.model import Task
from galera_operator.ports import Cluster, Engine, Store

T = TypeVar("T")

ENDED = frozenset({"complete", "failed", "shutdown", "rejected", "orphaned", "remove"})


@dataclass(frozen=True)
class Plan:
    """A service to make.

    Attributes:
        per_node: at most so many tasks on one node; 0: as many as there are.
        condition: restart policy.
        delay: seconds before a restart.
        gated: a task is healthy only once the test says so; else as soon as its container runs.
        grace: seconds between SIGTERM and SIGKILL.
    """

    replicas: int = 3
    per_node: int = 1
    condition: str = "any"
    delay: float = 1.0
    gated: bool = False
    grace: float = 10.0


class SwarmWorld(ABC):
    """Three nodes and one service of light tasks. A task that gets SIGTERM ends with 143, at once unless it `lingers`."""

    engine: Engine
    store: Store
    is_real: bool
    nodes: tuple[str, ...]

    @abstractmethod
    def make(self, plan: Plan) -> None:
        """Create the service."""

    @abstractmethod
    def now(self) -> float:
        """Seconds on the clock by which things happen here."""

    @abstractmethod
    def until(self, condition: Callable[[], T], within: float, what: str) -> T:
        """Let time pass until the answer is true, and return it."""

    # What happens -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def end(self, task: Task, code: int) -> None:
        """Let a task's container end by itself with 0 or 143, or end it with SIGKILL (137)."""

    @abstractmethod
    def set_healthy(self, task: Task, healthy: bool) -> None:
        """Only in a gated service."""

    @abstractmethod
    def linger(self, task: Task) -> None:
        """The task is to ignore SIGTERM from now on."""

    @abstractmethod
    def drain(self, node: str) -> None:
        """``docker node update --availability drain``, as a user does it."""

    @abstractmethod
    def undrain(self, node: str) -> None:
        """``docker node update --availability active``."""

    @abstractmethod
    def exclude(self, node: str) -> None:
        """``docker service update --constraint-add node.hostname!=...``: changes the service's placement only."""

    @abstractmethod
    def roll_out(self) -> None:
        """``docker service update --force``: every task is to be replaced."""

    @abstractmethod
    def lose(self, node: str) -> None:
        """A node dies with everything on it."""

    @abstractmethod
    def bring_back(self, node: str) -> None:
        """A lost node boots."""

    @abstractmethod
    def forget(self, cluster: str) -> None:
        """``docker config rm``: a person removes the operator's record of a cluster, if there is one."""

    # What is seen -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def dns(self) -> frozenset[str]:
        """The addresses that ``tasks.<service>`` has now, as another container on the network sees it."""

    @abstractmethod
    def left_dns(self, address: str) -> float | None:
        """When an address was first seen to be gone from DNS again; None: not yet, or never in it."""

    @abstractmethod
    def terminated(self, task: Task) -> float | None:
        """When the task's container got SIGTERM; None: it did not."""

    @abstractmethod
    def wakes(self) -> int:
        """How often `Engine.watch` has called so far."""

    @property
    def cluster(self) -> Cluster:
        """The service through the port."""
        [cluster] = [one for one in self.engine.clusters() if one.service.name == self.service_name]
        return cluster

    service_name: str

    # Words made of these ----------------------------------------------------------------------------------------------

    def tasks(self) -> dict[str, Task]:
        return {task.id: task for task in self.cluster.tasks}

    def kept(self) -> list[Task]:
        """The tasks that Swarm means to keep, by slot."""
        kept = [task for task in self.cluster.tasks if task.desired in {"running", "ready"}]
        return sorted(kept, key=lambda task: (task.slot, task.id))

    def in_slot(self, slot: int) -> Task:
        [task] = [task for task in self.kept() if task.slot == slot]
        return task

    def running(self) -> list[Task]:
        return [task for task in self.kept() if task.is_running]

    def slots(self) -> list[int]:
        return [task.slot for task in self.kept()]

    def states(self) -> Sequence[tuple[int, str, str, str]]:
        """For messages: slot, node, state, desired state of every task."""
        return sorted((task.slot, task.node, task.state, task.desired) for task in self.cluster.tasks)

    def until_running(self, count: int, within: float = 40) -> list[Task]:
        """Wait until exactly so many tasks are kept and all of them run."""

        def all_run() -> list[Task]:
            kept = self.kept()
            return kept if len(kept) == count and all(task.is_running for task in kept) else []

        return self.until(all_run, within, f"{count} running tasks")

    def is_over(self, task: Task) -> bool:
        """Its container has ended, or Swarm has forgotten it."""
        now = self.tasks().get(task.id)
        return now is None or now.state in ENDED

    def scale(self, replicas: int) -> None:
        """Write the size through the port."""
        service = self.cluster.service
        self.engine.resize(service.id, service.version, replicas)
