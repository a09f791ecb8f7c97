"""What a person may decide where the operator must not: to go on from one copy, or to give one up. Both are recorded first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Live, Seat, Snapshot, Stopped, Unseen
from galera_operator.core.plan import SOON, Act, Bootstrap, Hold, Page, Plan, Recipient, StopMember
from galera_operator.core.position import Directory, Position
from galera_operator.core.remembered import Consent, Fork, Memory

SILENCE = 30.0
"""Seconds that a copy which does not answer is waited for before a person is called; it may come back by itself."""

NO_DATA = {Directory.EMPTY, Directory.INCOMPLETE}
"""Directories that tell nothing of what their slot once held. A half-copied one does: the component that sent had it all."""

COPIES = {Directory.USABLE, Directory.MID_DDL}
"""Directories with rows that a person may want: none of them is erased or passed over by itself."""

_STARTS = {Stage.STARTING, Stage.JOINING, Stage.BOOTSTRAPPING}


def bootstrap_command(service: str, slot: int, accepted: Collection[int]) -> str:
    """The command by which a person decides to go on from this slot without what only the accepted ones hold."""
    losses = "".join(f" --accept-loss-of {lost}" for lost in sorted(accepted))
    return f"galera-operator bootstrap {service} --from-slot {slot}{losses}"


def replace_command(service: str, slot: int) -> str:
    """The command by which a person gives up the copy in this slot."""
    return f"galera-operator replace {service} --slot {slot}"


def choices(seen: Snapshot, memory: Memory) -> str:
    """The commands that would end the present outage, the copy with the most of the recorded history first, as one remedy.

    Empty when no copy can be gone on from.
    """
    copies = [(seat, position) for seat in seen.seats if (position := present_copy(seat))]
    copies.sort(key=lambda copy: (copy[1].uuid != memory.uuid, -copy[1].seqno, copy[0].slot))
    commands: dict[str, str] = {}
    for seat, position in copies:
        command = bootstrap_command(seen.service.name, seat.slot, losses(seen, memory, seat.slot))
        commands.setdefault(position.uuid, command)  # one for each history: its newest copy
    return " ; or: ".join(commands.values())


def losses(seen: Snapshot, memory: Memory, slot: int) -> tuple[int, ...]:
    """The slots whose data a bootstrap from this slot may give up: unknown, newer, or of another history."""
    seed = seen.seat(slot)
    start = present_copy(seed) if seed else None
    if start is None:
        return ()
    memory = _as_if_carried_out(memory, start)
    lost = {one.slot for one in seen.unseen if not is_diskless(one, seen, memory)} | {task.slot for task in seen.lost}
    nodes = {seat.task.node_id for seat in seen.seats if seat.agent}
    for known, copy in memory.ledger.items():
        if copy.seqno > start.seqno or seen.seat(known) is None or copy.node_id not in nodes:
            lost.add(known)
    for seat in seen.seats:
        other = present_copy(seat)
        if other and not is_superseded(seat.slot, other, memory) and (other.uuid != start.uuid or other.seqno > start.seqno):
            lost.add(seat.slot)
        if seat.slot in memory.ledger and seat.agent and seat.agent.directory in NO_DATA:
            lost.add(seat.slot)
    return tuple(sorted(lost))


def _as_if_carried_out(memory: Memory, start: Position) -> Memory:
    """The memory that counts for a copy which already bears the name that a person's decision gave it."""
    consent = memory.consent
    if consent is None or start.uuid != consent.history:
        return memory
    beyond = {
        slot: copy for slot, copy in memory.ledger.items() if copy.seqno > consent.position.seqno and slot not in consent.accepted
    }
    return replace(memory, ledger=beyond, fork=Fork(consent.position, consent.accepted))


def objection(seen: Snapshot, memory: Memory, slot: int, accepted: Collection[int]) -> str | None:
    """Say why a person may not decide this, or None when they may.

    Every loss has to be named: what is not given up by name is not given up.
    """
    seed = seen.seat(slot)
    if seed is None:
        return f"there is no slot {slot}; there are {', '.join(str(seat.slot) for seat in seen.seats) or 'none'}"
    primary = next(iter(seen.primaries), None)
    if primary:
        return f"{primary.title} is in a Primary component: it serves, there is nothing to bootstrap"
    if present_copy(seed) is None:
        return f"{seed.title} has no usable copy: {_condition(seed)}"
    unnamed = set(losses(seen, memory, slot)) - set(accepted)
    if unnamed:
        slots = ", ".join(str(lost) for lost in sorted(unnamed))
        return (
            f"data of slot {slots} may be lost by that; if that is accepted: "
            f"{bootstrap_command(seen.service.name, slot, losses(seen, memory, slot))}"
        )
    return None


def replace_objection(seen: Snapshot, memory: Memory, slot: int) -> str | None:
    """Say why the copy in this slot may not be given up, or None when it may."""
    seat = seen.seat(slot)
    if seat is None:
        return f"there is no slot {slot}; there are {', '.join(str(one.slot) for one in seen.seats) or 'none'}"
    others = [one for one in seen.primaries if one is not seat and one.wsrep.state_uuid == memory.uuid]
    if not others:
        return "no other member serves the recorded history: this may be the only copy there is"
    if seat.wsrep and seat.wsrep.is_primary and seat.wsrep.state_uuid == memory.uuid:
        return f"{seat.title} is in the Primary component itself; nothing has to be replaced"
    if history_of(seat) is None:
        return f"{seat.title} shows no copy: {_condition(seat)}"
    return None


def carry_on(seen: Snapshot, memory: Memory) -> Plan | None:
    """Carry out a recorded consent as far as it is safe; None when there is none."""
    consent = memory.consent
    if consent is None:
        return None
    for seat in seen.seats:
        if seat.agent and seat.agent.stage in _STARTS:
            return Hold(f"{consent.by} decided to go on from slot {consent.slot}; {seat.title} {_condition(seat)}", SOON)
    if seen.live:
        steps = tuple(StopMember(*_recipient(seat)) for seat in seen.live if not seat.agent.leaving)
        titles = ", ".join(seat.title for seat in seen.live)
        if steps:
            return Act(steps, f"{consent.by} decided to go on from slot {consent.slot}: first {titles}, not Primary, has to stop")
        return Hold(f"{consent.by} decided to go on from slot {consent.slot}; {titles} is stopping", SOON)
    for seat in seen.seats:
        if isinstance(seat.member, Unseen) and (seat.slot in consent.accepted or is_diskless(seat, seen, memory)):
            continue
        if seat.agent is None and _waited(seen) > SILENCE:
            return _outdated(seen, memory, consent, f"{seat.title} {_condition(seat)}, and it was not given up")
        if seat.agent is None or seat.agent.stage is not Stage.WAITING:
            return Hold(f"{consent.by} decided to go on from slot {consent.slot}; {seat.title} {_condition(seat)}", SOON)
    for task in seen.leaving:
        return Hold(f"{consent.by} decided to go on from slot {consent.slot}; the old task of slot {task.slot} is ending", SOON)
    if len(seen.seats) < seen.service.replicas:
        made = f"Swarm has made {len(seen.seats)} of {seen.service.replicas} tasks"
        return Hold(f"{consent.by} decided to go on from slot {consent.slot}; {made}", SOON)
    return _bootstrap(seen, memory, consent)


def _bootstrap(seen: Snapshot, memory: Memory, consent: Consent) -> Plan:
    seed = _seed(seen, memory, consent)
    slot = seed.slot if seed else consent.slot
    start = present_copy(seed) if seed else None
    unnamed = sorted(set(losses(seen, memory, slot)) - set(consent.accepted))
    known = {consent.position.uuid, consent.history}
    if start is None or start.uuid not in known or start.seqno < consent.position.seqno or unnamed:
        more = f", and data of slot {', '.join(map(str, unnamed))} may be lost too" if unnamed else ""
        return _outdated(seen, memory, consent, f"slot {slot} holds {start or 'no usable copy'}{more}")
    assert seed is not None
    given_up = f", giving up what only slot {', '.join(map(str, consent.accepted))} may hold" if consent.accepted else ""
    slot, address, incarnation = _recipient(seed)
    return Act(
        (Bootstrap(slot, address, incarnation, start, recipients(seen, apart_from=seed), consent.history),),
        f"{consent.by} decided on {consent.at} to go on from {seed.title} at {start}{given_up}",
    )


def _seed(seen: Snapshot, memory: Memory, consent: Consent) -> Seat | None:
    """The seat to go on from: in the slot that was decided on, or, where its task has no node, the one on that slot's volume.

    A member that stops for the decision frees its node, and Swarm may give the node to a task of a slot that lost its own.
    """
    named, recorded = seen.seat(consent.slot), memory.ledger.get(consent.slot)
    if named is None or recorded is None or not named.task.never_placed:
        return named
    return next((seat for seat in seen.seats if seat.task.node_id == recorded.node_id and present_copy(seat)), named)


def _outdated(seen: Snapshot, memory: Memory, consent: Consent, change: str) -> Page:
    return Page(
        "consent-outdated",
        f"{consent.by} decided on {consent.at} to go on from slot {consent.slot} at {consent.position}, "
        f"but things have changed: {change}",
        f"Decide again: {choices(seen, memory) or 'no copy can be gone on from now'}",
    )


def _waited(seen: Snapshot) -> float:
    """Seconds that all who answer have been waiting."""
    return min((seat.agent.since for seat in seen.stopped), default=0.0)


def recipients(seen: Snapshot, apart_from: Seat) -> tuple[Recipient, ...]:
    """Every other member that answers: they promise to obey nobody older before this one may form a Primary component."""
    return tuple(_recipient(seat) for seat in seen.seats if seat is not apart_from and seat.agent)


def present_copy(seat: Seat) -> Position | None:
    """The position of a copy that could be gone on from: in a waiting member's directory, or in a living one, not Primary."""
    match seat.member:
        case Live(wsrep=wsrep):
            position = Position(wsrep.state_uuid, wsrep.last_committed)
            return position if position.is_usable and not wsrep.is_primary else None
        case Stopped(agent=agent) if agent.directory in COPIES and agent.position and agent.position.is_usable:
            return agent.position
        case _:
            return None


def is_mid_ddl(seat: Seat) -> bool:
    """True for a copy that may hold half of a DDL statement: nothing but a person's decision starts from it."""
    return isinstance(seat.member, Stopped) and seat.member.agent.directory is Directory.MID_DDL


def is_diskless(seat: Seat, seen: Snapshot, memory: Memory) -> bool:
    """True for a task that Swarm has found no node for, and so no disk, when nothing is missing with it.

    What its slot held, if anything is recorded of it, lies on a node: another slot's task may have been started there, and
    then tells of that very volume. Where nothing is recorded at all, and yet a copy is there, an earlier task of the slot may
    have held another.
    """
    if not seat.task.never_placed:
        return False
    recorded = memory.ledger.get(seat.slot)
    if recorded is None:
        return bool(memory.uuid) or not any(present_copy(one) for one in seen.seats)
    there = [copy for one in seen.seats if one.task.node_id == recorded.node_id and (copy := present_copy(one))]
    return any(copy.uuid == memory.uuid and copy.seqno >= recorded.seqno for copy in there)


def is_superseded(slot: int, position: Position, memory: Memory) -> bool:
    """True for a copy whose rows are in the present history, or were given up by a person: it seeds nothing any more."""
    if memory.given_up.get(slot) == position.uuid:
        return True
    fork = memory.fork
    if fork is None or position.uuid != fork.origin.uuid:
        return False
    return position.seqno <= fork.origin.seqno or slot in fork.accepted


def may_replace(seat: Seat, memory: Memory) -> bool:
    """True when a full transfer may replace the copy in this seat."""
    agent = seat.agent
    return agent is not None and agent.position is not None and is_superseded(seat.slot, agent.position, memory)


def stop_given_up(seen: Snapshot, memory: Memory) -> Act | None:
    """Stop a member that serves another history than the recorded one, after a person gave that copy up."""
    for seat in seen.live:
        uuid = history_of(seat)
        if seat.agent.leaving or not memory.uuid or uuid == memory.uuid:
            continue
        if memory.given_up.get(seat.slot) == uuid:
            why = f"{seat.title} serves {uuid}, which a person gave up; it stops, and joins anew"
            return Act((StopMember(*_recipient(seat)),), why)
    return None


def history_of(seat: Seat) -> str | None:
    """The state UUID of the data in this seat, where it can be told."""
    if seat.wsrep:
        return seat.wsrep.state_uuid
    return seat.agent.position.uuid if seat.agent and seat.agent.position else None


def _recipient(seat: Seat) -> Recipient:
    assert seat.agent is not None
    return seat.slot, seat.task.address, seat.agent.incarnation


def _condition(seat: Seat) -> str:
    match seat.member:
        case Unseen(cause=cause):
            return f"was not seen: {cause}"
        case Stopped(agent=agent) | Live(agent=agent):
            return f"is {agent.stage}: {agent.note}" if agent.note else f"is {agent.stage}"
