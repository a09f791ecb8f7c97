"""A member that was stopped in order and is to come back: what tells that it does not. While it works, time is no reason."""

from __future__ import annotations

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Seat, Snapshot
from galera_operator.core.scaling import restlessness

PATIENCE = 120.0
"""Seconds since the others last saw the group change. A container is back within seconds, a join changes the group at once."""

_BEFORE_WORK = {Stage.STARTING, Stage.WAITING}
"""The other stages go on by themselves, or another page watches them: a state transfer may take hours, a shutdown minutes."""


def stays_away(seat: Seat, seen: Snapshot) -> str | None:
    """Say that this member does not come back, as the rest of a sentence about it; None while it may.

    Nobody keeps a clock for it: how long it has been away is told by the members that stayed, as the age of their view. A
    server that shuts down for longer than `PATIENCE` is away from the group all that time, so the page may come early then.
    """
    if seat.agent and seat.agent.stage not in _BEFORE_WORK:
        return None
    if seat.task.state == "preparing":
        return None  # its image is being pulled
    away = min((other.agent.view_age for other in seen.primaries if other.agent), default=0.0)
    return f"has not come back for {away:.0f} s: it {restlessness(seat)}" if away > PATIENCE else None
