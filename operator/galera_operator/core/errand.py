"""Steps that planned work asks for, from a calm cluster only: a wished size, an update of the service, a node to be emptied."""

from __future__ import annotations

from galera_operator.core.draining import drain_then
from galera_operator.core.model import Seat, Snapshot, is_live
from galera_operator.core.plan import SOON, Act, Exclude, Hold, Page, Plan, RunSql, SetWish, UpdateService
from galera_operator.core.planned import Run, Wanted, exclusion
from galera_operator.core.remembered import Memory
from galera_operator.core.scaling import obstacle, update_in_flight


def run_errand(seen: Snapshot, memory: Memory) -> Plan | None:
    """One step for planned work; None when there is nothing to do for it."""
    return open_again(seen, memory) or vacate(seen, memory) or write_wanted(seen, memory)


def kept_away(seat: Seat, memory: Memory) -> bool:
    """True for a member that is to leave because its node is to be empty: it is not let in again, and is not the writer."""
    return seat.task.node in memory.planned.away


def write_wanted(seen: Snapshot, memory: Memory) -> Plan | None:
    """Write to the service what the run on its way wants there."""
    wanted, run, service = memory.planned.wanted, memory.planned.active, seen.service
    if wanted is None or run is None or wanted.writer or wanted.restart:
        return None  # the writer's role and a restart are remembered as if a person had asked: writer.py, restart.py
    if wanted.sql:
        return _ask_database(wanted, run, seen)
    rollout = update_in_flight(service)
    if rollout:
        return Hold(f"{run.title} waits: {rollout}", SOON)
    if wanted.replicas:
        step = SetWish(service.id, service.version, wanted.replicas)
        return Act((step,), f"{run.title}, asked for by {run.by}: {wanted.replicas} members are wished")
    blocked = obstacle(seen) or (
        f"the only member would be down meanwhile; scale {service.name} up first" if _alone(seen) else None
    )
    if blocked:
        return Hold(f"{run.title} waits: {blocked}", SOON)
    change = UpdateService(service.id, service.version, wanted.image, wanted.option)
    return Act((change,), f"{run.title}, asked for by {run.by}: Swarm rolls it out one member at a time")


def _ask_database(wanted: Wanted, run: Run, seen: Snapshot) -> Plan | None:
    seat = seen.seat(wanted.on)
    if wanted.said or wanted.fault:
        return None
    if seat is None or seat.wsrep is None:
        return Hold(f"{run.title} waits: the database of slot {wanted.on} does not answer", SOON)
    return Act((RunSql(seat.slot, seat.task.address, wanted.sql),), f"{run.title}, asked for by {run.by}: {wanted.sql}")


def vacate(seen: Snapshot, memory: Memory) -> Plan | None:
    """Empty one node: drain its member, then keep the node out by a constraint, so that Swarm stops the member in order.

    A smaller size comes first: its member may be drained already.
    """
    if seen.wanted < seen.service.replicas:
        return None
    for node in memory.planned.away:
        if exclusion(node) in seen.service.constraints:
            continue
        step = Exclude(seen.service.id, seen.service.version, node)
        there = [seat for seat in seen.seats if seat.task.node == node]
        if not there:
            rollout = update_in_flight(seen.service)
            if rollout:
                return Hold(f"{node} is to be kept empty; {rollout}", SOON)
            return Act((step,), f"no member is on {node}, and none shall come")
        return _take_off(there[0], step, seen)
    return None


def _take_off(seat: Seat, step: Exclude, seen: Snapshot) -> Plan:
    goal = f"{seat.task.node} is to be empty"
    blocked = obstacle(seen) or (f"{seat.title} is the only member" if _alone(seen) else None)
    if blocked:
        return Hold(f"{goal}; not now: {blocked}", SOON)
    assert is_live(seat), "obstacle() names whoever is not"
    return drain_then(seat, seen, goal, f"{seat.title} is there", step, "leaves it")


def open_again(seen: Snapshot, memory: Memory) -> Plan | None:
    """Take back the operator's own constraint on a node that no run keeps empty any more."""
    for node in memory.planned.excluded:
        if node not in memory.planned.away and exclusion(node) in seen.service.constraints:
            step = Exclude(seen.service.id, seen.service.version, node, back=True)
            return Act((step,), f"{node} may be used again")
    return None


def failed_run(memory: Memory) -> Page | None:
    """Call a person for a run that ended in the middle of what should not be left there."""
    run = memory.planned.run
    if run is None or not run.pages:
        return None
    return Page(
        "runbook-failed",
        f"{run.title}, asked for by {run.by}, ended: {run.note}",
        "Look at what it left; then run it again (it finds done what is done), or galera-operator runbook abort SERVICE",
    )


def _alone(seen: Snapshot) -> bool:
    return len(seen.seats) < 2
