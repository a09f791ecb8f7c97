"""Show a cluster to a person, as a table."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from galera_operator.core.binding import is_unlisted
from galera_operator.core.flow import brake
from galera_operator.core.model import Unseen
from galera_operator.core.phase import Phase, phase_of
from galera_operator.core.plan import Act, Page
from galera_operator.core.report import View, traffic_of
from galera_operator.core.rollout import progress
from galera_operator.core.terms import grace_too_short
from galera_operator.core.transfer import in_words

_COLOURS = {
    Phase.ADMITTED: "green",
    Phase.SYNCED: "cyan",
    Phase.DONOR: "yellow",
    Phase.NON_PRIMARY: "red",
    Phase.UNSEEN: "red",
    Phase.INCOMPLETE: "red",
    Phase.STUCK: "red",
}


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
            traffic_of(seat, view.seen),
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
