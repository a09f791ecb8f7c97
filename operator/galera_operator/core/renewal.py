"""A record that cannot be read any more, made anew from what every member says; and when that takes a person's word."""

from __future__ import annotations

from collections.abc import Collection

from galera_operator.core.consent import present_copy
from galera_operator.core.memory import remember
from galera_operator.core.model import Snapshot
from galera_operator.core.remembered import Copy, Memory
from galera_operator.core.scaling import restlessness


def renew_command(service: str, unknown: Collection[int] = (), *, nobody_serves: bool = False) -> str:
    """The command by which a person has the record made anew, without what only these slots hold."""
    losses = "".join(f" --accept-loss-of {slot}" for slot in sorted(unknown))
    elsewhere = " --accept-loss-elsewhere" if nobody_serves else ""
    return f"galera-operator record {service} --renew{losses}{elsewhere}"


def renewed(seen: Snapshot) -> Memory:
    """What can be remembered from this look alone.

    Where nobody is in a Primary component, the copies of the members that wait or live without one, if they are of one history:
    from then on each of them has to be there again.
    """
    memory = remember(Memory(), seen)
    if seen.primaries:
        return memory
    copies = {seat.slot: (seat.task.node_id, copy) for seat in seen.seats if (copy := present_copy(seat))}
    histories = {copy.uuid for _, copy in copies.values()}
    if len(histories) != 1:
        return memory
    ledger = {slot: Copy(node_id, copy.seqno) for slot, (node_id, copy) in copies.items()}
    return Memory(uuid=histories.pop(), ledger=ledger)


def renewal_objection(seen: Snapshot, accepted: Collection[int], *, elsewhere: bool) -> str | None:
    """Say why the record may not be made anew in this way, or None when it may.

    Args:
        accepted: slots that a person gives up although nobody knows what they hold.
        elsewhere: a person gives up what is on no present task, too.
    """
    if len(seen.seats) < seen.service.replicas:
        return f"Swarm has made {len(seen.seats)} of {seen.service.replicas} tasks; their copies have to be in the record"
    silent = unknown(seen)
    command = renew_command(seen.service.name, silent, nobody_serves=not seen.primaries)
    unnamed = [why for slot, why in silent.items() if slot not in accepted]
    if unnamed:
        return f"{'; '.join(unnamed)}; what it holds would not be in the record. Bring it back. If it is gone for good: {command}"
    if not seen.primaries and not elsewhere:
        return (
            "no member is in a Primary component, and only the record knew where other copies are, on nodes without a task now "
            f"or in slots that are gone; the newest may be among them. If there is none: {command}"
        )
    return None


def unknown(seen: Snapshot) -> dict[int, str]:
    """The slots of which nobody knows what they hold, each with a sentence that says why."""
    lost = {task.slot: f"the last task of slot {task.slot} is on {task.node}, a node that Swarm has lost" for task in seen.lost}
    return lost | {seat.slot: f"{seat.title} {restlessness(seat)}" for seat in seen.unseen if not seat.task.never_placed}
