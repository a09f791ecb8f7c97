"""What the operator remembers of what it saw: the cluster's identity, the ledger, and the scale-down in progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from galera_operator.core.agent_api import WAITING_FOR_DONOR, Stage
from galera_operator.core.consent import is_superseded, present_copy
from galera_operator.core.model import Listed, Live, Snapshot
from galera_operator.core.plan import Act, Exclude, Plan, Resize, RestartMember
from galera_operator.core.position import ZERO_UUID
from galera_operator.core.remembered import Copy, Fork, Memory, Shrink
from galera_operator.core.restart import restart_after
from galera_operator.core.writer import move_after


def remember(memory: Memory, snapshot: Snapshot) -> Memory:
    """The memory after this look.

    The identity is learned once, from a member that is Synced, and never changes by itself. The ledger only grows, until a
    slot left in order or its copy is replaced by a full transfer.
    """
    memory = _carried_out(memory, snapshot)
    uuid = memory.uuid or _identity(snapshot)
    ledger = dict(memory.ledger)
    for seat in snapshot.live:
        wsrep = seat.wsrep
        if wsrep.is_synced and wsrep.state_uuid == uuid:
            known = ledger.get(seat.slot)
            ledger[seat.slot] = Copy(seat.task.node_id, max(wsrep.last_committed, known.seqno if known else -1))
    if not snapshot.primaries:
        ledger |= _waiting_copies(ledger, snapshot, memory)
    for slot in _being_replaced(snapshot):
        ledger.pop(slot, None)
    shrink = memory.shrink
    if shrink and (snapshot.service.replicas != shrink.to or shrink_is_done(shrink, snapshot)):
        shrink = None  # finished, never written, or overtaken by somebody else's scale
    gone = _slots_gone(ledger, snapshot, uuid)
    kept = dict(memory.kept) | {ledger[slot].node_id: ledger[slot].seqno for slot in gone}
    lived_on = {seat.task.node_id for seat in snapshot.live}
    serving = {seat.slot for seat in snapshot.live if seat.wsrep.is_synced and seat.wsrep.state_uuid == uuid}
    return replace(
        memory,
        uuid=uuid,
        ledger={slot: copy for slot, copy in ledger.items() if slot not in gone},
        shrink=shrink,
        kept={node: seqno for node, seqno in kept.items() if node not in lived_on},
        given_up={slot: history for slot, history in memory.given_up.items() if slot not in serving},
        rebound={slot: task for slot, task in memory.rebound.items() if not _is_listed(slot, snapshot)},
        move=move_after(memory.move, snapshot),
        restart=restart_after(memory.restart, snapshot),
    )


def _waiting_copies(ledger: Mapping[int, Copy], snapshot: Snapshot, memory: Memory) -> dict[int, Copy]:
    """What copies of the recorded history tell while nobody serves: any of them may be the newest, and its slot may vanish.

    A copy on another node than the recorded one says nothing about that one, so it does not take its place.
    """
    found = {}
    for seat in snapshot.seats:
        copy, known = present_copy(seat), ledger.get(seat.slot)
        if copy is None or copy.uuid != memory.uuid or is_superseded(seat.slot, copy, memory):
            continue
        if known is None or known.node_id == seat.task.node_id:
            found[seat.slot] = Copy(seat.task.node_id, max(copy.seqno, known.seqno if known else -1))
    return found


def _carried_out(memory: Memory, snapshot: Snapshot) -> Memory:
    """The memory once a person's decision has become true, or has become void because the cluster came back without it."""
    consent = memory.consent
    if consent is None:
        return memory
    serving = {seat.wsrep.state_uuid for seat in snapshot.primaries if seat.wsrep.answers_queries}
    if consent.history in serving:
        # What was seen of the history before says nothing about this one. A waiting copy of a third one was given up by its
        # slot; one that lives in a Primary component was not: the person did not know that it takes writes.
        told = {slot: present_copy(seat) for slot in consent.accepted if (seat := snapshot.seat(slot))}
        given_up = {slot: copy.uuid for slot, copy in told.items() if copy and copy.uuid != consent.history}
        return replace(
            memory,
            uuid=consent.history,
            ledger={},
            kept={},
            consent=None,
            fork=Fork(consent.position, consent.accepted),
            given_up={**memory.given_up, **given_up},
        )
    return replace(memory, consent=None) if serving else memory


def intend(memory: Memory, plan: Plan) -> Memory:
    """The memory to write *before* the plan is carried out, so that whoever comes next knows what was under way."""
    if isinstance(plan, Act):
        for step in plan.steps:
            if isinstance(step, Resize) and step.victim:
                slot, task_id = step.victim
                return replace(memory, shrink=Shrink(step.after, slot, task_id))
            if isinstance(step, Exclude) and not step.back:
                excluded = tuple(sorted({*memory.planned.excluded, step.node}))
                return replace(memory, planned=replace(memory.planned, excluded=excluded))
            if isinstance(step, RestartMember) and not _asked_for(step, memory):
                return replace(memory, rebound={**memory.rebound, step.slot: step.task_id})
    return memory


def _asked_for(step: RestartMember, memory: Memory) -> bool:
    """True when a person asked for this restart, so it is not to bring back a lost binding."""
    restart = memory.restart
    return restart is not None and restart.members.get(step.slot) == step.incarnation


def shrink_is_done(shrink: Shrink, snapshot: Snapshot) -> bool:
    """True when the victim is gone and the survivors agree on the smaller Primary component.

    Where Swarm took another task than the predicted one, this size has to be what the label wishes, too: that is how a person
    accepts it.
    """
    if snapshot.service.replicas != shrink.to or len(snapshot.seats) != shrink.to or snapshot.leaving:
        return False
    if snapshot.wanted != shrink.to and any(seat.task.id == shrink.task_id for seat in snapshot.seats):
        return False
    survivors = [seat.member for seat in snapshot.seats if not seat.task.never_placed]
    return all(isinstance(m, Live) and m.wsrep.is_primary and m.wsrep.cluster_size == len(survivors) for m in survivors)


def differs_in_kind(old: Memory, new: Memory) -> bool:
    """True when the change must be written at once; a ledger whose seqnos merely grew may wait."""
    return (
        old.uuid != new.uuid
        or old.shrink != new.shrink
        or old.kept != new.kept
        or old.consent != new.consent
        or old.fork != new.fork
        or old.given_up != new.given_up
        or old.planned != new.planned
        or old.rebound != new.rebound
        or old.move != new.move
        or old.restart != new.restart
        or {slot: copy.node_id for slot, copy in old.ledger.items()} != {slot: copy.node_id for slot, copy in new.ledger.items()}
    )


def _identity(snapshot: Snapshot) -> str:
    found = {seat.wsrep.state_uuid for seat in snapshot.primaries if seat.wsrep.is_synced and seat.wsrep.state_uuid != ZERO_UUID}
    return found.pop() if len(found) == 1 else ""


def _being_replaced(snapshot: Snapshot) -> set[int]:
    """The slots into which a full transfer flows: what they held before is gone, and came from a member that is in the ledger."""
    return {
        seat.slot
        for seat in snapshot.seats
        if seat.agent
        and seat.agent.stage is Stage.JOINING
        and seat.agent.transfer
        and (seat.agent.transfer.role, seat.agent.transfer.method == "IST") == ("joiner", False)
        and seat.agent.transfer.stage != WAITING_FOR_DONOR
    }


def _is_listed(slot: int, snapshot: Snapshot) -> bool:
    """True when DNS has the task that is in this slot now, or the service has all its tasks and none is in it: that is over.

    A slot without a task for a moment is one that Swarm starts anew, for the second time already it may be.
    """
    seat = snapshot.seat(slot)
    if seat is None:
        return len(snapshot.seats) >= snapshot.service.replicas
    return isinstance(snapshot.names, Listed) and seat.task.address in snapshot.names.addresses


def _slots_gone(ledger: Mapping[int, Copy], snapshot: Snapshot, uuid: str) -> set[int]:
    """The slots that are gone while a full Primary component lives without them: their data is older than what serves.

    A service scaled to nothing and a Primary component of another history say nothing about the data of this one.
    """
    views = [seat.wsrep for seat in snapshot.seats]
    complete = (
        0 < len(views) == snapshot.service.replicas
        and not snapshot.leaving
        and all(view and view.is_synced and view.state_uuid == uuid and view.cluster_size == len(views) for view in views)
    )
    return set(ledger) - {seat.slot for seat in snapshot.seats} if complete else set()
