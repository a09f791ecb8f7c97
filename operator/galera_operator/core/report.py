"""The state of a cluster for programs: what ``status --json``, the HTTP API and the status page show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from galera_operator.core.agent_api import ANY_WRITER, Transfer
from galera_operator.core.condition import Condition, condition_of
from galera_operator.core.flow import brake
from galera_operator.core.model import NamesUnknown, Seat, Snapshot, Unseen
from galera_operator.core.phase import Phase, phase_of
from galera_operator.core.plan import Act, Page, Plan
from galera_operator.core.planned import Run, RunState
from galera_operator.core.remembered import DamagedRecord, Memory
from galera_operator.core.rollout import progress
from galera_operator.core.runbook import Runbook
from galera_operator.core.terms import grace_too_short
from galera_operator.core.traffic import believed_writer
from galera_operator.core.transfer import seconds_left


@dataclass(frozen=True, slots=True)
class View:
    """One cluster as seen just now, and what the operator would do about it."""

    seen: Snapshot
    plan: Plan
    operator: str
    """Who holds the lease; empty when nobody does."""
    kept: Mapping[str, int]
    """Nodes (host names) where a member that left may have kept its volume, and the last write-set seen there."""
    memory: Memory
    """What is remembered, with this look."""
    damage: DamagedRecord | None = None
    """The record, where it cannot be read. The memory is then of this look alone."""
    runbook: str = ""
    """The runbook that answers the page, where the plan is one."""

    @property
    def condition(self) -> Condition:
        return condition_of(self.seen, self.memory)


def named_kept(memory: Memory, nodes: Mapping[str, str]) -> dict[str, int]:
    """`Memory.kept` by host name. Args: `nodes`: host names by node id."""
    return {nodes.get(node, node): seqno for node, seqno in memory.kept.items()}


def as_json(view: View) -> dict[str, Any]:
    """The cluster for programs. Stable keys; times in seconds."""
    seen, plan = view.seen, view.plan
    slow = brake(seen)
    out: dict[str, Any] = {
        "service": seen.service.name,
        "replicas": seen.service.replicas,
        "wanted": seen.wanted,
        "operator": view.operator,
        "condition": str(view.condition),
        "plan": {"kind": type(plan).__name__.lower(), "why": plan.why},
        "members": [_member_json(seat, view) for seat in seen.seats],
        "rollout": progress(seen),
        "leaving": [task.slot for task in seen.leaving],
        "warnings": [word for word in (grace_too_short(seen),) if word],
        "slowed_by": slow.seat.slot if slow else None,
        "kept": [{"node": node, "seqno": seqno} for node, seqno in sorted(view.kept.items())],
    }
    if isinstance(plan, Act):
        out["plan"]["steps"] = [str(step) for step in plan.steps]
    if isinstance(plan, Page):
        out["plan"] |= {"page": plan.name, "remedy": plan.remedy, "runbook": view.runbook}
    return out


def traffic_of(seat: Seat, seen: Snapshot) -> str:
    """What clients reach this member for: ``none``, ``no new``, ``read`` or ``write, read``."""
    if not seat.is_admitted:
        return "none"
    phase = phase_of(seat)
    if phase in {Phase.DRAINING, Phase.DRAINED, Phase.LEAVING}:
        return "no new"
    return "write, read" if is_writer(seat, seen) else "read"


def is_writer(seat: Seat, seen: Snapshot) -> bool:
    """True for the member that the write port routes to; with ``galera.writer=any`` for each that knows it."""
    writer = believed_writer(seen)
    takes_all = seat.agent is not None and seat.agent.writer == ANY_WRITER
    return takes_all or (writer is not None and writer.slot == seat.slot)


def _transfer_json(transfer: Transfer) -> dict[str, Any]:
    left = seconds_left(transfer)
    return asdict(transfer) | {"seconds_left": None if left is None else round(left, 1)}


def _member_json(seat: Seat, view: View) -> dict[str, Any]:
    wsrep, agent = seat.wsrep, seat.agent
    return {
        "slot": seat.slot,
        "node": seat.task.node,
        "address": seat.task.address,
        "task": seat.task.id,
        "phase": str(phase_of(seat)),
        "admitted": seat.is_admitted,
        "listed": None if isinstance(view.seen.names, NamesUnknown) else seat.task.address in view.seen.names.addresses,
        "writer": is_writer(seat, view.seen),
        "traffic": traffic_of(seat, view.seen),
        "state": wsrep.local_state_comment if wsrep else None,
        "cluster_status": wsrep.cluster_status if wsrep else None,
        "cluster_size": wsrep.cluster_size if wsrep else None,
        "state_uuid": wsrep.state_uuid if wsrep else None,
        "last_committed": wsrep.last_committed if wsrep else None,
        "queue": wsrep.queue if wsrep else None,
        "flow": asdict(agent.flow) if agent and agent.flow else None,
        "sessions": agent.sessions if agent else None,
        "cut": agent.cut if agent else None,
        "in_flight": agent.in_flight if agent else None,
        "transfer": _transfer_json(agent.transfer) if agent and agent.transfer else None,
        "position": str(agent.position) if agent and agent.position else None,
        "note": seat.member.cause if isinstance(seat.member, Unseen) else seat.member.agent.note,
    }


def run_json(service: str, book: Runbook | None, run: Run) -> dict[str, Any]:
    """Where a run of a runbook stands, for programs. Stable keys; times in ISO 8601."""
    stages = book.stages if book else ()
    return {
        "service": service,
        "run": run.id,
        "runbook": run.runbook,
        "arguments": dict(run.arguments),
        "by": run.by,
        "begun": datetime.fromtimestamp(run.begun, UTC).isoformat(timespec="seconds"),
        "state": str(run.state),
        "stage": min(run.stage + 1, len(stages)) if stages else run.stage + 1,
        "stages": len(stages),
        "stage_name": stages[run.stage].name if run.stage < len(stages) else "",
        "note": run.note or ("waits for the operator" if run.state is RunState.WAITING else ""),
    }
