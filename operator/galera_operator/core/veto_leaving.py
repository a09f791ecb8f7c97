"""The part of the veto about members that leave: by a drain, a restart or a smaller size."""

from __future__ import annotations

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Live, Snapshot, Unseen
from galera_operator.core.plan import Resize, RestartMember
from galera_operator.core.remembered import Memory


def serving(seen: Snapshot) -> list[int]:
    """The slots whose members are Synced, let in, and not on their way out."""
    return [
        seat.slot
        for seat in seen.seats
        if isinstance(seat.member, Live)
        and seat.member.wsrep.local_state == 4
        and seat.member.wsrep.is_primary
        and seat.member.agent.stage is Stage.RUNNING
        and seat.is_admitted
    ]


def leaving(slot: int, seen: Snapshot) -> list[str]:
    staying = [other for other in serving(seen) if other != slot]
    broken = [] if staying else [f"slot {slot} is the last Synced member that serves"]
    others = [seat for seat in seen.seats if seat.slot != slot and (seat.task.node_id or not isinstance(seat.member, Unseen))]
    if len(staying) < len(others):
        broken.append(f"slot {slot} would leave while another member is not Synced and serving")
    broken += [
        f"slot {slot} would leave while slot {seat.slot} has a state transfer in flight"
        for seat in seen.seats
        if seat.agent and seat.agent.transfer
    ]
    return broken


def restart(step: RestartMember, seen: Snapshot, memory: Memory) -> list[str]:
    lone = is_lone_restart(step.slot, seen, memory)
    broken = [] if lone else leaving(step.slot, seen)
    seat = seen.seat(step.slot)
    if seat is None or not seat.agent or (seat.agent.incarnation, seat.task.id) != (step.incarnation, step.task_id):
        return [*broken, f"slot {step.slot} restarted in another life than was seen"]
    if len(seen.seats) != seen.service.replicas or seen.leaving or memory.shrink:
        broken.append(f"slot {step.slot} restarted while Swarm still makes or ends tasks")
    if seen.service.update_state in {"updating", "paused", "rollback_started", "rollback_paused"}:
        broken.append(f"slot {step.slot} restarted while a service update is in flight")
    if not lone and any(other.agent and other.agent.writer == seat.agent.name for other in seen.seats):
        broken.append(f"slot {step.slot} restarted while it is still taken for the writer")
    return broken


def is_lone_restart(slot: int, seen: Snapshot, memory: Memory) -> bool:
    """The outage that a person asked for by name: an only member, in the very life that was there then."""
    restart = memory.restart
    if restart is None or not restart.alone or len(seen.seats) != 1 or seen.service.replicas != 1:
        return False
    agent = seen.seats[0].agent
    return agent is not None and not agent.transfer and restart.members.get(slot) == agent.incarnation


def resize(step: Resize, seen: Snapshot) -> list[str]:
    broken = []
    if step.version != seen.service.version or step.before != seen.service.replicas:
        broken.append("a size from another look than this one")
    if step.after < 1:
        broken.append(f"{step.after} members: the last one would go")
    if step.before - step.after > 1:
        broken.append("more than one member would leave at once")
    if step.after < step.before:
        broken += leaving(step.victim[0], seen) if step.victim else ["a scale-down without a predicted victim"]
    if any(seat.agent and seat.agent.transfer for seat in seen.seats):
        broken.append("a change of size while a state transfer is in flight")
    if seen.service.update_state in {"updating", "paused", "rollback_started", "rollback_paused"}:
        broken.append("a change of size while a service update is in flight")
    return broken
