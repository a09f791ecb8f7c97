"""How a member's end looks to the others: in order, by SIGKILL, frozen; and what is left of the quorum."""

from __future__ import annotations

import pytest
from group_world import SOON, GroupWorld

from galera_operator.core.agent_api import WAITING_FOR_DONOR, Admit, Fence, FormPrimary, Stage, Wsrep
from galera_operator.core.position import Position
from galera_operator.ports import Refused, Unreachable
from galera_operator.sim.component import NO_VIEW

AT_ONCE = 1.0
NOT_BEFORE = 1.5
"""Seconds for which a silent member is waited for at least: less than the suspect time of 2 s and what is added to it."""
WITHIN = 12.0
FORGOTTEN = 9.0
"""Seconds after which a frozen member that thaws may take its time to notice what happened."""
STALE = 3.0
"""How long a real one was seen to go on in its old view after a thaw at most; the simulator may not be kinder than that."""


def views_until(group: GroupWorld, slot: int, size: int) -> list[Wsrep]:
    """What a survivor's database tells until it is one of so few."""
    seen: list[Wsrep] = []

    def there() -> bool:
        seen.append(group.wsrep(slot))
        return seen[-1].cluster_size == size

    group.until(there, WITHIN, f"slot {slot} to be one of {size}")
    return seen


def test_a_killed_member_is_waited_for_and_then_left_behind_and_comes_back_by_ist(group: GroupWorld) -> None:
    group.has(1, 2, 3)
    assert group.write(1)
    crashed = group.same_everywhere(1, 2, 3)
    view = group.wsrep(1)
    group.kill(3)
    killed_at = group.now()
    views = views_until(group, 1, 2)
    assert NOT_BEFORE < group.now() - killed_at < WITHIN
    assert all(one.is_primary for one in views), "two of three are a majority"
    assert views[-1].conf_id == view.conf_id + 1
    assert group.write(1, 3)

    group.start(3)
    positions: list[Position] = []

    def is_back() -> bool:
        status = group.status(3)
        if status.position is not None:
            positions.append(status.position)
        if status.transfer is not None and status.transfer.stage != WAITING_FOR_DONOR:
            assert status.transfer.method == "IST"
        return status.stage is Stage.RUNNING

    group.until(is_back, SOON, "slot 3 to run again")
    assert positions[0] == crashed, "InnoDB knew, and the agent asked it"
    group.wait_view(3, 3)


def test_a_thawed_member_may_say_synced_in_a_view_that_is_gone_and_then_comes_back_by_itself(group: GroupWorld) -> None:
    group.has(1, 2, 3)
    before = group.wsrep(3)
    life = group.incarnation(3)
    group.freeze(3)
    frozen_at = group.now()
    with pytest.raises(Unreachable):
        group.status(3)
    views = views_until(group, 1, 2)
    assert NOT_BEFORE < group.now() - frozen_at < WITHIN
    assert all(view.is_primary for view in views)
    assert group.write(1, 2)
    group.until(lambda: group.now() - frozen_at > FORGOTTEN, WITHIN, "the others to have forgotten it")

    group.thaw(3)
    thawed_at = group.now()
    told: list[Wsrep] = []
    stale_until = thawed_at

    def is_back() -> bool:
        nonlocal stale_until
        now = group.told(3)
        if now is not None:
            told.append(now)
            if now.conf_id == before.conf_id:
                stale_until = group.now()
        return now is not None and now.is_synced and now.conf_id > before.conf_id

    group.until(is_back, SOON, "slot 3 to be Synced with the others")
    stale = [one for one in told if one.conf_id == before.conf_id]
    assert {(one.is_synced, one.cluster_size) for one in stale} <= {(True, 3)}, "it knows of nothing yet"
    assert group.is_real or stale_until - thawed_at >= STALE
    alone = [one for one in told if not one.is_primary]
    assert alone, "then it knows that it is alone"
    assert {(one.cluster_size, one.state_uuid, one.ready) for one in alone} == {(1, before.state_uuid, False)}
    assert group.incarnation(3) == life
    assert group.status(3).stage is Stage.RUNNING
    group.wait_view(3, 3)
    group.same_everywhere(1, 2, 3)


def test_a_clean_leave_is_known_at_once_and_costs_no_quorum(group: GroupWorld) -> None:
    group.has(1, 2, 3)
    before = group.wsrep(1)
    group.sigterm(3)
    group.wait_exit(3)
    gone_at = group.now()
    three = views_until(group, 1, 2)
    assert group.now() - gone_at < AT_ONCE
    assert all(view.is_primary for view in three)
    assert three[-1].conf_id == before.conf_id + 1
    assert group.wait_view(1, 2).members == ("db.1", "db.2")

    group.sigterm(2)
    group.wait_exit(2)
    gone_at = group.now()
    two = views_until(group, 1, 1)
    assert group.now() - gone_at < AT_ONCE
    assert all(view.is_primary for view in two)
    assert group.write(1), "one of two that left in order costs no quorum"


def test_two_clean_leaves_at_the_same_time_cost_no_quorum(group: GroupWorld) -> None:
    group.has(1, 2, 3)
    group.sigterm(2)
    group.sigterm(3)
    group.wait_exit(2)
    group.wait_exit(3)
    assert all(view.is_primary for view in views_until(group, 1, 1))
    assert group.write(1)


def test_one_of_two_killed_leaves_a_survivor_without_quorum_that_forms_a_primary_only_when_told(group: GroupWorld) -> None:
    group.has(1, 2)
    assert group.write(1)
    before = group.wait_view(1, 2)
    group.kill(2)
    killed_at = group.now()
    now = group.wait_not_primary(1, WITHIN)
    assert NOT_BEFORE < group.now() - killed_at < WITHIN

    assert (now.cluster_status, now.local_state, now.local_state_comment) == ("non-Primary", 0, "Initialized")
    assert (now.ready, now.connected, now.cluster_size, now.conf_id) == (False, True, 1, NO_VIEW)
    assert (now.state_uuid, now.members) == (before.state_uuid, ("db.1",))
    assert now.last_committed >= before.last_committed
    assert not group.write(1)
    status = group.status(1)
    assert status.stage is Stage.RUNNING, "mariadbd lives: it is the component that is not Primary"
    position = Position(now.state_uuid, now.last_committed)
    assert status.position == position

    me, epoch = status.incarnation, group.epoch
    with pytest.raises(Refused):
        group.send(1, Admit(epoch, me, 20.0, allow_donor=False))
    with pytest.raises(Refused):
        group.send(1, FormPrimary(epoch, me, Position(position.uuid, position.seqno + 1)))
    with pytest.raises(Refused):
        group.send(1, FormPrimary(epoch, "another life", position))
    group.send(1, Fence(epoch + 1, me))
    with pytest.raises(Refused):
        group.send(1, FormPrimary(epoch, me, position))
    assert not group.wsrep(1).is_primary, "nothing of that did anything"

    group.epoch = epoch + 1
    group.send(1, FormPrimary(group.epoch, me, position))
    formed = group.wait_view(1, 1)
    assert (formed.state_uuid, formed.members) == (before.state_uuid, ("db.1",))
    assert formed.conf_id > before.conf_id, "the count of views goes on"
    assert formed.conf_id != NO_VIEW
    assert formed.last_committed >= now.last_committed
    here = Position(formed.state_uuid, formed.last_committed)
    for command in (Fence(group.epoch, me), FormPrimary(group.epoch, me, here)):
        with pytest.raises(Refused):
            group.send(1, command)
    assert group.wsrep(1) == formed
    assert group.write(1)
