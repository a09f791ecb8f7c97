from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    DONOR,
    JOINER,
    ZEROS,
    A,
    B,
    apart,
    cluster,
    joined_but_not_admitted,
    member,
    non_primary,
    pending,
    position,
    recipient,
    remembered,
    task,
    three_calm,
    unseen,
    waiting,
)

from galera_operator.core.agent_api import Admission, Stage
from galera_operator.core.decide import DNS_PATIENCE, decide
from galera_operator.core.draining import DRAIN_SLACK
from galera_operator.core.model import Silence
from galera_operator.core.plan import Act, AdmitMember, Appoint, DrainMember, Hold, Invite, Page, Resize, StopMember
from galera_operator.core.remembered import Memory, Shrink
from galera_operator.core.spec import BadWish, Wish
from galera_operator.core.veto import broken_invariants

BANANA = BadWish("bad-label", "galera.replicas is 'banana'; expected a whole number", "docker service update ...")
FATAL = BadWish("missing-secret", "shop_db has no secret", "docker secret create ...", fatal=True)
THIRD_LEAVES = Shrink(to=2, slot=3, task_id="task3")


def held(plan) -> str:
    assert isinstance(plan, Hold), plan
    return plan.why


def paged(plan) -> str:
    assert isinstance(plan, Page), plan
    assert plan.remedy
    return plan.name


def the_step(plan):
    assert isinstance(plan, Act), plan
    assert len(plan.steps) == 1
    return plan.steps[0]


# As wished


def test_a_cluster_of_the_wished_size_is_left_alone():
    assert held(decide(three_calm(wish=3), remembered())) == "as wished: all 3 members are Synced and admitted"


def test_without_the_label_the_services_own_replicas_are_the_wish():
    assert "as wished" in held(decide(three_calm(), remembered()))


def test_a_single_member_is_called_the_only_one():
    assert held(decide(cluster(member(1)), remembered())) == "as wished: the only member is Synced and admitted"


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (cluster(member(1), member(2), unseen(3)), "slot 3 (n3) was not seen"),
        (cluster(member(1), member(2), replicas=3), "made 2 of 3 tasks"),
        (cluster(member(1), member(2), leaving=(task(3, desired="shutdown"),)), "slot 3 is still on its way out"),
        (cluster(member(1), member(2, cluster_size=3)), "sees 3 members"),
        (cluster(member(1), member(2, desync_count=1)), "a backup?"),
    ],
    ids=["somebody unseen", "a task missing", "a task leaving", "another view", "a backup"],
)
def test_nothing_is_called_as_wished_while_anything_is_not(seen, told):
    why = held(decide(seen, remembered()))
    assert told in why
    assert "as wished" not in why


def test_everyone_who_is_restless_is_told():
    why = held(decide(cluster(member(1), unseen(2), unseen(3)), remembered()))
    assert "slot 2" in why
    assert "slot 3" in why


# The service and its labels


def test_before_swarm_made_a_task_there_is_nothing_to_do():
    assert "no task of shop_db" in held(decide(cluster(replicas=1), Memory()))


@pytest.mark.parametrize("seen", [three_calm(wish=FATAL), cluster(waiting(1), wish=FATAL), cluster(wish=FATAL)])
def test_nothing_is_done_to_a_service_with_a_fatal_fault(seen):
    assert paged(decide(seen, remembered())) == "missing-secret"


def test_a_bad_label_pages():
    assert paged(decide(three_calm(wish=BANANA), remembered())) == "bad-label"
    assert paged(decide(cluster(wish=BANANA), remembered())) == "bad-label"


def test_life_goes_on_under_a_bad_label():
    assert isinstance(the_step(decide(cluster(member(1), joined_but_not_admitted(2), wish=BANANA), remembered())), AdmitMember)
    assert isinstance(the_step(decide(cluster(member(1, writer=""), wish=BANANA), remembered())), Appoint)
    assert the_step(decide(cluster(waiting(1), wish=BANANA), Memory())).slot == 1


def test_a_paused_cluster_is_looked_at_and_what_would_be_done_is_told():
    why = held(decide(cluster(member(1), joined_but_not_admitted(2), wish=Wish(pause=True)), remembered()))
    assert "galera.pause is true" in why
    assert "slot 2 (n2) is confirmed" in why


def test_a_paused_cluster_still_pages():
    assert paged(decide(cluster(member(1, state_uuid=ZEROS), wish=Wish(pause=True)), remembered())) == "state-uuid-zeros"


def test_a_service_of_another_image_is_named_as_such():
    assert paged(decide(cluster(unseen(1, kind=Silence.NO_AGENT), unseen(2, kind=Silence.NO_AGENT)), Memory())) == "not-galera"


@pytest.mark.parametrize(
    "seats",
    [
        [unseen(1, kind=Silence.NO_AGENT), unseen(2)],
        [unseen(1, kind=Silence.NO_AGENT), unseen(2, kind=Silence.NO_AGENT, state="starting")],
        [unseen(1, kind=Silence.NO_AGENT), waiting(2)],
    ],
    ids=["one silent", "one still starting", "one with an agent"],
)
def test_a_service_is_not_called_foreign_while_one_task_may_still_have_an_agent(seats):
    assert isinstance(decide(cluster(*seats), Memory()), Hold)


def test_a_member_that_refuses_the_operators_login_pages():
    stranger = unseen(2, "10.0.0.2 refused the login", kind=Silence.NO_LOGIN)
    plan = decide(cluster(member(1), stranger), remembered())
    assert paged(plan) == "wrong-secret"
    assert "slot 2 (n2)" in plan.why


# Data in doubt


@pytest.mark.parametrize("zeros", [member(2, state_uuid=ZEROS), joined_but_not_admitted(2, state_uuid=ZEROS)])
def test_a_member_whose_state_uuid_is_zeros_pages_and_gets_no_traffic(zeros):
    assert paged(decide(cluster(member(1), zeros, member(3)), remembered())) == "state-uuid-zeros"


def test_two_histories_that_both_serve_are_a_split_brain():
    plan = decide(cluster(member(1), member(2, state_uuid=B, conf_id=3, cluster_size=1)), remembered())
    assert paged(plan) == "split-brain"
    assert A in plan.why
    assert B in plan.why


def test_a_donor_of_another_history_is_a_split_brain_too():
    assert paged(decide(cluster(member(1), member(2, state_uuid=B, local_state=2)), remembered())) == "split-brain"


def test_what_serves_another_history_than_recorded_pages():
    plan = decide(cluster(member(1, state_uuid=B)), remembered(A))
    assert paged(plan) == "foreign-history"
    assert "docker config rm galera-operator.shop_db" in plan.remedy


def test_a_joiner_that_has_no_history_yet_puts_nothing_in_doubt():
    joiner = member(2, stage=Stage.JOINING, local_state=1, ready=False, state_uuid=ZEROS, transfer=JOINER)
    assert "slot 2" in held(decide(cluster(member(1), joiner), remembered()))


@pytest.mark.parametrize("changes", [{"ready": False}, {"local_state": 1}, {"cluster_status": "non-Primary"}], ids=str)
def test_a_member_that_answers_no_queries_puts_no_data_in_doubt(changes):
    quiet = joined_but_not_admitted(2, state_uuid=ZEROS, **changes)
    assert "slot 2" in held(decide(cluster(member(1), quiet), remembered()))


def test_a_copy_of_another_history_that_joins_already_is_too_late_to_page():
    seen = cluster(member(1), waiting(2, position(5, B), stage=Stage.JOINING))
    assert "slot 2 (n2) is joining" in held(decide(seen, remembered()))


def test_a_waiting_copy_of_another_history_is_not_let_join_because_that_would_erase_it():
    assert paged(decide(cluster(member(1), waiting(2, position(5, B))), remembered())) == "foreign-history"


def test_a_waiting_copy_of_the_same_history_is_no_page():
    assert isinstance(decide(cluster(member(1), waiting(2, position(5))), remembered()), Act)


# Nobody serves


def test_a_member_that_already_starts_is_waited_for():
    assert "is bootstrapping" in held(decide(cluster(waiting(1, stage=Stage.BOOTSTRAPPING)), Memory()))
    assert "slot 2 (n2) is joining" in held(decide(cluster(waiting(1), waiting(2, stage=Stage.JOINING)), Memory()))


@pytest.mark.parametrize("stage", [Stage.BOOTSTRAPPING, Stage.JOINING])
def test_while_a_member_is_on_its_way_into_a_primary_component_nobody_is_called_for_a_copy_that_is_not_seen(stage):
    assert isinstance(decide(cluster(waiting(1, position(5), stage=stage), unseen(2)), remembered()), Hold)


def test_the_member_on_its_way_into_a_primary_component_is_named():
    on_its_way = member(2, stage=Stage.BOOTSTRAPPING, cluster_status="non-Primary", ready=False, local_state=0)
    plan = decide(cluster(waiting(1, position(5)), on_its_way), remembered())
    assert "slot 2 (n2) is bootstrapping" in held(plan)


def test_a_lost_majority_pages():
    plan = decide(cluster(non_primary(1), unseen(2), unseen(3)), remembered())
    assert paged(plan) == "no-primary"
    assert "galera-operator bootstrap shop_db --from-slot 1 --accept-loss-of 2 --accept-loss-of 3" in plan.remedy


def test_nobody_bootstraps_beside_a_member_that_lost_its_majority_before_it_has_stopped():
    plan = decide(cluster(non_primary(1), waiting(2, position(500))), remembered())
    assert the_step(plan) == StopMember(*recipient(1))


# Admission


def test_a_confirmed_member_is_admitted():
    plan = decide(cluster(member(1), joined_but_not_admitted(2)), remembered())
    assert the_step(plan) == AdmitMember(2, "10.0.0.2", "life2", 50.0, allow_donor=False)
    assert "slot 2 (n2) is confirmed" in plan.why


def test_the_first_member_of_a_new_cluster_is_admitted():
    assert the_step(decide(cluster(joined_but_not_admitted(1, writer="")), Memory())).slot == 1


def test_a_member_is_told_no_longer_drain_limit_than_its_grace_period_allows():
    seen = cluster(member(1), joined_but_not_admitted(2), stop_grace=10.0, wish=Wish(allow_donor=True))
    assert the_step(decide(seen, remembered())) == AdmitMember(2, "10.0.0.2", "life2", 5.0, allow_donor=True)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"queue": 3}, "not yet applied"), ({"conf_id": 9}, "its view is number 9"), ({"local_state": 3}, "Joined")],
)
def test_a_member_that_is_not_confirmed_is_not_let_in_and_the_reason_is_told(changes, told):
    why = held(decide(cluster(member(1), joined_but_not_admitted(2, **changes)), remembered()))
    assert why.startswith("slot 2 (n2) is not let in yet")
    assert told in why


def test_one_that_is_not_confirmed_does_not_hold_up_another_that_is():
    seen = cluster(member(1), joined_but_not_admitted(2, queue=3), joined_but_not_admitted(3))
    assert the_step(decide(seen, remembered())).slot == 3


def test_one_that_is_not_confirmed_does_not_hold_up_a_new_writer():
    seen = cluster(unseen(1), joined_but_not_admitted(2, queue=3), member(3))
    assert the_step(decide(seen, remembered())).writer == "db.3"


def test_a_joiner_is_not_admitted_before_its_agent_says_that_it_runs():
    assert isinstance(decide(cluster(member(1), joined_but_not_admitted(2, stage=Stage.JOINING)), remembered()), Hold)


# The writer


def test_with_nobody_named_the_lowest_slot_becomes_the_writer_and_every_member_is_told():
    step = the_step(decide(cluster(member(1, writer=""), member(2, writer="")), remembered()))
    assert step == Appoint("db.1", 1, ((1, "10.0.0.1", "life1"), (2, "10.0.0.2", "life2")))


def test_who_left_the_primary_component_is_not_told_again_and_again():
    alone = non_primary(3, writer="", connected=False, members=())
    plan = decide(cluster(member(1), member(2), alone), remembered())
    assert not (isinstance(plan, Act) and any(isinstance(step, Appoint) for step in plan.steps)), plan


def test_only_those_who_believe_otherwise_are_told():
    plan = decide(cluster(member(1), member(2, writer="")), remembered())
    assert the_step(plan) == Appoint("db.1", 1, ((2, "10.0.0.2", "life2"),))
    assert plan.why == "slot 1 (n1) is the writer; not every member knows it"


def test_the_writer_stays_where_it_is():
    assert isinstance(decide(cluster(*(member(slot, writer="db.3") for slot in (1, 2, 3))), remembered()), Hold)


def test_a_dead_writer_is_replaced():
    plan = decide(cluster(unseen(1), member(2), member(3)), remembered())
    assert the_step(plan).writer == "db.2"


def test_a_writer_that_cannot_serve_any_more_is_replaced_and_the_reason_is_told():
    plan = decide(cluster(member(1, stage=Stage.STOPPING), member(2)), remembered())
    assert the_step(plan).writer == "db.2"
    assert "slot 1 (n1) cannot serve any more" in plan.why


def test_a_writer_whose_database_does_not_answer_any_more_is_replaced():
    silent = waiting(1, stage=Stage.RUNNING, admission=Admission.OPERATOR, writer="db.1")
    assert the_step(decide(cluster(silent, member(2), member(3)), remembered())).writer == "db.2"


def test_the_donor_stays_the_writer_where_it_is_the_only_member():
    seen = cluster(member(1, local_state=2, transfer=DONOR), waiting(2, stage=Stage.JOINING, transfer=JOINER))
    assert "slot 1" in held(decide(seen, remembered()))


def test_a_writer_that_is_just_done_as_a_donor_is_not_replaced_on_its_way_back_to_synced():
    assert not isinstance(decide(cluster(member(1, local_state=3), member(2)), remembered()), Act)


def test_nobody_is_appointed_while_nobody_is_admitted():
    assert isinstance(decide(cluster(joined_but_not_admitted(1, queue=2, writer="")), remembered()), Hold)


# A member that has left its group by itself


def test_a_member_that_has_left_its_group_beside_a_primary_component_restarts():
    seen = cluster(member(1), member(2), apart(3))
    plan = decide(seen, remembered())
    assert the_step(plan) == StopMember(*recipient(3))
    assert broken_invariants(plan, seen, remembered()) == ()


def test_of_two_that_have_left_their_group_one_restarts_after_the_other():
    seen = cluster(member(1), apart(2), apart(3))
    assert the_step(decide(seen, remembered())) == StopMember(*recipient(2))
    assert isinstance(decide(cluster(member(1), apart(2, leaving=True), apart(3)), remembered()), Hold)


def test_a_new_writer_does_not_wait_for_one_that_has_left_its_group():
    assert the_step(decide(cluster(apart(1), member(2), member(3)), remembered())).writer == "db.2"


# Invitations


def test_a_member_that_waits_beside_a_primary_component_is_told_the_addresses_after_a_while():
    seen = cluster(member(1), member(2), waiting(3, position(50)), member(4, local_state=2))
    assert the_step(decide(seen, remembered())) == Invite(3, "10.0.0.3", "life3", position(50), ("10.0.0.1", "10.0.0.2"))


@pytest.mark.parametrize(("since", "invited"), [(0.0, False), (DNS_PATIENCE - 0.1, False), (DNS_PATIENCE, True)])
def test_it_may_look_by_itself_first(since, invited):
    plan = decide(cluster(member(1), waiting(2, since=since)), remembered())
    assert isinstance(plan, Act) is invited
    assert "slot 2 (n2)" in plan.why


def test_an_empty_one_is_invited_too():
    assert the_step(decide(cluster(member(1), waiting(2)), remembered())).position is None


def test_nobody_is_invited_while_a_state_transfer_is_in_flight():
    seen = cluster(member(1), waiting(2), waiting(3, stage=Stage.JOINING, transfer=JOINER))
    assert "waits its turn" in held(decide(seen, remembered()))


def test_nobody_is_invited_while_nobody_is_synced():
    assert "until a member is Synced" in held(decide(cluster(member(1, local_state=2), waiting(2)), remembered()))


def test_a_member_that_starts_is_not_invited():
    assert isinstance(decide(cluster(member(1), waiting(2, stage=Stage.STARTING)), remembered()), Hold)


# Growing


@pytest.mark.parametrize("there", [1, 2])
def test_a_cluster_grows_one_member_at_a_time(there):
    seen = cluster(*(member(slot) for slot in range(1, there + 1)), wish=3)
    assert the_step(decide(seen, remembered())) == Resize("svc", 40, there, there + 1)


@pytest.mark.parametrize(
    "newcomer",
    [
        pending(2),
        unseen(2),
        waiting(2, since=0.0),
        waiting(2, stage=Stage.JOINING, transfer=JOINER),
        member(2, stage=Stage.JOINING, local_state=1, ready=False),
        joined_but_not_admitted(2, queue=5),
    ],
    ids=["pending", "unseen", "waiting", "joining", "in the group", "not admitted"],
)
def test_the_next_joiner_waits_until_the_last_one_is_admitted(newcomer):
    assert "slot 2" in held(decide(cluster(member(1), newcomer, wish=3), remembered()))


def test_a_rollout_in_flight_holds_growth():
    assert "service update is updating" in held(decide(cluster(member(1), wish=2, update_state="updating"), remembered()))


@pytest.mark.parametrize(
    ("there", "parallel", "after"),
    [(1, 4, 2), (2, 4, 3), (3, 4, 5), (3, 2, 5), (4, 4, 7), (4, 2, 6), (4, 1, 5), (8, 4, 9)],
)
def test_more_joiners_at_once_are_never_more_than_the_donors_beside_the_writer(there, parallel, after):
    seen = cluster(*(member(slot) for slot in range(1, there + 1)), wish=Wish(replicas=9, join_parallel=parallel))
    assert the_step(decide(seen, remembered())).after == after


def test_a_service_scaled_down_by_hand_is_brought_back_because_the_label_wins():
    assert the_step(decide(cluster(member(1), member(2), wish=3), remembered())) == Resize("svc", 40, 2, 3)


def test_a_scale_by_hand_is_not_answered_before_swarm_has_done_it():
    assert isinstance(decide(three_calm(wish=3, replicas=2), remembered()), Hold)


# Shrinking


def test_the_victim_is_drained_before_it_goes():
    plan = decide(three_calm(wish=2), remembered())
    assert the_step(plan) == DrainMember(3, "10.0.0.3", "life3", 50.0)
    assert "Swarm will take slot 3 (n3)" in plan.why


def test_the_writer_moves_away_from_the_victim_before_the_drain():
    plan = decide(cluster(*(member(slot, writer="db.3") for slot in (1, 2, 3)), wish=2), remembered())
    assert the_step(plan).writer == "db.1"
    assert "slot 3 (n3) is about to leave" in plan.why


def test_a_draining_victim_is_waited_for():
    seen = cluster(member(1), member(2, stage=Stage.DRAINING, since=10, sessions=4, in_flight=2), wish=1)
    assert "slot 2 (n2) is draining: 4 sessions, 2 in flight" in held(decide(seen, remembered()))


def test_a_drained_victim_goes():
    plan = decide(cluster(member(1), member(2, stage=Stage.DRAINED), wish=1), remembered())
    assert the_step(plan) == Resize("svc", 40, 2, 1, (2, "task2"))


@pytest.mark.parametrize(("since", "goes"), [(50 + DRAIN_SLACK, False), (50 + DRAIN_SLACK + 0.1, True)])
def test_a_drain_past_its_limit_is_not_waited_for(since, goes):
    seen = cluster(member(1), member(2, stage=Stage.DRAINING, since=since, sessions=4), wish=1)
    plan = decide(seen, remembered())
    assert isinstance(plan, Act) is goes
    if goes:
        assert the_step(plan) == Resize("svc", 40, 2, 1, (2, "task2"))
        assert "still has 4 sessions" in plan.why


@pytest.mark.parametrize(
    ("cut", "told"),
    [
        (0, "slot 3 (n3) is drained and goes next"),
        (1, "slot 3 (n3) is drained (1 session was cut inside a transaction at the limit) and goes next"),
        (2, "slot 3 (n3) is drained (2 sessions were cut inside a transaction at the limit) and goes next"),
    ],
)
def test_what_a_drain_has_cut_is_told(cut, told):
    plan = decide(cluster(member(1), member(2), member(3, stage=Stage.DRAINED, cut=cut), wish=2), remembered())
    assert plan.why.endswith(told)


def test_a_drain_that_nobody_wants_any_more_is_taken_back():
    plan = decide(cluster(member(1), member(2, stage=Stage.DRAINED), wish=2), remembered())
    assert isinstance(the_step(plan), AdmitMember)
    assert "all 2 members are wanted again" in plan.why


def test_the_drain_of_a_member_that_swarm_would_not_take_now_is_taken_back():
    on_one_node = member(2, node="n1")
    plan = decide(cluster(member(1), on_one_node, member(3, stage=Stage.DRAINED), wish=2), remembered())
    assert the_step(plan).slot == 3
    assert "not the one that Swarm would take now" in plan.why


def test_a_drain_is_not_taken_back_between_the_write_and_swarms_doing_it():
    seen = cluster(member(1), member(2), member(3, stage=Stage.DRAINED), replicas=2, wish=2)
    assert "slot 3 is leaving" in held(decide(seen, remembered(shrink=THIRD_LEAVES)))


def test_another_drained_member_is_taken_back_while_the_written_one_is_leaving():
    seen = cluster(member(1), member(2, stage=Stage.DRAINED), member(3, stage=Stage.DRAINED), replicas=2, wish=2)
    assert the_step(decide(seen, remembered(shrink=THIRD_LEAVES))).slot == 2


def test_a_drain_is_not_taken_back_while_the_victim_cannot_be_told():
    seen = cluster(member(1), member(2, stage=Stage.DRAINED), replicas=3, wish=1)
    assert "cannot be told" in held(decide(seen, remembered()))


def test_a_victim_that_never_got_a_node_goes_without_a_drain():
    plan = decide(cluster(member(1), member(2), pending(3), wish=2), remembered())
    assert the_step(plan) == Resize("svc", 40, 3, 2, (3, "task3"))
    assert "never got a node" in plan.why


@pytest.mark.parametrize(
    "seen",
    [
        cluster(member(1), unseen(2), pending(3), wish=2),
        cluster(member(1), member(2), pending(3), wish=2, leaving=(task(4, desired="shutdown"),)),
        cluster(member(1), member(2, cluster_size=3), pending(3), wish=2),
        cluster(member(1), member(2, transfer=DONOR), pending(3), wish=2),
    ],
    ids=["somebody unseen", "a task leaving", "another view", "a transfer"],
)
def test_also_a_victim_without_a_node_stays_while_the_rest_is_not_calm(seen):
    assert "not now" in held(decide(seen, remembered()))


@pytest.mark.parametrize("wish", [2, 3, 5])
def test_a_rollout_that_waits_for_a_task_which_no_node_can_take_pages_because_it_never_ends(wish):
    plan = decide(cluster(member(1), member(2), pending(3), wish=wish, update_state="updating"), remembered())
    assert paged(plan) == "update-stuck"
    assert plan.why == (
        "a service update is updating; a write now would disturb it, and it waits for slot 3, which no node can take: "
        "no suitable node"
    )
    assert "docker service scale shop_db=2" in plan.remedy


@pytest.mark.parametrize(
    ("task_changes", "update_state"),
    [
        ({}, ""),
        ({}, "completed"),
        ({"state": "assigned"}, "updating"),
        ({"message": ""}, "updating"),
        ({"node_id": "n3"}, "updating"),
    ],
    ids=["no rollout", "rollout over", "being placed", "no word yet", "has a node"],
)
def test_a_task_without_a_node_is_otherwise_waited_for(task_changes, update_state):
    nowhere = pending(3)
    nowhere = replace(nowhere, task=replace(nowhere.task, **task_changes))
    assert isinstance(decide(cluster(member(1), member(2), nowhere, wish=5, update_state=update_state), remembered()), Hold)


def test_a_victim_that_is_not_seen_stays():
    assert "slot 3 (n3) was not seen" in held(decide(cluster(member(1), member(2), unseen(3), wish=2), remembered()))


@pytest.mark.parametrize(
    "seen",
    [
        cluster(member(1), member(2, desync_count=1), member(3), wish=1),
        cluster(member(1), member(2), member(3), wish=1, update_state="rollback_started"),
        cluster(member(1), member(2), member(3, cluster_size=2), wish=1),
        cluster(member(1), waiting(2, since=0.0), member(3), wish=1),
        cluster(member(1), member(2, stage=Stage.JOINING), member(3), wish=1),
    ],
    ids=["backup", "rollback", "views disagree", "somebody is down", "agent still joins"],
)
def test_nobody_leaves_a_cluster_that_is_not_calm(seen):
    assert "not now" in held(decide(seen, remembered()))


def test_while_swarm_still_makes_tasks_its_victim_cannot_be_told():
    assert "cannot be told" in held(decide(cluster(member(1), member(2), replicas=3, wish=1), remembered()))


def test_while_swarm_still_takes_tasks_its_next_victim_cannot_be_told():
    assert isinstance(decide(three_calm(replicas=2, wish=1), remembered()), Hold)


def test_the_victim_is_the_one_on_the_crowded_node():
    seen = cluster(member(1), member(2, node="n1"), member(3), wish=2)
    assert the_step(decide(seen, remembered())).slot == 2


# After the smaller size was written


def test_the_next_step_waits_until_the_survivors_agree():
    leaving = cluster(member(1, cluster_size=3), member(2, cluster_size=3), leaving=(task(3, desired="remove"),), wish=1)
    assert "slot 3 is leaving" in held(decide(leaving, remembered(shrink=THIRD_LEAVES)))


def test_a_new_writer_is_not_held_up_by_a_member_that_is_leaving():
    seen = cluster(unseen(1), member(2, cluster_size=3), leaving=(task(3, desired="remove"),), wish=2)
    assert the_step(decide(seen, remembered(shrink=THIRD_LEAVES))).writer == "db.2"


def test_a_survivor_that_waits_is_invited_although_a_member_is_leaving():
    seen = cluster(member(1), waiting(2, position(9)), leaving=(task(3, desired="remove"),), wish=2)
    assert the_step(decide(seen, remembered(shrink=THIRD_LEAVES))).slot == 2


def test_when_swarm_took_another_than_predicted_the_drained_one_serves_again_first():
    assert the_step(decide(cluster(member(1), member(3, stage=Stage.DRAINED), wish=2), remembered(shrink=THIRD_LEAVES))).slot == 3


def test_when_swarm_took_another_than_predicted_nobody_else_goes_until_a_person_says_so():
    plan = decide(cluster(member(1), member(3), wish=1), remembered(shrink=THIRD_LEAVES))
    assert paged(plan) == "wrong-victim"
    assert "--label-add galera.replicas=2 shop_db" in plan.remedy


def test_the_plan_does_not_depend_on_the_order_in_which_the_wish_is_read():
    seen = three_calm(wish=2)
    assert decide(seen, remembered()) == decide(replace(seen, wish=Wish(replicas=2)), remembered())


def test_a_member_that_refuses_the_login_pages_also_where_nobody_is_primary():
    stranger = unseen(2, "10.0.0.2 refused the login", kind=Silence.NO_LOGIN)
    assert paged(decide(cluster(waiting(1, position(5)), stranger), remembered())) == "wrong-secret"
    assert paged(decide(cluster(non_primary(1), stranger), remembered())) == "wrong-secret"


def test_a_member_that_was_asked_to_stop_is_not_taken_back_into_service():
    seen = cluster(member(1), member(2, stage=Stage.DRAINING, leaving=True), wish=2)
    assert "on its way out" in held(decide(seen, remembered()))


@pytest.mark.parametrize("stage", [Stage.DRAINING, Stage.DRAINED])
def test_a_drain_is_taken_back_at_whatever_point_it_is(stage):
    plan = decide(cluster(member(1), member(2, stage=stage), wish=2), remembered())
    assert isinstance(the_step(plan), AdmitMember)


def test_one_that_waits_is_invited_also_beside_one_that_is_not_seen():
    assert the_step(decide(cluster(member(1), unseen(2), waiting(3)), remembered())).slot == 3
