"""Who may form a Primary component when nobody is in one: the newest copy, and only when every copy is accounted for."""

from __future__ import annotations

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Memory, Seat, Snapshot, Stopped
from galera_operator.core.plan import SOON, Act, Bootstrap, Hold, Page, Plan
from galera_operator.core.position import Directory, Position
from galera_operator.core.scaling import restlessness


def elect(snapshot: Snapshot, memory: Memory) -> Plan:
    """Choose the seed of a cluster of which no member is up.

    The order of the questions is the safety argument: is everyone here, is it one history, does it contain what was recorded;
    only then who is newest. `safe_to_bootstrap` decides nothing: after a stop of all at once it is 0 everywhere, and a file
    copied back from a backup may say 1.
    """
    missing = _unaccounted(snapshot, memory)
    if missing:
        return missing
    holders = [seat for seat in snapshot.seats if _position(seat)]
    if not holders:
        return _without_data(snapshot, memory)
    histories = {position.uuid for seat in holders if (position := _position(seat))}
    if len(histories) > 1 or (memory.uuid and histories != {memory.uuid}):
        found = ", ".join(f"{seat.title} at {_position(seat)}" for seat in holders)
        recorded = f"; recorded is {memory.uuid}" if memory.uuid else ""
        return Page(
            "diverged-histories",
            f"the data directories belong to different histories ({found}){recorded}; a seqno orders members only within one",
            "Decide which history to keep; move the other data directories away by hand, then the rest joins it.",
        )
    newest = max(holders, key=lambda seat: (_seqno(seat), -seat.slot))
    if _seqno(newest) < memory.highest_seqno:
        return Page(
            "newest-copy-missing",
            f"the newest copy present is {newest.title} at seqno {_seqno(newest)}, but a member was seen at "
            f"{memory.highest_seqno}; acknowledged writes would be lost",
            "Bring back the data directory that holds them.",
        )
    return Act(
        (_grant(newest),),
        f"all {len(snapshot.seats)} members are down and accounted for; {newest.title} has the newest data, {_position(newest)}",
        SOON,
    )


def _unaccounted(snapshot: Snapshot, memory: Memory) -> Plan | None:
    """A plan for as long as some copy that may be the newest has not told its position; None when all have."""
    expected = snapshot.service.replicas
    if len(snapshot.seats) < expected:
        made = f"Swarm has made {len(snapshot.seats)} of {expected} tasks"
        return Hold(f"no member is up, and {made}; waiting for every copy to answer")
    for seat in snapshot.unseen:
        return Hold(
            f"no member is up, and {seat.title} {restlessness(seat)}; it may hold newer data or a Primary component", SOON
        )
    for task in snapshot.leaving:
        return Hold(f"no member is up, and the old task of slot {task.slot} is still ending", SOON)
    for task in snapshot.lost:
        return Page(
            "copy-missing",
            f"no member is up, and the last task of slot {task.slot} is on {task.node}, a node that Swarm has lost; its copy "
            "may be the newest",
            f"Bring back {task.node}. If it is gone for good: docker node rm --force {task.node}",
        )
    for seat in snapshot.stopped:
        assert isinstance(seat.member, Stopped)
        if seat.member.agent.stage is not Stage.WAITING:
            return Hold(f"{seat.title} is {seat.member.agent.stage}: {seat.member.agent.note}", SOON)
    for slot, copy in sorted(memory.ledger.items()):
        there = snapshot.seat(slot)
        if there is None:
            return Page(
                "copy-missing",
                f"no member is up, and slot {slot}, which held data, is not among the {expected} tasks; it may be the newest",
                f"Set the service's replicas back so that slot {slot} returns: docker service scale {snapshot.service.name}=...",
            )
        if there.agent and there.agent.directory is Directory.EMPTY and memory.uuid and len(snapshot.seats) > 1:
            return Page(
                "copy-missing",
                f"no member is up, and {there.title} has an empty data directory although slot {slot} held data "
                f"at seqno {copy.seqno}; that copy may be the newest",
                "Bring back its node or volume, or decide to go on without it.",
            )
    return None


def _without_data(snapshot: Snapshot, memory: Memory) -> Plan:
    if memory.uuid:
        return Page(
            "data-gone",
            f"the cluster {memory.uuid} is recorded, but every data directory is without a usable position",
            "Bring back a volume or restore a backup. A new, empty cluster is never made in place of a recorded one; if the "
            f"old data is really not wanted any more: docker config rm galera-operator.{snapshot.service.name}",
        )
    unusable = [seat for seat in snapshot.seats if seat.agent and seat.agent.directory is not Directory.EMPTY]
    if unusable:
        return Page(
            "no-usable-copy",
            f"{unusable[0].title} has a data directory without a usable position and nobody holds a better one",
            "Look into that directory by hand before anything is started on it.",
        )
    first = min(snapshot.seats, key=lambda seat: seat.slot)
    return Act(
        (_grant(first),),
        f"nothing is recorded and every data directory is empty: {first.title} starts the cluster",
        SOON,
    )


def _grant(seat: Seat) -> Bootstrap:
    assert seat.agent is not None
    return Bootstrap(seat.slot, seat.task.address, seat.agent.incarnation, _position(seat))


def _position(seat: Seat) -> Position | None:
    """The position of a directory that may seed; None for an empty or incomplete one."""
    agent = seat.agent
    if agent and agent.directory is Directory.USABLE and agent.position and agent.position.is_usable:
        return agent.position
    return None


def _seqno(seat: Seat) -> int:
    position = _position(seat)
    return position.seqno if position else -1
