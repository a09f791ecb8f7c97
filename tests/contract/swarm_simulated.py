"""The simulator's Swarm, with tasks as light as those of the real one: no agent and no Galera in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from swarm_world import Plan, SwarmWorld

from galera_operator.core.model import Task
from galera_operator.sandbox.waiting import NotInTime
from galera_operator.sim.store import SimStore
from galera_operator.sim.swarm import SimTask
from galera_operator.sim.wires import Ports
from galera_operator.sim.world import NAME, World

T = TypeVar("T")

PIECE = 0.1
"""Simulated seconds between two looks."""


@dataclass(eq=False)
class Light:
    """What the simulated Swarm needs of a container."""

    world: World
    gated: bool
    healthy: bool = False
    lingers: bool = False
    frozen: bool = False
    exit_code: int | None = None
    wish_stop: str = ""
    terminated: float | None = None
    address: str = ""

    @property
    def is_admitted(self) -> bool:
        """The simulator's word for healthy."""
        return self.healthy or not self.gated

    def exit(self, code: int) -> None:
        self.exit_code = code

    def tick(self) -> None:
        if self.wish_stop and self.terminated is None:
            self.terminated = self.world.now
            if not self.lingers:
                self.exit(143)


@dataclass
class SimulatedSwarm(SwarmWorld):
    """A world of the simulator without operators. `seed` decides where Swarm puts tasks."""

    seed: int = 1
    is_real = False
    _lights: dict[str, Light] = field(default_factory=dict)
    _left: dict[str, float] = field(default_factory=dict)
    _listed: frozenset[str] = frozenset()
    _wakes: int = 0

    def __post_init__(self) -> None:
        self._world = World(self.seed, nodes=3)
        for operator in self._world.operators.values():
            operator.end(again_at=None)
        self._swarm = self._world.swarm
        self._swarm.replicas, self._swarm.tasks = 0, []
        self._store = SimStore()
        self.engine, self.store = Ports(self._world), self._store
        self.nodes = self._swarm.nodes
        self.service_name = NAME

    def make(self, plan: Plan) -> None:
        def run(task: SimTask) -> Light:
            light = self._lights[task.id] = Light(self._world, plan.gated)
            return light

        swarm = self._swarm
        swarm.run = run  # type: ignore[assignment]
        swarm.per_node, swarm.condition, swarm.delay, swarm.grace = plan.per_node, plan.condition, plan.delay, plan.grace
        swarm.replicas = plan.replicas
        swarm.written()

    def now(self) -> float:
        return self._world.now

    def until(self, condition: Callable[[], T], within: float, what: str) -> T:
        deadline = self._world.now + within
        while not (found := condition()):
            if self._world.now > deadline:
                raise NotInTime(f"waited {within:g} simulated seconds for {what}; last seen: {self.states()}")
            self._pass()
        return found

    def _pass(self) -> None:
        """An operator that waits for nothing shows whether an event would have woken it."""
        operator = self._world.operators["B"]
        operator.running, operator.next_at = True, float("inf")
        self._world.tick(PIECE)
        self._wakes += operator.next_at <= self._world.now
        for light in self._lights.values():
            light.tick()
        listed = self.dns()
        self._left |= dict.fromkeys(self._listed - listed, self._world.now)
        self._listed = listed

    # What happens -----------------------------------------------------------------------------------------------------

    def end(self, task: Task, code: int) -> None:
        self._lights[task.id].exit(code)

    def set_healthy(self, task: Task, healthy: bool) -> None:
        self._lights[task.id].healthy = healthy

    def linger(self, task: Task) -> None:
        self._lights[task.id].lingers = True

    def drain(self, node: str) -> None:
        self._swarm.drain(node)

    def undrain(self, node: str) -> None:
        self._swarm.undrain(node)

    def exclude(self, node: str) -> None:
        self._swarm.exclude(node)

    def roll_out(self) -> None:
        self._swarm.roll_out()

    def lose(self, node: str) -> None:
        """As `perform.lose_node` has it."""
        self._world.network.lose(node)
        for task in self._swarm.tasks:
            if task.node == node and task.id in self._lights:
                self._lights[task.id].exit(137)

    def bring_back(self, node: str) -> None:
        self._world.network.bring_back(node)

    def forget(self, cluster: str) -> None:
        self._store.records.pop(cluster, None)

    # What is seen -----------------------------------------------------------------------------------------------------

    def dns(self) -> frozenset[str]:
        listed = [task for task in self._swarm.tasks if task.container in self._swarm.dns()]
        return frozenset(task.address for task in listed)

    def left_dns(self, address: str) -> float | None:
        return self._left.get(address)

    def terminated(self, task: Task) -> float | None:
        return self._lights[task.id].terminated

    def wakes(self) -> int:
        return self._wakes
