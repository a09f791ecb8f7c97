"""The second opinion: a small set of invariants, checked on every plan right before it acts.

Written apart from `decide` and sharing none of its helpers on purpose: a mistake there must not hide itself here. A vetoed
plan is a bug, is not carried out, and pages.
"""

from __future__ import annotations

from galera_operator.core.agent_api import ANY_WRITER, Stage
from galera_operator.core.model import Live, Seat, Snapshot, Stopped, Unseen
from galera_operator.core.plan import (
    Act,
    AdmitMember,
    Appoint,
    Bootstrap,
    DrainMember,
    Exclude,
    FormPrimary,
    Invite,
    Plan,
    Recipient,
    Resize,
    RestartMember,
    RunSql,
    SetWish,
    Step,
    StopMember,
    UpdateService,
)
from galera_operator.core.position import ZERO_UUID, Directory, Position
from galera_operator.core.remembered import Consent, Fork, Memory
from galera_operator.core.veto_leaving import is_lone_restart, leaving, resize, restart, serving
from galera_operator.core.veto_planned import exclude, run_sql, set_wish, update_service


def broken_invariants(plan: Plan, seen: Snapshot, memory: Memory) -> tuple[str, ...]:
    """Name every safety invariant that the plan would break; empty when it may act."""
    if not isinstance(plan, Act):
        return ()
    broken = [reason for step in plan.steps for reason in _of_step(step, seen, memory)]
    if sum(isinstance(step, Bootstrap | FormPrimary) for step in plan.steps) > 1:
        broken.append("more than one bootstrap grant in one plan")
    if sum(isinstance(step, DrainMember | RestartMember | Resize | Exclude | UpdateService) for step in plan.steps) > 1:
        broken.append("more than one member would leave in one plan")
    return tuple(broken)


def _of_step(step: Step, seen: Snapshot, memory: Memory) -> list[str]:
    match step:
        case Bootstrap():
            return _bootstrap(step, seen, memory)
        case FormPrimary():
            return _form_primary(step, seen, memory)
        case StopMember():
            return _stop(step, seen, memory)
        case Invite():
            return _invite(step, seen, memory)
        case AdmitMember():
            return _traffic(step.slot, {4}, seen, memory)
        case Appoint():
            return _appoint(step, seen, memory)
        case DrainMember():
            return [] if is_lone_restart(step.slot, seen, memory) else leaving(step.slot, seen)
        case RestartMember():
            return restart(step, seen, memory)
        case Resize():
            return resize(step, seen)
        case SetWish():
            return set_wish(step, seen, memory)
        case Exclude():
            return exclude(step, seen, memory)
        case UpdateService():
            return update_service(step, seen, memory)
        case RunSql():
            return run_sql(step, memory)


def _bootstrap(step: Bootstrap, seen: Snapshot, memory: Memory) -> list[str]:
    broken, accepted = [], set[int]()
    consent = memory.consent
    if step.history:
        start = step.position
        if consent is None or consent.history != step.history or not _is_decided_seed(step.slot, consent.slot, seen, memory):
            broken.append("a bootstrap under a new state UUID that no person decided on")
        elif start is None or start.uuid not in {consent.position.uuid, consent.history} or start.seqno < consent.position.seqno:
            broken.append(f"a bootstrap from {start}, but a person decided on {consent.position}")
        else:
            accepted = set(consent.accepted)
    elif step.position and memory.uuid and step.position.uuid != memory.uuid:
        broken.append(f"a bootstrap from {step.position}, recorded is {memory.uuid}")
    missing = [
        seat
        for seat in seen.seats
        if not isinstance(seat.member, Stopped)
        and not (isinstance(seat.member, Unseen) and (seat.slot in accepted or _is_diskless(seat, seen, memory)))
    ]
    if missing or len(seen.seats) < seen.service.replicas:
        broken.append("a bootstrap grant while some expected member is not seen stopped")
    if seen.leaving or any(task.slot not in accepted for task in seen.lost):
        broken.append("a bootstrap grant while an old task may still run a server")
    if any(seat.agent and seat.agent.stage is not Stage.WAITING for seat in seen.seats):
        broken.append("a bootstrap grant while some member's server may be running")
    half_done = {seat.slot for seat in seen.seats if seat.agent and seat.agent.directory is Directory.MID_DDL}
    if step.slot in half_done and not step.history:
        broken.append("a bootstrap from a copy with half of a DDL statement under the history that others join by its seqno")
    if step.position is None and memory.uuid:
        broken.append(f"a new cluster in place of the recorded one, {memory.uuid}")
    if step.position and not step.position.is_usable:
        broken.append(f"a bootstrap from {step.position}, which is no position")
    broken += _not_newest(step.position, seen, memory, accepted)
    return broken + _not_fenced(step.slot, step.fence, seen)


def _is_decided_seed(slot: int, decided: int, seen: Snapshot, memory: Memory) -> bool:
    """True for the slot that was decided on, or for the one on its volume's node while the decided one has no node itself."""
    if slot == decided:
        return True
    named, seed, recorded = seen.seat(decided), seen.seat(slot), memory.ledger.get(decided)
    if named is None or seed is None or recorded is None:
        return False
    return not named.task.node_id and seed.task.node_id == recorded.node_id


def _is_diskless(seat: Seat, seen: Snapshot, memory: Memory) -> bool:
    """True for a task that never had a node, and so no disk, in a slot whose data is told of by the node that it was on.

    Where nothing is recorded of the slot, there must be nothing to tell: either the cluster is known and this slot was never
    in it, or nobody holds anything.
    """
    if seat.task.node_id:
        return False
    if seat.slot in memory.ledger:
        node, seqno = memory.ledger[seat.slot].node_id, memory.ledger[seat.slot].seqno
        held = [_held(one) for one in seen.seats if one.task.node_id == node]
        return any(copy is not None and copy.uuid == memory.uuid and copy.seqno >= seqno for copy in held)
    return bool(memory.uuid) or not any(_held(one) for one in seen.seats)


def _form_primary(step: FormPrimary, seen: Snapshot, memory: Memory) -> list[str]:
    broken = []
    if memory.uuid and step.position.uuid != memory.uuid:
        broken.append(f"pc.bootstrap at {step.position}, recorded is {memory.uuid}")
    seat = seen.seat(step.slot)
    if seat is None or not isinstance(seat.member, Live) or seat.member.wsrep.last_committed != step.position.seqno:
        broken.append(f"pc.bootstrap on slot {step.slot}, which is not alive at {step.position}")
    unseen = [seat for seat in seen.seats if isinstance(seat.member, Unseen) and not _is_diskless(seat, seen, memory)]
    if unseen or len(seen.seats) < seen.service.replicas:
        broken.append("pc.bootstrap while some expected member is not seen")
    if seen.leaving or seen.lost:
        broken.append("pc.bootstrap while an old task may still run a server")
    if any(isinstance(seat.member, Live) and seat.member.wsrep.is_primary for seat in seen.seats):
        broken.append("pc.bootstrap while a Primary component is alive")
    if any(isinstance(seat.member, Stopped) and seat.member.agent.stage is not Stage.WAITING for seat in seen.seats):
        broken.append("pc.bootstrap while some member is neither up nor waiting: what it holds is not known")
    if any(seat.agent and seat.agent.stage in {Stage.JOINING, Stage.BOOTSTRAPPING} for seat in seen.seats):
        broken.append("pc.bootstrap while some member is on its way into a Primary component")
    broken += _not_newest(step.position, seen, memory, set())
    return broken + _not_fenced(step.slot, step.fence, seen)


def _not_newest(start: Position | None, seen: Snapshot, memory: Memory, accepted: set[int]) -> list[str]:
    """What is known of newer data, or of another history, that nobody gave up."""
    broken = []
    seqno = start.seqno if start else -1
    renamed = _fork_of(memory.consent, start)
    ledger = {
        slot: copy
        for slot, copy in memory.ledger.items()
        if slot not in accepted and not (renamed and copy.seqno <= renamed.origin.seqno)
    }
    if any(copy.seqno > seqno for copy in ledger.values()):
        broken.append(f"a Primary component from {start}, although a member was seen further on")
    forks = [fork for fork in (memory.fork, renamed) if fork]
    nodes = {seat.task.node_id for seat in seen.seats if seat.agent}
    broken += [
        f"a Primary component while the copy of slot {known} is on node {copy.node_id}, which was not heard"
        for known, copy in ledger.items()
        if copy.node_id not in nodes
    ]
    for seat in seen.seats:
        held = _held(seat)
        if held is None or seat.slot in accepted:
            continue
        if memory.given_up.get(seat.slot) == held.uuid:
            continue
        if any(_is_contained(seat.slot, held, fork) for fork in forks):
            continue
        if start is None or held.uuid != start.uuid or held.seqno > start.seqno:
            broken.append(f"a Primary component from {start} while slot {seat.slot} holds {held}")
    return broken


def _fork_of(consent: Consent | None, start: Position | None) -> Fork | None:
    """The fork that a person's decision has made already, where the seed bears the new history's name."""
    if consent is None or start is None or start.uuid != consent.history:
        return None
    return Fork(consent.position, consent.accepted)


def _is_contained(slot: int, held: Position, fork: Fork) -> bool:
    return held.uuid == fork.origin.uuid and (held.seqno <= fork.origin.seqno or slot in fork.accepted)


def _held(seat: Seat) -> Position | None:
    if isinstance(seat.member, Live):
        return Position(seat.member.wsrep.state_uuid, seat.member.wsrep.last_committed)
    return seat.agent.position if seat.agent else None


def _not_fenced(slot: int, fence: tuple[Recipient, ...], seen: Snapshot) -> list[str]:
    """The members that another operator, frozen until now, could still start."""
    promised = {(number, incarnation) for number, _, incarnation in fence}
    others = {(seat.slot, seat.agent.incarnation) for seat in seen.seats if seat.agent and seat.slot != slot}
    return [f"a Primary component without the promise of slot {number}" for number, _ in sorted(others - promised)]


def _stop(step: StopMember, seen: Snapshot, memory: Memory) -> list[str]:
    seat = seen.seat(step.slot)
    if seat is None or not isinstance(seat.member, Live):
        return [f"a stop of slot {step.slot}, which was not seen alive"]
    wsrep = seat.member.wsrep
    if not any(isinstance(one.member, Live) and one.member.wsrep.is_primary for one in seen.seats):
        return []
    if not wsrep.connected and not wsrep.is_primary:
        return []
    if memory.uuid and wsrep.state_uuid != memory.uuid and memory.given_up.get(step.slot) == wsrep.state_uuid:
        return []
    return [f"a stop of slot {step.slot}, which is {wsrep.local_state_comment} in a {wsrep.cluster_status} component"]


def _invite(step: Invite, seen: Snapshot, memory: Memory) -> list[str]:
    """A join may erase a copy: only one that the component has, that a person's fork contains, or that was given up."""
    held, broken = step.position, []
    if held is None:
        return []
    fork = memory.fork
    was_given_up = memory.given_up.get(step.slot) == held.uuid or (fork is not None and _is_contained(step.slot, held, fork))
    if step.replaces and not was_given_up:
        broken.append(f"the copy of slot {step.slot} at {held} replaced, which nobody gave up")
    serving = [seat.member.wsrep for seat in seen.seats if isinstance(seat.member, Live) and seat.member.wsrep.is_primary]
    if not step.replaces and not any(one.state_uuid == held.uuid and one.last_committed >= held.seqno for one in serving):
        broken.append(f"slot {step.slot} at {held} would join a component that does not have all of it")
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


def _appoint(step: Appoint, seen: Snapshot, memory: Memory) -> list[str]:
    if step.writer == ANY_WRITER:
        return [] if seen.settings.any_writer else ["every member a writer, which no label asks for"]
    broken = _traffic(step.slot, {2, 3, 4}, seen, memory) + _never_admitted(step.slot, seen)
    seat = seen.seat(step.slot)
    if seat is None or not isinstance(seat.member, Live):
        return broken
    if seat.member.agent.leaving or seat.member.agent.stage is not Stage.RUNNING:
        broken.append(f"slot {step.slot} the writer, which is {seat.member.agent.stage}")
    has_the_role = any(one.agent and one.agent.writer == step.writer for one in seen.seats)
    if seat.member.wsrep.local_state != 4 and not has_the_role:
        state = seat.member.wsrep.local_state_comment
        broken += [f"slot {step.slot} the writer, which is {state}, although slot {one} is Synced" for one in serving(seen)]
    return broken


def _never_admitted(slot: int, seen: Snapshot) -> list[str]:
    seat = seen.seat(slot)
    return [] if seat and seat.is_admitted else [f"slot {slot} the writer, which nobody has let in"]
