"""The simulator's members, without its Swarm: containers that the test starts, each on a node of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from group_world import GroupWorld, in_order

from galera_operator.ports import Unreachable
from galera_operator.sandbox.waiting import NotInTime
from galera_operator.sim import perform
from galera_operator.sim.agent import Container
from galera_operator.sim.swarm import SimTask
from galera_operator.sim.wires import TOKEN, Ports
from galera_operator.sim.world import World

T = TypeVar("T")

PIECE = 0.05
SLOTS = (1, 2, 3)


class SimulatedGroup(GroupWorld):
    is_real = False
    token = TOKEN

    def __init__(self, seed: int = 1) -> None:
        self._world = World(seed, nodes=3)
        for operator in self._world.operators.values():
            operator.end(again_at=None)
        self._world.swarm.replicas, self._world.swarm.tasks = 0, []
        self._world.clients.writing = False
        self._boxes: dict[int, Container] = {}
        self._stages: dict[int, list[str]] = {}
        self._lives = 0
        self.members = Ports(self._world)

    def close(self) -> None:
        """Nothing runs."""

    def address(self, slot: int) -> str:
        return f"10.0.9.{slot}"

    def now(self) -> float:
        return self._world.now

    def until(self, condition: Callable[[], T], within: float, what: str) -> T:
        deadline = self._world.now + within
        while True:
            try:
                found = condition()
            except Unreachable:
                found = None
            if found:
                return found
            if self._world.now > deadline:
                seen = {slot: (str(box.stage), box.exit_code, self.told(slot)) for slot, box in self._boxes.items()}
                raise NotInTime(f"waited {within:g} simulated seconds for {what}; last seen: {seen}")
            self._pass()

    def _pass(self) -> None:
        self._world.tick(PIECE)
        for slot, box in self._boxes.items():
            if box.alive:
                for other in SLOTS:
                    box.known[self.address(other)] = self._world.now  # the real ones are told these in GALERA_PEERS
            self._stages[slot].append(str(box.stage))

    # What happens -----------------------------------------------------------------------------------------------------

    def start(self, slot: int) -> None:
        self._lives += 1
        task = SimTask(f"life{self._lives}", slot, f"n{slot}", "running", self._world.now, address=self.address(slot))
        self._boxes[slot] = self._world._run(task)
        self._stages[slot] = [str(self._boxes[slot].stage)]

    def kill(self, slot: int) -> None:
        self._boxes[slot].exit(137)

    def kill_database(self, slot: int) -> None:
        server = self._boxes[slot].server
        assert server is not None
        self._world.galera.kill(server)

    def sigterm(self, slot: int) -> None:
        perform.stop(self._world, slot)

    def freeze(self, slot: int) -> None:
        perform.freeze(self._world, slot)

    def thaw(self, slot: int) -> None:
        perform.thaw(self._world, slot)

    def desync(self, slot: int, on: bool) -> None:
        perform.set_desync(self._world, slot, desync=on)

    def write(self, slot: int, count: int = 1) -> bool:
        server = self._boxes[slot].server
        assert server is not None
        return all(self._world.galera.commit(server, 1) for _ in range(count))

    def wipe(self, slot: int) -> None:
        if self.has_agent(slot):
            self.kill(slot)
        self._world.volumes[f"n{slot}"].empty()

    # What is seen -----------------------------------------------------------------------------------------------------

    def exit_code(self, slot: int) -> int | None:
        return self._boxes[slot].exit_code

    def has_agent(self, slot: int) -> bool:
        return slot in self._boxes and self._boxes[slot].alive

    def stages(self, slot: int) -> list[str]:
        return in_order(self._stages[slot])
