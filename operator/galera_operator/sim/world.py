"""Everything together: time, network, Swarm, containers, Galera, clients, operators, and what is true about the data."""

from __future__ import annotations

from random import Random

from galera_operator.agent.peers import FORGET_SECONDS
from galera_operator.agent.routing import STALE_SECONDS, Role
from galera_operator.core.agent_api import Admission, Command, Stage
from galera_operator.core.position import Directory
from galera_operator.core.remembered import Copy, Memory
from galera_operator.core.spec import Wish
from galera_operator.ports import Record
from galera_operator.sim.agent import SERVER_STAGES, Container, Start, Word
from galera_operator.sim.client import Clients
from galera_operator.sim.component import SYNCED, Component, Server
from galera_operator.sim.disk import Found, Volume
from galera_operator.sim.galera import Galera
from galera_operator.sim.network import Network
from galera_operator.sim.operator import Operator
from galera_operator.sim.rows import Branch
from galera_operator.sim.store import SimStore
from galera_operator.sim.swarm import MANAGER, SimTask, Swarm
from galera_operator.sim.truth import Truth

NAME = "shop_db"
TOKEN = "token"
STEP = 4.0
"""Seconds of the longest single tick."""


class World:
    """One service of `size` members on `nodes` nodes, with operators `A` (working) and `B` (to be started)."""

    def __init__(self, seed: int, size: int = 0, nodes: int = 3, wish: int | None = None) -> None:
        """Args: `size`: members that serve already; 0: nothing was ever started. `wish`: the label; `size` or 1 without it."""
        self.random = Random(seed)  # noqa: S311 - repeatable, not secret
        self.now = 1000.0
        self.network = Network()
        self.galera = Galera(self.network, self.random, self.new_uuid)
        self.swarm = Swarm(NAME, tuple(f"n{number}" for number in range(1, nodes + 1)), self.network, self.random)
        self.swarm.run = self._run
        self.swarm.now = self.galera.now = self.now
        self.volumes = {node: Volume(node) for node in self.swarm.nodes}
        self.containers: list[Container] = []
        self.leaving: list[Server] = []
        self.users: dict[str, int] = {}
        self._addresses: dict[str, Container] = {}
        self.store = SimStore()
        self.truth = Truth(self)
        self.clients = Clients(self)
        self.stir = 0
        self.unsettled = False
        self.engine_away = False
        self.events_lost = False
        self.locked_out: set[int] = set()
        self.restless_until = 0.0
        self.held: list[tuple[str, Command]] = []
        self._uuids = 0
        self._lives = 0
        self._polled = -1
        self.operators = {name: Operator(name, self) for name in ("A", "B")}
        self.operators["A"].begin(self.now)
        wished = wish if wish is not None else max(size, 1)
        self.swarm.wish = Wish(replicas=wished)
        if size:
            self._settle(size)
        else:
            self.swarm.replicas = wished
            self.swarm.reconcile()
        self.truth.watch()

    # Time -------------------------------------------------------------------------------------------------------------

    def step(self, seconds: float, longest: float = STEP) -> None:
        """Let time pass, in pieces of at most `longest`: everything moves, and operators take the turns that are due."""
        while seconds > 1e-9:
            part = min(seconds, longest)
            seconds -= part
            self.tick(part)
            for operator in self.operators.values():
                if operator.is_due(self.now):
                    operator.turn(self.now)

    def tick(self, seconds: float) -> None:
        """Let time pass for everything but the operators."""
        self.now += seconds
        now = self.now
        self.galera.tick(now)
        self._poll(now)
        gone = False
        for container in self.containers:
            if container.alive and not container.frozen:
                container.tick(now)
            gone = gone or not container.alive
        if self.leaving:
            self.galera.leave([server for server in self.leaving if server.alive])
            self.leaving.clear()
        self.swarm.tick(now)
        if gone or len(self.containers) > len(self.swarm.nodes) + 2:
            self.containers = [container for container in self.containers if container.alive]
        self.clients.tick()
        if self.swarm.changed:
            self.swarm.changed = False
            if not self.events_lost:
                for operator in self.operators.values():
                    if operator.running:
                        operator.next_at = now

    @property
    def mark(self) -> int:
        """A number that grows with every change that may change an answer of an agent to a proxy."""
        return self.stir + self.galera.version + self.network.version

    def _poll(self, now: float) -> None:
        """Every agent asks every other one whose address it knows, and thinks about who the writer is."""
        live = [container for container in self.containers if container.alive and not container.frozen]
        waiting = Stage.WAITING in [container.stage for container in live]
        mark = self.mark
        if not waiting and not self.unsettled and mark == self._polled:
            for container in live:
                container.heard = {address: (word, now) for address, (word, _) in container.heard.items()}
            return
        stale = self._hear_each_other(live, now, brief=not waiting)
        for container in live:
            if container.stage in SERVER_STAGES:
                container.choose(now)
        self.unsettled = now < self.restless_until or stale
        if mark != self._polled:
            self.unsettled = True
        self._polled = self.mark

    def _hear_each_other(self, live: list[Container], now: float, *, brief: bool) -> bool:
        """True when somebody goes on with what an earlier answer said."""
        told = {container.address: (container, container.say(now, brief=brief)) for container in live}
        listed = [container.address for container in self.swarm.dns()]
        both_ways, stale = self.network.both_ways, False
        for container in live:
            known, before = container.known, container.heard
            heard: dict[str, tuple[Word, float]] = {}
            for address in listed:
                known[address] = now
            forgotten = []
            for address, at in known.items():
                found = told.get(address)
                if found is not None and found[0] is not container and both_ways(container.node, found[0].node):
                    heard[address] = (found[1], now)
                    known[address] = now
                elif address in before and now - before[address][1] <= STALE_SECONDS:
                    heard[address] = before[address]
                    stale = True
                elif now - at > FORGET_SECONDS:
                    forgotten.append(address)
            for address in forgotten:
                del known[address]
            container.heard = heard
        return stale

    # Making -----------------------------------------------------------------------------------------------------------

    def new_uuid(self) -> str:
        self._uuids += 1
        return f"{self._uuids:08x}-0000-4000-8000-{self._uuids:012x}"

    def _run(self, task: SimTask) -> Container:
        """Start a task's container."""
        self._lives += 1
        container = Container(
            task.id, task.slot, task.node, task.address, f"db.{task.slot}", f"life{self._lives}", self.volumes[task.node], self,
            self.now, self.now, self.now,
        )  # fmt: skip
        self.containers.append(container)
        self._addresses[task.address] = container
        self.users[task.node] = task.slot
        self.stir += 1
        return container

    def _settle(self, size: int) -> None:
        """A cluster that serves since long: what `step` would come to from nothing, without the steps."""
        uuid = self.new_uuid()
        branch = Branch(uuid, None, -1, 100, acknowledged=100)
        self.swarm.replicas = size
        self.swarm.reconcile()
        self.swarm.now = self.now
        self.swarm._work(self.now)  # noqa: SLF001 - one object in two files
        members: list[Server] = []
        for container in sorted(self.containers, key=lambda one: one.slot):
            volume = container.volume
            volume.branch, volume.seqno, volume.uuid, volume.user = branch, 100, uuid, container
            start = Start(("10.9.9.9",) if members else (), None)
            server = Server(
                container.name, container.node, container.address, volume, start.peers, (), None, False, self.now - 100
            )
            self.galera.servers.append(server)
            server.state = SYNCED
            container.server, container.start, container.found = server, start, Found(Directory.USABLE, None, cluster_uuid=uuid)
            container.stage, container.since = Stage.RUNNING, self.now - 90
            container.admission, container.is_admitted = Admission.OPERATOR, True
            container.epoch, container.role, container.wsrep_at = 1, Role("db.1", 1), self.now
            members.append(server)
        component = Component(members, True, size, uuid, branch, 100)
        for server in members:
            server.component, server.voters, server.voted, server.number = component, frozenset(members), 1, size
            server.view_at = self.now - 80
        for container in self.containers:
            container.view, container.view_at = (component, size, True), self.now - 80
        for task in self.swarm.tasks:
            task.state = "running"
        self.swarm.changed = False
        ledger = {container.slot: Copy(container.node, 100) for container in self.containers}
        self.store.records[NAME] = Record(50, "", 1, Memory(uuid, dict(sorted(ledger.items()))))
        self.truth.branches.append(branch)
        self._poll(self.now)

    def end(self) -> None:
        """Let go of everything: the parts of a world refer to each other, and there are many worlds."""
        self.containers.clear()
        self._addresses.clear()
        self.galera.servers.clear()
        self.swarm.tasks.clear()
        self.operators.clear()

    # Finding ----------------------------------------------------------------------------------------------------------

    def at(self, address: str) -> Container | None:
        container = self._addresses.get(address)
        return container if container is not None and container.alive else None

    def in_slot(self, slot: int) -> Container | None:
        """The newest container of a slot."""
        found = [container for container in self.containers if container.alive and container.slot == slot]
        return found[-1] if found else None

    def slot_of(self, volume: Volume) -> int:
        """The slot that last used a volume; 0 where nobody did."""
        return self.users.get(volume.node, 0)


__all__ = ["MANAGER", "NAME", "TOKEN", "World"]
