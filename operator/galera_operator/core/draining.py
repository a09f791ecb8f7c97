"""A member that has to go: its sessions end first, at a transaction boundary, and then comes what it goes for."""

from __future__ import annotations

from galera_operator.core.agent_api import AgentStatus, Stage
from galera_operator.core.model import LiveSeat, Snapshot
from galera_operator.core.plan import SOON, Act, DrainMember, Hold, Plan, Step

DRAIN_SLACK = 5.0
"""Seconds past its own limit after which a drain is not waited for any longer; SIGTERM drains once more."""


def drain_then(seat: LiveSeat, seen: Snapshot, goal: str, why: str, step: Step, what: str) -> Plan:
    """Drain this member, and take the step once it is drained or has had its time.

    Args:
        goal: what all of it is for, as the beginning of the sentence.
        why: why this member; the sentence goes on with ``so it is drained first``.
        what: what becomes of it then; the sentence goes on from ``it is drained and``.
    """
    agent, seconds = seat.agent, seen.settings.drain_seconds(seen.service.stop_grace)
    match agent.stage:
        case Stage.DRAINED:
            return Act((step,), f"{goal}; {seat.title} is drained{_cut(agent)} and {what}")
        case Stage.DRAINING if agent.since > seconds + DRAIN_SLACK:
            late = f"had its {seconds:.0f} s to drain and still has {agent.sessions} sessions"
            return Act((step,), f"{goal}; {seat.title} {late}; it {what}")
        case Stage.DRAINING:
            return Hold(f"{goal}; {seat.title} is draining: {agent.sessions} sessions, {agent.in_flight} in flight", SOON)
        case _:
            drain = DrainMember(seat.slot, seat.task.address, agent.incarnation, seconds)
            return Act((drain,), f"{goal}; {why}, so it is drained first")


def _cut(agent: AgentStatus) -> str:
    """What the drain's limit cost, as a part of a sentence; nothing where it cost nothing."""
    if not agent.cut:
        return ""
    what = "1 session was" if agent.cut == 1 else f"{agent.cut} sessions were"
    return f" ({what} cut inside a transaction at the limit)"
