"""Who may form a Primary component when nobody is in one: the newest copy, and only when every copy is accounted for."""

from __future__ import annotations

from galera_operator.core.accounting import wait_for_copies
from galera_operator.core.consent import choices, is_mid_ddl, is_superseded, present_copy, recipients
from galera_operator.core.model import Seat, Snapshot
from galera_operator.core.plan import SOON, Act, Bootstrap, Hold, Page, Plan
from galera_operator.core.position import Directory
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
    copies = [seat for seat in snapshot.seats if (held := present_copy(seat)) and not is_superseded(seat.slot, held, memory)]
    if not copies:
        return _without_data(snapshot, memory)
    histories = {position.uuid for seat in copies if (position := present_copy(seat))}
    if len(histories) > 1 or (memory.uuid and histories != {memory.uuid}):
        found = ", ".join(f"{seat.title} at {present_copy(seat)}" for seat in copies)
        recorded = f"; recorded is {memory.uuid}" if memory.uuid else ""
        return Page(
            "diverged-histories",
            f"the data directories belong to different histories ({found}){recorded}; a seqno orders members only within one",
            f"Decide which history to keep: {choices(snapshot, memory)}",
        )
    newest = max(copies, key=lambda seat: (_seqno(seat), not is_mid_ddl(seat), -seat.slot))
    if is_mid_ddl(newest):
        cut = ", ".join(f"{seat.title} at {present_copy(seat)}" for seat in copies if is_mid_ddl(seat))
        return Page(
            "ddl-cut-off",
            f"no member is up, and the newest copies were killed while they ran DDL ({cut}): the statement may be in one and not "
            "in another",
            "Go on from one of them; the others then get a copy of it. Look afterwards whether the statement has to be given "
            f"again. {choices(snapshot, memory)}",
        )
    if _seqno(newest) < memory.highest_seqno:
        return Page(
            "newest-copy-missing",
            f"the newest copy present is {newest.title} at seqno {_seqno(newest)}, but a member was seen at "
            f"{memory.highest_seqno}; acknowledged writes would be lost",
            f"Bring back the data directory that holds them. If it is gone for good: {choices(snapshot, memory)}",
        )
    return Act(
        (_grant(newest, snapshot),),
        f"all {len(snapshot.seats)} members are down and accounted for; {newest.title} has the newest data, "
        f"{present_copy(newest)}",
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
    return Bootstrap(seat.slot, seat.task.address, seat.agent.incarnation, present_copy(seat), fence)


def _seqno(seat: Seat) -> int:
    position = present_copy(seat)
    return position.seqno if position else -1
