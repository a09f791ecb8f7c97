"""Who may form a Primary component when nobody is in one: the newest copy, and only when every copy is accounted for."""

from __future__ import annotations

from galera_operator.core.accounting import wait_for_copies
from galera_operator.core.consent import choices, is_superseded, recipients
from galera_operator.core.model import Seat, Snapshot
from galera_operator.core.plan import SOON, Act, Bootstrap, Hold, Page, Plan
from galera_operator.core.position import Directory, Position
from galera_operator.core.remembered import Memory


def elect(snapshot: Snapshot, memory: Memory) -> Plan:
    """Choose the seed of a cluster of which no member is up.

    The order of the questions is the safety argument: is everyone here, is it one history, does it contain what was recorded;
    only then who is newest. `safe_to_bootstrap` decides nothing: after a stop of all at once it is 0 everywhere, and a file
    copied back from a backup may say 1.
    """
    waited = min((seat.agent.since for seat in snapshot.stopped), default=0.0)
    waiting = wait_for_copies(snapshot, memory, situation="no member is up", page="copy-missing", waited=waited)
    if waiting:
        return waiting
    holders = [seat for seat in snapshot.seats if (held := _position(seat)) and not is_superseded(seat.slot, held, memory)]
    if not holders:
        return _without_data(snapshot, memory)
    histories = {position.uuid for seat in holders if (position := _position(seat))}
    if len(histories) > 1 or (memory.uuid and histories != {memory.uuid}):
        found = ", ".join(f"{seat.title} at {_position(seat)}" for seat in holders)
        recorded = f"; recorded is {memory.uuid}" if memory.uuid else ""
        return Page(
            "diverged-histories",
            f"the data directories belong to different histories ({found}){recorded}; a seqno orders members only within one",
            f"Decide which history to keep: {choices(snapshot, memory)}",
        )
    newest = max(holders, key=lambda seat: (_seqno(seat), -seat.slot))
    if _seqno(newest) < memory.highest_seqno:
        return Page(
            "newest-copy-missing",
            f"the newest copy present is {newest.title} at seqno {_seqno(newest)}, but a member was seen at "
            f"{memory.highest_seqno}; acknowledged writes would be lost",
            f"Bring back the data directory that holds them. If it is gone for good: {choices(snapshot, memory)}",
        )
    return Act(
        (_grant(newest, snapshot),),
        f"all {len(snapshot.seats)} members are down and accounted for; {newest.title} has the newest data, {_position(newest)}",
        SOON,
    )


def _without_data(snapshot: Snapshot, memory: Memory) -> Plan:
    if memory.uuid:
        older = choices(snapshot, memory)
        instead = f"An older copy is there: {older} . " if older else ""
        return Page(
            "data-gone",
            f"the cluster {memory.uuid} is recorded, but no data directory holds a usable copy of it",
            f"{instead}Bring back a volume or restore a backup. A new, empty cluster is never made in place of a recorded one; "
            f"if the old data is really not wanted any more: docker config rm galera-operator.{snapshot.service.name}",
        )
    unusable = [seat for seat in snapshot.seats if seat.agent and seat.agent.directory is not Directory.EMPTY]
    if unusable:
        return Page(
            "no-usable-copy",
            f"{unusable[0].title} has a data directory without a usable position and nobody holds a better one",
            "Look into that directory by hand before anything is started on it.",
        )
    first = min((seat for seat in snapshot.seats if seat.agent), key=lambda seat: seat.slot, default=None)
    if first is None:
        return Hold(f"nothing is recorded, and Swarm has found no node for any of the {len(snapshot.seats)} tasks")
    return Act(
        (_grant(first, snapshot),),
        f"nothing is recorded and every data directory is empty: {first.title} starts the cluster",
        SOON,
    )


def _grant(seat: Seat, snapshot: Snapshot) -> Bootstrap:
    assert seat.agent is not None
    fence = recipients(snapshot, apart_from=seat)
    return Bootstrap(seat.slot, seat.task.address, seat.agent.incarnation, _position(seat), fence)


def _position(seat: Seat) -> Position | None:
    """The position of a directory that may seed; None for an empty or incomplete one."""
    agent = seat.agent
    if agent and agent.directory is Directory.USABLE and agent.position and agent.position.is_usable:
        return agent.position
    return None


def _seqno(seat: Seat) -> int:
    position = _position(seat)
    return position.seqno if position else -1
