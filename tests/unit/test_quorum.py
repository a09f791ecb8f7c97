"""Members live, none is in a Primary component: who forms it again."""

from __future__ import annotations

import pytest
from builders import (
    ZEROS,
    A,
    B,
    C,
    apart,
    cluster,
    non_primary,
    pending,
    position,
    recipient,
    remembered,
    task,
    unseen,
    waiting,
)

from galera_operator.core.accounting import SILENCE
from galera_operator.core.agent_api import Stage
from galera_operator.core.decide import decide
from galera_operator.core.plan import Act, FormPrimary, Hold, Page, Resize, StopMember
from galera_operator.core.position import Directory
from galera_operator.core.quorum import REUNION, regain_primary
from galera_operator.core.remembered import Fork, Memory
from galera_operator.core.veto import broken_invariants

LOST = task(3, id="old", desired="shutdown", node="n9", node_is_down=True)


def regained(*seats, memory=None, **changes):
    seen = cluster(*seats, **changes)
    memory = memory or remembered()
    plan = decide(seen, memory)
    assert plan == regain_primary(seen, memory)
    assert broken_invariants(plan, seen, memory) == ()
    return plan


def former(plan) -> FormPrimary:
    assert isinstance(plan, Act), plan
    (step,) = plan.steps
    assert isinstance(step, FormPrimary)
    return step


def paged(plan, name="no-primary") -> Page:
    assert isinstance(plan, Page), plan
    assert plan.name == name
    return plan


def test_the_one_that_lives_goes_on_when_the_others_wait_with_no_more_than_it_has():
    plan = regained(non_primary(1), waiting(2, position(100)), waiting(3, position(97)))
    assert former(plan) == FormPrimary(*recipient(1), position(100), (recipient(2), recipient(3)))
    assert plan.why == (
        f"no Primary component is left; all 3 members are accounted for, and slot 1 (n1) has the newest data, {A}:100"
    )


def test_of_those_that_live_the_newest_goes_on_and_of_equals_the_lowest_slot():
    assert former(regained(non_primary(1, last_committed=99), non_primary(2), waiting(3, position(1)))).slot == 2
    assert former(regained(non_primary(1), non_primary(2), waiting(3, position(1)))).slot == 1


def test_who_lives_goes_before_one_that_is_down_with_the_same_data():
    assert former(regained(waiting(1, position(100)), non_primary(2))).slot == 2


def test_who_lives_goes_before_one_that_was_killed_in_the_middle_of_ddl():
    cut = waiting(1, position(100), directory=Directory.MID_DDL)
    assert former(regained(cut, non_primary(2))).slot == 2


def test_who_lives_is_through_with_its_ddl_whatever_it_began_from():
    assert former(regained(non_primary(1, directory=Directory.MID_DDL), waiting(2, position(5)))).slot == 1


def test_nobody_stops_for_a_newer_copy_with_half_of_a_ddl_statement():
    plan = decide(cluster(waiting(1, position(101), directory=Directory.MID_DDL), non_primary(2)), remembered())
    assert "slot 1 (n1), which has the newest data" in paged(plan).why
    assert "killed while it ran DDL" in plan.why


def test_of_two_that_are_down_the_whole_copy_is_started_and_not_the_one_killed_in_the_middle_of_ddl():
    plan = decide(
        cluster(waiting(1, position(101), directory=Directory.MID_DDL), non_primary(2), waiting(3, position(101))), remembered()
    )
    assert isinstance(plan, Act)
    assert plan.why.startswith("no Primary component is left, and slot 3 (n3), which is down, has the newest data")


def test_an_empty_newcomer_does_not_stand_in_the_way():
    assert former(regained(non_primary(1), waiting(2), memory=remembered(ledger={1: 100}))).slot == 1


def test_a_history_that_was_never_recorded_goes_on_where_it_is_the_only_one():
    assert former(regained(non_primary(1), waiting(2, position(5)), memory=Memory())).slot == 1


@pytest.mark.parametrize("seqno", [99, 100])
def test_a_newest_copy_at_or_past_the_ledger_goes_on(seqno):
    assert former(regained(non_primary(1), waiting(2, position(5)), memory=remembered(ledger={1: seqno, 2: 5}))).slot == 1


STARTS = pytest.mark.parametrize("stage", [Stage.STARTING, Stage.JOINING, Stage.BOOTSTRAPPING])


@STARTS
@pytest.mark.parametrize(("seat", "age"), [(waiting, 60.0), (non_primary, REUNION - 0.1)], ids=["down", "just come up"])
def test_who_is_on_the_way_is_waited_for(seat, age, stage):
    plan = decide(cluster(non_primary(1), seat(2, stage=stage, note="reading the disk", view_age=age)), remembered())
    assert isinstance(plan, Hold)
    assert f"slot 2 (n2) is {stage}: reading the disk" in plan.why


@STARTS
def test_who_had_begun_to_join_when_the_component_was_lost_stops_to_wait_like_the_others(stage):
    plan = regained(non_primary(1), non_primary(2, stage=stage, view_age=REUNION))
    assert plan.steps == (StopMember(*recipient(2)),)
    assert plan.why == f"no Primary component, and slot 2 (n2) was {stage} when it was lost: it stops, to wait like the others"
    plan = regained(non_primary(1), non_primary(2, stage=stage, view_age=REUNION, leaving=True))
    assert isinstance(plan, Hold)
    assert plan.why == "no Primary component, and slot 2 (n2) is stopping, to wait like the others"


@pytest.mark.parametrize(("age", "acts"), [(0.0, False), (REUNION - 0.1, False), (REUNION, True)])
def test_the_members_of_one_view_get_the_time_to_find_each_other_again(age, acts):
    plan = regained(non_primary(1), non_primary(2, view_age=age))
    assert isinstance(plan, Act) is acts
    if not acts:
        assert plan.why.startswith(f"slot 1 (n1), slot 2 (n2) lives without a Primary component for {age:.0f} s; ")


@pytest.mark.parametrize(
    ("seats", "changes", "told"),
    [
        ([unseen(2)], {}, "slot 2 (n2) was not seen: no answer"),
        ([pending(2)], {"memory": remembered(ledger={2: 9})}, "slot 2 was not seen: its task has no address yet"),
        ([], {"replicas": 2}, "Swarm has made 1 of 2 tasks"),
        ([waiting(2, position(5))], {"lost": (LOST,)}, "slot 3 is on n9, a node that Swarm has lost"),
        ([waiting(2)], {"memory": remembered(ledger={2: 1})}, "slot 2 (n2) has an empty data directory"),
        (
            [waiting(2, directory=Directory.INCOMPLETE)],
            {"memory": remembered(ledger={2: 1})},
            "slot 2 (n2) has an incomplete data directory",
        ),
    ],
    ids=["unseen", "no node", "not made", "lost node", "emptied", "incomplete"],
)
def test_a_copy_that_is_not_accounted_for_pages_with_the_command_that_goes_on_without_it(seats, changes, told):
    page = paged(regained(non_primary(1), *seats, **changes))
    assert page.why.startswith("slot 1 (n1) lives, but no Primary component is left, and ")
    assert told in page.why
    assert "galera-operator bootstrap shop_db --from-slot 1" in page.remedy


def test_silence_is_waited_for_before_a_person_is_called():
    assert isinstance(regained(non_primary(1, view_age=SILENCE - 1), unseen(2)), Hold)
    paged(regained(non_primary(1, view_age=SILENCE), unseen(2)))


@pytest.mark.parametrize("stage", [Stage.STOPPING, Stage.DRAINING, Stage.DRAINED, Stage.RUNNING])
def test_a_member_that_is_neither_up_nor_waiting_is_waited_for_because_nobody_knows_what_it_holds(stage):
    plan = regained(non_primary(1), waiting(2, stage=stage, directory=Directory.USABLE))
    assert isinstance(plan, Hold)
    assert f"slot 2 (n2) is {stage}" in plan.why


def test_an_old_task_is_waited_for():
    plan = regained(non_primary(1), leaving=(task(1, id="old", desired="shutdown"),))
    assert isinstance(plan, Hold)
    assert "the old task of slot 1 is still ending" in plan.why


def test_a_slot_that_held_data_comes_back_before_anybody_goes_on():
    plan = regained(non_primary(1), waiting(2, position(90)), memory=remembered(ledger={1: 100, 3: 95}))
    assert plan.steps == (Resize("svc", 40, 2, 3),)


def test_a_living_member_without_its_position_pages():
    page = paged(regained(non_primary(1), non_primary(2, state_uuid=ZEROS)), "state-uuid-zeros")
    assert "slot 2 (n2) has a state UUID of zeros" in page.why


@pytest.mark.parametrize(
    ("other", "memory"),
    [
        (waiting(2, position(5, B)), remembered()),
        (waiting(2, position(5, B)), Memory()),
        (non_primary(2, state_uuid=B), remembered()),
        (waiting(2), remembered(B)),
    ],
    ids=["recorded and another", "two, nothing recorded", "two alive", "another than recorded"],
)
def test_copies_that_are_not_of_the_recorded_history_page(other, memory):
    page = paged(regained(non_primary(1), other, memory=memory))
    assert f"slot 1 (n1) at {A}:100" in page.why
    assert ("recorded is" in page.why) is bool(memory.uuid)
    assert "galera-operator bootstrap shop_db --from-slot 1" in page.remedy


def test_where_no_copy_can_be_used_it_is_said():
    page = paged(regained(non_primary(1, last_committed=-1), waiting(2)))
    assert "not of one known history: no usable copy; recorded is" in page.why
    assert page.remedy == "Bring back what is missing, or decide: no copy here can be gone on from"


def test_a_newest_copy_behind_the_ledger_pages():
    page = paged(regained(non_primary(1), waiting(2, position(99)), memory=remembered(ledger={1: 101, 2: 99})))
    assert "slot 1 (n1) at seqno 100, but a member was seen at 101" in page.why
    assert "galera-operator bootstrap shop_db --from-slot 1 --accept-loss-of 1" in page.remedy


def test_where_one_that_is_down_has_more_those_that_live_stop_first():
    plan = regained(non_primary(1), non_primary(2), waiting(3, position(101)))
    assert plan.steps == (StopMember(*recipient(1)), StopMember(*recipient(2)))
    assert plan.why == (
        f"no Primary component is left, and slot 3 (n3), which is down, has the newest data, {A}:101: "
        "slot 1 (n1), slot 2 (n2) stops first, so that it can start the cluster"
    )


def test_who_is_stopping_already_is_not_asked_again():
    plan = regained(non_primary(1, leaving=True), non_primary(2), waiting(3, position(101)))
    assert plan.steps == (StopMember(*recipient(2)),)
    plan = regained(non_primary(1, leaving=True), waiting(3, position(101)))
    assert isinstance(plan, Hold)
    assert plan.why.endswith("; slot 1 (n1) is stopping, then it starts the cluster")


@pytest.mark.parametrize("stopped_at", [position(500, B), position(100, B)])
def test_a_copy_from_before_a_persons_decision_does_not_stand_in_the_way(stopped_at):
    memory = remembered(fork=Fork(position(100, B), (2,)))
    assert former(regained(non_primary(1), waiting(2, stopped_at), memory=memory)).slot == 1


def test_a_living_copy_that_was_given_up_is_not_gone_on_from():
    memory = remembered(given_up={2: A})
    assert former(regained(non_primary(1), non_primary(2, last_committed=105), memory=memory)).slot == 1


def test_a_living_copy_of_the_history_before_is_stopped_in_favour_of_a_present_one_that_is_down():
    memory = remembered(C, fork=Fork(position(200), ()))
    plan = regained(non_primary(1), waiting(2, position(101, C)), memory=memory)
    assert plan.steps == (StopMember(*recipient(1)),)


def test_a_slot_that_never_had_a_node_does_not_stand_in_the_way():
    assert former(regained(non_primary(1), pending(2))).fence == ()


# A member that has left its group by itself


def test_a_member_that_has_left_its_group_restarts_before_anybody_forms_a_primary_component():
    plan = regained(apart(1), non_primary(2), waiting(3, position(50)))
    assert plan.steps == (StopMember(*recipient(1)),)


def test_while_it_stops_nobody_forms_a_primary_component():
    assert isinstance(regained(apart(1, leaving=True), non_primary(2)), Hold)


def test_one_that_has_just_left_may_be_about_to_end_by_itself():
    assert isinstance(regained(apart(1, view_age=REUNION - 0.1), non_primary(2, view_age=REUNION - 0.1)), Hold)
    assert regained(apart(1, view_age=REUNION), non_primary(2)).steps == (StopMember(*recipient(1)),)
