"""The named conditions that a runbook's stage may wait for. Each is a question to one look and the memory, answered in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from galera_operator.core.agent_api import Stage
from galera_operator.core.doubt import data_in_doubt
from galera_operator.core.model import Live, Snapshot
from galera_operator.core.remembered import Memory
from galera_operator.core.scaling import restlessness, update_in_flight

Told = Mapping[str, str]
WhyNot = Callable[[Snapshot, Memory, Told], str | None]


@dataclass(frozen=True, slots=True)
class Named:
    """A condition. `why_not` says why it does not hold, or None when it does; `takes` are the arguments that it reads."""

    name: str
    about: str
    why_not: WhyNot
    takes: tuple[str, ...] = ()


def unsettled(seen: Snapshot) -> str | None:
    """Say why the cluster is not as wished and calm, or None: every wished member is Synced and admitted, nobody is leaving."""
    if seen.wanted != seen.service.replicas:
        return f"{seen.wanted} members are wished, {seen.service.replicas} are asked of Swarm"
    if len(seen.seats) != seen.wanted:
        return f"{seen.wanted} members are wished, Swarm has {len(seen.seats)} tasks"
    if seen.leaving:
        return f"the task of slot {seen.leaving[0].slot} is still on its way out"
    rollout = update_in_flight(seen.service)
    if rollout:
        return rollout
    restless = next((f"{seat.title} {why}" for seat in seen.seats if (why := restlessness(seat))), None)
    if restless:
        return restless
    for seat in seen.live:
        assert isinstance(seat.member, Live)
        if seat.member.agent.stage is not Stage.RUNNING:
            return f"{seat.title} is {seat.member.agent.stage}"
        if seat.member.wsrep.cluster_size != seen.wanted:
            return f"{seat.title} sees {seat.member.wsrep.cluster_size} members"
    return None


def _settled(seen: Snapshot, _memory: Memory, _told: Told) -> str | None:
    return unsettled(seen)


def _size(seen: Snapshot, _memory: Memory, told: Told) -> str | None:
    if seen.wanted != int(told["replicas"]):
        return f"{seen.wanted} members are wished by now, this run was to see to {told['replicas']}"
    return unsettled(seen)


def _serving(seen: Snapshot, memory: Memory, _told: Told) -> str | None:
    for seat in seen.primaries:
        assert isinstance(seat.member, Live)
        wsrep = seat.member.wsrep
        if seat.is_admitted and wsrep.answers_queries and wsrep.state_uuid == memory.uuid:
            return None
    return "no member of the recorded history serves in a Primary component"


def _all_seen(seen: Snapshot, _memory: Memory, _told: Told) -> str | None:
    if len(seen.seats) < seen.service.replicas:
        return f"Swarm has made {len(seen.seats)} of {seen.service.replicas} tasks"
    if seen.lost:
        return f"the last task of slot {seen.lost[0].slot} is on {seen.lost[0].node}, which Swarm has lost"
    return next((f"{seat.title} was not seen" for seat in seen.unseen), None)


def _one_history(seen: Snapshot, memory: Memory, _told: Told) -> str | None:
    doubt = data_in_doubt(seen, memory)
    return doubt.why if doubt else None


def _no_transfer(seen: Snapshot, _memory: Memory, _told: Told) -> str | None:
    for seat in seen.seats:
        if seat.agent and seat.agent.transfer:
            return f"{seat.title} has a state transfer in flight as {seat.agent.transfer.role}"
        if seat.agent and seat.agent.stage is Stage.JOINING:
            return f"{seat.title} is joining"
    return None


def _node_empty(seen: Snapshot, _memory: Memory, told: Told) -> str | None:
    node = told["node"]
    for seat in seen.seats:
        if seat.task.node == node:
            return f"{seat.title} is still there"
    leaving = next((task for task in (*seen.leaving, *seen.lost) if task.node == node), None)
    if leaving:
        return f"the task of slot {leaving.slot} is still ending on {node}"
    if not any(seat.is_admitted for seat in seen.primaries):
        return "no member serves"
    return None


def _member_serves(seen: Snapshot, _memory: Memory, told: Told) -> str | None:
    seat = seen.seat(int(told["slot"]))
    if seat is None:
        return f"there is no slot {told['slot']}"
    restless = restlessness(seat)
    return f"{seat.title} {restless}" if restless else None


def _writer_is(seen: Snapshot, _memory: Memory, told: Told) -> str | None:
    seat = seen.seat(int(told["slot"]))
    if seat is None or seat.agent is None:
        return f"slot {told['slot']} is not there"
    other = next((one for one in seen.seats if one.agent and one.agent.writer != seat.agent.name), None)
    return f"{other.title} does not take {seat.title} for the writer" if other else None


def _updated(seen: Snapshot, _memory: Memory, _told: Told) -> str | None:
    old = next((seat for seat in seen.seats if seat.task.is_outdated), None)
    return f"{old.title} runs what it ran before" if old else update_in_flight(seen.service)


CONDITIONS: Mapping[str, Named] = {
    named.name: named
    for named in (
        Named("settled", "as many members as wished, every one Synced and admitted, nobody leaving", _settled),
        Named("size", "the wish is this number of members, and the cluster is settled", _size, ("replicas",)),
        Named("serving", "a member of the recorded history serves in a Primary component", _serving),
        Named("all-seen", "every expected member answers, and no task is on a lost node", _all_seen),
        Named("one-history", "nothing puts the data in doubt: one Primary component, one history, no stray copy", _one_history),
        Named("no-transfer", "no state transfer is in flight", _no_transfer),
        Named("node-empty", "no member is on this node, and another one serves", _node_empty, ("node",)),
        Named("writer-is", "every member takes this slot for the writer", _writer_is, ("slot",)),
        Named("member-serves", "the member in this slot is Synced and admitted", _member_serves, ("slot",)),
        Named(
            "updated", "every task runs the image and the options that the service names, and no update is in flight", _updated
        ),
    )
}
