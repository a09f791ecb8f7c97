"""Who may get traffic, and who the writer is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import LiveSeat, Seat, Snapshot, is_live
from galera_operator.core.position import ZERO_UUID
from galera_operator.core.remembered import Memory

_SERVES = {Stage.RUNNING}
_HOLDS_DATA = {2, 3, 4}
"""Donor, Joined, Synced: a donor that is done passes through Joined on its way back to Synced, and serves all the while."""


def admission_obstacle(seat: Seat, snapshot: Snapshot, memory: Memory) -> str | None:
    """Say why this member may not get traffic yet, or None when it is confirmed.

    Confirmed means more than Synced: Primary, of the recorded history, in the same view as every other member of it, and
    nothing received that is not yet applied.
    """
    if not is_live(seat):
        return "its database does not answer"
    wsrep = seat.wsrep
    if not wsrep.is_synced:
        return f"it is {wsrep.in_words}; it has to be Synced in a Primary component"
    if wsrep.state_uuid == ZERO_UUID:
        return "it says Synced with a state UUID of zeros"
    if memory.uuid and wsrep.state_uuid != memory.uuid:
        return f"its state UUID is {wsrep.state_uuid}, recorded is {memory.uuid}"
    if wsrep.queue:
        return f"{wsrep.queue} received write-sets are not yet applied"
    for other in snapshot.primaries:
        if other.wsrep.conf_id != wsrep.conf_id:
            return f"its view is number {wsrep.conf_id}, that of {other.title} is {other.wsrep.conf_id}"
    return None


def may_write(seat: Seat) -> bool:
    """True when this member can carry the write port: admitted, serving, not on its way out.

    A donor is accepted: with one member, the donor of the second is the only one there is.
    """
    if not is_live(seat) or not seat.is_admitted or seat.agent.leaving or seat.agent.stage not in _SERVES:
        return False
    return seat.wsrep.is_primary and seat.wsrep.ready and seat.wsrep.local_state in _HOLDS_DATA


def believed_writer(snapshot: Snapshot) -> Seat | None:
    """The seat that most agents take for the writer; None when they name nobody who is here."""
    votes = Counter(seat.agent.writer for seat in snapshot.seats if seat.agent)
    for name, _ in sorted(votes.items(), key=lambda vote: (-vote[1], vote[0])):
        seat = snapshot.named(name)
        if seat:
            return seat
    return None


def choose_writer(snapshot: Snapshot, avoid: Collection[int] = ()) -> LiveSeat | None:
    """The member that should be the writer: the present one for as long as it can, else the lowest idle slot.

    Args:
        avoid: slots that are about to leave. Still better than a donor: nobody leaves before that one is Synced again.

    Returns:
        None when nobody can.
    """
    able = [seat for seat in snapshot.live if may_write(seat)]
    present = believed_writer(snapshot)
    goes_on = next((seat for seat in able if seat is present and seat.slot not in avoid), None)

    def rank(seat: LiveSeat) -> tuple[bool, bool, bool, int]:
        return not seat.wsrep.is_synced, seat.slot in avoid, seat is not present, seat.slot

    return goes_on or min(able, key=rank, default=None)
