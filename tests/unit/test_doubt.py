from __future__ import annotations

from dataclasses import replace

from builders import A, B, cluster, joined_but_not_admitted, member, position, remembered, three_calm, unseen, waiting

from galera_operator.core.decide import decide
from galera_operator.core.model import Silence
from galera_operator.core.plan import Act, AdmitMember, Appoint, Hold, Page, Resize


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
    assert "docker node rm --force n3" in plan.remedy


def test_a_lost_node_does_not_keep_the_others_from_their_size():
    lost = replace(three_calm().seats[0].task, slot=3, node="n3", node_is_down=True)
    plan = decide(replace(cluster(member(1), member(2), wish=3), lost=(lost,)), remembered())
    assert isinstance(plan, Act)
    assert isinstance(plan.steps[0], Resize)
