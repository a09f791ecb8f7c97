"""Which task Swarm takes on a scale-down, and whether this is a moment at which the size may change at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Live, Seat, Service, Snapshot, Task, Unseen

_IN_FLIGHT = {"updating", "paused", "rollback_started", "rollback_paused"}

_CALM = {Stage.RUNNING, Stage.DRAINING, Stage.DRAINED}
"""A drain is the operator's own doing, and the last thing before a change of size."""


def predicted_victims(tasks: Sequence[Task], remaining: int) -> tuple[Task, ...]:
    """The tasks that Swarm will remove when the service's replicas become `remaining`.

    Swarm's own rule: sort slots, running ones first, ties by slot number; number each slot's copy per node; a slot whose task
    has no node, or with two tasks, counts as -1; sort by that number, -1 last; keep the first `remaining`.

    Args:
        tasks: every task that Swarm means to keep (desired state running or ready).

    Source: swarmkit, manager/orchestrator/replicated/services.go and slot.go; run on engine 20.10, see tests/e2e.
    """
    slots: dict[int, list[Task]] = defaultdict(list)
    for task in tasks:
        slots[task.slot].append(task)
    ordered = sorted(slots.values(), key=lambda slot: (not any(task.is_running for task in slot), slot[0].slot))
    copies: dict[str, int] = defaultdict(int)
    numbered: list[tuple[bool, int, list[Task]]] = []
    for slot in ordered:
        if len(slot) != 1 or not slot[0].node_id:
            numbered.append((True, 0, slot))
        else:
            copies[slot[0].node_id] += 1
            numbered.append((False, copies[slot[0].node_id], slot))
    numbered.sort(key=lambda entry: entry[:2])  # stable: the running-first order stays within one number
    return tuple(task for *_, slot in numbered[remaining:] for task in slot)


def obstacle(snapshot: Snapshot, *, placed_only: bool = False) -> str | None:
    """Say why the size may not change now, or None when it may.

    A change of size is safe only from a calm cluster: everyone seen, one view, nobody joining, giving a state transfer or
    leaving, and no rollout whose rollback point a write would eat.

    Args:
        placed_only: leave out tasks that Swarm found no node for: they are members of nothing, and the first to go.
    """
    service = snapshot.service
    rollout = update_in_flight(service)
    if rollout:
        return rollout
    if len(snapshot.seats) < service.replicas:
        return f"Swarm has made {len(snapshot.seats)} of {service.replicas} tasks so far"
    if len(snapshot.seats) > service.replicas:
        return f"Swarm still has {len(snapshot.seats)} tasks where {service.replicas} are asked for"
    if snapshot.leaving:
        return f"the task of slot {snapshot.leaving[0].slot} is still on its way out"
    members = [seat for seat in snapshot.seats if not (placed_only and seat.task.never_placed)]
    for seat in members:
        reason = restlessness(seat)
        if reason:
            return f"{seat.title} {reason}"
    size = len(members)
    for seat in snapshot.live:
        if seat.wsrep.cluster_size != size:
            return f"{seat.title} sees {seat.wsrep.cluster_size} members, Swarm has {size} tasks"
    views = {seat.wsrep.conf_id: seat for seat in snapshot.live}
    if len(views) > 1:
        return " and ".join(f"{seat.title} is in view {number}" for number, seat in sorted(views.items()))
    return None


def update_in_flight(service: Service) -> str | None:
    """Say that a rollout is under way, whose rollback point a write would eat; None when there is none."""
    if service.update_state not in _IN_FLIGHT:
        return None
    return f"a service update is {service.update_state.replace('_', ' ')}; a write now would disturb it"


def restlessness(seat: Seat) -> str | None:
    """Say why this member is not in calm service, as the rest of a sentence about it, or None when it is."""
    match seat.member:
        case Unseen(cause=cause):
            return f"was not seen: {cause}"
        case Live(agent=agent, wsrep=wsrep):
            if not wsrep.is_synced:
                return f"is {wsrep.in_words}"
            if agent.transfer is not None:
                return f"has a state transfer in flight as {agent.transfer.role}"
            if agent.leaving:
                return "was asked to stop and is on its way out"
            if not seat.is_admitted:
                return "is Synced but not admitted yet"
            if wsrep.desync_count:
                return "is desynchronised on purpose (a backup?)"
            return None if agent.stage in _CALM else f"is {agent.stage}"
        case stopped:
            return f"is {stopped.agent.stage}: {stopped.agent.note}" if stopped.agent.note else f"is {stopped.agent.stage}"
