"""Is every copy accounted for that may be the newest? The question that comes before any Primary component is formed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from galera_operator.core.agent_api import Stage
from galera_operator.core.consent import NO_DATA, SILENCE, choices, is_diskless, present_copy
from galera_operator.core.model import Service, Snapshot, Stopped
from galera_operator.core.plan import SOON, Act, Hold, Page, Plan, Resize
from galera_operator.core.remembered import Memory
from galera_operator.core.scaling import restlessness, update_in_flight


@dataclass(frozen=True, slots=True)
class Missing:
    """A copy that is not accounted for. `what`: one clause. `patience`: seconds before a person is called, infinite for never."""

    what: str
    remedy: str
    patience: float


def wait_for_copies(seen: Snapshot, memory: Memory, *, situation: str, page: str, waited: float) -> Plan | None:
    """A plan for as long as some copy that may be the newest has not told its position; None when all have.

    Args:
        situation: how the sentence begins, e.g. ``no member is up``.
        page: the name of the page, where a person has to be called.
        waited: seconds that those which do answer have been without a Primary component.
    """
    missing = missing_copy(seen, memory)
    if missing is None:
        back = _bring_back(seen, memory, situation)
        if back:
            return back
        missing = _elsewhere(seen, memory)
    if missing is None:
        return None
    why = f"{situation}, and {missing.what}"
    is_first_start = not memory.uuid and not any(present_copy(seat) for seat in seen.seats)  # images are still on their way
    if waited < missing.patience or is_first_start:
        return Hold(f"{why}; waiting for every copy to answer", SOON)
    commands = choices(seen, memory)
    last = f"If it is gone for good and runs nowhere any more: {commands}" if commands else "No copy here can be gone on from."
    return Page(page, f"{why}; that copy may be the newest", f"{missing.remedy} {last}")


def missing_copy(seen: Snapshot, memory: Memory) -> Missing | None:
    """The first task whose copy did not tell its position."""
    expected = seen.service.replicas
    if len(seen.seats) < expected:
        return Missing(f"Swarm has made {len(seen.seats)} of {expected} tasks", "Look at docker service ps.", SILENCE)
    for seat in seen.unseen:
        if is_diskless(seat, seen, memory):
            continue
        return Missing(f"{seat.title} {restlessness(seat)}", f"Bring back {seat.task.node or 'its node'}.", SILENCE)
    for task in seen.leaving:
        return Missing(f"the old task of slot {task.slot} is still ending", "", math.inf)
    for stopped in seen.stopped:
        if stopped.agent.stage is not Stage.WAITING:
            return Missing(f"{stopped.title} {restlessness(stopped)}", "", math.inf)
    for task in seen.lost:
        what = f"the last task of slot {task.slot} is on {task.node}, a node that Swarm has lost"
        return Missing(what, f"Bring back {task.node}.", 0.0)
    return None


def _bring_back(seen: Snapshot, memory: Memory, situation: str) -> Plan | None:
    """Let Swarm make the task again whose slot held data: somebody made the service smaller, and it is not serving.

    Swarm gives new tasks the lowest free slot numbers.
    """
    service = seen.service
    slot = max((known for known in memory.ledger if seen.seat(known) is None), default=0)
    if not slot:
        return None
    after = len(set(range(1, slot + 1)) | {seat.slot for seat in seen.seats})
    found = f"{situation}, and slot {slot}, which held data, is not among the {service.replicas} tasks"
    rollout = update_in_flight(service)
    if rollout:  # it waits for the members to become healthy, and they wait for the copy: nothing moves by itself
        return Page(
            "copy-missing", f"{found}; {rollout}", f"docker service rollback {service.name} ; or: {_scale(service, after)}"
        )
    busy = next((seat for seat in seen.seats if seat.agent and seat.agent.transfer), None)
    if busy:
        return Hold(f"{found}; {busy.title} has a state transfer in flight", SOON)
    return Act(
        (Resize(service.id, service.version, service.replicas, after),), f"{found}: every copy comes back, to find the newest"
    )


def _scale(service: Service, replicas: int) -> str:
    return f"docker service scale {service.name}={replicas}"


def _elsewhere(seen: Snapshot, memory: Memory) -> Missing | None:
    """A recorded copy that no present task has: on a node without a task now, or in a slot that shows no data any more.

    A task that comes back on another node finds another volume there, perhaps with an older copy: being in the same slot says
    nothing about the data.
    """
    if not any(present_copy(seat) for seat in seen.seats):
        return None
    nodes = {seat.task.node_id for seat in seen.seats}
    for slot, copy in sorted(memory.ledger.items()):
        seat = seen.seat(slot)
        assert seat is not None, "_bring_back() comes first"
        if copy.node_id not in nodes:
            now = f"is on {seat.task.node}" if seat.task.node else "has no node"
            what = (
                f"the copy of slot {slot}, last seen at seqno {copy.seqno}, is on node {copy.node_id}, where no task runs; "
                f"its task {now} now"
            )
            return Missing(what, f"Let the task of slot {slot} run there again: docker node inspect {copy.node_id}.", 0.0)
        if isinstance(seat.member, Stopped) and seat.member.agent.directory in NO_DATA:
            what = f"{seat.title} has an {seat.member.agent.directory} data directory although it held data at seqno {copy.seqno}"
            return Missing(what, "Bring back its volume.", 0.0)
    return None
