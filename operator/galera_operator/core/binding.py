"""The lost binding: a member that serves, and that Swarm's DNS and virtual IP do not know.

Swarm enters a task into both at its first `healthy`. When that start is disturbed, for one by a service update in between, the
task can run on without ever being entered (moby #35508, #37535). Nobody finds it then: not the proxies, which look at DNS, and
not who connects to the service's name. Only a new task is entered, so the member is restarted: one, once, from a calm cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Live, NamesUnknown, Seat, Snapshot
from galera_operator.core.plan import SOON, Act, Hold, Page, Plan, RestartMember
from galera_operator.core.remembered import Memory
from galera_operator.core.scaling import obstacle

PATIENCE = 30.0
"""Seconds that a member may be missing: DNS knows a healthy task after milliseconds, other nodes after one or two seconds."""


def with_unlisted(seen: Snapshot, since: Mapping[str, float], now: float) -> tuple[Snapshot, Mapping[str, float]]:
    """Write into the look for how long each member has been missing in DNS, as the looks before it tell.

    Args:
        since: by task id, the clock's reading when the member was first found missing. What this returned last time.
        now: the same clock's reading.

    Returns:
        The look, and `since` for the next one. While DNS is not known nobody is missing, and the time begins anew.
    """
    missing = {seat.task.id: since.get(seat.task.id, now) for seat in seen.live if is_unlisted(seat, seen)}
    lasting = {seat.slot: now - missing[seat.task.id] for seat in seen.live if seat.task.id in missing}
    return replace(seen, unlisted=lasting), missing


def is_unlisted(seat: Seat, seen: Snapshot) -> bool:
    """True when this member serves, and DNS is known not to have it.

    Addresses that no member has say nothing: the name may stand for the members on another network that they share.
    """
    if isinstance(seen.names, NamesUnknown) or not _serves(seat):
        return False
    listed = seen.names.addresses
    is_of_this_network = not listed or any(one.task.address in listed for one in seen.seats)
    return is_of_this_network and seat.task.address not in listed


def lost_bindings(seen: Snapshot) -> tuple[Seat, ...]:
    """The members that have been missing for too long, while another one that serves is listed: so DNS itself works."""
    listed = [seat for seat in seen.live if _serves(seat) and not is_unlisted(seat, seen)]
    return tuple(seat for seat in seen.live if listed and seen.unlisted.get(seat.slot, 0.0) > PATIENCE)


def rebind(seen: Snapshot, memory: Memory) -> Plan | None:
    """Restart one member that nobody finds; page where that has not helped, or where all are missing."""
    lost = lost_bindings(seen)
    if not lost:
        return _all_missing(seen)
    seat = lost[0]
    seconds = seen.unlisted[seat.slot]
    missing = f"{seat.title} serves, but tasks.{seen.service.name} has not listed it for {seconds:.0f} s"
    if memory.rebound.get(seat.slot, seat.task.id) != seat.task.id:
        return _page(seen, f"{missing}, although it was restarted for that")
    blocked = obstacle(seen) or _who_is_away(seen)
    if blocked:
        return Hold(f"{missing}; a restart that enters it anew waits: {blocked}", SOON)
    assert seat.agent is not None
    step = RestartMember(seat.slot, seat.task.address, seat.agent.incarnation, seat.task.id)
    return Act((step,), f"{missing}: Swarm has lost its binding, and only a new task gets one")


def _who_is_away(seen: Snapshot) -> str | None:
    """Say who is drained on purpose, or is about to be, for one because the writer's role was moved away from it."""
    return next((f"{seat.title} is {seat.agent.stage}" for seat in seen.live if seat.agent.stage is not Stage.RUNNING), None)


def _all_missing(seen: Snapshot) -> Page | None:
    """A restart would not help: the only member may not go, and where nobody is listed it is DNS that is at fault."""
    if not any(seconds > PATIENCE for seconds in seen.unlisted.values()):
        return None
    who = " and ".join(seat.title for seat in seen.live if seat.slot in seen.unlisted)
    return _page(seen, f"{who} of {seen.service.name} can serve, but nobody who does is listed in tasks.{seen.service.name}")


def _page(seen: Snapshot, why: str) -> Page:
    return Page(
        "binding-lost",
        why,
        f"Compare with `getent hosts tasks.{seen.service.name}` in a container on another node. Missing there as well: "
        f"docker service update --force {seen.service.name}; else restart the engine of the node that does not list it.",
    )


def _serves(seat: Seat) -> bool:
    if not isinstance(seat.member, Live) or not seat.task.is_running:
        return False
    agent, wsrep = seat.member.agent, seat.member.wsrep
    return wsrep.is_synced and seat.is_admitted and agent.stage is Stage.RUNNING and not agent.leaving
