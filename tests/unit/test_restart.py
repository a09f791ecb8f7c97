"""A rolling restart, one look after the other: who goes, in which order, what it waits for, and where it stops."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    DONOR,
    JOINER,
    cluster,
    joined_but_not_admitted,
    member,
    non_primary,
    pending,
    recipient,
    remembered,
    task,
    three_calm,
    unseen,
    waiting,
)

from galera_operator.core.agent_api import ANY_WRITER, Stage
from galera_operator.core.decide import decide
from galera_operator.core.draining import DRAIN_SLACK
from galera_operator.core.memory import differs_in_kind, remember
from galera_operator.core.plan import Act, AdmitMember, Appoint, DrainMember, Hold, Page, Resize, RestartMember
from galera_operator.core.remembered import Restart, Shrink
from galera_operator.core.restart import lives_now, restart_objection, restarted
from galera_operator.core.returning import PATIENCE

ASKED = Restart({1: "life1", 2: "life2", 3: "life3"}, "ann@desk", "2026-01-02T03:04:05+00:00")
UNDER_WAY = remembered(restart=ASKED)
AWAY_LONG = {"view_age": PATIENCE + 1}
NEW = {"incarnation": "new life"}


def told(plan) -> str:
    assert isinstance(plan, Hold), plan
    return plan.why


def the_step(plan):
    assert isinstance(plan, Act), plan
    assert len(plan.steps) == 1
    return plan.steps[0]


def drain(slot: int) -> DrainMember:
    return DrainMember(*recipient(slot), 50.0)


def restart(slot: int) -> RestartMember:
    return RestartMember(*recipient(slot), f"task{slot}")


def only(*, alone: bool):
    return remembered(restart=Restart({1: "life1"}, "ann@desk", "now", alone))


# Who goes


def test_the_lowest_reader_is_drained_first_and_the_sentence_says_how_far_it_is():
    plan = decide(three_calm(), UNDER_WAY)
    assert the_step(plan) == drain(2)
    assert plan.why == "restart asked for by ann@desk, 0 of 3 members done; slot 2 (n2) is next, so it is drained first"


def test_the_drain_is_waited_for():
    seen = cluster(member(1), member(2, stage=Stage.DRAINING, since=1.0, sessions=4, in_flight=1), member(3))
    assert told(decide(seen, UNDER_WAY)).endswith("slot 2 (n2) is draining: 4 sessions, 1 in flight")


def test_an_agent_that_knows_the_premise_is_told_it():
    seen = cluster(member(1), member(2, stage=Stage.DRAINED, api_level=1), member(3))
    assert the_step(decide(seen, UNDER_WAY)) == replace(restart(2), only_drained=True)


def test_a_drained_member_is_restarted():
    plan = decide(cluster(member(1), member(2, stage=Stage.DRAINED), member(3)), UNDER_WAY)
    assert the_step(plan) == restart(2)
    assert str(the_step(plan)) == "restart slot 2"


@pytest.mark.parametrize(("since", "goes"), [(50.0 + DRAIN_SLACK, False), (50.1 + DRAIN_SLACK, True)])
def test_a_drain_past_its_limit_is_not_waited_for(since, goes):
    plan = decide(cluster(member(1), member(2, stage=Stage.DRAINING, since=since), member(3)), UNDER_WAY)
    assert isinstance(plan, Act) is goes


def test_the_next_reader_goes_when_the_last_one_is_back_and_let_in():
    assert the_step(decide(cluster(member(1), member(2, **NEW), member(3)), UNDER_WAY)) == drain(3)


def test_one_that_drains_already_goes_before_a_lower_one():
    assert the_step(decide(cluster(member(1), member(2), member(3, stage=Stage.DRAINED)), UNDER_WAY)) == restart(3)
    drains = member(3, stage=Stage.DRAINING, since=1.0)
    assert "slot 3 (n3) is draining" in told(decide(cluster(member(1), member(2), drains), UNDER_WAY))


def test_the_writer_goes_last_and_its_role_is_moved_first():
    plan = decide(cluster(member(1), member(2, **NEW), member(3, **NEW)), UNDER_WAY)
    assert the_step(plan) == Appoint("db.2", 2, (recipient(1), *[(slot, f"10.0.0.{slot}", "new life") for slot in (2, 3)]))
    assert plan.why == "the writer slot 1 (n1) is about to leave; slot 2 (n2) takes over before it is drained"


def test_then_it_is_drained_like_the_others():
    moved = {"writer": "db.2"}
    seen = cluster(member(1, **moved), member(2, **NEW, **moved), member(3, **NEW, **moved))
    assert the_step(decide(seen, UNDER_WAY)) == drain(1)


def test_a_writer_elsewhere_is_last_as_well():
    seats = [member(slot, writer="db.2") for slot in (1, 2, 3)]
    assert the_step(decide(cluster(*seats), UNDER_WAY)) == drain(1)


def test_where_every_member_takes_writes_none_is_last():
    seats = [member(slot, writer=ANY_WRITER, api_level=1) for slot in (1, 2, 3)]
    settings = replace(three_calm().settings, any_writer=True)
    assert the_step(decide(cluster(*seats, wish=settings), UNDER_WAY)) == drain(1)


def test_a_member_that_came_later_is_not_restarted():
    seats = [member(slot, **NEW) for slot in (1, 2, 3)]
    assert "as wished" in told(decide(cluster(*seats, member(4)), remember(UNDER_WAY, cluster(*seats, member(4)))))


# What it waits for


@pytest.mark.parametrize(
    ("third", "why"),
    [
        (joined_but_not_admitted(3, queue=2), "not let in yet"),
        (member(3, local_state=2, transfer=DONOR), "Donor/Desynced"),
        (waiting(3, stage=Stage.JOINING, transfer=JOINER), "is joining"),
        (member(3, desync_count=1), "a backup?"),
        (member(3, leaving=True), "on its way out"),
        (unseen(3), "was not seen"),
    ],
    ids=["not admitted", "donor", "joining", "backup", "leaving", "unseen"],
)
def test_nobody_goes_while_another_is_not_in_calm_service(third, why):
    assert why in told(decide(cluster(member(1), member(2), third), UNDER_WAY))


def test_a_drain_is_taken_back_when_another_member_fails_meanwhile():
    plan = decide(cluster(member(1), member(2, stage=Stage.DRAINED), unseen(3)), UNDER_WAY)
    assert isinstance(the_step(plan), AdmitMember)


def test_nobody_goes_while_a_task_is_ending_or_a_rollout_is_under_way():
    assert "still on its way out" in told(decide(three_calm(leaving=(task(2, id="old", desired="shutdown"),)), UNDER_WAY))
    assert "service update" in told(decide(three_calm(update_state="updating"), UNDER_WAY))


def test_a_change_of_size_goes_first():
    assert the_step(decide(three_calm(wish=2), UNDER_WAY)) == drain(3)
    assert isinstance(the_step(decide(three_calm(wish=4), UNDER_WAY)), Resize)


def test_a_member_drained_for_a_restart_is_let_in_again_before_the_size_grows():
    plan = decide(cluster(member(1), member(2, stage=Stage.DRAINED), member(3), wish=4), UNDER_WAY)
    assert isinstance(the_step(plan), AdmitMember)


def test_nobody_goes_while_a_smaller_size_is_being_written():
    memory = remembered(restart=ASKED, shrink=Shrink(3, 4, "task4"))
    assert not isinstance(decide(three_calm(), memory), Act)


def test_nobody_goes_whom_swarm_would_not_start_again():
    seen = three_calm()
    never = replace(seen, service=replace(seen.service, restart_condition="none"))
    assert "restart condition is 'none'" in told(decide(never, UNDER_WAY))


def test_an_only_member_goes_only_where_the_outage_was_asked_for():
    assert "is the only member; galera-operator restart shop_db --cancel" in told(decide(cluster(member(1)), only(alone=False)))
    assert the_step(decide(cluster(member(1)), only(alone=True))) == drain(1)
    assert the_step(decide(cluster(member(1, stage=Stage.DRAINED)), only(alone=True))) == restart(1)


# Where it stops


def test_a_member_that_does_not_come_back_pages_and_the_rest_is_left_as_it_is():
    plan = decide(cluster(member(1, **AWAY_LONG), unseen(2), member(3, **AWAY_LONG)), UNDER_WAY)
    assert isinstance(plan, Page)
    assert plan.name == "restart-stopped"
    assert plan.why.endswith("slot 2 (n2) has not come back for 121 s: it was not seen: no answer; the rest is left as it is")
    assert "galera-operator restart shop_db --cancel" in plan.remedy


@pytest.mark.parametrize(
    "second",
    [
        waiting(2, stage=Stage.STARTING, **NEW),
        waiting(2, stage=Stage.WAITING, since=0.0, **NEW),
        pending(2),
        unseen(2, state="ready"),
    ],
    ids=["starting", "waiting", "no node", "between two starts"],
)
def test_nor_does_one_that_begins_again_and_again(second):
    assert isinstance(decide(cluster(member(1, **AWAY_LONG), second, member(3, **AWAY_LONG)), UNDER_WAY), Page)


@pytest.mark.parametrize(
    "second",
    [
        waiting(2, stage=Stage.JOINING, **NEW),
        waiting(2, stage=Stage.STOPPING),
        waiting(2, stage=Stage.BOOTSTRAPPING, **NEW),
        unseen(2, state="preparing"),
        member(2, local_state=3, **NEW),
    ],
    ids=["joining", "shutting down", "bootstrapping", "its image is pulled", "Joined"],
)
def test_one_that_is_at_work_is_waited_for(second):
    assert not isinstance(decide(cluster(member(1, **AWAY_LONG), second, member(3, **AWAY_LONG)), UNDER_WAY), Page)


def test_one_that_has_just_gone_is_waited_for():
    assert "slot 2 (n2) was not seen" in told(decide(cluster(member(1, view_age=PATIENCE), unseen(2), member(3)), UNDER_WAY))
    assert isinstance(decide(cluster(member(1, **AWAY_LONG), unseen(2), member(3, view_age=3.0)), UNDER_WAY), Hold)


def test_exactly_at_the_limit_it_is_still_waited_for():
    at_limit = {"view_age": PATIENCE}
    assert isinstance(decide(cluster(member(1, **at_limit), unseen(2), member(3, **at_limit)), UNDER_WAY), Hold)


def test_the_page_is_about_members_of_the_restart_only():
    memory = remembered(restart=replace(ASKED, members={1: "life1", 3: "life3"}))
    assert isinstance(decide(cluster(member(1, **AWAY_LONG), unseen(2), member(3, **AWAY_LONG)), memory), Hold)


def test_it_goes_on_when_the_member_is_back_after_all():
    assert the_step(decide(cluster(member(1, **AWAY_LONG), member(2, **NEW), member(3, **AWAY_LONG)), UNDER_WAY)) == drain(3)


# When it is done


def after(*seats, **changes) -> Restart | None:
    return remember(UNDER_WAY, cluster(*seats, **changes)).restart


def test_it_is_done_when_every_member_lives_anew_and_serves():
    assert after(*(member(slot, **NEW) for slot in (1, 2, 3))) is None
    assert differs_in_kind(UNDER_WAY, remembered())


@pytest.mark.parametrize(
    "third",
    [member(3), joined_but_not_admitted(3, **NEW), waiting(3, **NEW), unseen(3)],
    ids=["not restarted", "not let in", "waiting", "unseen"],
)
def test_before_that_it_is_remembered(third):
    assert after(member(1, **NEW), member(2, **NEW), third) == ASKED


def test_a_slot_that_is_gone_for_good_need_not_be_restarted():
    assert after(member(1, **NEW), member(2, **NEW)) is None
    assert after(member(1, **NEW), member(2, **NEW), replicas=3) == ASKED


def test_a_member_that_came_later_is_not_waited_for():
    assert after(*(member(slot, **NEW) for slot in (1, 2, 3)), replicas=4) is None


def test_how_far_it_is_counts_those_that_serve_again():
    assert restarted(ASKED, cluster(member(1), member(2, **NEW), joined_but_not_admitted(3, **NEW))) == (1, 3)


# What may be asked for


def test_a_cluster_that_serves_may_be_restarted():
    assert restart_objection(three_calm(), remembered(), alone=False) is None
    assert lives_now(three_calm()) == ASKED.members


def test_what_cannot_be_restarted_in_order_is_refused_with_the_reason():
    refused = [
        (cluster(non_primary(1), non_primary(2)), remembered(), "no member of shop_db is in a Primary component"),
        (three_calm(), remembered(uuid=""), "no member of shop_db is in a Primary component"),
        (cluster(member(1), unseen(2)), remembered(), "slot 2 (n2) was not seen: no answer; which life of it is to end"),
        (cluster(member(1)), remembered(), "slot 1 (n1) is the only member, and its restart is an outage"),
    ]
    for seen, memory, why in refused:
        assert why in restart_objection(seen, memory, alone=False)
    assert restart_objection(cluster(member(1)), remembered(), alone=True) is None


def test_a_service_whose_tasks_are_never_made_anew_is_refused():
    seen = three_calm()
    never = replace(seen, service=replace(seen.service, restart_condition="none"))
    assert "docker service update --restart-condition any shop_db" in restart_objection(never, remembered(), alone=False)


def test_the_lives_that_are_to_end_are_those_of_every_member_that_is_here():
    assert lives_now(cluster(member(1), waiting(2), unseen(3))) == {1: "life1", 2: "life2"}
