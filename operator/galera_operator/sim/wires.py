# ruff: noqa: ARG002 - a port's methods take what the port says
"""The operator's ports onto the simulated world, with everything that can go wrong between the two."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from galera_operator.core.agent_api import AgentStatus, Command, Wsrep
from galera_operator.core.model import Listed, NamesUnknown
from galera_operator.ports import Cluster, LoginRefused, Record, Refused, Unreachable
from galera_operator.sim.agent import Container
from galera_operator.sim.agent_rules import obey
from galera_operator.sim.swarm import MANAGER

if TYPE_CHECKING:
    from galera_operator.sim.operator import Operator
    from galera_operator.sim.world import World

Answer = TypeVar("Answer")
TOKEN = "token"


class OperatorKilled(BaseException):
    """The operator died here: nothing of it runs any more, so nothing may catch this."""


class Ports:
    """`ports.Engine`, `ports.Members` and `ports.Store` of a world in which nothing between the operator and it fails.

    Members still do not answer when they are dead, frozen or out of reach.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    # Engine

    def clusters(self, only: Collection[str] = ()) -> Sequence[Cluster]:
        self._engine()
        swarm = self._world.swarm
        return [Cluster(swarm.service(), swarm.wish, swarm.listing(), TOKEN)]

    def resize(self, service_id: str, version: int, replicas: int) -> None:
        self._engine()
        self._world.swarm.write_replicas(service_id, version, replicas)

    def set_label(self, service_id: str, version: int, label: str, value: str) -> None:
        self._engine()
        self._world.swarm.write_label(service_id, version, label, value)

    def constrain(self, service_id: str, version: int, constraint: str, *, back: bool) -> None:
        raise Refused("nobody plans work in the simulation: no run asks for a constraint")

    def update_tasks(self, service_id: str, version: int, image: str, option: str) -> None:
        raise Refused("nobody plans work in the simulation: no run asks for an update")

    def watch(self, wake: Callable[[str], None], stop: Callable[[], bool]) -> None:
        """Nothing runs beside anything here; the world wakes its operators itself."""
        raise Unreachable("the event stream broke")

    # Names

    def tasks(self, service: str) -> Listed | NamesUnknown:
        return Listed(tuple(sorted(container.address for container in self._world.swarm.dns())))

    # Members

    def at_once(self, addresses: Sequence[str], token: str) -> Mapping[str, tuple[AgentStatus, Wsrep]]:
        return {}  # each is asked for itself

    def ask(self, address: str, token: str) -> AgentStatus:
        world = self._world
        container = world.at(address)
        if container is None or container.frozen or not world.network.both_ways(container.node, MANAGER):
            raise Unreachable(f"no answer from {address}")
        container.operator_at = world.now
        return container.status(world.now)

    def wsrep(self, address: str, token: str, members: Sequence[str]) -> Wsrep:
        container = self._reach(address)
        server = container.server
        if server is None or not server.answers or not self._world.network.both_ways(container.node, MANAGER):
            raise Unreachable(f"no SQL answer from {address}")
        if container.slot in self._world.locked_out:
            raise LoginRefused("Access denied for user 'galera_monitor'")
        return server.wsrep()

    def run_sql(self, address: str, token: str, statement: str) -> str:
        raise Refused("nobody plans work in the simulation: no run asks for a statement")

    def send(self, address: str, token: str, command: Command) -> None:
        container = self._reach(address)
        if container.frozen:
            container.letters.append(command)  # the kernel takes it; the agent reads it when it thaws
            raise Unreachable(f"no answer from {address}")
        if token != TOKEN:
            raise Refused("the bearer token is missing or wrong")
        self.give(container, command)
        self._answers(container)

    def give(self, container: Container, command: Command) -> None:
        """A command arrives."""
        obey(container, command, self._world.now)
        self._world.truth.obeyed(container, command)

    # Store

    def load(self, cluster: str) -> Record | None:
        self._engine()
        return self._world.store.load(cluster)

    def create(self, cluster: str, record: Record) -> Record:
        self._engine()
        return self._world.store.create(cluster, record)

    def save(self, cluster: str, record: Record) -> Record:
        self._engine()
        return self._world.store.save(cluster, record)

    def _engine(self) -> None:
        if self._world.engine_away:
            raise Unreachable("the Swarm manager does not answer")

    def _reach(self, address: str) -> Container:
        container = self._world.at(address)
        if container is None or not self._world.network.arrives(MANAGER, container.node):
            raise Unreachable(f"no answer from {address}")
        return container

    def _answers(self, container: Container) -> None:
        if container.frozen or not self._world.network.arrives(container.node, MANAGER):
            raise Unreachable(f"no answer from {container.address}")


class Wires(Ports):
    """One operator's ports. Each call can be the one before which it freezes, or around which it dies."""

    def __init__(self, operator: Operator) -> None:
        super().__init__(operator.world)
        self._operator = operator

    def clusters(self, only: Collection[str] = ()) -> Sequence[Cluster]:
        return self._call(super().clusters)

    def resize(self, service_id: str, version: int, replicas: int) -> None:
        def write() -> None:
            self._world.truth.resizes(self._operator, version, replicas)
            Ports.resize(self, service_id, version, replicas)

        self._write(write)

    def set_label(self, service_id: str, version: int, label: str, value: str) -> None:
        self._world.truth.broke("an operator wrote a label of the service, which is the user's")
        self._write(lambda: Ports.set_label(self, service_id, version, label, value))

    def ask(self, address: str, token: str) -> AgentStatus:
        if not self._operator.armed:
            self._operator.calls += 1
            return Ports.ask(self, address, token)
        return self._call(lambda: Ports.ask(self, address, token))

    def wsrep(self, address: str, token: str, members: Sequence[str]) -> Wsrep:
        if not self._operator.armed:
            self._operator.calls += 1
            return Ports.wsrep(self, address, token, members)
        return self._call(lambda: Ports.wsrep(self, address, token, members))

    def send(self, address: str, token: str, command: Command) -> None:
        operator = self._operator
        if operator.hold_commands:
            self._world.truth.restarts(operator, address, command)
            operator.hold_commands -= 1
            self._world.held.append((address, command))
            raise Unreachable(f"no answer from {address}")
        self._world.truth.restarts(operator, address, command)
        self._write(lambda: Ports.send(self, address, token, command))

    def load(self, cluster: str) -> Record | None:
        return self._call(lambda: Ports.load(self, cluster))

    def create(self, cluster: str, record: Record) -> Record:
        return self._write(lambda: Ports.create(self, cluster, record))

    def save(self, cluster: str, record: Record) -> Record:
        return self._write(lambda: Ports.save(self, cluster, record))

    def _call(self, act: Callable[[], Answer]) -> Answer:
        operator = self._operator
        operator.calls += 1
        if operator.freeze_in:
            operator.freeze_in -= 1
            if not operator.freeze_in:
                self._freeze()
        dies = False
        if operator.die_in:
            operator.die_in -= 1
            dies = not operator.die_in
            if dies and operator.dies_before:
                raise OperatorKilled
        answer = act()
        if dies:
            raise OperatorKilled
        operator.armed = bool(operator.die_in or operator.freeze_in or operator.lose_answers or operator.hold_commands)
        return answer

    def _write(self, act: Callable[[], Answer]) -> Answer:
        answer = self._call(act)
        operator = self._operator
        if operator.lose_answers:
            operator.lose_answers -= 1
            raise Unreachable("the answer was lost")
        return answer

    def _freeze(self) -> None:
        """Everything else goes on while this operator stands still in the middle of its turn."""
        operator = self._operator
        operator.frozen = True
        operator.looked_at = float("-inf")  # what it saw in this turn is out of date, even if the clock has not moved on
        operator.while_frozen(operator)
        if not operator.running:
            raise OperatorKilled
        operator.frozen = False
