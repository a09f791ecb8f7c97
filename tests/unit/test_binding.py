"""A member that serves and that Swarm's DNS does not list: noticed, waited for, restarted once, and else a page."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import DONOR, cluster, joined_but_not_admitted, member, remembered, task, three_calm, unseen

from galera_operator.core.agent_api import Admission, Stage
from galera_operator.core.binding import PATIENCE, is_unlisted, lost_bindings, rebind, with_unlisted
from galera_operator.core.decide import decide
from galera_operator.core.memory import differs_in_kind, intend, remember
from galera_operator.core.model import Listed, NamesUnknown
from galera_operator.core.plan import Act, Appoint, Hold, Page, RestartMember
from galera_operator.core.remembered import Restart
from galera_operator.core.veto import broken_invariants

LONG = PATIENCE + 1
RESTART_3 = RestartMember(3, "10.0.0.3", "life3", "task3")


def listed(*slots: int) -> Listed:
    return Listed(tuple(f"10.0.0.{slot}" for slot in slots))


def looks(*names, seats=None, every=10.0):
    """Look again and again; what the last look says of who has been missing for how long."""
    since, now, seen = {}, 1000.0, None
    for name in names:
        seen, since = with_unlisted(replace(cluster(*(seats or three_calm().seats)), names=name), since, now)
        now += every
    return seen.unlisted


def missing(*slots: int, seats=None, seconds: float = LONG, **changes):
    """These slots have been missing in DNS for so long; the others are listed."""
    seen = cluster(*(seats or three_calm().seats), **changes)
    names = listed(*(seat.slot for seat in seen.seats if seat.slot not in slots))
    return replace(seen, names=names, unlisted=dict.fromkeys(slots, seconds))


def step(plan):
    assert isinstance(plan, Act), plan
    return plan.steps[0]


# Who is missing, and for how long


def test_who_serves_and_is_not_listed_is_missing_and_the_time_adds_up():
    assert looks(listed(1, 2)) == {3: 0.0}
    assert looks(listed(1, 2), listed(1, 2), listed(1, 2)) == {3: 20.0}
    assert looks(listed(1, 2, 3)) == {}


def test_who_was_listed_in_between_begins_anew():
    assert looks(listed(1, 2), listed(1, 2, 3), listed(1, 2)) == {3: 0.0}


def test_while_dns_is_not_known_nobody_is_missing_and_the_time_begins_anew():
    assert looks(listed(1, 2), NamesUnknown("no answer")) == {}
    assert looks(listed(1, 2), NamesUnknown("no answer"), listed(1, 2)) == {3: 0.0}


def test_another_task_in_the_slot_is_another_one_that_is_missing():
    before, since = with_unlisted(replace(three_calm(), names=listed(1, 2)), {}, 0.0)
    successor = member(3, id="task3b")
    after, _ = with_unlisted(replace(cluster(*before.seats[:2], successor), names=listed(1, 2)), since, 40.0)
    assert after.unlisted == {3: 0.0}


@pytest.mark.parametrize(
    "seat",
    [
        joined_but_not_admitted(3),
        member(3, local_state=2),
        member(3, cluster_status="non-Primary"),
        member(3, stage=Stage.DRAINING),
        member(3, stage=Stage.DRAINED),
        member(3, leaving=True),
        member(3, state="starting"),
        unseen(3),
    ],
)
def test_only_a_member_that_serves_and_that_swarm_calls_running_can_be_missing(seat):
    assert looks(listed(1, 2), seats=(member(1), member(2), seat)) == {}


def test_a_name_that_stands_for_addresses_of_another_network_says_nothing():
    assert looks(Listed(("192.168.7.1", "192.168.7.2"))) == {}


def test_a_name_that_nobody_has_is_an_answer():
    assert looks(listed()) == {1: 0.0, 2: 0.0, 3: 0.0}
    assert is_unlisted(member(1), replace(cluster(member(1)), names=listed()))
    assert not is_unlisted(unseen(1), replace(cluster(unseen(1)), names=listed()))


# What is done


def test_a_member_that_nobody_finds_is_restarted_and_the_reason_is_told():
    plan = decide(missing(3), remembered())
    assert step(plan) == RESTART_3
    assert plan.why == (
        "slot 3 (n3) serves, but tasks.shop_db has not listed it for 31 s: "
        "Swarm has lost its binding, and only a new task gets one"
    )


@pytest.mark.parametrize("seconds", [0.0, PATIENCE])
def test_it_is_waited_for_a_while(seconds):
    assert isinstance(decide(missing(3, seconds=seconds), remembered()), Hold)


def test_of_several_one_is_restarted():
    plan = decide(missing(2, 3), remembered())
    assert plan.steps == (RestartMember(2, "10.0.0.2", "life2", "task2"),)


def test_the_writer_hands_over_before_its_member_is_restarted():
    plan = decide(missing(1), remembered())
    assert isinstance(step(plan), Appoint)
    assert (step(plan).writer, "not found by DNS" in plan.why) == ("db.2", True)
    moved = tuple(member(slot, writer="db.2") for slot in (1, 2, 3))
    assert step(decide(missing(1, seats=moved), remembered())) == RestartMember(1, "10.0.0.1", "life1", "task1")


@pytest.mark.parametrize(
    "seats",
    [
        (member(1), member(2, transfer=DONOR), member(3)),
        (member(1), member(2, desync_count=1), member(3)),
        (member(1), unseen(2), member(3)),
        (member(1), member(2, local_state=2), member(3)),
    ],
)
def test_nobody_is_restarted_while_anything_is_under_way(seats):
    plan = decide(missing(3, seats=seats), remembered())
    assert isinstance(plan, Hold)
    assert "a restart that enters it anew waits: slot 2 (n2)" in plan.why


def test_a_rollout_in_flight_is_not_disturbed():
    assert "a service update is updating" in decide(missing(3, update_state="updating"), remembered()).why


def test_a_size_that_is_not_as_wished_comes_first():
    assert not isinstance(step(decide(missing(3, wish=2), remembered())), RestartMember)


@pytest.mark.parametrize("slots", [(1,), (1, 2, 3)])
def test_where_nobody_is_listed_nobody_is_restarted_because_it_may_be_dns_that_is_at_fault(slots):
    seats = tuple(member(slot) for slot in slots)
    plan = decide(missing(*slots, seats=seats), remembered())
    assert isinstance(plan, Page)
    assert (plan.name, "slot 1 (n1)" in plan.why) == ("binding-lost", True)
    assert lost_bindings(missing(*slots, seats=seats)) == ()


def test_one_that_is_listed_and_does_not_serve_is_no_proof_that_dns_works():
    seats = (member(1), joined_but_not_admitted(2), unseen(3))
    seen = missing(1, seats=seats)
    assert lost_bindings(seen) == ()
    plan = rebind(seen, remembered())
    assert plan.why == "slot 1 (n1) of shop_db can serve, but nobody who does is listed in tasks.shop_db"


def test_one_whose_admission_is_its_own_is_restarted_as_well():
    seats = (member(1), member(2), member(3, admission=Admission.SELF))
    assert step(decide(missing(3, seats=seats), remembered())) == RESTART_3


@pytest.mark.parametrize("stage", [Stage.DRAINING, Stage.DRAINED])
def test_a_restart_waits_while_another_member_is_drained_for_something_else(stage):
    seen = missing(3, seats=(member(1, stage=stage), member(2, writer="db.2"), member(3)))
    assert rebind(seen, remembered()).why.endswith(f"a restart that enters it anew waits: slot 1 (n1) is {stage}")


# Once


def test_the_restart_is_remembered_until_the_slot_is_listed():
    plan = decide(missing(3), remembered())
    memory = intend(remembered(), plan)
    assert memory.rebound == {3: "task3"}
    assert differs_in_kind(remembered(), memory)
    assert remember(memory, missing(3)).rebound == {3: "task3"}
    assert remember(memory, replace(three_calm(), names=NamesUnknown("no answer"))).rebound == {3: "task3"}
    assert remember(memory, replace(three_calm(), names=listed(1, 2, 3))).rebound == {}
    assert remember(memory, replace(cluster(member(1), member(2)), names=listed(1, 2))).rebound == {}
    between_two_tasks = replace(cluster(member(1), member(2), replicas=3), names=listed(1, 2))
    assert remember(memory, between_two_tasks).rebound == {3: "task3"}


def test_a_restart_that_a_person_asked_for_is_not_taken_for_one_that_brings_back_a_binding():
    plan = Act((RESTART_3,), "because")
    for members, rebound in (({3: "life3"}, {}), ({3: "life before"}, {3: "task3"}), ({2: "life2"}, {3: "task3"})):
        assert intend(remembered(restart=Restart(members, "ann@desk", "now")), plan).rebound == rebound


def test_a_restart_whose_command_was_lost_is_asked_for_again():
    assert step(decide(missing(3), remembered(rebound={3: "task3"}))) == RESTART_3


def test_a_restart_that_did_not_help_pages_and_is_not_done_again():
    seats = (member(1), member(2), member(3, id="task3b"))
    plan = decide(missing(3, seats=seats), remembered(rebound={3: "task3"}))
    assert isinstance(plan, Page)
    assert plan.name == "binding-lost"
    assert plan.why.endswith("although it was restarted for that")
    assert "docker service update --force shop_db" in plan.remedy


# The veto


def vetoed(seen) -> bool:
    return bool(broken_invariants(Act((RESTART_3,), "because"), seen, remembered()))


def test_a_restart_in_a_calm_cluster_is_allowed():
    assert not vetoed(missing(3))


@pytest.mark.parametrize(
    "seen",
    [
        cluster(member(3)),
        cluster(member(1), member(2, local_state=2), member(3)),
        cluster(member(1), member(2, transfer=DONOR), member(3)),
        cluster(member(1), joined_but_not_admitted(2), member(3)),
        three_calm(replicas=4),
        three_calm(leaving=(task(4, desired="shutdown"),)),
        three_calm(update_state="updating"),
        three_calm(update_state="paused"),
        three_calm(update_state="rollback_started"),
        three_calm(update_state="rollback_paused"),
    ],
)
def test_a_restart_is_vetoed_while_anything_is_under_way_or_nobody_else_serves(seen):
    assert vetoed(seen)


def test_two_restarts_in_one_plan_are_vetoed():
    both = Act((RESTART_3, RestartMember(2, "10.0.0.2", "life2", "task2")), "because")
    assert "more than one member would leave in one plan" in broken_invariants(both, three_calm(), remembered())
