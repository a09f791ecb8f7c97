"""Small builders of what the operator sees: a test names only what matters to it, the rest is a calm, healthy cluster."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from galera_operator.core.agent_api import Admission, AgentStatus, Stage, Transfer, Wsrep
from galera_operator.core.model import Live, Seat, Service, Silence, Snapshot, Stopped, Task, Unseen
from galera_operator.core.position import ZERO_UUID, Directory, Position
from galera_operator.core.remembered import Consent, Copy, Memory
from galera_operator.core.spec import BadWish, Wish

A = "aaaaaaaa-0000-4000-8000-000000000001"
B = "bbbbbbbb-0000-4000-8000-000000000002"
C = "cccccccc-0000-4000-8000-000000000003"
ZEROS = ZERO_UUID

LOCAL_STATES = {0: "Initialized", 1: "Joining", 2: "Donor/Desynced", 3: "Joined", 4: "Synced"}

_FILL_IN = -1
"""A cluster size that `cluster` sets to the number of its seats."""

JOINER = Transfer("joiner", "mariabackup", "receiving", 4096)
DONOR = Transfer("donor", "mariabackup", "sending", 4096)


def position(seqno: int, uuid: str = A) -> Position:
    return Position(uuid, seqno)


def task(slot: int, **changes: Any) -> Task:
    calm = {
        "id": f"task{slot}",
        "slot": slot,
        "node_id": f"id-of-n{slot}",
        "node": f"n{slot}",
        "state": "running",
        "desired": "running",
        "address": f"10.0.0.{slot}",
        "message": "",
    }
    return Task(**(calm | changes))


def wsrep(**changes: Any) -> Wsrep:
    if "local_state" in changes and "local_state_comment" not in changes:
        changes["local_state_comment"] = LOCAL_STATES[changes["local_state"]]
    calm = {
        "ready": True,
        "connected": True,
        "cluster_status": "Primary",
        "local_state": 4,
        "local_state_comment": "Synced",
        "state_uuid": A,
        "conf_id": 7,
        "cluster_size": _FILL_IN,
        "last_committed": 100,
        "queue": 0,
        "flow_control_paused": 0.0,
        "desync_count": 0,
        "members": (),
    }
    return Wsrep(**(calm | changes))


def status(slot: int, **changes: Any) -> AgentStatus:
    calm = {
        "name": f"db.{slot}",
        "incarnation": f"life{slot}",
        "stage": Stage.RUNNING,
        "since": 60.0,
        "directory": Directory.USABLE,
        "position": None,
        "safe_to_bootstrap": False,
        "wsrep": None,
        "transfer": None,
        "admission": Admission.OPERATOR,
        "writer": "db.1",
        "sessions": 0,
        "in_flight": 0,
        "cut": 0,
        "epoch": 1,
        "note": "",
    }
    return AgentStatus(**(calm | changes))


def member(slot: int, **changes: Any) -> Seat:
    """A member whose database answers: Synced, admitted, in calm service, but for the named fields of agent, wsrep and task."""
    ours = _split(changes)
    says = wsrep(**ours[Wsrep])
    agent = status(slot, **({"wsrep": says} | ours[AgentStatus]))
    return Seat(task(slot, **ours[Task]), Live(agent, says))


def joined_but_not_admitted(slot: int, **changes: Any) -> Seat:
    return member(slot, **({"admission": Admission.NONE} | changes))


def non_primary(slot: int, **changes: Any) -> Seat:
    """A member that lives, and has been without a Primary component for a minute."""
    return member(slot, **({"cluster_status": "non-Primary", "ready": False, "view_age": 60.0} | changes))


def apart(slot: int, **changes: Any) -> Seat:
    """A member that has left its group by itself, a minute ago, and lives on."""
    left = {"connected": False, "cluster_status": "Disconnected", "local_state": 0, "cluster_size": 0, "conf_id": 2**64 - 1}
    return non_primary(slot, **(left | changes))


def waiting(slot: int, at: Position | None = None, **changes: Any) -> Seat:
    """A member whose mariadbd is down: it waits with the data at this position, or with an empty directory."""
    ours = _split(changes)
    calm = {
        "stage": Stage.WAITING,
        "directory": Directory.USABLE if at else Directory.EMPTY,
        "position": at,
        "admission": Admission.NONE,
        "writer": "",
        "note": "nobody to join was found",
    }
    return Seat(task(slot, **ours[Task]), Stopped(status(slot, **(calm | ours[AgentStatus]))))


def unseen(slot: int, cause: str = "no answer", kind: Silence = Silence.NO_ANSWER, **changes: Any) -> Seat:
    return Seat(task(slot, **changes), Unseen(cause, kind))


def pending(slot: int) -> Seat:
    """A task that Swarm found no node for."""
    nowhere = task(slot, node_id="", node="", state="pending", address="", message="no suitable node")
    return Seat(nowhere, Unseen("its task has no address yet"))


def cluster(
    *seats: Seat,
    wish: int | Wish | BadWish | None = None,
    replicas: int | None = None,
    version: int = 40,
    leaving: tuple[Task, ...] = (),
    lost: tuple[Task, ...] = (),
    update_state: str = "",
    stop_grace: float = 120.0,
) -> Snapshot:
    """One look at these seats. A number as the wish is the label's; replicas are as many as there are seats unless told."""
    size = sum(isinstance(seat.member, Live) for seat in seats)
    service = Service("svc", "shop_db", version, len(seats) if replicas is None else replicas, update_state, stop_grace)
    wished = Wish(replicas=wish) if wish is None or isinstance(wish, int) else wish
    return Snapshot(service, wished, tuple(_sized(seat, size) for seat in seats), leaving, lost)


def three_calm(**changes: Any) -> Snapshot:
    return cluster(member(1), member(2), member(3), **changes)


def remembered(uuid: str = A, **changes: Any) -> Memory:
    """What is remembered of a cluster of history A, nothing in the ledger unless told: ``ledger={1: 100}``."""
    seqnos = changes.pop("ledger", {})
    return Memory(uuid, {slot: Copy(f"id-of-n{slot}", seqno) for slot, seqno in seqnos.items()}, **changes)


def decided(slot: int, at: Position, *accepted: int, history: str = C) -> Consent:
    """A person's decision to go on from this slot, where its copy was at this position."""
    return Consent(slot, at, accepted, history, "ann@desk", "2026-01-02T03:04:05+00:00")


def recipient(slot: int) -> tuple[int, str, str]:
    """Slot, address and incarnation of a member, as the builders make them."""
    return slot, f"10.0.0.{slot}", f"life{slot}"


def _sized(seat: Seat, size: int) -> Seat:
    found = seat.member
    if isinstance(found, Live) and found.wsrep.cluster_size == _FILL_IN:
        says = replace(found.wsrep, cluster_size=size)
        agent = replace(found.agent, wsrep=says) if found.agent.wsrep else found.agent
        return replace(seat, member=Live(agent, says))
    return seat


def _split(changes: dict[str, Any]) -> dict[type, dict[str, Any]]:
    """Hand each named field to the one value that has it; `node` alone moves the task to another node."""
    if "node" in changes:
        changes = {"node_id": f"id-of-{changes['node']}"} | changes
    parts: dict[type, dict[str, Any]] = {}
    for kind in (AgentStatus, Wsrep, Task):
        names = {field.name for field in fields(kind)}
        parts[kind] = {name: value for name, value in changes.items() if name in names}
    unknown = changes.keys() - {name for part in parts.values() for name in part}
    assert not unknown, f"no member, database or task has {sorted(unknown)}"
    return parts
