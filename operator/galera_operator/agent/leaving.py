"""Members that leave together leave one after the other.

Two that leave within a tenth of a second can take the Primary component from a third: the second departure meets a view that
is not installed yet (Galera: 'sending install message for new primary component failed').
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from galera_operator.agent.member import Member
from galera_operator.agent.peers import Heard
from galera_operator.agent.routing import STALE_SECONDS, slot_order
from galera_operator.core.agent_api import Stage

PATIENCE = 5.0
"""Seconds to wait for others at most: a second one then leaves beside them rather than past its grace period."""
SETTLED = 0.3
"""Seconds that a view has to stand before the next one leaves it."""


class Departure:
    """Of this member, from the end of its drain on."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._ready_at: float | None = None

    def may_begin(self) -> bool:
        """True when no other member is leaving at this very moment, or `PATIENCE` is over."""
        now = time.monotonic()
        self._ready_at = now if self._ready_at is None else self._ready_at
        reason = self._reason_to_stay(now - self._ready_at)
        if reason:
            self._member.say(f"drained, waiting to leave: {reason}")
        return not reason

    def _reason_to_stay(self, since_ready: float) -> str:
        member, wsrep = self._member, self._member.wsrep
        if since_ready > PATIENCE or wsrep is None or not wsrep.is_primary or wsrep.cluster_size < 2:
            return ""
        heard = member.peers.heard(STALE_SECONDS)
        first = whom_to_wait_for(member.settings.name, wsrep.members, heard, member.seconds_since_stop, since_ready)
        if first:
            return f"{first} may be leaving as well; one after the other"
        return "a member has just come or gone" if member.view_age < SETTLED else ""


def whom_to_wait_for(name: str, members: Collection[str], heard: Sequence[Heard], since_stop: float, since_ready: float) -> str:
    """Say which member has to be out of the view before this one leaves; empty: none. Pure.

    Args:
        name: This member.
        members: Who is in its view, itself included.
        heard: What the peers said lately.
        since_stop: Seconds since this member was asked to stop.
        since_ready: Seconds since it was ready to shut mariadbd down.
    """
    for one in sorted(heard, key=lambda one: slot_order(one.status.name)):
        status = one.status
        if status.name == name or status.name not in members:
            continue
        if one.age > since_stop:
            return status.name  # its last word is from before both may have been told to stop
        if not status.leaving:
            continue
        if status.stage is Stage.STOPPING:
            return status.name
        goes_first = slot_order(status.name) < slot_order(name)
        if status.stage is Stage.DRAINED and (goes_first or one.age > since_ready):
            return status.name
        if status.stage is Stage.DRAINING and one.age > since_ready:
            return status.name  # it may be through by now
    return ""
