"""The ports in memory: a state store with real compare-and-swap, and a small Swarm whose members move one stage a step.

They keep the receivers' side of the bargain (versions, epochs, incarnations, positions are checked and refused) and write down
any harm that a command would have done to real data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any

from builders import A, task, wsrep

from galera_operator.core.agent_api import (
    Admission,
    Admit,
    AgentStatus,
    AppointWriter,
    Command,
    Drain,
    Grant,
    Stage,
    Transfer,
    Wsrep,
)
from galera_operator.core.model import Service, Task
from galera_operator.core.position import Directory, Position
from galera_operator.core.spec import Wish
from galera_operator.ports import Cluster, Conflict, Record, Refused, Unreachable

NAME = "shop_db"


class InlinePool(Executor):
    """Runs what it is given at once, in the caller's thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        try:
            answer.set_result(fn(*args, **kwargs))
        except Exception as error:
            answer.set_exception(error)
        return answer


class OperatorKilled(BaseException):
    """The operator died here: nothing of it runs any more, so nothing may catch this."""


class Fuse:
    """Kills the operator around its write number `at`: before it arrived, or right after."""

    def __init__(self, at: int = 0, *, arrives: bool = True) -> None:
        self.at = at
        self.arrives = arrives
        self.writes = 0

    def around(self, write: Callable[[], Any]) -> Any:
        self.writes += 1
        mine = self.writes == self.at
        if mine and not self.arrives:
            raise OperatorKilled
        result = write()
        if mine:
            raise OperatorKilled
        return result


class MemoryStore:
    """`ports.Store`. `fault`: raised by every call while it is set; `lost`: the next write arrives, its answer does not."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.records: dict[str, Record] = {}
        self.fault: Exception | None = None
        self.lost = False
        self.saves = 0
        self._fuse = fuse or Fuse()
        self._version = 100

    def load(self, cluster: str) -> Record | None:
        self._check()
        return self.records.get(cluster)

    def create(self, cluster: str, record: Record) -> Record:
        self._check()
        if cluster in self.records:
            raise Conflict(f"{cluster} exists")
        return self._fuse.around(lambda: self._put(cluster, record))

    def save(self, cluster: str, record: Record) -> Record:
        self._check()
        stored = self.records.get(cluster)
        if stored is None or stored.version != record.version:
            raise Conflict("update out of sequence")
        return self._fuse.around(lambda: self._put(cluster, record))

    def _check(self) -> None:
        if self.fault:
            raise self.fault

    def _put(self, cluster: str, record: Record) -> Record:
        self._version += 1
        self.saves += 1
        self.records[cluster] = replace(record, version=self._version)
        if self.lost:
            self.lost = False
            raise Unreachable("the answer was lost")
        return self.records[cluster]


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

    @property
    def address(self) -> str:
        return f"10.0.0.{self.slot}"

    @property
    def is_member(self) -> bool:
        return self.stage in {Stage.RUNNING, Stage.DRAINING, Stage.DRAINED}

    @property
    def serves(self) -> bool:
        return self.stage is Stage.RUNNING and self.admission is not Admission.NONE


class SmallWorld:
    """`ports.Engine` and `ports.Members` of one service, one member per node. `step` lets half a second pass."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.wish: int | None = 1
        self.replicas = 1
        self.version = 10
        self.boxes: dict[str, Box] = {}
        self.volumes: dict[int, int] = {}
        self.seqno = 0
        self.view = 1
        self.harm: list[str] = []
        self.served = False
        self._fuse = fuse or Fuse()
        self._made = 0
        self._reconcile()

    # Engine

    def clusters(self) -> Sequence[Cluster]:
        service = Service("svc", NAME, self.version, self.replicas, stop_grace=120.0)
        return [Cluster(service, Wish(replicas=self.wish), tuple(self._task(box) for box in self.boxes.values()), "token")]

    def resize(self, service_id: str, version: int, replicas: int) -> None:
        if version != self.version:
            raise Conflict("update out of sequence")
        self._fuse.around(lambda: self._resize(replicas))

    def set_label(self, service_id: str, version: int, label: str, value: str) -> None:
        raise NotImplementedError

    def watch(self, wake: Callable[[], None], stop: Callable[[], bool]) -> None:
        raise NotImplementedError

    # Members

    def ask(self, address: str, token: str) -> AgentStatus:
        box = self._at(address)
        seqno = self.volumes.get(box.slot)
        up = box.is_member or box.stage is Stage.BOOTSTRAPPING
        return AgentStatus(
            name=f"db.{box.slot}",
            incarnation=f"life of {box.id}",
            stage=box.stage,
            since=60.0,
            directory=Directory.EMPTY if seqno is None else Directory.USABLE,
            position=None if seqno is None or up else Position(A, seqno),
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
        )

    def wsrep(self, address: str, token: str, members: Sequence[str]) -> Wsrep:
        box = self._at(address)
        if not box.is_member:
            raise Unreachable("no SQL answer")
        return self._wsrep(box)

    def send(self, address: str, token: str, command: Command) -> None:
        box = self._at(address)
        if command.incarnation != f"life of {box.id}":
            raise Refused("this is another life")
        if command.epoch < box.epoch:
            raise Refused(f"epoch {command.epoch} is over")
        self._fuse.around(lambda: self._obey(box, command))

    # The world's own doing

    def step(self) -> None:
        for box in list(self.boxes.values()):
            self._move(box)
        if any(box.serves for box in self.boxes.values()):
            self.served = True
            self.seqno += 1
            for box in self.boxes.values():
                if box.is_member:
                    self.volumes[box.slot] = self.seqno
        elif self.served:
            self.harm.append("nobody serves")

    def crash(self) -> None:
        """All members die at once; the highest slot holds every acknowledged write, each one below it lacks one more."""
        self.served = False
        newest = max(box.slot for box in self.members())
        for box in self.members():
            self.volumes[box.slot] = self.seqno - (newest - box.slot)
        for box in list(self.boxes.values()):
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
            "harm": self.harm,
        }

    def _move(self, box: Box) -> None:
        match box:
            case Box(desired="remove", stage=Stage.STOPPING):
                del self.boxes[box.id]
            case Box(desired="remove"):
                box.stage = Stage.STOPPING
                self.view += 1
            case Box(stage=Stage.STARTING):
                box.stage = Stage.WAITING
            case Box(stage=Stage.WAITING) if any(other.serves for other in self.boxes.values()):
                box.stage = Stage.JOINING
            case Box(stage=Stage.JOINING | Stage.BOOTSTRAPPING):
                box.stage = Stage.RUNNING
                self.view += 1
                self.volumes.setdefault(box.slot, self.seqno)
            case Box(stage=Stage.DRAINING):
                box.stage = Stage.DRAINED

    def _obey(self, box: Box, command: Command) -> None:
        box.epoch = command.epoch
        match command:
            case Grant(peers=()):
                if any(
                    other.is_member or other.stage is Stage.BOOTSTRAPPING for other in self.boxes.values() if other is not box
                ):
                    self.harm.append(f"{box.id} bootstraps beside a member that lives")
                if self.volumes.get(box.slot, 0) < max(self.volumes.values(), default=0):
                    self.harm.append(f"{box.id} bootstraps from an older copy")
                if box.stage is Stage.WAITING:
                    box.stage = Stage.BOOTSTRAPPING
            case Grant():
                box.stage = Stage.JOINING
            case Admit():
                if not box.is_member:
                    self.harm.append(f"{box.id} admitted while it is {box.stage}")
                box.stage, box.admission = Stage.RUNNING, Admission.OPERATOR
            case AppointWriter(writer=writer):
                box.writer = writer
            case Drain():
                if box.writer == f"db.{box.slot}":
                    self.harm.append(f"the writer {box.id} is drained")
                box.stage = Stage.DRAINING
            case _:
                raise NotImplementedError(command)

    def _resize(self, replicas: int) -> None:
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
        return task(box.slot, id=box.id, desired=box.desired, state="running", address=box.address)

    def _at(self, address: str) -> Box:
        for box in self.boxes.values():
            if box.address == address and box.desired == "running":
                return box
        raise Unreachable(f"no answer from {address}")

    def _wsrep(self, box: Box) -> Wsrep:
        size = len(self.members())
        return wsrep(conf_id=self.view, cluster_size=size, last_committed=self.volumes.get(box.slot, 0), state_uuid=A)


def literal_victims(tasks: Sequence[Task], remaining: int) -> list[int]:
    """Swarm's rule for who is removed, word by word as FACTS-SWARM has it, in the plainest code; slots, sorted."""
    by_slot: dict[int, list[Task]] = defaultdict(list)
    for found in tasks:
        by_slot[found.slot].append(found)
    # 1. sort slots, running ones first, ties by slot number
    running = [slot for slot in sorted(by_slot) if any(found.state == "running" for found in by_slot[slot])]
    others = [slot for slot in sorted(by_slot) if slot not in running]
    # 2. number each slot's copy per node; more than one task or no node gets -1
    number: dict[int, int] = {}
    on_node: dict[str, int] = {}
    for slot in running + others:
        if len(by_slot[slot]) > 1 or by_slot[slot][0].node_id == "":
            number[slot] = -1
        else:
            node = by_slot[slot][0].node_id
            on_node[node] = on_node.get(node, 0) + 1
            number[slot] = on_node[node]
    # 3. sort by that number, -1 last
    order = []
    for wanted in [*range(1, len(by_slot) + 1), -1]:
        order += [slot for slot in running + others if number[slot] == wanted]
    # 4. keep the first, remove the rest
    return sorted(order[remaining:])
