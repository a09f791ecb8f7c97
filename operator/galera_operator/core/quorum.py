"""Members live, but none is in a Primary component: who may form it again, and only when every copy is accounted for."""

from __future__ import annotations

from galera_operator.core.accounting import wait_for_copies
from galera_operator.core.agent_api import Stage
from galera_operator.core.consent import choices, is_mid_ddl, is_superseded, present_copy, recipients
from galera_operator.core.model import Seat, Snapshot
from galera_operator.core.plan import LATER, SOON, Act, FormPrimary, Hold, Page, Plan, StopMember
from galera_operator.core.position import ZERO_UUID, Position
from galera_operator.core.remembered import Memory

REUNION = 10.0
"""Seconds in which the members of one view find each other again by themselves, once the network lets them."""

_ON_THE_WAY = {Stage.STARTING, Stage.JOINING, Stage.BOOTSTRAPPING}


def regain_primary(seen: Snapshot, memory: Memory) -> Plan:
    """Choose what brings the Primary component back after a majority was lost at once.

    The questions of the election, in the same order: is everyone here, is it one history, does it contain what was recorded,
    who is newest. A member that lives goes on as it is; where a stopped one holds more, the living ones stop first and an
    election follows.
    """
    unfinished = _on_the_way(seen) or rejoin(seen)
    if unfinished:
        return unfinished
    age = min(seat.agent.view_age for seat in seen.live)
    living = ", ".join(seat.title for seat in seen.live)
    if age < REUNION:
        return Hold(f"{living} lives without a Primary component for {age:.0f} s; the others may come back by themselves", SOON)
    situation = f"{living} lives, but no Primary component is left"
    waiting = wait_for_copies(seen, memory, situation=situation, page="no-primary", waited=age)
    if waiting:
        return waiting
    for seat in seen.live:
        if seat.wsrep.state_uuid == ZERO_UUID:
            return Page(
                "state-uuid-zeros",
                f"{situation}, and {seat.title} has a state UUID of zeros: it was started without its position",
                "Its rows may differ: compare its tables with the others', and let it join again from an empty directory.",
            )
    copies = {seat.slot: (seat, copy) for seat in seen.seats if (copy := _copy(seat, memory))}
    histories = {copy.uuid for _, copy in copies.values()}
    if len(histories) != 1 or (memory.uuid and histories != {memory.uuid}):
        found = ", ".join(f"{seat.title} at {copy}" for seat, copy in copies.values()) or "no usable copy"
        recorded = f"; recorded is {memory.uuid}" if memory.uuid else ""
        return _page(
            seen, memory, f"no Primary component is left, and the copies are not of one known history: {found}{recorded}"
        )
    newest, copy = max(copies.values(), key=lambda one: (one[1].seqno, bool(one[0].wsrep), not is_mid_ddl(one[0]), -one[0].slot))
    if copy.seqno < memory.highest_seqno:
        return _page(
            seen,
            memory,
            f"no Primary component is left; the newest copy present is {newest.title} at seqno {copy.seqno}, but a member was "
            f"seen at {memory.highest_seqno}",
        )
    if is_mid_ddl(newest):
        return _page(
            seen,
            memory,
            f"no Primary component is left, and {newest.title}, which has the newest data, {copy}, was killed while it ran DDL: "
            "the statement may be in it or not",
        )
    if newest.wsrep is None:
        return _stop_first(seen, newest, copy)
    assert newest.agent is not None
    step = FormPrimary(newest.slot, newest.task.address, newest.agent.incarnation, copy, recipients(seen, apart_from=newest))
    return Act(
        (step,),
        f"no Primary component is left; all {len(seen.seats)} members are accounted for, and {newest.title} has the newest data, "
        f"{copy}",
        LATER,
    )


def _on_the_way(seen: Snapshot) -> Plan | None:
    """Somebody is still starting; one that had begun to join when the component was lost will not get any further."""
    for seat in seen.seats:
        if seat.agent is None or seat.agent.stage not in _ON_THE_WAY:
            continue
        if seat.wsrep is None or seat.agent.view_age < REUNION:
            return Hold(f"no Primary component, and {seat.title} is {seat.agent.stage}: {seat.agent.note}", SOON)
        if seat.agent.leaving:
            return Hold(f"no Primary component, and {seat.title} is stopping, to wait like the others", SOON)
        step = StopMember(seat.slot, seat.task.address, seat.agent.incarnation)
        return Act(
            (step,),
            f"no Primary component, and {seat.title} was {seat.agent.stage} when it was lost: it stops, to wait like the others",
        )
    return None


def rejoin(seen: Snapshot) -> Plan | None:
    """Restart a member that has left its group by itself, one at a time: nothing else brings it back, and it serves nobody.

    A write-set that it could not apply is the usual reason. The group has voted on that: the copy is not the cluster's any more,
    Galera gives it no position, and it comes back by a full transfer.
    """
    for seat in seen.live:
        if seat.wsrep.connected or seat.agent.view_age < REUNION:
            continue
        why = f"{seat.title} has left its group by itself: it is {seat.wsrep.in_words}"
        if seat.agent.leaving:
            return Hold(f"{why}; it is stopping, to join anew", SOON)
        step = StopMember(seat.slot, seat.task.address, seat.agent.incarnation)
        return Act((step,), f"{why}; it restarts, to join anew")
    return None


def _page(seen: Snapshot, memory: Memory, why: str) -> Page:
    commands = choices(seen, memory)
    return Page("no-primary", why, f"Bring back what is missing, or decide: {commands or 'no copy here can be gone on from'}")


def _stop_first(seen: Snapshot, newest: Seat, copy: Position) -> Plan:
    titles = ", ".join(seat.title for seat in seen.live)
    steps = tuple(
        StopMember(seat.slot, seat.task.address, seat.agent.incarnation) for seat in seen.live if not seat.agent.leaving
    )
    why = f"no Primary component is left, and {newest.title}, which is down, has the newest data, {copy}"
    if not steps:
        return Hold(f"{why}; {titles} is stopping, then it starts the cluster", SOON)
    return Act(steps, f"{why}: {titles} stops first, so that it can start the cluster")


def _copy(seat: Seat, memory: Memory) -> Position | None:
    copy = present_copy(seat)
    return None if copy is None or is_superseded(seat.slot, copy, memory) else copy
