from __future__ import annotations

import math

import pytest
from builders import (
    DONOR,
    A,
    cluster,
    member,
    non_primary,
    pending,
    position,
    remembered,
    task,
    unseen,
    waiting,
)

from galera_operator.core.accounting import SILENCE, missing_copy, wait_for_copies
from galera_operator.core.agent_api import Stage
from galera_operator.core.plan import SOON, Act, Hold, Page, Resize
from galera_operator.core.position import Directory
from galera_operator.core.remembered import Memory

AT_HAND = (waiting(1, position(100)), waiting(2, position(90)))
OLD_TASK = task(2, id="old", desired="shutdown")
LOST_TASK = task(2, id="old", desired="shutdown", node="n9", node_is_down=True)


def wait(seen, memory=None, waited=0.0):
    return wait_for_copies(seen, memory or remembered(), situation="nobody serves", page="copy-missing", waited=waited)


def incomplete(slot):
    return waiting(slot, directory=Directory.INCOMPLETE)


def test_where_every_copy_has_answered_nothing_is_waited_for():
    assert missing_copy(cluster(*AT_HAND), remembered()) is None
    assert wait(cluster(*AT_HAND), remembered(ledger={1: 100, 2: 90})) is None
    assert wait(cluster(waiting(1), waiting(2)), Memory()) is None


def test_a_living_member_is_accounted_for_whatever_its_agent_does():
    assert missing_copy(cluster(non_primary(1, stage=Stage.DRAINING), waiting(2, position(9))), remembered()) is None


NOT_THERE = [
    (cluster(*AT_HAND, replicas=3), "Swarm has made 2 of 3 tasks", SILENCE, "Look at docker service ps."),
    (cluster(*AT_HAND, unseen(3)), "slot 3 (n3) was not seen: no answer", SILENCE, "Bring back n3."),
    (cluster(*AT_HAND, pending(3)), "slot 3 was not seen: its task has no address yet", SILENCE, "Bring back its node."),
    (cluster(*AT_HAND, leaving=(OLD_TASK,)), "the old task of slot 2 is still ending", math.inf, ""),
    (cluster(*AT_HAND, lost=(LOST_TASK,)), "the last task of slot 2 is on n9, a node that Swarm has lost", 0.0, "Bring back n9."),
    *[
        (cluster(*AT_HAND, waiting(3, position(9), stage=stage, note="")), f"slot 3 (n3) is {stage}", math.inf, "")
        for stage in Stage
        if stage is not Stage.WAITING
    ],
]


@pytest.mark.parametrize(("seen", "what", "patience", "remedy"), NOT_THERE, ids=[what for _, what, *_ in NOT_THERE])
def test_each_copy_that_has_not_told_its_position_is_named(seen, what, patience, remedy):
    missing = missing_copy(seen, remembered(ledger={3: 9}))
    assert missing is not None
    assert (missing.what, missing.patience, missing.remedy) == (what, patience, remedy)


def test_a_node_that_swarm_has_lost_is_told_only_when_nothing_else_moves_any_more():
    assert "still ending" in missing_copy(cluster(*AT_HAND, leaving=(OLD_TASK,), lost=(LOST_TASK,)), remembered()).what
    starting = waiting(3, stage=Stage.STARTING)
    assert "is starting" in missing_copy(cluster(*AT_HAND, starting, lost=(LOST_TASK,)), remembered()).what


@pytest.mark.parametrize(("waited", "kind"), [(0.0, Hold), (SILENCE - 0.1, Hold), (SILENCE, Page), (SILENCE + 1, Page)])
def test_silence_is_waited_for_a_while_before_a_person_is_called(waited, kind):
    assert isinstance(wait(cluster(*AT_HAND, unseen(3)), waited=waited), kind)


def test_the_sentence_says_the_situation_who_is_missing_and_what_is_waited_for():
    plan = wait(cluster(*AT_HAND, unseen(3)))
    assert plan == Hold("nobody serves, and slot 3 (n3) was not seen: no answer; waiting for every copy to answer", SOON)


def test_the_page_says_what_to_bring_back_and_the_command_that_goes_on_without_it():
    plan = wait(cluster(*AT_HAND, unseen(3)), waited=SILENCE)
    assert plan == Page(
        "copy-missing",
        "nobody serves, and slot 3 (n3) was not seen: no answer; that copy may be the newest",
        "Bring back n3. If it is gone for good and runs nowhere any more: "
        "galera-operator bootstrap shop_db --from-slot 1 --accept-loss-of 3",
    )


def test_the_page_says_so_where_no_copy_can_be_gone_on_from():
    plan = wait(cluster(incomplete(1), unseen(2)), waited=SILENCE)
    assert isinstance(plan, Page)
    assert plan.remedy == "Bring back n2. No copy here can be gone on from."


@pytest.mark.parametrize("seats", [(waiting(1), unseen(2)), (unseen(1), unseen(2))], ids=["one is there", "nobody is there"])
def test_on_a_first_start_nobody_is_called_however_long_the_images_take(seats):
    assert isinstance(wait(cluster(*seats), Memory(), waited=1e6), Hold)
    assert isinstance(wait(cluster(*seats), remembered(), waited=1e6), Page)


def test_an_unrecorded_copy_is_no_first_start():
    assert isinstance(wait(cluster(waiting(1, position(5)), unseen(2)), Memory(), waited=1e6), Page)


def test_what_ends_by_itself_is_waited_for_without_a_limit():
    assert isinstance(wait(cluster(*AT_HAND, leaving=(OLD_TASK,)), waited=1e9), Hold)
    assert isinstance(wait(cluster(*AT_HAND, waiting(3, stage=Stage.STOPPING)), waited=1e9), Hold)


def test_a_lost_node_is_a_page_at_once():
    assert isinstance(wait(cluster(*AT_HAND, lost=(LOST_TASK,)), waited=0.0), Page)


# A service that somebody made smaller meanwhile


def test_a_slot_that_held_data_comes_back_where_the_service_was_made_smaller():
    plan = wait(cluster(*AT_HAND), remembered(ledger={1: 100, 2: 90, 3: 95}))
    assert isinstance(plan, Act)
    assert plan.steps == (Resize("svc", 40, 2, 3),)
    assert plan.why == (
        "nobody serves, and slot 3, which held data, is not among the 2 tasks: every copy comes back, to find the newest"
    )


def test_of_several_slots_that_held_data_the_highest_counts_so_that_all_come_back():
    plan = wait(cluster(waiting(1, position(9))), remembered(ledger={1: 9, 2: 9, 4: 9}))
    assert plan.steps == (Resize("svc", 40, 1, 4),)


def test_a_slot_below_the_present_ones_comes_back_beside_them():
    plan = wait(cluster(waiting(1, position(9)), waiting(3, position(9))), remembered(ledger={1: 9, 2: 9, 3: 9}))
    assert plan.steps == (Resize("svc", 40, 2, 3),)


@pytest.mark.parametrize("state", ["updating", "paused", "rollback_started", "rollback_paused"])
def test_no_slot_is_brought_back_during_a_rollout_and_a_person_is_called_because_nothing_moves_by_itself(state):
    plan = wait(cluster(*AT_HAND, update_state=state), remembered(ledger={3: 95}))
    assert isinstance(plan, Page)
    assert "slot 3, which held data, is not among the 2 tasks" in plan.why
    assert state.replace("_", " ") in plan.why
    assert plan.remedy == "docker service rollback shop_db ; or: docker service scale shop_db=3"


def test_no_slot_is_brought_back_during_a_state_transfer():
    seen = cluster(non_primary(1, transfer=DONOR), waiting(2, position(9)))
    plan = wait(seen, remembered(ledger={3: 95}))
    assert isinstance(plan, Hold)
    assert "slot 1 (n1) has a state transfer in flight" in plan.why


def test_no_slot_is_brought_back_before_those_that_are_expected_have_answered():
    assert isinstance(wait(cluster(*AT_HAND, unseen(3)), remembered(ledger={4: 9})), Hold)


# A slot that came back without its data


@pytest.mark.parametrize("seat", [waiting(2), incomplete(2)], ids=["empty", "incomplete"])
def test_a_slot_that_held_data_and_has_none_that_can_be_used_is_missing(seat):
    plan = wait(cluster(waiting(1, position(100)), seat), remembered(ledger={1: 100, 2: 97}))
    assert isinstance(plan, Page)
    assert f"slot 2 (n2) has an {seat.agent.directory} data directory although it held data at seqno 97" in plan.why
    assert plan.remedy.startswith("Bring back its volume. If it is gone")
    assert plan.remedy.endswith("galera-operator bootstrap shop_db --from-slot 1 --accept-loss-of 2")


def test_the_first_of_several_is_named():
    plan = wait(cluster(waiting(1, position(9)), waiting(2), waiting(3)), remembered(ledger={3: 1, 2: 1}))
    assert "slot 2 (n2)" in plan.why


def test_a_slot_that_never_held_data_may_be_empty():
    assert wait(cluster(waiting(1, position(100)), waiting(2)), remembered(ledger={1: 100})) is None


def test_a_living_member_that_was_emptied_below_is_not_asked_for_its_directory():
    seen = cluster(non_primary(1, directory=Directory.EMPTY), waiting(2, position(9)))
    assert wait(seen, remembered(ledger={1: 9, 2: 9})) is None


def test_where_nobody_has_a_copy_none_is_missing_beside_the_others():
    assert wait(cluster(waiting(1), incomplete(2)), remembered(ledger={1: 100, 2: 97})) is None


def test_a_single_member_compares_with_nobody():
    assert wait(cluster(waiting(1, position(5))), remembered(A, ledger={1: 5})) is None


def test_nobody_in_a_primary_component_is_asked_for():
    assert missing_copy(cluster(member(1), member(2)), remembered()) is None


def test_a_slot_that_never_had_a_node_nor_data_has_nothing_to_tell():
    assert missing_copy(cluster(*AT_HAND, pending(3)), remembered(ledger={1: 100})) is None


def test_a_slot_without_a_node_that_held_data_is_missing():
    missing = missing_copy(cluster(*AT_HAND, pending(3)), remembered(ledger={3: 1}))
    assert missing.what == "slot 3 was not seen: its task has no address yet"


def test_a_slot_without_a_node_whose_volume_another_slots_task_is_on_is_accounted_for():
    seen = cluster(waiting(1, position(100)), waiting(2, position(90), node="n3"), pending(3))
    assert missing_copy(seen, remembered(ledger={1: 100, 3: 90})) is None
    assert missing_copy(seen, remembered(ledger={1: 100, 3: 91})) is not None


def test_who_comes_after_one_without_a_node_is_asked_for_all_the_same():
    assert "slot 4 (n4)" in missing_copy(cluster(*AT_HAND, pending(3), unseen(4)), remembered()).what


# A copy on another node than its slot's task


def test_a_task_whose_node_has_no_name_is_not_said_to_be_somewhere():
    plan = wait(cluster(waiting(1, position(100)), waiting(2, position(90), node="")), remembered(ledger={1: 100, 2: 99}))
    assert "its task has no node now" in plan.why


def test_a_copy_on_a_node_where_no_task_runs_now_is_missing():
    plan = wait(cluster(waiting(1, position(100)), waiting(2, position(90), node="n7")), remembered(ledger={1: 100, 2: 99}))
    assert isinstance(plan, Page)
    assert plan.why.startswith(
        "nobody serves, and the copy of slot 2, last seen at seqno 99, is on node id-of-n2, where no task runs"
    )
    assert "is on n7 now" in plan.why
    assert plan.remedy.startswith("Let the task of slot 2 run there again: docker node inspect id-of-n2. If it is gone")


def test_copies_that_changed_places_are_all_there():
    seen = cluster(waiting(1, position(90), node="n2"), waiting(2, position(100), node="n1"))
    assert wait(seen, remembered(ledger={1: 100, 2: 90})) is None


def test_with_nothing_recorded_nobody_knows_whether_a_slot_without_a_node_had_data():
    assert missing_copy(cluster(*AT_HAND, pending(3)), Memory()) is not None
    assert isinstance(wait(cluster(*AT_HAND, pending(3)), Memory(), waited=SILENCE), Page)


def test_a_slot_is_brought_back_also_beside_one_without_a_node():
    plan = wait(cluster(*AT_HAND, pending(3)), remembered(ledger={1: 100, 5: 90}))
    assert plan.steps == (Resize("svc", 40, 3, 5),)


def test_a_directory_whose_transfer_was_cut_off_held_nothing_that_the_sender_does_not_have():
    half = waiting(2, directory=Directory.HALF_COPIED)
    assert wait(cluster(waiting(1, position(100)), half), remembered(ledger={1: 100, 2: 97})) is None


def test_on_a_first_start_a_slot_without_a_node_holds_up_nobody():
    assert wait(cluster(waiting(1), pending(2)), Memory()) is None
    assert wait(cluster(waiting(1), pending(2)), remembered()) is None
