"""A Swarm in memory: one service of ours, its slots, tasks and nodes, and another service that is nobody's business.

Rules from FACTS-SWARM: who is removed on scale-down, the restart policy and its delay, at most one task per node, the health gate
before `running` and DNS, 2 s before SIGTERM, the grace before SIGKILL, a version on every write, lost nodes whose tasks nobody
can stop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from galera_operator.core.model import Service, Task
from galera_operator.core.spec import Wish
from galera_operator.ports import Conflict, Refused
from galera_operator.sim.agent import Container
from galera_operator.sim.network import Network

MANAGER = "m1"
"""The place of the Swarm managers, of the operators, and of whoever asks from outside."""
NODE_LOST_SECONDS = 5.0
BEFORE_SIGTERM = 2.0
RESTART_DELAY = 2.0
REPLACE_ANYWAY = 60.0
UNHEALTHY_SECONDS = 180.0
"""The image's health check: three times 60 s without an answer."""
_ALIVE = ("new", "pending", "assigned", "ready", "starting", "running")


@dataclass(slots=True, eq=False)
class SimTask:
    """A task.

    Attributes:
        since: when its present desired state was set.
        not_before: when its container may start.
        silent_since: since when its container answers no health check; its node has found it unhealthy at `sick_at`.
        unbound: it runs, but its node has not entered it into DNS.
    """

    id: str
    slot: int
    node: str
    desired: str
    since: float
    state: str = "pending"
    address: str = ""
    container: Container | None = None
    not_before: float = 0.0
    after: SimTask | None = None
    terminated: bool = False
    told: Task | None = None
    kept: bool = True
    silent_since: float | None = None
    sick_at: float | None = None
    unbound: bool = False
    made_for: int = 0
    """Which version of what the service runs it was made from."""

    @property
    def over(self) -> bool:
        return self.state not in _ALIVE


@dataclass(slots=True)
class Other:
    """A service that is not ours: its tasks and labels must be the same for ever."""

    name: str = "shop_web"
    replicas: int = 2
    labels: dict[str, str] = field(default_factory=lambda: {"traefik.enable": "true"})
    version: int = 5


class Swarm:
    """The managers' view, and what they do about it."""

    def __init__(self, name: str, nodes: tuple[str, ...], network: Network, random: Random) -> None:
        self.name = name
        self.nodes = nodes
        self.network = network
        self.random = random
        self.now = 0.0
        self.version = 10
        self.replicas = 0
        self.wish: Wish = Wish()
        self.update_state = ""
        self.grace = 120.0
        self.condition = "any"
        self.tasks: list[SimTask] = []
        self.image = 1
        self.delay = RESTART_DELAY
        self.per_node = 1
        self.lost: dict[str, float] = {}
        self.down: set[str] = set()
        self.drained: set[str] = set()
        self.excluded: set[str] = set()
        self.homes: dict[int, str] = {}
        self.other = Other()
        self.foreign_labels = {"com.docker.stack.namespace": "shop", "team": "sales"}
        self.run: Callable[[SimTask], Container] = lambda _: NotImplemented
        self.changed = False
        self._made = 0
        self._freed: list[str] = []
        self._rollout: list[int] = []

    # The API ----------------------------------------------------------------------------------------------------------

    def service(self) -> Service:
        return Service("svc", self.name, self.version, self.replicas, self.update_state, self.grace)

    def listing(self) -> tuple[Task, ...]:
        return tuple([self._listed(task) for task in self.tasks])

    def _listed(self, task: SimTask) -> Task:
        is_down = task.node in self.down
        told = task.told
        if (
            told is None or told.state != task.state or told.desired != task.desired or told.node != task.node
            or told.address != task.address or told.node_is_down != is_down
            or told.is_outdated != (task.made_for != self.image)
        ):  # fmt: skip
            message = "" if task.node else "no suitable node"
            told = task.told = Task(
                task.id,
                task.slot,
                task.node,
                task.node,
                task.state,
                task.desired,
                task.address,
                message,
                is_down,
                task.made_for != self.image,
            )
        return told

    def write_replicas(self, service_id: str, version: int, replicas: int) -> None:
        """Write the service's replicas, as `POST /services/{id}/update?version=` does."""
        if service_id != "svc":
            raise Refused(f"there is no service {service_id}")
        self._compare(version)
        self.replicas = replicas
        self.written()

    def write_label(self, service_id: str, version: int, label: str, value: str) -> None:
        if service_id != "svc":
            raise Refused(f"there is no service {service_id}")
        self._compare(version)
        if label == "galera.replicas":
            self.wish = Wish(replicas=int(value), join_parallel=self.wish.join_parallel)
        else:
            self.foreign_labels[label] = value
        self.written()

    def _compare(self, version: int) -> None:
        if version != self.version:
            raise Conflict("update out of sequence")

    def written(self) -> None:
        """The service's spec was written: its version grows, an update's state is cleared unless one runs."""
        self.version += 1 + self.random.randrange(3)
        if not self._rollout:
            self.update_state = ""
        self.changed = True
        self.reconcile()

    def roll_out(self) -> None:
        """A user updates the image: every task is replaced, one after the other."""
        self.version += 1
        self.image += 1
        self._rollout = sorted({task.slot for task in self.tasks if task.kept})
        self.random.shuffle(self._rollout)
        self.update_state = "updating"

    def exclude(self, node: str) -> None:
        """A user adds a constraint against a node: only the tasks on it are replaced, one after the other."""
        self.version += 1
        self.excluded.add(node)
        self.changed = True
        self._rollout = sorted({task.slot for task in self.tasks if task.kept and task.node == node})
        if self._rollout:
            self.update_state = "updating"

    def drain(self, node: str) -> None:
        """A user drains a node: every task on it goes elsewhere without the restart delay, if there is an elsewhere."""
        self.drained.add(node)
        self.changed = True
        for task in [task for task in self.tasks if task.kept and task.node == node]:
            self._want(task, "shutdown")
            self._make(task.slot, self.now, task)

    def undrain(self, node: str) -> None:
        self.drained.discard(node)
        self.changed = True

    def dns(self) -> list[Container]:
        """Whom `tasks.<service>` lists: healthy once, and not being ended."""
        listed = [task for task in self.tasks if task.state == "running" and task.kept and task.sick_at is None]
        return [task.container for task in listed if task.container and not task.unbound]

    # What passes by itself --------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        self.now = now
        if self.network.down or self.network.cuts or self.lost or self.down:
            self._watch_nodes(now)
        dirty = False
        for task in self.tasks:
            container = task.container
            if task.node in self.lost:
                continue  # it tells nothing and obeys nothing
            if container is not None:
                if container.exit_code is not None:
                    dirty = True
                elif task.kept and task.sick_at is None:
                    if task.state == "starting":
                        if container.is_admitted:
                            task.state = "running"
                    elif container.frozen or not container.is_admitted:
                        self._examine(task, container, now)
                    else:
                        task.silent_since = None
                else:
                    self._end(task, container, now)
            else:
                dirty = True
        if dirty or self.update_state == "updating":
            self._work(now)

    def _watch_nodes(self, now: float) -> None:
        for node in self.nodes:
            if self.network.both_ways(node, MANAGER):
                self.lost.pop(node, None)
                if node in self.down:
                    self.down.discard(node)
                    self.changed = True
                    for task in self.tasks:
                        if task.node == node and not task.kept:
                            task.since = now  # only now it hears that it has to end
            elif now - self.lost.setdefault(node, now) >= NODE_LOST_SECONDS and node not in self.down:
                self.down.add(node)
                self.changed = True
                for task in self.tasks:
                    if task.node == node and task.kept:
                        self._want(task, "shutdown")
        self._work(now)

    def _want(self, task: SimTask, desired: str) -> None:
        task.desired, task.since, task.kept = desired, self.now, desired in {"running", "ready"}

    def _examine(self, task: SimTask, container: Container, now: float) -> None:
        """An unhealthy task leaves DNS at once and is ended like a removed one, but stays desired until its container is gone."""
        if task.silent_since is None:
            task.silent_since = now
        if not container.is_admitted or now - task.silent_since >= UNHEALTHY_SECONDS:
            task.sick_at = now

    def _end(self, task: SimTask, container: Container, now: float) -> None:
        waited = now - (task.since if task.sick_at is None else task.sick_at)
        if waited >= BEFORE_SIGTERM + self.grace:
            container.exit(137)
        elif waited >= BEFORE_SIGTERM and not task.terminated:
            task.terminated = True
            container.wish_stop = container.wish_stop or "SIGTERM"
            container.world.stir += 1

    def _work(self, now: float) -> None:
        for task in self.tasks:
            container = task.container
            if container is not None and container.exit_code is not None and task.node not in self.lost and not task.over:
                task.state = "complete" if container.exit_code == 0 else "failed"
        for task in [task for task in self.tasks if task.over and task.kept]:
            again = self.condition == "any" or task.state == "failed"
            self._want(task, "shutdown")
            if again:
                self._make(task.slot, now + self.delay, task)
        staying = [task for task in self.tasks if self._is_listed(task)]
        if len(staying) < len(self.tasks):
            self._freed += [task.address for task in self.tasks if task.address and task not in staying]
            self.tasks = staying
        self._roll_on(now)
        self.reconcile()
        for task in self.tasks:
            if task.kept and task.container is None:
                self._start(task, now)

    def _is_listed(self, task: SimTask) -> bool:
        is_ending = not task.over and (task.container is not None or task.node in self.down)
        return task.kept or is_ending or self._stays(task)

    def _stays(self, task: SimTask) -> bool:
        """A completed task that is not restarted goes on filling its slot."""
        return self.condition != "any" and task.state == "complete" and task.desired == "shutdown"

    def _start(self, task: SimTask, now: float) -> None:
        if not task.node or task.node in self.down or self._is_taken(task.node, task):
            task.node = self._place(task)
            task.state = "ready" if task.node else "pending"
        if not task.node or now < task.not_before:
            return
        old = task.after
        if old is not None and not old.over and old.node not in self.down and now - old.since < REPLACE_ANYWAY:
            return
        if not self.network.both_ways(task.node, MANAGER):
            return
        self._want(task, "running")
        self._made += 1
        task.state, task.address, task.after = "starting", self._address(), None
        self.homes[task.slot] = task.node
        task.container = self.run(task)

    def _address(self) -> str:
        """A new one, or now and then one that a task had which has ended."""
        if self._freed and not self.random.randrange(3):
            return self._freed.pop()
        return f"10.0.{self._made // 250}.{self._made % 250 + 1}"

    def _is_taken(self, node: str, task: SimTask) -> bool:
        """As many tasks as may be on this node are on it. `per_node` 0: there is no such limit."""
        if self.per_node == 1:
            return any(other is not task and other.kept and other.node == node for other in self.tasks)
        return 0 < self.per_node <= self._others_on(node, task)

    def _others_on(self, node: str, task: SimTask) -> int:
        return sum(other is not task and other.kept and other.node == node for other in self.tasks)

    def _place(self, task: SimTask) -> str:
        """A node for a task: ready, and the service's limit allows it there. Mostly the one where the slot was before."""
        fit = [node for node in self.nodes if node not in self.down and node not in self.drained and node not in self.excluded]
        free = [node for node in fit if not self._is_taken(node, task)]
        if self.per_node != 1 and free:
            fewest = min(self._others_on(node, task) for node in free)
            return self.random.choice([node for node in free if self._others_on(node, task) == fewest])
        home = self.homes.get(task.slot, "")
        if home in free and self.random.randrange(8):
            return home
        return self.random.choice(free) if free else ""

    def _make(self, slot: int, not_before: float, after: SimTask | None = None) -> SimTask:
        self._made += 1
        task = SimTask(f"task{self._made}", slot, "", "ready", self.now, not_before=not_before, after=after, made_for=self.image)
        self.tasks.append(task)
        task.node = self._place(task)
        task.state = "ready" if task.node else "pending"
        return task

    def _roll_on(self, now: float) -> None:
        if self.update_state != "updating":
            self._rollout = []
            return
        if any(task.kept and task.state != "running" for task in self.tasks):
            return
        if not self._rollout:
            self.update_state = "completed"
            self.version += 1
            self.changed = True
            return
        slot = self._rollout.pop(0)
        self.changed = True
        for task in [task for task in self.tasks if task.slot == slot and task.kept]:
            self._want(task, "shutdown")
            self._make(slot, now, task)

    def reconcile(self) -> None:
        """Make as many slots as there are replicas, or take the ones that Swarm's rule names."""
        slots: dict[int, list[SimTask]] = {}
        for task in self.tasks:
            if task.kept or self._stays(task):
                slots.setdefault(task.slot, []).append(task)
        if len(slots) > self.replicas:
            for slot in victims(slots, self.replicas):
                for task in slots[slot]:
                    self._want(task, "remove")
                    if task.container is None:
                        task.state = "remove"
            self.tasks = [task for task in self.tasks if task.kept or task.container is not None]
        elif len(slots) < self.replicas:
            missing = self.replicas - len(slots)
            for slot in [number for number in range(1, self.replicas + len(slots) + 2) if number not in slots][:missing]:
                self._make(slot, self.now)


def victims(slots: dict[int, list[SimTask]], keep: int) -> list[int]:
    """The slots that go when `keep` stay: swarmkit's updateSlots and slotsByRunningState/slotWithIndices, in their words."""

    def is_running(slot: int) -> bool:
        return any(task.state == "running" for task in slots[slot])

    order = sorted(slots)
    order = [slot for slot in order if is_running(slot)] + [slot for slot in order if not is_running(slot)]
    per_node: dict[str, int] = {}
    index: dict[int, int] = {}
    for slot in order:
        tasks = slots[slot]
        if len(tasks) == 1 and tasks[0].node:
            per_node[tasks[0].node] = index[slot] = per_node.get(tasks[0].node, -1) + 1
        else:
            index[slot] = -1
    counted = sorted((slot for slot in order if index[slot] >= 0), key=lambda slot: index[slot])
    return (counted + [slot for slot in order if index[slot] < 0])[keep:]
