"""A member's life: which stages it goes through, and what its agent and its database say in each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from group_world import SOON, GroupWorld

from galera_operator.core.agent_api import WAITING_FOR_DONOR, Admission, AgentStatus, Drain, Grant, Stage, Stop, Wsrep
from galera_operator.core.position import ZERO_UUID, Directory, Position
from galera_operator.ports import Refused, Unreachable

EXIT = 143


@dataclass(frozen=True)
class Look:
    """Two members at one moment, as their agents and databases tell it."""

    agents: dict[int, AgentStatus]
    databases: dict[int, Wsrep | None]


def watched(group: GroupWorld, slots: tuple[int, ...], until: Callable[[], object], what: str) -> list[Look]:
    """Look again and again until something is so."""
    looks: list[Look] = []

    def look() -> object:
        databases = {slot: group.told(slot) for slot in slots}
        looks.append(Look({slot: group.status(slot) for slot in slots if group.has_agent(slot)}, databases))
        return until()

    group.until(look, SOON, what)
    return looks


def test_a_first_start_waits_for_a_grant_and_serves_only_once_it_is_admitted(group: GroupWorld) -> None:
    for slot in (1, 2, 3):
        group.wipe(slot)
    group.start(1)
    waiting = group.wait_stage(1, Stage.WAITING)
    assert (waiting.directory, waiting.position, waiting.wsrep) == (Directory.EMPTY, None, None)
    assert (waiting.admission, waiting.writer, waiting.transfer) == (Admission.NONE, "", None)
    with pytest.raises(Unreachable):
        group.members.wsrep(group.address(1), group.token, ())

    group.grant(1)
    running = group.wait_stage(1, Stage.RUNNING)
    assert group.stages(1) == ["starting", "waiting", "bootstrapping", "running"]
    assert (running.directory, running.admission) == (Directory.USABLE, Admission.NONE)
    now = group.wait_view(1, 1)
    assert (now.cluster_status, now.local_state, now.local_state_comment) == ("Primary", 4, "Synced")
    assert (now.ready, now.connected, now.queue, now.desync_count) == (True, True, 0, 0)
    assert (now.members, now.conf_id) == (("db.1",), 1)
    assert now.state_uuid != ZERO_UUID
    assert group.status(1).writer == "", "nobody is admitted"

    group.admit(1)
    group.until(lambda: group.status(1).writer == "db.1", SOON, "it to be the writer")
    assert group.status(1).admission is Admission.OPERATOR


def test_each_transaction_takes_one_write_set_and_the_agent_tells_the_position(group: GroupWorld) -> None:
    group.has(1)
    assert group.write(1)
    before = group.wsrep(1)
    assert group.write(1, 5)
    now = group.wsrep(1)
    assert now.last_committed == before.last_committed + 5
    assert (now.conf_id, now.state_uuid) == (before.conf_id, before.state_uuid)
    position = Position(now.state_uuid, now.last_committed)
    group.until(lambda: group.status(1).position == position, SOON, f"the agent to tell {position}")
    assert not group.status(1).safe_to_bootstrap, "grastate.dat of a running mariadbd"


def test_a_first_join_is_in_the_view_at_once_and_serves_after_a_full_transfer(group: GroupWorld) -> None:
    group.has(1)
    group.wipe(2)
    alone = group.wsrep(1)
    group.start(2)
    looks = watched(group, (1, 2), lambda: group.status(2).stage is Stage.RUNNING, "slot 2 to run")
    assert group.stages(2) == ["starting", "waiting", "joining", "running"]
    last = group.wait_view(2, 2)
    assert (last.state_uuid, last.conf_id) == (alone.state_uuid, alone.conf_id + 1)
    assert last.members == ("db.1", "db.2")
    assert group.status(2).admission is Admission.NONE

    donor = [wsrep for look in looks if (wsrep := look.databases[1]) and wsrep.local_state == 2]
    assert donor, "slot 1 gives the transfer"
    for wsrep in donor:
        assert (wsrep.cluster_status, wsrep.cluster_size, wsrep.state_uuid) == ("Primary", 2, alone.state_uuid)
        assert (wsrep.is_synced, wsrep.answers_queries, wsrep.desync_count) == (False, True, 1)
    joiner = [look.databases[2] for look in looks]
    assert joiner[0] is None, "no SQL before the transfer is over"
    served = [wsrep is not None and wsrep.answers_queries for wsrep in joiner]
    assert served == sorted(served), "once it answers queries, it goes on"
    assert all(wsrep.state_uuid == alone.state_uuid for wsrep in joiner if wsrep and wsrep.answers_queries)
    roles = {
        (slot, status.transfer.role)
        for look in looks
        for slot, status in look.agents.items()
        if status.transfer and status.stage in {Stage.JOINING, Stage.RUNNING}
    }
    assert (2, "joiner") in roles
    assert roles <= {(1, "donor"), (2, "joiner")}
    group.until(lambda: group.wsrep(1).is_synced, SOON, "the donor to be Synced again")


def test_a_joiner_killed_in_the_middle_of_its_transfer_has_half_a_copy_and_gets_another(group: GroupWorld) -> None:
    group.has(1, 2)  # two: the view of one and its joiner would lose its quorum by this
    group.wipe(3)
    group.start(3)
    group.until(lambda: (told := group.told(2)) is not None and told.local_state == 2, SOON, "slot 2 to give the transfer")
    group.kill(3)
    group.start(3)
    again = group.wait_stage(3, Stage.WAITING, Stage.JOINING)
    assert (again.directory, again.position, again.safe_to_bootstrap) == (Directory.HALF_COPIED, None, False)
    if again.stage is Stage.WAITING:
        with pytest.raises(Refused):
            group.send(3, Grant(group.epoch, again.incarnation, group.address(3), None, ()))
    assert group.wait_stage(3, Stage.RUNNING).directory is Directory.USABLE
    for slot in (1, 2, 3):
        group.wait_view(slot, 3)


def test_every_view_of_a_primary_component_takes_a_write_set_of_its_own(group: GroupWorld) -> None:
    """So who left in order is behind those who stayed, though no row differs."""
    group.has(1)
    alone = group.wsrep(1).last_committed
    group.has(1, 2)
    both = group.same_everywhere(1, 2).seqno
    assert both == alone + 1
    group.sigterm(2)
    group.wait_exit(2)
    assert group.wait_view(1, 1).last_committed == both + 1


def test_a_stop_in_order_drains_first_and_the_next_life_joins_by_ist(group: GroupWorld) -> None:
    group.has(1, 2)
    assert group.write(1)
    at = group.wait_view(2, 2).last_committed
    group.sigterm(2)
    group.until(lambda: group.status(2).leaving, SOON, "the agent to say that it leaves")
    assert group.wait_exit(2) == EXIT
    assert group.stages(2)[-3:] == ["running", "draining", "stopping"]

    assert group.write(1, 3)
    group.start(2)
    looks = watched(group, (2,), lambda: group.status(2).stage is Stage.RUNNING, "slot 2 to run again")
    assert group.stages(2) == ["starting", "waiting", "joining", "running"]
    found = [position for look in looks if (position := look.agents[2].position) is not None]
    assert found[0].seqno >= at
    transfers = [transfer for look in looks if (transfer := look.agents[2].transfer)]
    assert {transfer.method for transfer in transfers if transfer.stage != WAITING_FOR_DONOR} <= {"IST"}
    group.wait_view(2, 2)
    group.same_everywhere(1, 2)


def test_the_operators_stop_is_a_sigterm(group: GroupWorld) -> None:
    group.has(1, 2)
    group.send(2, Stop(group.epoch, group.incarnation(2)))
    assert group.wait_exit(2) == EXIT
    assert group.stages(2)[-3:] == ["running", "draining", "stopping"]
    group.until(lambda: group.wsrep(1).cluster_size == 1, SOON, "slot 1 to be alone")
    assert group.wsrep(1).is_synced


def test_a_drained_member_stays_synced_and_an_admission_takes_the_drain_back(group: GroupWorld) -> None:
    group.has(1, 2)
    view = group.wsrep(2)
    group.send(2, Drain(group.epoch, group.incarnation(2), 5.0))
    assert group.status(2).stage is Stage.DRAINING, "from the moment of the answer"
    group.wait_stage(2, Stage.DRAINED)
    now = group.wsrep(2)
    assert (now.is_synced, now.conf_id, now.cluster_size) == (True, view.conf_id, 2)
    status = group.status(2)
    assert (status.sessions, status.leaving, status.admission) == (0, False, Admission.OPERATOR)
    group.admit(2)
    group.wait_stage(2, Stage.RUNNING)
    assert group.stages(2)[-4:] == ["running", "draining", "drained", "running"]


def test_a_drained_member_that_is_stopped_does_not_drain_for_long_again(group: GroupWorld) -> None:
    group.has(1, 2)
    group.send(2, Drain(group.epoch, group.incarnation(2), 5.0))
    group.wait_stage(2, Stage.DRAINED)
    group.sigterm(2)
    assert group.wait_exit(2) == EXIT
    assert group.stages(2)[-1] == "stopping"


def test_a_waiting_member_has_nothing_to_drain_and_stops_at_once(group: GroupWorld) -> None:
    group.has(1)
    group.kill(1)
    group.start(1)
    group.wait_stage(1, Stage.WAITING)
    with pytest.raises(Refused):
        group.send(1, Drain(group.epoch, group.incarnation(1), 5.0))
    group.sigterm(1)
    assert group.wait_exit(1) == EXIT


def test_a_backup_desynchronises_a_member_that_goes_on_serving(group: GroupWorld) -> None:
    group.has(1, 2)
    group.desync(2, True)
    now = group.until(lambda: told if (told := group.wsrep(2)).desync_count else None, SOON, "the desync")
    assert now is not None
    assert (now.local_state, now.local_state_comment, now.desync_count) == (2, "Donor/Desynced", 1)
    assert (now.cluster_status, now.cluster_size, now.ready) == ("Primary", 2, True)
    assert (now.is_synced, now.answers_queries) == (False, True)
    assert group.status(2).stage is Stage.RUNNING
    assert group.status(2).transfer is None
    group.desync(2, False)
    group.wait_view(2, 2)
    assert group.wsrep(2).desync_count == 0


def test_mariadbd_killed_alone_ends_the_agent_with_another_code_than_0(group: GroupWorld) -> None:
    group.has(1, 2)
    group.kill_database(2)
    assert group.wait_exit(2) not in {0, EXIT}
