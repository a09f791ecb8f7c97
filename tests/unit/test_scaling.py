from __future__ import annotations

from dataclasses import replace

import pytest
from builders import DONOR, JOINER, cluster, joined_but_not_admitted, member, pending, position, task, three_calm, unseen, waiting

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Unseen
from galera_operator.core.scaling import obstacle, predicted_victims, restlessness


def victims(tasks, remaining):
    return [(found.slot, found.id) for found in predicted_victims(tasks, remaining)]


def slots(tasks, remaining):
    return [found.slot for found in predicted_victims(tasks, remaining)]


def test_with_one_running_task_per_node_the_highest_slot_goes():
    assert slots([task(1), task(2), task(3)], 2) == [3]


def test_with_one_per_node_the_one_that_exited_goes():
    assert slots([task(1, state="complete"), task(2), task(3)], 2) == [1]


def test_balance_between_nodes_beats_the_running_state():
    assert slots([task(1, node="n1", node_id="n1", state="failed"), task(2, node_id="n2"), task(3, node_id="n2")], 2) == [3]


def test_one_that_exited_goes_before_one_that_still_starts_only_if_its_slot_is_higher():
    assert slots([task(1), task(2, state="complete"), task(3, state="starting")], 2) == [3]


def test_a_task_without_a_node_goes_first():
    assert slots([task(1, node_id="", state="pending"), task(2), task(3)], 2) == [1]


def test_a_slot_with_two_tasks_goes_first_and_whole():
    doubled = [task(1), task(1, id="task1b", node_id="elsewhere"), task(2), task(3)]
    assert sorted(victims(doubled, 2)) == [(1, "task1"), (1, "task1b")]


def test_two_tasks_in_a_slot_count_as_running_when_one_of_them_runs():
    both = [task(1, state="failed"), task(1, id="task1b"), task(2, node_id="", state="pending"), task(3)]
    assert slots(both, 2) == [2]


def test_of_two_slots_without_a_node_the_running_order_decides():
    assert slots([task(1, node_id="", state="pending"), task(2, node_id="", state="pending"), task(3)], 2) == [2]


def test_all_on_one_node_the_highest_slot_goes():
    assert slots([task(slot, node_id="only") for slot in (1, 2, 3)], 2) == [3]


def test_the_second_copy_on_a_crowded_node_goes_before_a_higher_slot_alone_on_its_node():
    assert slots([task(1, node_id="n1"), task(2, node_id="n1"), task(3, node_id="n2")], 2) == [2]


def test_several_steps_at_once_take_the_highest_slots():
    assert slots([task(slot) for slot in (1, 2, 3)], 1) == [2, 3]


def test_slots_need_not_be_in_order_nor_without_gaps():
    assert slots([task(7), task(2), task(5)], 2) == [7]


@pytest.mark.parametrize("remaining", [3, 4])
def test_nobody_goes_when_as_many_or_more_remain(remaining):
    assert slots([task(1), task(2), task(3)], remaining) == []


def test_a_calm_cluster_may_change_its_size():
    assert obstacle(three_calm()) is None
    assert obstacle(cluster(member(1))) is None


RESTLESS = {
    "was not seen: no answer": unseen(2),
    "is Donor/Desynced": member(2, local_state=2),
    "is Joined": member(2, local_state=3),
    "non-Primary": member(2, cluster_status="non-Primary"),
    "not ready": member(2, ready=False),
    "has a state transfer in flight as donor": member(2, transfer=DONOR),
    "has a state transfer in flight as joiner": member(2, transfer=JOINER),
    "is Synced but not admitted yet": joined_but_not_admitted(2),
    "is desynchronised on purpose (a backup?)": member(2, desync_count=1),
    "is stopping": member(2, stage=Stage.STOPPING),
    "is joining": member(2, stage=Stage.JOINING),
    "is waiting: nobody to join was found": waiting(2, position(5)),
}


@pytest.mark.parametrize("reason", RESTLESS)
def test_each_kind_of_unrest_is_named_and_blocks_a_change_of_size(reason):
    seat = RESTLESS[reason]
    assert reason in restlessness(seat)
    assert f"slot 2 (n2) {restlessness(seat)}" == obstacle(cluster(member(1), seat, member(3)))


@pytest.mark.parametrize("stage", [Stage.RUNNING, Stage.DRAINING, Stage.DRAINED])
def test_a_member_in_service_or_drained_on_our_word_is_calm(stage):
    assert restlessness(member(2, stage=stage)) is None


def test_no_sentence_says_that_a_synced_member_is_synced_and_not_synced():
    assert "is Synced, not Synced" not in restlessness(member(2, ready=False))


@pytest.mark.parametrize(
    ("state", "blocks"),
    [
        ("updating", True),
        ("paused", True),
        ("rollback_started", True),
        ("rollback_paused", True),
        ("completed", False),
        ("rollback_completed", False),
        ("", False),
    ],
)
def test_a_rollout_in_flight_blocks_a_change_of_size(state, blocks):
    assert bool(obstacle(three_calm(update_state=state))) is blocks


def test_a_task_that_swarm_has_not_made_yet_blocks():
    assert "made 3 of 4 tasks" in obstacle(three_calm(replicas=4))


def test_a_task_that_swarm_has_not_taken_away_yet_blocks():
    assert "3" in obstacle(three_calm(replicas=2))


def test_a_task_on_its_way_out_blocks():
    assert "slot 4 is still on its way out" in obstacle(three_calm(leaving=(task(4, desired="shutdown"),)))


def test_a_task_that_never_got_a_node_blocks():
    assert "was not seen" in obstacle(cluster(member(1), pending(2)))


def test_a_member_that_sees_another_number_of_members_blocks():
    assert obstacle(cluster(member(1), member(2), member(3, cluster_size=2))) == "slot 3 (n3) sees 2 members, Swarm has 3 tasks"


def test_members_in_different_views_block():
    assert "view" in obstacle(cluster(member(1), member(2), member(3, conf_id=8)))


def test_a_title_names_the_node_where_there_is_one():
    assert member(2).title == "slot 2 (n2)"
    assert pending(2).title == "slot 2"
    assert replace(member(2), member=Unseen("x")).title == "slot 2 (n2)"
