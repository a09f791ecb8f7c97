"""The one word for the whole cluster, from what can be seen of it. For people, metrics and tests; decisions use the evidence."""

from __future__ import annotations

from enum import StrEnum

from galera_operator.core.agent_api import Stage
from galera_operator.core.consent import is_superseded, present_copy
from galera_operator.core.doubt import split_views
from galera_operator.core.model import Snapshot
from galera_operator.core.position import Directory
from galera_operator.core.remembered import Memory
from galera_operator.core.scaling import restlessness


class Condition(StrEnum):
    """What the cluster is, as far as it was seen."""

    NO_TASKS = "no tasks"
    """Swarm runs none of its members."""
    FIRST_START = "first start"
    """Nothing is recorded, nobody is in a Primary component, every directory seen is empty."""
    SERVING = "serving"
    """Every member is Synced in one Primary component and admitted."""
    DEGRADED = "degraded"
    """A Primary component serves; some member is not, or not yet, a part of its service."""
    NO_PRIMARY = "no primary"
    """Databases live, and every copy is accounted for, but none is in a Primary component."""
    ALL_STOPPED = "all stopped"
    """No database lives, and every copy has told its position."""
    UNCERTAIN = "uncertain"
    """No Primary component was seen, and some copy that may be newer, or in one, was not seen."""
    SPLIT = "split"
    """Two Primary components are alive."""
    DIVERGED = "diverged"
    """Copies of different histories, or of another one than recorded."""
    DATA_GONE = "data gone"
    """A history is recorded, every directory was seen, and none holds a usable copy of it."""


def condition_of(seen: Snapshot, memory: Memory) -> Condition:
    """Name the state of the whole cluster."""
    if not seen.seats:
        return Condition.NO_TASKS
    serving = {seat.wsrep.state_uuid for seat in seen.primaries if seat.wsrep.answers_queries}
    if len(serving) > 1 or split_views(seen):
        return Condition.SPLIT
    if serving:
        if memory.uuid and serving != {memory.uuid}:
            return Condition.DIVERGED
        calm = len(seen.seats) == seen.service.replicas and not any(restlessness(seat) for seat in seen.seats)
        return Condition.SERVING if calm else Condition.DEGRADED
    return _without_primary(seen, memory)


def _without_primary(seen: Snapshot, memory: Memory) -> Condition:
    copies = [copy for seat in seen.seats if (copy := present_copy(seat)) and not is_superseded(seat.slot, copy, memory)]
    histories = {copy.uuid for copy in copies}
    if len(histories) > 1 or (memory.uuid and histories - {memory.uuid}):
        return Condition.DIVERGED
    if seen.unseen or seen.leaving or seen.lost or len(seen.seats) < seen.service.replicas:
        return Condition.UNCERTAIN
    if seen.live:
        return Condition.NO_PRIMARY
    if any(seat.agent.stage is not Stage.WAITING and present_copy(seat) is None for seat in seen.stopped):
        return Condition.UNCERTAIN
    if memory.uuid and not copies:
        return Condition.DATA_GONE
    empty = all(seat.agent.directory is Directory.EMPTY for seat in seen.stopped)
    return Condition.FIRST_START if empty else Condition.ALL_STOPPED
