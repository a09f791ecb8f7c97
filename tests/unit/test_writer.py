"""The writer's role: every member a writer where the label says so, and a person's wish to move the role."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    DONOR,
    cluster,
    joined_but_not_admitted,
    member,
    non_primary,
    recipient,
    remembered,
    three_calm,
    unseen,
    waiting,
)

from galera_operator.core.agent_api import ANY_WRITER, Stage
from galera_operator.core.decide import decide
from galera_operator.core.memory import differs_in_kind, remember
from galera_operator.core.plan import Act, AdmitMember, Appoint, DrainMember, Hold, Resize
from galera_operator.core.remembered import Memory, WriterMove
from galera_operator.core.spec import Wish
from galera_operator.core.writer import move_objection

TO_2 = WriterMove(2, "life1", "ann@desk", "2026-01-02T03:04:05+00:00")
WISHED = remembered(move=TO_2)
NEW = {"writer": "db.2"}


def told(plan) -> str:
    assert isinstance(plan, Hold), plan
    return plan.why


def the_step(plan):
    assert isinstance(plan, Act), plan
    return plan.steps[0]


# Every member


ANY = Wish(any_writer=True)
KNOWS = {"api_level": 1}


def test_where_the_label_says_so_every_member_is_told_to_take_writes():
    plan = decide(cluster(member(1, **KNOWS), member(2, **KNOWS), wish=ANY), remembered())
    assert the_step(plan) == Appoint(ANY_WRITER, 0, (recipient(1), recipient(2)))
    assert str(the_step(plan)) == "let every member take writes (tell slot 1, slot 2)"


def test_only_who_does_not_know_it_is_told():
    seen = cluster(member(1, **KNOWS, writer=ANY_WRITER), member(2, **KNOWS, writer=""), wish=ANY)
    assert the_step(decide(seen, remembered())).to == (recipient(2),)


def test_once_all_know_it_nothing_is_left_to_do():
    seen = cluster(member(1, **KNOWS, writer=ANY_WRITER), member(2, **KNOWS, writer=ANY_WRITER), wish=ANY)
    assert "as wished" in told(decide(seen, remembered()))


def test_beside_an_agent_that_would_refuse_it_one_member_stays_the_writer():
    assert "as wished" in told(decide(cluster(member(1, **KNOWS), member(2), wish=ANY), remembered()))


def test_before_anybody_was_let_in_nobody_is_told():
    seen = cluster(joined_but_not_admitted(1, **KNOWS, writer="", queue=3), wish=ANY)
    assert "not let in yet" in told(decide(seen, remembered()))


def test_without_the_label_one_member_takes_the_writes_again():
    seen = cluster(member(1, **KNOWS, writer=ANY_WRITER), member(2, **KNOWS, writer=ANY_WRITER))
    plan = decide(seen, remembered())
    assert the_step(plan) == Appoint("db.1", 1, (recipient(1), recipient(2)))
    assert plan.why == "one member is to take the writes again; slot 1 (n1) becomes the writer"


# A wish


def test_the_wished_member_is_appointed_and_who_asked_for_it_is_told():
    plan = decide(three_calm(), WISHED)
    assert the_step(plan) == Appoint("db.2", 2, (recipient(1), recipient(2), recipient(3)))
    assert plan.why == "ann@desk asked for it: slot 2 (n2) becomes the writer in place of slot 1 (n1)"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"local_state": 2}, "is Donor/Desynced"),
        ({"transfer": DONOR}, "has a state transfer in flight as donor"),
        ({"stage": Stage.STOPPING}, "is stopping"),
        ({"leaving": True}, "was asked to stop"),
        ({"desync_count": 1}, "is desynchronised on purpose"),
    ],
    ids=["donor", "transfer", "stopping", "leaving", "backup"],
)
def test_a_wish_waits_until_the_member_may_write_and_says_why(changes, why):
    plan = decide(cluster(member(1), member(2, **changes), member(3)), WISHED)
    assert "ann@desk asked for slot 2 as the writer; it waits: slot 2 (n2)" in told(plan)
    assert why in plan.why


def test_a_drained_member_that_cannot_be_let_in_is_not_appointed():
    seen = cluster(member(1), member(2, stage=Stage.DRAINED, queue=1), member(3))
    assert not isinstance(decide(seen, WISHED), Act)


def test_a_member_of_an_earlier_spec_may_be_asked_for_where_no_update_is_under_way():
    assert the_step(decide(cluster(member(1), member(2, is_outdated=True), member(3)), WISHED)).slot == 2


def test_a_move_for_another_reason_is_not_called_the_wish():
    seats = [member(1, writer="db.3"), member(2, writer="db.3", local_state=2), member(3, writer="db.3")]
    plan = decide(cluster(*seats, wish=2), WISHED)
    assert plan.why == "the writer slot 3 (n3) is about to leave; slot 1 (n1) takes over before it is drained"


def test_who_still_thinks_that_every_member_writes_is_told_who_does():
    plan = decide(cluster(member(1), member(2), member(3, writer=ANY_WRITER)), remembered())
    assert plan.why == "slot 1 (n1) is the writer; not every member knows it"


def test_a_wish_waits_for_a_member_that_is_not_let_in():
    seen = cluster(member(1), joined_but_not_admitted(2, queue=5), member(3))
    assert "not let in yet" in told(decide(seen, WISHED))


def test_a_draining_member_is_not_appointed():
    plan = decide(cluster(member(1), member(2, stage=Stage.DRAINING), member(3), wish=2), WISHED)
    assert not isinstance(plan, Act) or not isinstance(plan.steps[0], Appoint)


def test_a_wish_waits_for_a_member_that_was_not_seen():
    assert "it waits: slot 2 (n2) was not seen: no answer" in told(decide(cluster(member(1), unseen(2), member(3)), WISHED))


def test_a_wish_waits_for_a_task_that_swarm_makes():
    assert "Swarm is making its task" in told(decide(cluster(member(1), member(3), replicas=3), WISHED))


def test_the_next_to_leave_is_not_appointed():
    move = replace(TO_2, slot=3)
    assert the_step(decide(three_calm(wish=2), remembered(move=move))) == DrainMember(3, "10.0.0.3", "life3", 50.0)


def test_a_change_of_size_goes_before_the_end_of_sessions_at_the_one_before():
    assert isinstance(the_step(decide(three_calm(wish=4), remembered(move=replace(TO_2, slot=1)))), Resize)


def test_while_the_wish_waits_a_dead_writer_is_replaced_all_the_same():
    seen = cluster(unseen(1), member(2, local_state=2, writer="db.1"), member(3, writer="db.1"))
    assert the_step(decide(seen, WISHED)).slot == 3


def test_after_the_move_the_sessions_at_the_one_before_are_ended():
    plan = decide(cluster(member(1, **NEW), member(2, **NEW), member(3, **NEW)), WISHED)
    assert the_step(plan) == DrainMember(1, "10.0.0.1", "life1", 50.0)
    assert plan.why.endswith("sessions that stayed at slot 1 (n1) end at a transaction boundary")


def test_they_are_not_ended_while_another_member_is_not_in_calm_service():
    plan = decide(cluster(member(1, **NEW), member(2, **NEW), member(3, local_state=2, **NEW)), WISHED)
    assert "sessions at the one before end later: slot 3 (n3) is Donor/Desynced" in told(plan)


def test_a_drain_that_was_begun_is_taken_back_when_the_others_are_not_in_calm_service():
    plan = decide(cluster(member(1, stage=Stage.DRAINED, **NEW), member(2, **NEW), unseen(3)), WISHED)
    assert isinstance(the_step(plan), AdmitMember)


def test_the_end_of_the_sessions_is_waited_for():
    seen = cluster(member(1, stage=Stage.DRAINING, sessions=2, **NEW), member(2, **NEW), member(3, **NEW))
    assert told(decide(seen, WISHED)).endswith("slot 1 (n1) is draining: 2 sessions left")


def after(*seats, memory: Memory = WISHED, **changes) -> WriterMove | None:
    return remember(memory, cluster(*seats, **changes)).move


def test_the_wish_is_fulfilled_when_the_one_before_is_drained_and_it_is_let_in_again():
    seats = [member(1, stage=Stage.DRAINED, **NEW), member(2, **NEW), member(3, **NEW)]
    assert after(*seats) is None
    assert differs_in_kind(WISHED, remembered())
    assert isinstance(the_step(decide(cluster(*seats), remembered())), AdmitMember)


def test_it_is_fulfilled_when_the_one_before_has_begun_another_life():
    assert after(member(1, incarnation="another", **NEW), member(2, **NEW)) is None


def test_it_is_fulfilled_when_it_was_the_writer_all_along():
    assert after(member(1), member(2), memory=remembered(move=replace(TO_2, slot=1))) is None


@pytest.mark.parametrize(
    "seats",
    [
        [member(1), member(2)],
        [member(1, **NEW), member(2, **NEW)],
        [member(1, stage=Stage.DRAINING, **NEW), member(2, **NEW)],
        [member(1, stage=Stage.DRAINED), member(2)],
        [unseen(1), member(2, **NEW)],
        [member(1), waiting(2, writer="db.2")],
    ],
    ids=["not appointed", "not drained", "draining", "not known everywhere", "one unseen", "target down"],
)
def test_before_that_it_is_remembered(seats):
    assert after(*seats) == TO_2


def test_it_is_void_when_its_slot_is_gone_for_good():
    assert after(member(1), member(3)) is None
    assert after(member(1), member(3), replicas=3) == TO_2


def test_it_is_void_when_every_member_takes_writes():
    assert after(member(1), member(2), wish=ANY) is None


# What may be asked for


def test_any_member_may_be_asked_for_also_one_that_has_to_be_waited_for():
    assert move_objection(cluster(member(1), waiting(2)), remembered(), 2) is None


def test_what_cannot_come_true_is_refused_with_the_reason():
    assert move_objection(three_calm(), remembered(), 7) == "there is no slot 7; there are 1, 2, 3"
    assert "no member of shop_db is in a Primary component" in move_objection(cluster(non_primary(1)), remembered(), 1)
    assert "no member of shop_db is in a Primary component" in move_objection(three_calm(), Memory(), 1)
    assert "docker service update --label-rm galera.writer shop_db" in move_objection(three_calm(wish=ANY), remembered(), 2)
