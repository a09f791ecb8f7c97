"""Show a cluster to a person (a table) or to a program (JSON)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from galera_operator.cli.lookout import View
from galera_operator.core.agent_api import ANY_WRITER, Transfer
from galera_operator.core.binding import is_unlisted
from galera_operator.core.flow import brake
from galera_operator.core.model import NamesUnknown, Seat, Unseen
from galera_operator.core.phase import Phase, phase_of
from galera_operator.core.plan import Act, Page
from galera_operator.core.rollout import progress
from galera_operator.core.terms import grace_too_short
from galera_operator.core.traffic import believed_writer
from galera_operator.core.transfer import in_words, seconds_left

_COLOURS = {
    Phase.ADMITTED: "green",
    Phase.SYNCED: "cyan",
    Phase.DONOR: "yellow",
    Phase.NON_PRIMARY: "red",
    Phase.UNSEEN: "red",
    Phase.INCOMPLETE: "red",
    Phase.STUCK: "red",
}


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


def as_table(view: View) -> RenderableType:
    """The cluster for people."""
    seen, plan = view.seen, view.plan
    wished = "" if seen.wanted == seen.service.replicas else f", {seen.wanted} wished"
    title = f"{seen.service.name}: {seen.service.replicas} members{wished}, {view.condition}"
    table = Table(title=title, title_justify="left")
    for column in ("slot", "node", "address", "phase", "wsrep", "queue", "traffic", "sessions"):
        table.add_column(column, justify="right" if column in {"slot", "queue", "sessions"} else "left")
    for seat in seen.seats:
        phase, wsrep, agent = phase_of(seat), seat.wsrep, seat.agent
        state = f"{wsrep.local_state_comment}, {wsrep.cluster_status}, size {wsrep.cluster_size}" if wsrep else "-"
        table.add_row(
            str(seat.slot),
            seat.task.node or "-",
            seat.task.address or "-",
            Text(phase, style=_COLOURS.get(phase, "")),
            state,
            str(wsrep.queue) if wsrep else "-",
            _traffic(seat, view),
            str(agent.sessions) if agent and wsrep else "-",
        )
    lines: list[RenderableType] = [table]
    for seat in seen.seats:
        note = seat.member.cause if isinstance(seat.member, Unseen) else seat.member.agent.note
        if note and phase_of(seat) is not Phase.ADMITTED:
            lines.append(Text(f"slot {seat.slot}: {note}", style="dim"))
        if seat.agent and seat.agent.transfer:
            lines.append(Text(f"slot {seat.slot}: {seat.agent.transfer.role}, {in_words(seat.agent.transfer)}", style="dim"))
    lines += [Text(word, style="yellow") for word in (str(brake(seen) or ""), grace_too_short(seen)) if word]
    lines += [Text(f"slot {seat.slot}: not in the DNS of Swarm", style="dim") for seat in seen.live if is_unlisted(seat, seen)]
    lines.extend(Text(f"slot {task.slot} on {task.node}: its task is ending", style="dim") for task in seen.leaving)
    lines.extend(
        Text(
            f"{node}: a member that left may have kept its volume, up to write-set {seqno}; the next one there uses it",
            style="dim",
        )
        for node, seqno in sorted(view.kept.items())
    )
    how_far = progress(seen)
    if how_far and how_far not in plan.why:
        lines.append(Text(how_far, style="dim"))
    if isinstance(plan, Page):
        lines += [Text(f"page {plan.name}: {plan.why}", style="red"), Text(f"to do: {plan.remedy}")]
        if view.runbook:
            lines.append(Text(f"runbook: galera-operator runbook run {view.runbook} {seen.service.name}"))
    else:
        lines.append(Text(f"{type(plan).__name__.lower()}: {plan.why}"))
        if isinstance(plan, Act):
            lines += [Text(f"  next: {step}") for step in plan.steps]
    run = view.memory.planned.run
    if run:
        lines.append(Text(f"{run.title}: {run.state}: {run.note}", style="dim" if run.state.is_over else ""))
    if not view.operator:
        lines.append(Text("no operator holds the lease of this cluster: nobody acts", style="yellow"))
    return Group(*lines)


def _traffic(seat: Seat, view: View) -> str:
    if not seat.is_admitted:
        return "none"
    phase = phase_of(seat)
    if phase in {Phase.DRAINING, Phase.DRAINED, Phase.LEAVING}:
        return "no new"
    return "write, read" if _is_writer(seat, view) else "read"


def _is_writer(seat: Seat, view: View) -> bool:
    writer = believed_writer(view.seen)
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
        "writer": _is_writer(seat, view),
        "traffic": _traffic(seat, view),
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
