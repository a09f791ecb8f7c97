"""On which terms a member serves: the labels about drains, donors and reads, told at its admission and when they change."""

from __future__ import annotations

from galera_operator.core.agent_api import AgentStatus, Stage
from galera_operator.core.model import Live, Seat, Snapshot
from galera_operator.core.plan import Act, AdmitMember
from galera_operator.core.serving import Terms
from galera_operator.core.spec import STOP_MARGIN


def retell(seen: Snapshot) -> Act | None:
    """Tell a member that serves what the labels say now, where they said something else when it was let in."""
    for seat in seen.seats:
        if not isinstance(seat.member, Live) or not seat.is_admitted or not seat.member.wsrep.is_synced:
            continue
        agent = seat.member.agent
        if agent.terms is None or agent.stage is not Stage.RUNNING or agent.leaving:
            continue
        step = admission_step(seat, agent, seen)
        now = Terms(step.drain_seconds, step.allow_donor, step.causal_reads)
        if agent.terms != now:
            return Act((step,), f"{seat.title} serves on other terms than the labels say now: {_difference(agent.terms, now)}")
    return None


def grace_too_short(seen: Snapshot) -> str | None:
    """Say that Swarm would kill a member before its drain's limit, or None: the limit is then cut to what there is."""
    wish, grace = seen.settings, seen.service.stop_grace
    needed = wish.drain_timeout + STOP_MARGIN
    if grace >= needed:
        return None
    return (
        f"stop_grace_period of {seen.service.name} is {grace:.0f} s: a leaving member gets {wish.drain_seconds(grace):.0f} s to "
        f"end its sessions, not the {wish.drain_timeout:.0f} s of galera.drain.timeout; "
        f"set stop_grace_period to {needed:.0f}s or more"
    )


def admission_step(seat: Seat, agent: AgentStatus, seen: Snapshot) -> AdmitMember:
    wish, seconds = seen.settings, seen.settings.drain_seconds(seen.service.stop_grace)
    return AdmitMember(seat.slot, seat.task.address, agent.incarnation, seconds, wish.allow_donor, wish.causal_reads)


def _difference(told: Terms, now: Terms) -> str:
    changes = []
    if told.drain_seconds != now.drain_seconds:
        changes.append(f"a drain of at most {now.drain_seconds:.0f} s instead of {told.drain_seconds:.0f} s")
    if told.allow_donor != now.allow_donor:
        changes.append("a donor serves reads" if now.allow_donor else "a donor serves no reads")
    if told.causal_reads != now.causal_reads:
        changes.append("reads are causal" if now.causal_reads else "reads are fast")
    return ", ".join(changes)
