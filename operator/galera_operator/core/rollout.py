"""A user's own ``docker service update``: Swarm replaces the members in an order that nobody knows; the operator watches over it.

Members drain themselves on SIGTERM, and hand the writer's role over then. What the operator adds: the role goes to a member that
is replaced already, which Swarm will not take again; the size stays as it is; and a person is called when it does not go on.
"""

from __future__ import annotations

from collections.abc import Collection

from galera_operator.core.model import LiveSeat, Snapshot
from galera_operator.core.plan import SOON, Hold, Page
from galera_operator.core.remembered import Memory
from galera_operator.core.returning import stays_away
from galera_operator.core.scaling import restlessness, update_in_flight
from galera_operator.core.traffic import believed_writer, may_write

_UNDER_WAY = {"updating", "rollback_started"}
_STOPPED = {"paused", "rollback_paused"}


def progress(seen: Snapshot) -> str | None:
    """``the service update has replaced 1 of 3 members``; None while there is none."""
    if not update_in_flight(seen.service):
        return None
    kind = "rollback" if seen.service.update_state.startswith("rollback") else "update"
    stands = " and is paused by Swarm" if seen.service.update_state in _STOPPED else ""
    return f"the service {kind} has replaced {len(replaced(seen))} of {len(seen.seats)} members{stands}"


def replaced(seen: Snapshot) -> tuple[LiveSeat, ...]:
    """The members that run what the service says now, and serve."""
    return tuple(seat for seat in seen.live if not seat.task.is_outdated and not restlessness(seat))


def past_it(seen: Snapshot, leaving: Collection[int]) -> LiveSeat | None:
    """The member that should be the writer because the rollout is done with it, while the present one is still to be replaced."""
    present = believed_writer(seen)
    if seen.service.update_state not in _UNDER_WAY or present is None or not present.task.is_outdated:
        return None
    able = [seat for seat in replaced(seen) if seat.slot not in leaving and may_write(seat)]
    return min(able, key=lambda seat: seat.slot, default=None)


def stuck_update(seen: Snapshot, memory: Memory) -> Page | None:
    """Page when a rollout waits for a task that no node can take: it never ends, and the size cannot change under it.

    While a node is kept empty on purpose, that is what was asked for.
    """
    if memory.planned.excluded:
        return None
    rollout = update_in_flight(seen.service)
    for seat in seen.seats:
        if rollout and seat.task.never_placed and seat.task.state == "pending" and seat.task.message:
            return Page(
                "update-stuck",
                f"{rollout}, and it waits for {seat.title}, which no node can take: {seat.task.message}",
                f"Give it a node, or fewer members: docker service scale {seen.service.name}={len(seen.seats) - 1}",
            )
    return None


def stopped_rollout(seen: Snapshot, memory: Memory) -> Page | None:
    """Page when a rollout does not go on: Swarm paused it after a failure, or waits without a limit for a healthy member."""
    how_far = progress(seen)
    if how_far is None or memory.planned.excluded:
        return None  # while a node is kept empty on purpose, its member may have none to go to
    for seat in seen.seats:
        if seat.task.is_outdated:
            continue
        why = stays_away(seat, seen) or (restlessness(seat) if seen.service.update_state in _STOPPED else None)
        if why:
            return _page(seen, f"{how_far}; {seat.title}, which it replaced, {why}")
    if seen.service.update_state in _STOPPED:
        return _page(seen, f"{how_far} after a failure, although every member serves: some run the old and some the new version")
    return None


def _page(seen: Snapshot, why: str) -> Page:
    name = seen.service.name
    return Page(
        "rollout-stopped",
        why,
        f"docker service ps {name} and docker service logs {name} say why. Back to what ran before: docker service update "
        f"--rollback {name}; on with it: docker service update --image ... {name}",
    )


def under_way(seen: Snapshot) -> Hold | None:
    """Say how far a rollout is, and whom it waits for."""
    how_far = progress(seen)
    if how_far is None:
        return None
    restless = [f"{seat.title} {reason}" for seat in seen.seats if (reason := restlessness(seat))]
    return Hold("; ".join([how_far, *restless]), SOON)
