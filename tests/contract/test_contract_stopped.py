"""After everything stopped: what the directories say, and whom an agent lets bootstrap."""

from __future__ import annotations

from dataclasses import replace

import pytest
from group_world import SOON, GroupWorld

from galera_operator.core.agent_api import Admit, AgentStatus, AppointWriter, Command, Fence, FormPrimary, Grant, Stage
from galera_operator.core.position import Directory, Position
from galera_operator.ports import Refused

ALL = (1, 2, 3)
WITHIN = 12.0


def restarted(group: GroupWorld) -> dict[int, AgentStatus]:
    """Start every agent and wait until it waits."""
    for slot in ALL:
        group.start(slot)
    return {slot: group.wait_stage(slot, Stage.WAITING) for slot in ALL}


def seqnos(waiting: dict[int, AgentStatus]) -> dict[int, int]:
    return {slot: status.position.seqno for slot, status in waiting.items() if status.position}


def test_stopped_one_by_one_only_the_last_is_safe_to_bootstrap_and_none_is_ahead_of_it(group: GroupWorld) -> None:
    group.has(*ALL)
    assert group.write(1)
    uuid = group.wsrep(1).state_uuid
    for slot in (3, 2, 1):
        group.sigterm(slot)
        group.wait_exit(slot)
    waiting = restarted(group)
    assert {slot: status.safe_to_bootstrap for slot, status in waiting.items()} == {1: True, 2: False, 3: False}
    assert {status.position.uuid for status in waiting.values() if status.position} == {uuid}
    found = seqnos(waiting)
    assert found[3] <= found[2] <= found[1]
    for status in waiting.values():
        assert (status.directory, status.wsrep, status.admission) == (Directory.USABLE, None, "none")


def test_stopped_all_at_once_nobody_who_is_behind_is_safe_to_bootstrap(group: GroupWorld) -> None:
    group.has(*ALL)
    assert group.write(1)
    for slot in ALL:
        group.sigterm(slot)
    for slot in ALL:
        group.wait_exit(slot)
    waiting = restarted(group)
    found = seqnos(waiting)
    safe = [slot for slot, status in waiting.items() if status.safe_to_bootstrap]
    assert len(safe) <= 1
    assert all(found[slot] == max(found.values()) for slot in safe)


def test_after_a_crash_of_all_everyone_knows_what_it_committed_and_bootstraps_only_as_granted(group: GroupWorld) -> None:
    group.has(*ALL)
    assert group.write(1, 5)
    crashed = group.same_everywhere(*ALL)
    group.kill(2)
    group.kill(3)
    survivor = group.wait_not_primary(1, WITHIN)
    assert (survivor.cluster_size, survivor.last_committed) == (1, crashed.seqno), "one of three is no majority"
    assert not group.write(1)
    group.kill(1)

    waiting = restarted(group)
    assert {status.position for status in waiting.values()} == {crashed}
    assert not any(status.safe_to_bootstrap for status in waiting.values())
    check_refusals(group, waiting[1])
    assert {group.status(slot).stage for slot in ALL} == {Stage.WAITING}, "nothing of that did anything"

    right = Grant(group.epoch, waiting[1].incarnation, group.address(1), crashed, ())
    group.send(1, right)
    refused(group, 1, right, Fence(right.epoch, right.incarnation))
    for slot in ALL:
        group.wait_stage(slot, Stage.RUNNING)
        refused(group, slot, replace(right, incarnation=group.incarnation(slot), position=group.status(slot).position))
    for slot in (2, 3):
        assert group.stages(slot) == ["starting", "waiting", "joining", "running"], "nobody had to tell it"
    for slot in ALL:
        group.wait_view(slot, 3)


def check_refusals(group: GroupWorld, one: AgentStatus) -> None:
    """Everything that a waiting member refuses. Leaves it with a higher epoch, which is the group's from then on."""
    assert one.position is not None
    old, group.epoch = group.epoch, group.epoch + 2
    right = Grant(group.epoch, one.incarnation, group.address(1), one.position, ())
    other = Position("99999999-9999-4999-8999-999999999999", one.position.seqno)
    refused(
        group,
        1,
        replace(right, incarnation="another life"),
        replace(right, position=replace(one.position, seqno=one.position.seqno - 1)),
        replace(right, position=replace(one.position, seqno=one.position.seqno + 1)),
        replace(right, position=other),
        replace(right, position=None),
        Admit(right.epoch, one.incarnation, 20.0, allow_donor=False),
        FormPrimary(right.epoch, one.incarnation, one.position),
    )
    with pytest.raises(Refused):
        group.members.send(group.address(1), "not the token", right)
    group.send(1, Fence(group.epoch, one.incarnation))
    refused(group, 1, replace(right, epoch=group.epoch - 1), Fence(old, one.incarnation))


def refused(group: GroupWorld, slot: int, *commands: Command) -> None:
    for command in commands:
        with pytest.raises(Refused):
            group.send(slot, command)


def test_a_member_that_hears_of_a_living_primary_refuses_to_bootstrap_another(group: GroupWorld) -> None:
    """It joins by itself; the grant comes in the moment before that. An unknown copy keeps it waiting for longer."""
    group.has(1, 2)
    group.kill(2)
    group.wait_not_primary(1, WITHIN)
    group.form_primary(1)
    group.wait_view(1, 1)
    group.start(2)
    ahead = Position(group.wsrep(1).state_uuid, 10**9)

    def is_refused() -> bool:
        status = group.status(2)
        if status.stage is not Stage.WAITING:
            return status.stage is Stage.JOINING
        try:
            group.send(2, Grant(group.epoch, status.incarnation, group.address(2), status.position or ahead, ()))
        except Refused:
            return True
        return False

    assert group.until(is_refused, SOON, "a refusal")
    group.wait_view(2, 2)


def test_the_writer_can_be_appointed_among_the_members_of_the_component_only(group: GroupWorld) -> None:
    group.has(1, 2)
    for slot in (1, 2):
        group.send(slot, AppointWriter(group.epoch, group.incarnation(slot), "db.2"))
    group.until(lambda: {group.status(slot).writer for slot in (1, 2)} == {"db.2"}, SOON, "both to take db.2 for the writer")
    for name in ("db.3", "", "somebody"):
        with pytest.raises(Refused):
            group.send(1, AppointWriter(group.epoch, group.incarnation(1), name))
    assert group.status(1).writer == "db.2"
