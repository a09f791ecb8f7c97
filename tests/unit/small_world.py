"""A Swarm with one service whose members move one stage a step: `ports.Engine` and `ports.Members` in memory.

The members keep their side of the bargain (version, epoch, incarnation, position and stage are checked and refused, as the real
agent does), and the world writes down any harm that a command would have done to real data. It does not refuse on an
operator's behalf what only a real agent's luck would prevent (hearing a Primary component elsewhere): that is harm here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builders import A, task, wsrep
from fakes import Fuse

from galera_operator.core.agent_api import (
    API_LEVEL,
    Admission,
    Admit,
    AgentStatus,
    AppointWriter,
    Command,
    Drain,
    Fence,
    FormPrimary,
    Grant,
    Stage,
    Stop,
    Transfer,
    Wsrep,
)
from galera_operator.core.model import Service, Task
from galera_operator.core.position import Directory, Position
from galera_operator.core.spec import Wish
from galera_operator.core.timetable import Scheduled
from galera_operator.ports import Cluster, Conflict, Refused, Unreachable

NAME = "shop_db"


@dataclass
class Box:
    """One task: its container with the agent and the database in it."""

    id: str
    slot: int
    stage: Stage = Stage.STARTING
    desired: str = "running"
    admission: Admission = Admission.NONE
    writer: str = ""
    epoch: int = 0
    is_primary: bool = True
    """Only of a database that answers: whether its component is the Primary one."""

    @property
    def address(self) -> str:
        return f"10.0.0.{self.slot}"

    @property
    def is_member(self) -> bool:
        return self.stage in {Stage.RUNNING, Stage.DRAINING, Stage.DRAINED}

    @property
    def lives_apart(self) -> bool:
        return self.is_member and not self.is_primary

    @property
    def serves(self) -> bool:
        return self.stage is Stage.RUNNING and self.is_primary and self.admission is not Admission.NONE


class SmallWorld:
    """One member per node. `step` lets half a second pass. `silent`: slots whose node does not answer; nothing moves there."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.wish: int | None = 1
        self.replicas = 1
        self.version = 10
        self.stop_grace = 120.0
        self.boxes: dict[str, Box] = {}
        self.volumes: dict[int, Position] = {}
        self.silent: set[int] = set()
        self.seqno = 0
        self.constraints: list[str] = []
        self.schedules: tuple[Scheduled, ...] = ()
        self.labels_written = 0
        self.statements: list[tuple[int, str]] = []
        self.history = A
        self.view = 1
        self.harm: list[str] = []
        self.formed: list[tuple[int, int]] = []
        """Epoch and slot of each command by which a Primary component was formed."""
        self.served = False
        self.restarted: list[int] = []
        """The slots whose members were restarted in order, in that order."""
        self.outage_allowed = False
        """Nobody need serve while the only member is restarted."""
        self._fuse = fuse or Fuse()
        self._made = 0
        self._reconcile()

    # Engine

    def clusters(self) -> Sequence[Cluster]:
        service = Service(
            "svc", NAME, self.version, self.replicas, stop_grace=self.stop_grace, constraints=tuple(self.constraints)
        )
        wish = Wish(replicas=self.wish, schedules=self.schedules)
        return [Cluster(service, wish, tuple(self._task(box) for box in self.boxes.values()), "token")]

    def resize(self, service_id: str, version: int, replicas: int) -> None:
        self._fuse.around(lambda: self._resize(version, replicas))

    def set_label(self, service_id: str, version: int, label: str, value: str) -> None:
        self._fuse.around(lambda: self._set_label(version, label, value))

    def constrain(self, service_id: str, version: int, constraint: str, *, back: bool) -> None:
        self._fuse.around(lambda: self._constrain(version, constraint, back=back))

    def update_tasks(self, service_id: str, version: int, image: str, option: str) -> None:
        raise NotImplementedError

    def watch(self, wake: Callable[[str], None], stop: Callable[[], bool]) -> None:
        raise NotImplementedError

    # Members

    def at_once(self, addresses: Sequence[str], token: str) -> Mapping[str, tuple[AgentStatus, Wsrep]]:
        return {}  # each is asked for itself

    def ask(self, address: str, token: str) -> AgentStatus:
        box = self._at(address)
        held = self.volumes.get(box.slot)
        knows_disk = box.stage in {Stage.STARTING, Stage.WAITING, Stage.JOINING}
        return AgentStatus(
            name=f"db.{box.slot}",
            incarnation=f"life of {box.id}",
            stage=box.stage,
            since=60.0,
            directory=Directory.USABLE if held else Directory.EMPTY,
            position=held if knows_disk else None,
            safe_to_bootstrap=False,
            wsrep=self._wsrep(box) if box.is_member else None,
            transfer=Transfer("joiner", "mariabackup", "receiving", 1) if box.stage is Stage.JOINING else None,
            admission=box.admission,
            writer=box.writer,
            sessions=0,
            in_flight=0,
            cut=0,
            epoch=box.epoch,
            note="",
            view_age=60.0,
            leaving=box.stage is Stage.STOPPING,
            api_level=API_LEVEL,
        )

    def wsrep(self, address: str, token: str, members: Sequence[str]) -> Wsrep:
        box = self._at(address)
        if not box.is_member:
            raise Unreachable("no SQL answer")
        return self._wsrep(box)

    def run_sql(self, address: str, token: str, statement: str) -> str:
        return self._fuse.around(lambda: self._run_sql(address, statement))

    def send(self, address: str, token: str, command: Command) -> None:
        self._fuse.around(lambda: self._obey(self._at(address), command))

    # The world's own doing

    def step(self) -> None:
        for box in list(self.boxes.values()):
            if box.slot not in self.silent and not self._is_nowhere(box):
                self._move(box)
        if any(box.serves for box in self.boxes.values()):
            self.served = True
            self.seqno += 1
            for box in self.members():
                if box.is_primary:
                    self.volumes[box.slot] = Position(self.history, self.seqno)
        elif self.served and not self.outage_allowed:
            self.harm.append("nobody serves")

    def crash(self, *survivors: int) -> None:
        """All members but the survivors die at once; those live on without a Primary component.

        The highest slot holds every acknowledged write, each one below it lacks one more.
        """
        self.served = False
        members = self.members()
        for box in members:
            self.volumes[box.slot] = Position(self.history, self.seqno - (members[-1].slot - box.slot))
            if box.slot in survivors:
                box.is_primary = False
            else:
                del self.boxes[box.id]
        self._reconcile()

    def members(self) -> list[Box]:
        return sorted((box for box in self.boxes.values() if box.is_member), key=lambda box: box.slot)

    def outcome(self) -> dict[str, Any]:
        """What must be the same however often the operator died on the way."""
        return {
            "replicas": self.replicas,
            "members": [(box.slot, box.stage, box.admission, box.desired) for box in self.boxes.values()],
            "one writer": {box.writer for box in self.boxes.values()} in [{f"db.{box.slot}"} for box in self.boxes.values()],
            "one history": {self.volumes[box.slot].uuid for box in self.members() if box.is_primary} == {self.history},
            "restarted": self.restarted,
            "harm": self.harm,
        }

    def _move(self, box: Box) -> None:
        match box:
            case Box(desired="remove", stage=Stage.STOPPING):
                del self.boxes[box.id]
            case Box(desired="remove"):
                box.stage = Stage.STOPPING
                self.view += 1
            case Box(stage=Stage.STOPPING):
                del self.boxes[box.id]
                self._reconcile()
            case Box(stage=Stage.STARTING):
                box.stage = Stage.WAITING
            case Box(stage=Stage.WAITING) if self._finds_its_own(box):
                box.stage = Stage.JOINING
            case Box(stage=Stage.JOINING | Stage.BOOTSTRAPPING):
                box.stage = Stage.RUNNING
                self.view += 1
                self.volumes[box.slot] = Position(self.history, self.seqno)
            case Box(stage=Stage.DRAINING):
                box.stage = Stage.DRAINED

    def _finds_its_own(self, box: Box) -> bool:
        """A Primary component whose data contains this member's: it joins without being told."""
        held = self.volumes.get(box.slot)
        contained = held is None or (held.uuid == self.history and held.seqno <= self.seqno)
        return contained and any(other.serves for other in self.boxes.values())

    def _obey(self, box: Box, command: Command) -> None:
        if command.incarnation != f"life of {box.id}":
            raise Refused("this is another life")
        if command.epoch < box.epoch:
            raise Refused(f"epoch {command.epoch} is over")
        match command:
            case Grant(peers=()):
                self._bootstrap(box, command)
            case Grant():
                held = self.volumes.get(box.slot)
                if box.stage is not Stage.WAITING:
                    raise Refused(f"stage {box.stage}: a grant is for a waiting member")
                if held and held.uuid != self.history and not command.replaces:
                    self.harm.append(f"{box.id} joins, which erases {held}")
                box.stage = Stage.JOINING
            case Fence():
                if box.stage is not Stage.WAITING and not box.lives_apart:
                    raise Refused(f"stage {box.stage}: in a Primary component, or on its way into one")
            case FormPrimary():
                self._form_primary(box, command)
            case Stop(only_drained=True) if box.stage not in {Stage.DRAINING, Stage.DRAINED}:
                raise Refused(f"stage {box.stage}: only a drained member was to be stopped")
            case Stop():
                self._stop(box)
            case Admit():
                if not box.is_member or not box.is_primary:
                    self.harm.append(f"{box.id} admitted while it is {box.stage}")
                box.stage, box.admission = Stage.RUNNING, Admission.OPERATOR
            case AppointWriter(writer=writer):
                box.writer = writer
            case Drain():
                if box.writer == f"db.{box.slot}" and not self.outage_allowed:
                    self.harm.append(f"the writer {box.id} is drained")
                box.stage = Stage.DRAINING
            case _:
                raise NotImplementedError(command)
        box.epoch = command.epoch

    def _stop(self, box: Box) -> None:
        """A member of the Primary component may go only drained, for a restart, while all others serve."""
        if box.is_member and box.is_primary:
            others = [other for other in self.boxes.values() if other is not box]
            if box.stage is not Stage.DRAINED or not all(other.serves for other in others):
                self.harm.append(f"{box.id} is stopped in the Primary component while it is {box.stage}")
            self.restarted.append(box.slot)
            self.view += 1
        box.stage = Stage.STOPPING

    def _bootstrap(self, box: Box, grant: Grant) -> None:
        held = self.volumes.get(box.slot)
        if box.stage is not Stage.WAITING:
            raise Refused(f"stage {box.stage}: a grant is for a waiting member")
        if grant.position != held:
            raise Refused(f"the grant is for {grant.position}, this member holds {held}")
        self._note_harm(box, held, grant.history)
        self.formed.append((grant.epoch, box.slot))
        self.history = grant.history or (held.uuid if held else A)
        self.seqno = held.seqno if held else 0
        box.stage = Stage.BOOTSTRAPPING

    def _form_primary(self, box: Box, command: FormPrimary) -> None:
        held = self.volumes[box.slot]
        if not box.lives_apart:
            raise Refused(f"stage {box.stage}: pc.bootstrap is for a member that lives without a Primary component")
        if command.position != held:
            raise Refused(f"pc.bootstrap is for {command.position}, this member is at {held}")
        self._note_harm(box, held, "")
        self.formed.append((command.epoch, box.slot))
        self.history, self.seqno = held.uuid, held.seqno
        for other in self.members():
            other.is_primary = True
        self.view += 1

    def _note_harm(self, box: Box, start: Position | None, history: str) -> None:
        """A Primary component begins here: is it the only one, and does it have every write that a person did not give up?"""
        for other in self.boxes.values():
            if other is not box and (other.stage is Stage.BOOTSTRAPPING or (other.is_member and other.is_primary)):
                self.harm.append(f"{box.id} forms a Primary component beside {other.id}")
        newest = max((held.seqno for held in self.volumes.values()), default=-1)
        if not history and (start.seqno if start else -1) < newest:
            self.harm.append(f"{box.id} goes on from an older copy")

    def _run_sql(self, address: str, statement: str) -> str:
        box = self._at(address)
        self.statements.append((box.slot, statement))
        if "DENIED" in statement:
            raise Refused("Access denied; you need (at least one of) the SUPER privilege(s) for this operation")
        return "151"

    def _set_label(self, version: int, label: str, value: str) -> None:
        if version != self.version:
            raise Conflict("update out of sequence")
        assert label == "galera.replicas"
        self.wish = int(value)
        self.labels_written += 1
        self.version += 1

    def _constrain(self, version: int, constraint: str, *, back: bool) -> None:
        if version != self.version:
            raise Conflict("update out of sequence")
        self.constraints = [other for other in self.constraints if other != constraint] + ([] if back else [constraint])
        self.version += 1
        for box in list(self.boxes.values()):
            if self._is_kept_out(box) and box.desired == "running" and box.stage is not Stage.STARTING:
                if box.stage is not Stage.DRAINED:
                    self.harm.append(f"{box.id} is taken off its node while it is {box.stage}")
                box.desired = "remove"
        self._reconcile()

    def _is_kept_out(self, box: Box) -> bool:
        """The only node that there is for its slot is not to be used."""
        return f"node.hostname!=n{box.slot}" in self.constraints

    def _is_nowhere(self, box: Box) -> bool:
        return self._is_kept_out(box) and box.stage is Stage.STARTING

    def _resize(self, version: int, replicas: int) -> None:
        if version != self.version:
            raise Conflict("update out of sequence")
        if any(box.stage is Stage.JOINING for box in self.boxes.values()):
            self.harm.append(f"{self.replicas} -> {replicas} during a state transfer")
        if abs(replicas - self.replicas) > 1:
            self.harm.append(f"{self.replicas} -> {replicas} at once")
        self.replicas = replicas
        self.version += 1
        self._reconcile()

    def _reconcile(self) -> None:
        kept = sorted((box for box in self.boxes.values() if box.desired == "running"), key=lambda box: box.slot)
        for box in kept[self.replicas :]:
            if box.stage is not Stage.DRAINED:
                self.harm.append(f"{box.id} is taken while it is {box.stage}")
            box.desired = "remove"
        taken = {box.slot for box in kept[: self.replicas]}
        for slot in [slot for slot in range(1, 20) if slot not in taken][: max(0, self.replicas - len(taken))]:
            self._made += 1
            made = Box(f"task{self._made}", slot)
            self.boxes[made.id] = made

    def _task(self, box: Box) -> Task:
        if self._is_nowhere(box):
            nowhere = {"node_id": "", "node": "", "state": "pending", "address": "", "message": "no suitable node"}
            return task(box.slot, id=box.id, desired=box.desired, **nowhere)
        return task(box.slot, id=box.id, desired=box.desired, state="running", address=box.address)

    def _at(self, address: str) -> Box:
        for box in self.boxes.values():
            there = box.desired == "running" and box.slot not in self.silent and not self._is_nowhere(box)
            if box.address == address and there:
                return box
        raise Unreachable(f"no answer from {address}")

    def _wsrep(self, box: Box) -> Wsrep:
        held = self.volumes.get(box.slot)
        if box.is_primary:
            size = sum(other.is_primary for other in self.members())
            return wsrep(conf_id=self.view, cluster_size=size, last_committed=held.seqno if held else 0, state_uuid=self.history)
        assert held is not None
        return wsrep(
            conf_id=2**64 - 1,
            cluster_size=sum(other.lives_apart for other in self.members()),
            cluster_status="non-Primary",
            ready=False,
            last_committed=held.seqno,
            state_uuid=held.uuid,
        )
