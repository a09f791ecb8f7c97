"""A rolling restart: members one at a time, readers first, the writer last; each is back and let in before the next one goes.

Swarm cannot restart one task. Its own way, ForceUpdate, takes the members in random order with the user's updater settings,
writes the service (which clears the user's rollback point), and knows nothing of the writer. So the operator drains a member and
tells its agent to stop; the agent exits non-zero, and Swarm's restart policy makes a new task in the same slot. A process that
exits by itself is not taken out of the virtual IP first, which is why its sessions are ended, at a transaction boundary, before.
"""

from __future__ import annotations

from galera_operator.core.agent_api import Stage
from galera_operator.core.draining import drain_then
from galera_operator.core.model import LiveSeat, Snapshot
from galera_operator.core.plan import SOON, Hold, Page, Plan, RestartMember
from galera_operator.core.remembered import Memory, Restart
from galera_operator.core.returning import stays_away
from galera_operator.core.scaling import obstacle, restlessness
from galera_operator.core.traffic import believed_writer

_NEVER = "none"
"""Swarm's restart condition under which a task that ends is not made anew."""


def restart_objection(seen: Snapshot, memory: Memory, *, alone: bool) -> str | None:
    """Say why a person may not ask for a rolling restart, or None when they may.

    Args:
        alone: the outage that the restart of an only member is, is accepted.
    """
    name = seen.service.name
    if not memory.uuid or not seen.primaries:
        return f"no member of {name} is in a Primary component: there is nothing to keep up during a restart"
    for seat in seen.seats:
        if seat.agent is None:
            return f"{seat.title} {restlessness(seat)}; which life of it is to end cannot be told"
    if seen.service.restart_condition == _NEVER:
        return (
            f"{name} has the restart condition 'none', so Swarm would not start a member again: "
            f"docker service update --restart-condition any {name}, which is a rolling restart itself"
        )
    if len(seen.seats) == 1 and not alone:
        return (
            f"{seen.seats[0].title} is the only member, and its restart is an outage of some seconds: "
            f"galera-operator restart {name} --allow-outage, or first galera-operator scale {name} 2"
        )
    return None


def lives_now(seen: Snapshot) -> dict[int, str]:
    """The incarnation of each member that is here: what a restart asked for now has to replace."""
    live, stopped = seen.live, seen.stopped
    return {seat.slot: seat.agent.incarnation for seat in live} | {seat.slot: seat.agent.incarnation for seat in stopped}


def restart_after(restart: Restart | None, seen: Snapshot) -> Restart | None:
    """The restart after this look; None once each of its members lives anew and serves, or its slot is gone for good."""
    if restart is None:
        return None
    is_complete = len(seen.seats) >= seen.service.replicas
    for slot, incarnation in restart.members.items():
        seat = seen.seat(slot)
        if seat is None and not is_complete:
            return restart
        if seat and (seat.agent is None or seat.agent.incarnation == incarnation or restlessness(seat)):
            return restart
    return None


def restarted(restart: Restart, seen: Snapshot) -> tuple[int, int]:
    """How many of its members live anew and serve, and of how many."""
    done = [
        seat
        for slot, incarnation in restart.members.items()
        if (seat := seen.seat(slot)) and seat.agent and seat.agent.incarnation != incarnation and not restlessness(seat)
    ]
    return len(done), len(restart.members)


def next_to_restart(seen: Snapshot, memory: Memory) -> LiveSeat | None:
    """The member whose turn it is: one already drained for it, else the lowest reader, the writer last. None: not now."""
    restart = memory.restart
    if restart is None or seen.service.restart_condition == _NEVER or obstacle(seen):
        return None
    if len(seen.seats) == 1 and not restart.alone:
        return None
    writer = believed_writer(seen)
    left = [seat for seat in seen.live if restart.members.get(seat.slot) == seat.agent.incarnation]
    return min(left, key=lambda seat: (not _is_drained(seat), seat is writer, seat.slot), default=None)


def _is_drained(seat: LiveSeat) -> bool:
    return seat.agent.stage in {Stage.DRAINING, Stage.DRAINED}


def go_on_restarting(seen: Snapshot, memory: Memory) -> Plan | None:
    """One step of the restart that is under way; None when there is none."""
    restart = memory.restart
    if restart is None:
        return None
    done, of = restarted(restart, seen)
    goal = f"restart asked for by {restart.by}, {done} of {of} members done"
    seat = next_to_restart(seen, memory)
    if seat is None:
        return _not_back(restart, seen, goal) or Hold(f"{goal}; not now: {_what_it_waits_for(seen)}", SOON)
    agent = seat.agent
    step = RestartMember(seat.slot, seat.task.address, agent.incarnation, seat.task.id, only_drained=agent.api_level >= 1)
    return drain_then(seat, seen, goal, f"{seat.title} is next", step, "is started anew by Swarm")


def _what_it_waits_for(seen: Snapshot) -> str:
    blocked = obstacle(seen)
    if blocked:
        return blocked
    if seen.service.restart_condition == _NEVER:
        return "the service's restart condition is 'none', so Swarm would not start a member again"
    return (
        f"{seen.seats[0].title} is the only member; galera-operator restart {seen.service.name} --cancel, "
        "and ask again with --allow-outage"
    )


def _not_back(restart: Restart, seen: Snapshot, goal: str) -> Page | None:
    for seat in seen.seats:
        why = stays_away(seat, seen) if seat.slot in restart.members else None
        if why:
            return Page(
                "restart-stopped",
                f"{goal}; {seat.title} {why}; the rest is left as it is",
                f"docker service logs {seen.service.name} . The restart goes on when it is back; to give it up: "
                f"galera-operator restart {seen.service.name} --cancel",
            )
    return None
