from __future__ import annotations

from dataclasses import replace

import pytest
from builders import A, B, cluster, joined_but_not_admitted, member, position, remembered, three_calm, unseen, waiting

from galera_operator.core.agent_api import Stage
from galera_operator.core.decide import decide
from galera_operator.core.doubt import ONE_WAY_PATIENCE, VIEW_PATIENCE, one_way, split_views, unwelcome_copy
from galera_operator.core.model import Silence
from galera_operator.core.plan import Act, AdmitMember, Appoint, Hold, Page, Resize
from galera_operator.core.position import Directory


def test_a_waiting_member_that_is_ahead_of_the_primary_component_pages_and_is_not_invited():
    seen = cluster(member(1, last_committed=100), waiting(2, position(101), since=60.0))
    plan = decide(seen, remembered())
    assert isinstance(plan, Page)
    assert plan.name == "copy-ahead"
    assert "101" in plan.why
    assert "100" in plan.why


def test_a_waiting_member_at_the_same_write_set_is_as_good_as_behind():
    plan = decide(cluster(member(1, last_committed=100), waiting(2, position(100), since=60.0)), remembered())
    assert isinstance(plan, Act)
    assert "slot 2" in plan.why


def test_a_waiting_copy_of_another_history_does_not_keep_healthy_members_from_service():
    foreign = waiting(3, position(5, B), since=60.0)
    plan = decide(cluster(member(1), joined_but_not_admitted(2), foreign), remembered(A))
    assert isinstance(plan, Act)
    assert isinstance(plan.steps[0], AdmitMember)
    later = decide(cluster(member(1), member(2), foreign), remembered(A))
    assert isinstance(later, Page)
    assert later.name == "foreign-history"


def test_a_member_that_refuses_the_login_does_not_keep_the_others_from_a_writer():
    refused = unseen(1, "login refused", Silence.NO_LOGIN)
    plan = decide(cluster(refused, member(2), member(3)), remembered())
    assert isinstance(plan, Act)
    assert isinstance(plan.steps[0], Appoint)
    calm = cluster(refused, member(2, writer="db.2"), member(3, writer="db.2"))
    later = decide(calm, remembered())
    assert isinstance(later, Page)
    assert later.name == "wrong-secret"


def test_a_service_scaled_to_0_by_hand_comes_back_with_every_copy_that_was_recorded():
    plan = decide(cluster(wish=2, replicas=0), remembered(ledger={1: 10, 2: 12, 3: 12}))
    assert isinstance(plan, Act)
    assert plan.steps == (Resize("svc", 40, 0, 3),)


def test_a_service_scaled_to_0_waits_for_its_old_tasks_and_stays_at_0_without_a_wish():
    leaving = three_calm().seats[0].task
    assert isinstance(decide(cluster(wish=2, replicas=0, leaving=(leaving,)), remembered()), Hold)
    assert isinstance(decide(cluster(replicas=0), remembered()), Hold)


def test_nobody_is_elected_while_the_last_task_of_a_slot_is_on_a_lost_node():
    lost = replace(three_calm().seats[0].task, slot=3, node="n3", node_is_down=True)
    seen = replace(cluster(waiting(1, position(7)), waiting(2, position(9))), lost=(lost,))
    plan = decide(seen, remembered())
    assert isinstance(plan, Page)
    assert plan.name == "copy-missing"
    assert plan.remedy.startswith("Bring back n3.")
    assert "galera-operator bootstrap shop_db --from-slot 2 --accept-loss-of 3" in plan.remedy


def test_a_lost_node_does_not_keep_the_others_from_their_size():
    lost = replace(three_calm().seats[0].task, slot=3, node="n3", node_is_down=True)
    plan = decide(replace(cluster(member(1), member(2), wish=3), lost=(lost,)), remembered())
    assert isinstance(plan, Act)
    assert isinstance(plan.steps[0], Resize)


# Views


def sees(slot, *names, age=60.0, **changes):
    """A member of a Primary component with these members in it, for so many seconds."""
    return member(slot, members=tuple(f"db.{name}" for name in names), view_age=age, **changes)


def test_two_components_of_one_history_are_a_split_brain():
    plan = decide(cluster(sees(1, 1, 2), sees(2, 1, 2), sees(3, 3)), remembered())
    assert isinstance(plan, Page)
    assert plan.name == "split-brain"
    assert plan.why == (
        "two Primary components of one history are alive: slot 1 (n1) sees db.1, db.2, and slot 3 (n3) sees db.3; "
        "writes go to both"
    )
    assert "their rows differ under the same state UUID" in plan.remedy


@pytest.mark.parametrize(("age", "pages"), [(0.0, False), (VIEW_PATIENCE, False), (VIEW_PATIENCE + 0.1, True)])
@pytest.mark.parametrize("newer", [1, 2])
def test_two_views_have_to_last_before_they_are_a_split_brain(newer, age, pages):
    ages = {1: 60.0, 2: 60.0} | {newer: age}
    found = split_views(cluster(sees(1, 1, age=ages[1]), sees(2, 2, age=ages[2])))
    assert (found is not None) is pages


@pytest.mark.parametrize(
    "others",
    [
        [sees(2, 1, 2)],
        [sees(2)],
        [sees(2, 2, cluster_status="non-Primary")],
        [waiting(2, position(5))],
        [unseen(2)],
    ],
    ids=["one view", "tells no names", "not Primary", "down", "unseen"],
)
def test_no_split_brain_without_two_primary_components_that_name_their_members(others):
    assert split_views(cluster(sees(1, 1, 2), *others)) is None


@pytest.mark.parametrize(
    ("first", "second"), [(sees(1, 1, 2, 3), sees(2, 1, 2)), (sees(1, 1, 2), sees(2, 1, 2, 3))], ids=["first", "second"]
)
def test_a_member_that_only_one_side_still_sees_pages_with_both_nodes_and_the_ports(first, second):
    plan = decide(cluster(first, second), remembered())
    assert isinstance(plan, Page)
    assert plan.name == "views-differ"
    assert "sees db.1, db.2, db.3" in plan.why
    assert "sees db.1, db.2;" in plan.why
    assert "the network between n1 and n2" in plan.remedy or "the network between n2 and n1" in plan.remedy
    assert "TCP 4567" in plan.remedy


@pytest.mark.parametrize(("age", "pages"), [(ONE_WAY_PATIENCE, False), (ONE_WAY_PATIENCE + 0.1, True)])
@pytest.mark.parametrize("newer", [1, 2])
def test_a_disagreement_has_to_last_before_it_is_one(newer, age, pages):
    ages = {1: 60.0, 2: 60.0} | {newer: age}
    found = one_way(cluster(sees(1, 1, 2, 3, age=ages[1]), sees(2, 1, 2, age=ages[2])))
    assert (found is not None) is pages


@pytest.mark.parametrize(
    "second", [sees(2, 1, 2), sees(2), sees(2, 1, cluster_status="non-Primary")], ids=["agrees", "tells no names", "not Primary"]
)
def test_who_agrees_or_is_in_no_primary_component_disagrees_with_nobody(second):
    assert one_way(cluster(sees(1, 1, 2), second)) is None


def test_a_task_without_a_node_name_is_named_by_its_slot():
    page = one_way(cluster(sees(1, 1, 2, node="", node_id=""), sees(2, 2, node="", node_id="")))
    assert "between slot 1 and slot 2" in page.remedy


def test_views_that_differ_hold_up_the_size_and_not_a_new_writer():
    seats = sees(1, 1, 2, 3, writer=""), sees(2, 1, 2, writer="")
    assert isinstance(decide(cluster(*seats), remembered()).steps[0], Appoint)
    assert isinstance(decide(cluster(sees(1, 1, 2, 3), sees(2, 1, 2), wish=3), remembered()), Page)


# Copies that wait beside a Primary component


def test_the_page_for_a_copy_that_is_kept_out_names_the_command_that_gives_it_up():
    ahead = decide(cluster(member(1), waiting(2, position(101))), remembered())
    foreign = decide(cluster(member(1), waiting(2, position(5, B))), remembered())
    assert (ahead.name, foreign.name) == ("copy-ahead", "foreign-history")
    assert ahead.remedy.endswith("galera-operator replace shop_db --slot 2")
    assert foreign.remedy.endswith("galera-operator replace shop_db --slot 2")


@pytest.mark.parametrize(("uuid", "seqno", "name"), [(B, 5, "foreign-history"), (A, 101, "copy-ahead")])
def test_a_copy_killed_in_the_middle_of_ddl_is_not_erased_either(uuid, seqno, name):
    cut = waiting(2, position(seqno, uuid), directory=Directory.MID_DDL)
    assert unwelcome_copy(cluster(member(1, last_committed=100), cut), remembered()).name == name


def test_the_newest_of_those_that_serve_is_what_a_waiting_copy_is_compared_with():
    both = member(1, last_committed=100), member(2, last_committed=105)
    assert unwelcome_copy(cluster(*both, waiting(3, position(105))), remembered()) is None
    assert unwelcome_copy(cluster(*both, waiting(3, position(106))), remembered()).name == "copy-ahead"


@pytest.mark.parametrize(
    "seat",
    [
        waiting(2, position(500), stage=Stage.JOINING),
        waiting(2, position(500), directory=Directory.INCOMPLETE),
        waiting(2, None, directory=Directory.USABLE),
        waiting(2),
    ],
    ids=["joins already", "incomplete", "no position", "empty"],
)
def test_what_cannot_be_compared_or_joins_already_is_not_kept_out(seat):
    assert unwelcome_copy(cluster(member(1), seat), remembered()) is None


def test_beside_a_component_that_answers_no_queries_nothing_is_compared():
    assert unwelcome_copy(cluster(member(1, ready=False), waiting(2, position(500))), remembered()) is None


def test_a_copy_that_was_given_up_is_not_kept_out():
    assert unwelcome_copy(cluster(member(1), waiting(2, position(500))), remembered(given_up={2: A})) is None
    assert unwelcome_copy(cluster(member(1), waiting(2, position(5, B))), remembered(given_up={2: B})) is None


@pytest.mark.parametrize("state", ["updating", "paused", "rollback_started", "rollback_paused"])
def test_a_service_scaled_to_0_does_not_come_back_into_a_rollout(state):
    plan = decide(cluster(wish=2, replicas=0, update_state=state), remembered(ledger={1: 10}))
    assert isinstance(plan, Hold)
    assert state.replace("_", " ") in plan.why
