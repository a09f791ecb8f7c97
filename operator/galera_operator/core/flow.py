"""Flow control: who slows the group, and whether that is a reason not to grow it now.

Galera pauses every member's commits while one member's receive queue is too long, so the slowest member sets the pace of all. The
one that sends the pauses is the one to look at; those that are paused only wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from galera_operator.core.model import Live, Seat, Snapshot

HIGH = 0.25
"""The part of the last seconds in which commits were paused from which on the group does not grow: a state transfer alone takes
two thirds of the writers' throughput, and one more member would be one more for the slow one to hold up."""

NOTICEABLE = 0.01
"""Below this part of the time a pause is nothing that a client would notice."""


@dataclass(frozen=True, slots=True)
class Brake:
    """The Synced member that asks the others to pause, and what that costs them."""

    seat: Seat
    paused: float
    """The largest part of the last `over` seconds in which any member's commits were paused, 0 to 1."""
    over: float
    sent: int

    def __str__(self) -> str:
        queue = self.seat.wsrep.queue if self.seat.wsrep else 0
        return (
            f"{self.seat.title} slows the group: in the last {self.over:.0f} s flow control paused commits for "
            f"{self.paused:.0%} of the time; it asked for {self.sent} of the pauses and has {queue} write-sets to apply"
        )


def brake(seen: Snapshot) -> Brake | None:
    """Who slows the group; None when nobody does, or nobody is known to.

    A member whose agent does not know (`AgentStatus.flow` is None) is not named: it has only just become Synced, and what it was
    allowed to slow until then is over.
    """
    flows = [(seat, seat.member.agent.flow) for seat in seen.seats if isinstance(seat.member, Live) and seat.member.agent.flow]
    sender = max(flows, key=lambda one: (one[1].sent, -one[0].slot), default=None)
    if sender is None or not sender[1].sent:
        return None
    longest = max((flow for _, flow in flows), key=lambda flow: flow.paused)
    if longest.paused < NOTICEABLE:
        return None
    return Brake(sender[0], longest.paused, longest.over, sender[1].sent)


def too_slow_to_grow(seen: Snapshot) -> str | None:
    """Say why another member would be too much now, or None."""
    found = brake(seen)
    return str(found) if found and found.paused >= HIGH else None
