"""The invariants, judged by what is true and not by what anybody believes. DESIGN.md, 'Safety invariants'."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from galera_operator.core.agent_api import Command, FormPrimary, Grant, Stage, Stop
from galera_operator.core.plan import Act, Page, Plan
from galera_operator.sim.agent import Container
from galera_operator.sim.component import Component, Server
from galera_operator.sim.disk import Volume
from galera_operator.sim.rows import Branch
from galera_operator.sim.swarm import SimTask, victims

if TYPE_CHECKING:
    from galera_operator.sim.operator import Operator
    from galera_operator.sim.world import World


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's recorded decision: which slots' data may be lost, if it is carried out under this state UUID.

    `nodes`: where the ledger said that the data of these slots is; another slot may have been started on it since.
    """

    accepted: frozenset[int]
    nodes: frozenset[str] = frozenset()


class Truth:
    """Knows every branch that a client got an answer from, and what was broken."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.broken: list[str] = []
        self.fault: Exception | None = None
        self.branches: list[Branch] = []
        self.bootstraps: dict[int, set[str]] = defaultdict(set)
        self.decisions: dict[str, Decision] = {}
        self.given_up: set[tuple[int, str]] = set()
        self.by_hand = False
        """Somebody bootstrapped past the operator: two histories may live, and nobody can tell their rows apart."""
        self.unrecoverable: list[tuple[Branch, int]] = []
        self.restarting: set[str] = set()
        """Incarnations that an operator has told to stop, as a person wished: the command may arrive when that is given up."""

    def watch(self) -> None:
        """Hang onto the places where data can be lost."""
        self._world.galera.on_bootstrap = self.bootstrapped
        self._world.galera.transfers.on_erase = self.erases
        self._world.galera.transfers.on_difference = self.differs

    def broke(self, what: str) -> None:
        if what not in self.broken:
            self.broken.append(what)

    # Where data can be lost -------------------------------------------------------------------------------------------

    def lacking(self, branch: Branch | None, seqno: int) -> list[tuple[Branch, int]]:
        """The acknowledged write-sets that a copy lacks: branch, and up to which one they go."""
        return [
            (one, one.acknowledged)
            for one in self.branches
            if one.acknowledged >= 0 and (branch is None or not branch.holds(seqno, one, one.acknowledged))
        ]

    def bootstrapped(self, server: Server) -> None:
        """A server has formed a Primary component: what it lacks is lost, unless a person accepted it by name."""
        volume = server.volume
        if volume.branch is not None and volume.branch not in self.branches:
            self.branches.append(volume.branch)
        half, volume.ddl = volume.ddl, False
        if half and volume.differs and not self.by_hand:
            self.broke(f"{server.name} formed a Primary component with half of a DDL statement, under the history of before")
        if half:
            volume.differs = False
        if self.by_hand:
            return
        decision = self.decisions.get(server.component.uuid if server.component else "")
        for branch, upto in self.lacking(volume.branch, volume.seqno):
            holders = [other for other in self._world.volumes.values() if other.holds(branch, upto)]
            where = ", ".join(f"slot {self._world.slot_of(other)} on {other.node}" for other in holders) or "nobody"
            if decision is None:
                self.broke(
                    f"{server.name} formed a Primary component at seqno {volume.seqno} without acknowledged write-sets up to "
                    f"{upto}; {where} holds them"
                )
            elif holders and not any(self._is_given_up(other, decision) for other in holders):
                self.broke(
                    f"{server.name} went on by consent without write-sets up to {upto}, which {where} holds; "
                    f"the consent names {sorted(decision.accepted)}"
                )
            branch.acknowledged = kept(volume, branch)
        others = {
            one.component
            for one in self._world.galera.servers
            if one is not server and one.component is not None and one.component.commits and one.component is not server.component
        }
        if others:
            self.broke(f"{server.name} formed a Primary component beside one that is alive")

    def _is_given_up(self, volume: Volume, decision: Decision) -> bool:
        return volume.node in decision.nodes or self._world.slot_of(volume) in decision.accepted

    def erases(self, volume: Volume, component: Component) -> None:
        """A full transfer is about to replace a copy."""
        slot = self._world.slot_of(volume)
        if self.by_hand:
            return
        for branch, upto in self.lacking(component.branch, component.seqno):
            if not volume.holds(branch, upto):
                continue
            if (slot, volume.uuid) in self.given_up:
                branch.acknowledged = kept_by(component, branch)
            else:
                self.broke(f"a full transfer erases slot {slot}'s write-sets up to {upto}, which the component does not have")

    def destroyed(self, volume: Volume) -> None:
        """The script empties a disk. What only this disk held is lost by that, and nobody can bring it back."""
        for branch, upto in self.lacking(None, -1):
            elsewhere = [other for other in self._world.volumes.values() if other is not volume]
            if not volume.holds(branch, upto) or any(other.holds(branch, upto) for other in elsewhere):
                continue
            best = max((kept(other, branch) for other in elsewhere if not other.transfer), default=-1)
            self.unrecoverable.append((branch, branch.acknowledged))
            branch.acknowledged = best

    def differs(self, server: Server) -> None:
        if self.by_hand:
            server.volume.differs = False  # a limit of Galera: one state UUID, two histories, and a seqno that fits
            return
        self.broke(f"{server.name} rejoined by its seqno although its rows are not the component's: silent divergence")

    # Commands and writes of operators ---------------------------------------------------------------------------------

    def obeyed(self, container: Container, command: Command) -> None:
        """An agent took a command over."""
        if (isinstance(command, Grant) and not command.peers) or isinstance(command, FormPrimary):
            lives = self.bootstraps[command.epoch]
            lives.add(container.incarnation)
            if len(lives) > 1:
                self.broke(f"two bootstraps were obeyed in epoch {command.epoch}: by {', '.join(sorted(lives))}")
        elif isinstance(command, Stop):
            self._stops(container)

    def _stops(self, container: Container) -> None:
        server = container.server
        if server is None or not server.is_synced or server.component is None or not server.component.commits:
            return
        record = self._world.store.records.get(self._world.swarm.name)
        asked = record.memory.restart if record else None
        if (container.slot, server.component.uuid) in self.given_up or container.incarnation in self.restarting:
            return
        if asked is not None and asked.members.get(container.slot) == container.incarnation:
            return
        if any(task.container is container and task.unbound for task in self._world.swarm.tasks):
            others = [one for one in self._world.galera.servers if one is not server and one.component is server.component]
            if not any(one.is_synced for one in others):
                self.broke(f"{container.name} was restarted for its binding although it is the last Synced member")
        else:
            self.broke(f"{container.name} was stopped by an operator although it is Synced in a Primary component")

    def restarts(self, operator: Operator, address: str, command: Command) -> None:
        """An operator is about to stop a member for a restart. Only judged on what it has seen just now."""
        world = self._world
        container = world.at(address)
        if not isinstance(command, Stop) or container is None or command.incarnation != container.incarnation:
            return
        server = container.server
        if server is None or not server.is_synced or (container.slot, container.volume.uuid) in self.given_up:
            return
        self.restarting.add(container.incarnation)
        if operator.looked_at != world.now or not command.only_drained:
            return
        if world.swarm.update_state == "updating":
            self.broke(f"an operator restarts {container.name} during a rollout")
        there = [other for other in world.containers if other.alive and other.node not in world.swarm.down]
        others = [other for other in there if other is not container]
        served_by_others = any(_serves(other) and other.is_admitted for other in others)
        if _serves(container) and not served_by_others and len(world.swarm.tasks) > 1:
            self.broke(f"an operator restarts {container.name}, the last Synced member")
        for other in others:
            if other.stage in {Stage.DRAINING, Stage.DRAINED, Stage.STOPPING, Stage.JOINING} and not other.frozen:
                self.broke(f"an operator restarts {container.name} while {other.name} is {other.stage}")

    def resizes(self, operator: Operator, version: int, replicas: int) -> None:
        """An operator is about to write the size. Only judged when Swarm will take it."""
        world, swarm = self._world, self._world.swarm
        if version != swarm.version:
            return
        before = swarm.replicas
        if before - replicas > 1:
            self.broke(f"an operator scales from {before} to {replicas}: more than one member at once")
        if swarm.update_state == "updating":
            self.broke("an operator changes the size during a rollout")
        # The version covers the spec, not what tasks and members do: whoever froze between look and write writes on an old look.
        if operator.looked_at != world.now:
            return
        for container in world.containers:
            transfer = container.transfer(world.now) if container.alive and not container.frozen else None
            if transfer is not None and container.stage.value in {"joining", "running"}:
                self.broke(f"an operator changes the size while {container.name} has a state transfer in flight")
        if replicas < before:
            going = [task for task in swarm.tasks if not task.kept and task.container and task.node not in swarm.down]
            if going:
                self.broke(f"an operator takes a member while slot {going[0].slot} is still leaving")
            self._takes_one(replicas)

    def _takes_one(self, replicas: int) -> None:
        """Swarm will take these slots now: somebody who is Synced has to stay."""
        world = self._world
        slots: dict[int, list[SimTask]] = {}
        for task in world.swarm.tasks:
            if task.kept:
                slots.setdefault(task.slot, []).append(task)
        going = set(victims(slots, replicas))
        synced = {container.slot for container in world.containers if _serves(container)}
        if synced and synced <= going:
            self.broke(f"an operator takes the last Synced member, slot {min(synced)}")

    def heard(self, operator: Operator, plan: Plan) -> None:
        """An operator's turn ended with this plan."""
        if isinstance(plan, Page) and plan.name == "vetoed":
            self.broke(f"operator {operator.name}: {plan.why}")
        if isinstance(plan, Act) and not plan.why:
            self.broke(f"operator {operator.name} acted without saying why")

    # After every action -----------------------------------------------------------------------------------------------

    def check(self) -> list[str]:
        """Look at everything that must hold at any moment; returns what was ever broken."""
        world = self._world
        writing: set[Component] = set()
        record = world.store.records.get(world.swarm.name)
        recorded = record.memory.uuid if record else ""
        for container in world.containers:
            server = container.server
            if server is None or not container.is_admitted or not container.alive or container.frozen:
                continue
            reads, writes = container.route(world.now)
            if reads.code != 200 and writes.code != 200:
                continue
            self._routed(container, server, recorded)
            if writes.code == 200 and server.component is not None and server.component.commits:
                writing.add(server.component)
        if len(writing) > 1 and not self.by_hand:
            self.broke("two Primary components take writes through their agents")
        other = world.swarm.other
        if (other.replicas, other.version, other.labels) != (2, 5, {"traefik.enable": "true"}):
            self.broke("another service was touched")
        if world.swarm.foreign_labels != {"com.docker.stack.namespace": "shop", "team": "sales"}:
            self.broke("labels of the user were touched")
        return self.broken

    def _routed(self, container: Container, server: Server, recorded: str) -> None:
        component, name = server.component, container.name
        if not server.alive or component is None or not component.primary:
            self.broke(f"{name} gets traffic although it is in no Primary component")
            return
        if server.zeros:
            self.broke(f"{name} gets traffic although its state UUID is zeros")
        if server.volume.differs:
            self.broke(f"{name} gets traffic although its rows are not its component's")
        if self.by_hand:
            return  # what goes on may be one member that somebody bootstrapped, while the frozen majority still agrees
        if component.ghost and not server.frozen and self._gone_on(component):
            self.broke(f"{name} gets traffic in a view that the others have left behind")
        if recorded and component.uuid != recorded and component.uuid not in self.decisions and not component.ghost:
            self.broke(f"{name} gets traffic with state UUID {component.uuid}; recorded is {recorded}")

    def _gone_on(self, left: Component) -> bool:
        """Tell whether a Primary component of later views than this one is alive."""
        return any(
            server.component is not None and server.component.commits and server.component.number > left.number
            for server in self._world.galera.servers
        )


def _serves(container: Container) -> bool:
    server = container.server
    if server is None or not server.alive or container.frozen or server.frozen:
        return False
    return server.is_synced and server.component is not None and server.component.commits


def kept(volume: Volume, branch: Branch) -> int:
    """The newest of a branch's own write-sets that a copy holds; -1 for none."""
    return _depth(volume.branch, volume.seqno, branch)


def kept_by(component: Component, branch: Branch) -> int:
    return _depth(component.branch, component.seqno, branch)


def _depth(line: Branch | None, seqno: int, branch: Branch) -> int:
    while line is not None:
        if line is branch:
            return seqno if seqno > branch.base else -1
        seqno = min(seqno, line.base)
        line = line.parent
    return -1


def is_whole(world: World) -> str:
    """Say what a cluster at rest still lacks; empty when every member serves and holds the same, all of it."""
    swarm = world.swarm
    wished = swarm.wish.replicas if swarm.wish.replicas is not None else swarm.replicas
    if swarm.replicas != wished or len(swarm.tasks) != wished:
        return f"{wished} members are wished, Swarm has {len(swarm.tasks)} tasks for {swarm.replicas} replicas"
    if len(world.containers) != wished:
        return f"{len(world.containers)} containers run, {wished} are wished"
    components = set()
    for container in world.containers:
        server = container.server
        if server is None or not server.alive or not server.is_synced or server.component is None:
            return f"{container.name} is {container.stage}"
        if not container.is_admitted or container.route(world.now)[0].code != 200:
            return f"{container.name} does not serve: {container.route(world.now)[0].why}"
        components.add(server.component)
    if len(components) != 1 or not any(container.route(world.now)[1].code == 200 for container in world.containers):
        return f"there are {len(components)} components, or no writer"
    return ""


def final_faults(world: World) -> list[str]:
    """What is not equal, or lost, in a cluster that is whole and to which nobody writes any more."""
    faults = []
    first = world.containers[0].volume
    for container in world.containers:
        volume = container.volume
        if volume.branch is not first.branch or volume.seqno != first.seqno or volume.differs:
            faults.append(f"{container.name} does not hold the same rows as {world.containers[0].name}")
        if world.truth.lacking(volume.branch, volume.seqno):
            faults.append(f"{container.name} lacks acknowledged write-sets")
    return faults
