"""The writer's role: who has it, where a person wished it to go, and how it moves without cutting a transaction.

The role moves in two parts. First every agent is told, so that new connections go to the new writer; then the member that had it
is drained, because sessions opened before stay where they are, and two members would go on taking writes.
"""

from __future__ import annotations

from collections.abc import Collection

from galera_operator.core.agent_api import ANY_WRITER, Stage
from galera_operator.core.binding import lost_bindings
from galera_operator.core.model import LiveSeat, Seat, Snapshot, is_live
from galera_operator.core.plan import SOON, Act, Appoint, DrainMember, Hold, Plan
from galera_operator.core.remembered import Memory, WriterMove
from galera_operator.core.rollout import past_it
from galera_operator.core.scaling import obstacle, restlessness, update_in_flight
from galera_operator.core.traffic import believed_writer, choose_writer, may_write


def lead(seen: Snapshot, memory: Memory, leaving: Collection[int] = ()) -> Act | None:
    """See to it that every member takes the same, able member for the writer; or each itself, where the label says so.

    Args:
        leaving: slots that are about to be drained.

    Who is in no Primary component has no say.
    """
    if every_member_writes(seen):
        return _let_all_write(seen)
    leaving = {*leaving, *(seat.slot for seat in lost_bindings(seen))}
    chosen = _wished(seen, memory, leaving) or past_it(seen, leaving) or choose_writer(seen, avoid=leaving)
    if chosen is None:
        return None
    others = _who_believe_otherwise(seen, chosen.agent.name)
    if not others:
        return None
    return Act((Appoint(chosen.agent.name, chosen.slot, others),), _why(chosen, seen, memory, leaving))


def _who_believe_otherwise(seen: Snapshot, name: str) -> tuple[tuple[int, str, str], ...]:
    return tuple((seat.slot, seat.task.address, seat.agent.incarnation) for seat in seen.primaries if seat.agent.writer != name)


def _why(chosen: LiveSeat, seen: Snapshot, memory: Memory, leaving: Collection[int]) -> str:
    present, move = believed_writer(seen), memory.move
    if present is None and any(seat.agent.writer == ANY_WRITER for seat in seen.live):
        return f"one member is to take the writes again; {chosen.title} becomes the writer"
    if present is None:
        taken = next((task for task in seen.leaving if any(_is_in(task.slot, seat) for seat in seen.live)), None)
        why = f"Swarm takes the task of slot {taken.slot}, the writer" if taken else "no member is the writer"
        return f"{why}; {chosen.title} becomes it"
    if present.slot == chosen.slot:
        return f"{chosen.title} is the writer; not every member knows it"
    if not may_write(present):
        return f"the writer {present.title} cannot serve any more; {chosen.title} takes over"
    if chosen is past_it(seen, leaving):
        return f"the service update will replace the writer {present.title}, and has replaced {chosen.title}, which takes over"
    if move and move.slot == chosen.slot:
        return f"{move.by} asked for it: {chosen.title} becomes the writer in place of {present.title}"
    leaves = "is not found by DNS" if present in lost_bindings(seen) else "is about to leave"
    return f"the writer {present.title} {leaves}; {chosen.title} takes over before it is drained"


def _is_in(slot: int, seat: LiveSeat) -> bool:
    """True when this member takes the one in that slot for the writer. Names end in the slot where Swarm told the agent."""
    return seat.agent.writer.endswith(f".{slot}")


def every_member_writes(seen: Snapshot) -> bool:
    """True when the label asks for it and every agent understands it: until then one member is the writer."""
    return seen.settings.any_writer and all(seat.agent.api_level >= 1 for seat in seen.live)


def _let_all_write(seen: Snapshot) -> Act | None:
    others = _who_believe_otherwise(seen, ANY_WRITER)
    if not others or not any(may_write(seat) for seat in seen.live):
        return None
    return Act((Appoint(ANY_WRITER, 0, others),), "galera.writer is any: every member that is Synced and let in takes writes")


# A person's wish -----------------------------------------------------------------------------------------------------


def move_objection(seen: Snapshot, memory: Memory, slot: int) -> str | None:
    """Say why a person may not ask for this slot as the writer, or None when they may. It need not be able to write yet."""
    name = seen.service.name
    if seen.settings.any_writer:
        return f"galera.writer is any: every member takes writes; for one: docker service update --label-rm galera.writer {name}"
    if seen.seat(slot) is None:
        return f"there is no slot {slot}; there are {', '.join(str(seat.slot) for seat in seen.seats) or 'none'}"
    if not memory.uuid or not seen.primaries:
        return f"no member of {name} is in a Primary component: there is no writer to move"
    return None


def move_after(move: WriterMove | None, seen: Snapshot) -> WriterMove | None:
    """The wish after this look; None once it has come true or has become void."""
    if move is None or seen.settings.any_writer:
        return None
    target = seen.seat(move.slot)
    if target is None:
        return move if len(seen.seats) < seen.service.replicas else None
    leads = _leads(move.slot, seen)
    if leads is None or seen.unseen:
        return move
    before = _had_it(move, seen)
    done = before is None or before is leads or before.agent.stage is Stage.DRAINED
    return None if done else move


def _leads(slot: int, seen: Snapshot) -> LiveSeat | None:
    """The member in this slot, where everybody in the Primary component takes it for the writer."""
    seat = seen.seat(slot)
    if seat is None or not is_live(seat) or any(other.agent.writer != seat.agent.name for other in seen.primaries):
        return None
    return seat


def _had_it(move: WriterMove, seen: Snapshot) -> LiveSeat | None:
    """The member that was the writer when the move was asked for, unless its database has ended since."""
    return next((seat for seat in seen.live if seat.agent.incarnation == move.away_from), None)


def _wished(seen: Snapshot, memory: Memory, leaving: Collection[int]) -> LiveSeat | None:
    """The member that a person asked for, once it can be the writer."""
    if memory.move is None:
        return None
    rollout = bool(update_in_flight(seen.service))
    able = (seat for seat in seen.live if not _not_yet(seat, leaving, rollout=rollout))
    return next((seat for seat in able if seat.slot == memory.move.slot), None)


def _not_yet(seat: Seat, leaving: Collection[int], *, rollout: bool) -> str | None:
    """Say why this member cannot take the role now, as the rest of a sentence about it; it waits for that to pass."""
    if seat.slot in leaving:
        return "is about to leave"
    if rollout and seat.task.is_outdated:
        return "is still to be replaced by the service update"
    return restlessness(seat) or (None if may_write(seat) else f"is {seat.agent.stage if seat.agent else 'unseen'}")


def gives_way(seen: Snapshot, memory: Memory) -> LiveSeat | None:
    """The member whose sessions have to end now, because the role was moved away from it; only in calm service."""
    if memory.move is None:
        return None
    target = _leads(memory.move.slot, seen)
    if target is None or obstacle(seen):
        return None  # it cannot take the role yet, so nobody loses it
    before = _had_it(memory.move, seen)
    return before if before is not target else None


def finish_move(seen: Snapshot, memory: Memory) -> Plan | None:
    """Say what a move of the writer waits for, or end the sessions that stayed where it was."""
    move = memory.move
    if move is None:
        return None
    wish = f"{move.by} asked for slot {move.slot} as the writer"
    target = seen.seat(move.slot)
    if target is None:
        return Hold(f"{wish}; Swarm is making its task", SOON)
    if _leads(move.slot, seen) is None:
        why = _not_yet(target, (), rollout=bool(update_in_flight(seen.service))) or "is not known as the writer everywhere"
        return Hold(f"{wish}; it waits: {target.title} {why}", SOON)
    before = gives_way(seen, memory)
    if before is None:
        return Hold(f"{wish}, and it is; sessions at the one before end later: {obstacle(seen) or 'it was not seen'}", SOON)
    seconds = seen.settings.drain_seconds(seen.service.stop_grace)
    if before.agent.stage is Stage.RUNNING:
        drain = DrainMember(before.slot, before.task.address, before.agent.incarnation, seconds)
        return Act((drain,), f"{wish}, and it is; sessions that stayed at {before.title} end at a transaction boundary")
    return Hold(f"{wish}, and it is; {before.title} is draining: {before.agent.sessions} sessions left", SOON)
