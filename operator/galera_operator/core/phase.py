"""The one word for what a member is doing, from what can be seen of it. For people; decisions use the evidence itself."""

from __future__ import annotations

from enum import StrEnum

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Live, Seat, Stopped, Unseen
from galera_operator.core.position import Directory
from galera_operator.core.transfer import is_stuck


class Phase(StrEnum):
    """The phases of a member's life, in Galera's words."""

    ABSENT = "absent"
    """Its task has no node or address yet."""
    STARTING = "starting"
    """Its task exists; the agent does not answer yet, or reads the disk."""
    WAITING = "waiting"
    """mariadbd is down, the position is known, no Primary component was found."""
    INCOMPLETE = "incomplete"
    """A data directory without a usable position: may join, may never seed."""
    BOOTSTRAPPING = "bootstrapping"
    JOINING = "joining"
    """mariadbd runs and is not in the group's state yet."""
    JOINED = "joined"
    """Has the state; works off what came in meanwhile."""
    SYNCED = "synced"
    """Serves current data; not confirmed by the operator yet."""
    ADMITTED = "admitted"
    DONOR = "donor"
    DESYNCED = "desynced"
    NON_PRIMARY = "non-primary"
    DRAINING = "draining"
    DRAINED = "drained"
    LEAVING = "leaving"
    STUCK = "stuck"
    """In a state transfer that does not move any more."""
    UNSEEN = "unseen"
    """A task runs, but no answer that can be believed came back."""


_OF_STAGE = {
    Stage.DRAINING: Phase.DRAINING,
    Stage.DRAINED: Phase.DRAINED,
    Stage.STOPPING: Phase.LEAVING,
    Stage.STARTING: Phase.STARTING,
    Stage.BOOTSTRAPPING: Phase.BOOTSTRAPPING,
}


_UNFIT = {Directory.INCOMPLETE, Directory.HALF_COPIED}


def phase_of(seat: Seat) -> Phase:
    """Name what this member is doing."""
    if is_stuck(seat):
        return Phase.STUCK
    match seat.member:
        case Unseen():
            if not seat.task.address:
                return Phase.ABSENT
            return Phase.UNSEEN if seat.task.is_running else Phase.STARTING
        case Stopped(agent=agent):
            if agent.stage is Stage.WAITING:
                return Phase.INCOMPLETE if agent.directory in _UNFIT else Phase.WAITING
            return _OF_STAGE.get(agent.stage, Phase.JOINING)
        case Live() as member:
            return _of_live(member, admitted=seat.is_admitted)


def _of_live(member: Live, *, admitted: bool) -> Phase:
    agent, wsrep = member.agent, member.wsrep
    if agent.stage in _OF_STAGE and agent.stage is not Stage.STARTING:
        return _OF_STAGE[agent.stage]
    if not wsrep.is_primary:
        return Phase.JOINING if agent.stage is Stage.JOINING else Phase.NON_PRIMARY
    match wsrep.local_state:
        case 2:
            return Phase.DESYNCED if wsrep.desync_count and not agent.transfer else Phase.DONOR
        case 3:
            return Phase.JOINED
        case 4:
            return Phase.ADMITTED if admitted else Phase.SYNCED
        case _:
            return Phase.JOINING
