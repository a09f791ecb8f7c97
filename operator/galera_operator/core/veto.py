"""The second opinion: a small set of invariants, checked on every plan right before it acts.

Written apart from `decide` and sharing none of its helpers on purpose: a mistake there must not hide itself here. A vetoed
plan is a bug, is not carried out, and pages.
"""

from __future__ import annotations

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Live, Memory, Snapshot, Stopped
from galera_operator.core.plan import Act, AdmitMember, Appoint, Bootstrap, DrainMember, Plan, Resize, Step
from galera_operator.core.position import ZERO_UUID


def broken_invariants(plan: Plan, seen: Snapshot, memory: Memory) -> tuple[str, ...]:
    """Name every safety invariant that the plan would break; empty when it may act."""
    if not isinstance(plan, Act):
        return ()
    broken = [reason for step in plan.steps for reason in _of_step(step, seen, memory)]
    if sum(isinstance(step, Bootstrap) for step in plan.steps) > 1:
        broken.append("more than one bootstrap grant in one plan")
    if sum(isinstance(step, DrainMember | Resize) for step in plan.steps) > 1:
        broken.append("more than one member would leave in one plan")
    return tuple(broken)


def _of_step(step: Step, seen: Snapshot, memory: Memory) -> list[str]:
    match step:
        case Bootstrap():
            return _bootstrap(step, seen, memory)
        case AdmitMember():
            return _traffic(step.slot, {4}, seen, memory)
        case Appoint():
            return _traffic(step.slot, {2, 3, 4}, seen, memory) + _never_admitted(step.slot, seen)
        case DrainMember():
            return _leaving(step.slot, seen)
        case Resize():
            return _resize(step, seen)
        case _:
            return []


def _bootstrap(step: Bootstrap, seen: Snapshot, memory: Memory) -> list[str]:
    broken = []
    if len(seen.seats) < seen.service.replicas or not all(isinstance(seat.member, Stopped) for seat in seen.seats):
        broken.append("a bootstrap grant while some expected member is not seen stopped")
    if seen.leaving or seen.lost:
        broken.append("a bootstrap grant while an old task may still run a server")
    if any(seat.agent and seat.agent.stage is not Stage.WAITING for seat in seen.seats):
        broken.append("a bootstrap grant while some member's server may be running")
    if step.position is None and memory.uuid:
        broken.append(f"a new cluster in place of the recorded one, {memory.uuid}")
    if step.position and not step.position.is_usable:
        broken.append(f"a bootstrap from {step.position}, which is no position")
    if (step.position.seqno if step.position else -1) < max((copy.seqno for copy in memory.ledger.values()), default=-1):
        broken.append(f"a bootstrap from {step.position}, although a member was seen further on")
    for seat in seen.seats:
        position = seat.agent.position if seat.agent else None
        if position and (step.position is None or position.uuid != step.position.uuid or position.seqno > step.position.seqno):
            broken.append(f"a bootstrap from {step.position} while slot {seat.slot} holds {position}")
    if step.position and memory.uuid and step.position.uuid != memory.uuid:
        broken.append(f"a bootstrap from {step.position}, recorded is {memory.uuid}")
    return broken


def _traffic(slot: int, states: set[int], seen: Snapshot, memory: Memory) -> list[str]:
    seat = seen.seat(slot)
    if seat is None or not isinstance(seat.member, Live):
        return [f"traffic to slot {slot}, which was not seen alive"]
    wsrep = seat.member.wsrep
    if not wsrep.is_primary or not wsrep.ready or wsrep.local_state not in states:
        return [f"traffic to slot {slot}, which is {wsrep.local_state_comment} in a {wsrep.cluster_status} component"]
    if wsrep.state_uuid == ZERO_UUID or (memory.uuid and wsrep.state_uuid != memory.uuid):
        return [f"traffic to slot {slot}, which holds state UUID {wsrep.state_uuid}"]
    return []


def _never_admitted(slot: int, seen: Snapshot) -> list[str]:
    seat = seen.seat(slot)
    return [] if seat and seat.is_admitted else [f"slot {slot} the writer, which nobody has let in"]


def _leaving(slot: int, seen: Snapshot) -> list[str]:
    staying = [
        seat
        for seat in seen.seats
        if seat.slot != slot
        and isinstance(seat.member, Live)
        and seat.member.wsrep.local_state == 4
        and seat.member.wsrep.is_primary
        and seat.member.agent.stage is Stage.RUNNING
        and seat.is_admitted
    ]
    broken = [] if staying else [f"slot {slot} is the last Synced member that serves"]
    if len(staying) < len(seen.seats) - 1:
        broken.append(f"slot {slot} would leave while another member is not Synced and serving")
    broken += [
        f"slot {slot} would leave while slot {seat.slot} has a state transfer in flight"
        for seat in seen.seats
        if seat.agent and seat.agent.transfer
    ]
    return broken


def _resize(step: Resize, seen: Snapshot) -> list[str]:
    broken = []
    if step.version != seen.service.version or step.before != seen.service.replicas:
        broken.append("a size from another look than this one")
    if step.after < 1:
        broken.append(f"{step.after} members: the last one would go")
    if step.before - step.after > 1:
        broken.append("more than one member would leave at once")
    if step.after < step.before:
        broken += _leaving(step.victim[0], seen) if step.victim else ["a scale-down without a predicted victim"]
    if any(seat.agent and seat.agent.transfer for seat in seen.seats):
        broken.append("a change of size while a state transfer is in flight")
    if seen.service.update_state in {"updating", "paused", "rollback_started", "rollback_paused"}:
        broken.append("a change of size while a service update is in flight")
    return broken
