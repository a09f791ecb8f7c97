"""A user's own service update: where the writer goes, how far it is, and when a person is called."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import JOINER, cluster, joined_but_not_admitted, member, recipient, remembered, task, three_calm, unseen, waiting

from galera_operator.core.agent_api import Stage
from galera_operator.core.decide import decide
from galera_operator.core.plan import Act, AdmitMember, Appoint, Hold, Page
from galera_operator.core.remembered import WriterMove
from galera_operator.core.returning import PATIENCE
from galera_operator.core.rollout import progress

OLD = {"is_outdated": True}
AWAY_LONG = {"view_age": PATIENCE + 1}


def rolling(*seats, state: str = "updating", **changes):
    return cluster(*seats, update_state=state, **changes)


def told(plan) -> str:
    assert isinstance(plan, Hold), plan
    return plan.why


def paged(plan) -> str:
    assert isinstance(plan, Page), plan
    assert plan.name == "rollout-stopped"
    assert "docker service update --rollback shop_db" in plan.remedy
    return plan.why


# The writer


def test_the_role_goes_to_a_member_that_is_replaced_already_because_it_is_not_taken_again():
    plan = decide(rolling(member(1, **OLD), member(2, **OLD), member(3)), remembered())
    assert plan.steps == (Appoint("db.3", 3, tuple(recipient(slot) for slot in (1, 2, 3))),)
    assert plan.why == ("the service update will replace the writer slot 1 (n1), and has replaced slot 3 (n3), which takes over")


def test_the_lowest_of_those_takes_it():
    assert decide(rolling(member(1, **OLD), member(2), member(3)), remembered()).steps[0].slot == 2


@pytest.mark.parametrize(
    "seats",
    [
        [member(1), member(2, **OLD), member(3, **OLD)],
        [member(slot, writer="db.3") for slot in (1, 2, 3)],
        [member(1, **OLD), member(2, **OLD), member(3, stage=Stage.DRAINED, queue=1)],
        [member(1, **OLD), member(2, **OLD), joined_but_not_admitted(3, queue=1)],
        [member(1, **OLD), member(2, **OLD), member(3, local_state=2)],
        [member(1, **OLD), member(2, **OLD), member(3, **OLD)],
    ],
    ids=["the writer is replaced", "so is a lower one", "drained", "not let in", "donor", "none is replaced"],
)
def test_otherwise_it_stays(seats):
    assert not isinstance(decide(rolling(*seats), remembered()), Act)


@pytest.mark.parametrize("state", ["", "completed", "paused", "rollback_paused"])
def test_it_stays_where_no_rollout_moves(state):
    assert not isinstance(decide(rolling(member(1, **OLD), member(2), state=state), remembered()), Act)


def test_the_next_to_leave_does_not_take_it():
    seen = rolling(member(1, **OLD), member(2, **OLD), member(3), wish=2)
    assert not isinstance(decide(seen, remembered()), Act)


def test_a_rollback_moves_as_well():
    assert isinstance(decide(rolling(member(1, **OLD), member(2), state="rollback_started"), remembered()), Act)


def test_a_wish_for_a_member_that_is_still_to_be_replaced_waits():
    memory = remembered(move=WriterMove(3, "life1", "ann@desk", "now"))
    why = told(decide(rolling(member(1), member(2), member(3, **OLD)), memory))
    assert "it waits: slot 3 (n3) is still to be replaced by the service update" in why


def test_a_wish_for_a_member_that_is_replaced_comes_true_before_the_lowest_one():
    memory = remembered(move=WriterMove(3, "life1", "ann@desk", "now"))
    plan = decide(rolling(member(1, **OLD), member(2), member(3)), memory)
    assert plan.steps[0].slot == 3
    assert plan.why.startswith("ann@desk asked for it")


def test_when_swarm_takes_the_writer_the_sentence_says_so():
    seats = [unseen(1, cause="its task has no address yet"), member(2), member(3)]
    plan = decide(rolling(*seats, leaving=(task(1, id="old", desired="shutdown"),)), remembered())
    assert plan.why == "Swarm takes the task of slot 1, the writer; slot 2 (n2) becomes it"


def test_when_swarm_takes_another_the_writer_is_not_said_to_be_taken():
    seats = [member(1, writer="db.9"), member(2, writer="db.9"), unseen(3)]
    plan = decide(rolling(*seats, leaving=(task(3, id="old", desired="shutdown"),)), remembered())
    assert plan.why == "no member is the writer; slot 1 (n1) becomes it"


# How far


def test_how_far_it_is_counts_members_that_serve():
    assert progress(rolling(member(1, **OLD), member(2), joined_but_not_admitted(3))) == (
        "the service update has replaced 1 of 3 members"
    )
    assert progress(three_calm()) is None
    assert progress(rolling(member(1), state="completed")) is None
    assert progress(rolling(member(1), state="rollback_started")) == "the service rollback has replaced 1 of 1 members"
    assert progress(rolling(member(1), state="paused")).endswith("1 of 1 members and is paused by Swarm")


def test_the_plan_says_it_and_whom_it_waits_for():
    seen = rolling(member(1), member(2, **OLD), waiting(3, stage=Stage.JOINING, transfer=JOINER, note="receiving"))
    assert told(decide(seen, remembered())) == (
        "the service update has replaced 1 of 3 members; slot 3 (n3) is joining: receiving"
    )


def test_members_that_it_replaced_are_let_in():
    plan = decide(rolling(member(1), joined_but_not_admitted(2)), remembered())
    assert isinstance(plan.steps[0], AdmitMember)


# When it stops


def test_a_replaced_member_that_swarm_gave_up_on_is_named():
    why = paged(decide(rolling(member(1, **OLD), waiting(2, since=1.0), state="paused"), remembered()))
    assert why.startswith(
        "the service update has replaced 0 of 2 members and is paused by Swarm; slot 2 (n2), which it replaced, "
    )


def test_one_that_is_still_old_is_not_blamed():
    seen = rolling(member(1), member(2, local_state=2, **OLD), state="paused")
    assert "although every member serves" in paged(decide(seen, remembered()))


def test_a_paused_rollout_pages_also_when_all_serve_because_two_versions_run():
    assert "some run the old and some the new" in paged(decide(rolling(member(1), member(2), state="paused"), remembered()))
    assert paged(decide(rolling(member(1), member(2), state="rollback_paused"), remembered())).startswith("the service rollback")


def test_a_replaced_member_that_does_not_come_back_is_named_although_swarm_waits_on():
    seen = rolling(member(1, **AWAY_LONG), unseen(2, state="starting"), member(3, **OLD, **AWAY_LONG))
    assert "slot 2 (n2), which it replaced, has not come back for 121 s" in paged(decide(seen, remembered()))


def test_one_whose_image_is_being_pulled_is_waited_for():
    seen = rolling(member(1, **AWAY_LONG), unseen(2, state="preparing"), member(3, **OLD, **AWAY_LONG))
    assert "has replaced 1 of 3" in told(decide(seen, remembered()))


def test_one_that_it_has_not_reached_is_no_reason_to_page():
    seen = rolling(member(1, **AWAY_LONG), unseen(2, **OLD), member(3, **AWAY_LONG))
    assert "slot 2 (n2) was not seen" in told(decide(seen, remembered()))


def test_without_a_rollout_there_is_no_such_page():
    seen = cluster(member(1, **AWAY_LONG), unseen(2), member(3, **AWAY_LONG))
    assert isinstance(decide(seen, remembered()), Hold)
    assert isinstance(decide(replace(seen, service=replace(seen.service, update_state="completed")), remembered()), Hold)
