"""Planned work goes through the same decisions as all else: from a calm cluster, drained first, never past the veto."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import JOINER, cluster, joined_but_not_admitted, member, pending, recipient, remembered, three_calm, unseen, waiting

from galera_operator.core.agent_api import Stage
from galera_operator.core.decide import decide
from galera_operator.core.memory import intend
from galera_operator.core.plan import Act, DrainMember, Exclude, Hold, Page, Resize, RunSql, SetWish, UpdateService
from galera_operator.core.planned import Planned, Run, RunState, Wanted
from galera_operator.core.spec import Wish
from galera_operator.core.veto import broken_invariants

RUN = Run("dddddddd-0000-4000-8000-000000000004", "work", "d1", {}, "ann@desk", 1.0)


def planning(**changes):
    """A memory with a run on its way that wants this."""
    return replace(remembered(), planned=Planned(**({"run": RUN} | changes)))


def constrained(seen, *nodes: str):
    return replace(seen, service=replace(seen.service, constraints=tuple(f"node.hostname!={node}" for node in nodes)))


def step_of(plan):
    assert isinstance(plan, Act), plan
    (step,) = plan.steps
    return step


def vetoed(step, seen, memory) -> str:
    return "; ".join(broken_invariants(Act((step,), "for the test"), seen, memory))


# The wish


def test_a_wished_size_is_written_as_the_label():
    seen, memory = three_calm(wish=3), planning(wanted=Wanted(replicas=5))
    plan = decide(seen, memory)
    assert step_of(plan) == SetWish("svc", 40, 5)
    assert plan.why == "runbook work, asked for by ann@desk: 5 members are wished"
    assert vetoed(plan.steps[0], seen, memory) == ""


def test_a_write_waits_for_a_rollout_whose_rollback_point_it_would_eat():
    plan = decide(three_calm(wish=3, update_state="updating"), planning(wanted=Wanted(replicas=5)))
    assert isinstance(plan, Hold)
    assert "runbook work waits: a service update is updating" in plan.why


def test_what_keeps_the_service_up_comes_before_planned_work():
    seen = cluster(member(1), joined_but_not_admitted(2), wish=2)
    assert "slot 2" in decide(seen, planning(wanted=Wanted(replicas=5))).why


def test_nothing_planned_is_done_in_a_paused_cluster():
    assert isinstance(decide(three_calm(wish=Wish(replicas=3, pause=True)), planning(wanted=Wanted(replicas=5))), Hold)


def test_no_label_is_written_that_no_run_asks_for():
    seen, step = three_calm(wish=3), SetWish("svc", 40, 5)
    over = replace(RUN, state=RunState.DONE)
    for memory in (remembered(), planning(), planning(wanted=Wanted(replicas=4)), planning(run=over, wanted=Wanted(replicas=5))):
        assert "which no run asks for" in vetoed(step, seen, memory)


def test_no_label_is_written_over_another_version_or_a_rollout_or_beyond_the_limits():
    memory = planning(wanted=Wanted(replicas=5))
    assert "another version" in vetoed(SetWish("svc", 39, 5), three_calm(), memory)
    for state in ("updating", "paused", "rollback_started", "rollback_paused"):
        assert "in flight" in vetoed(SetWish("svc", 40, 5), three_calm(update_state=state), memory)
    for replicas in (1, 9):
        assert vetoed(SetWish("svc", 40, replicas), three_calm(), planning(wanted=Wanted(replicas=replicas))) == ""
    assert vetoed(SetWish("svc", 40, 0), three_calm(), planning(wanted=Wanted(replicas=0))) != ""
    assert vetoed(SetWish("svc", 40, 10), three_calm(), planning(wanted=Wanted(replicas=10))) != ""


def test_what_a_run_wanted_that_is_over_is_not_written():
    over = replace(RUN, state=RunState.DONE)
    for wanted in (Wanted(replicas=5), Wanted(image="member:2")):
        assert decide(three_calm(), planning(run=over, wanted=wanted)).why.startswith("as wished")


# Emptying a node

AWAY = planning(away=("n3",))


def test_the_member_on_a_node_that_is_to_be_empty_is_drained_first():
    plan = decide(three_calm(), AWAY)
    assert step_of(plan) == DrainMember(*recipient(3), seconds=50.0)
    assert plan.why == "n3 is to be empty; slot 3 (n3) is there, so it is drained first"
    assert vetoed(plan.steps[0], three_calm(), AWAY) == ""


def test_the_writer_moves_away_before_its_member_is_drained():
    plan = decide(three_calm(), planning(away=("n1",)))
    assert step_of(plan).slot == 2
    assert "is about to leave; slot 2 (n2) takes over before it is drained" in plan.why


def test_a_drain_is_waited_for_and_not_for_ever():
    draining = member(3, stage=Stage.DRAINING, since=50.0, sessions=4)
    assert "slot 3 (n3) is draining: 4 sessions" in decide(cluster(member(1), member(2), draining), AWAY).why
    at_the_limit = member(3, stage=Stage.DRAINING, since=55.0, sessions=4)
    assert isinstance(decide(cluster(member(1), member(2), at_the_limit), AWAY), Hold)
    late = member(3, stage=Stage.DRAINING, since=55.1, sessions=4)
    assert step_of(decide(cluster(member(1), member(2), late), AWAY)) == Exclude("svc", 40, "n3")


def test_a_drained_member_s_node_is_kept_out_and_the_member_is_not_let_in_again():
    seen = cluster(member(1), member(2), member(3, stage=Stage.DRAINED))
    plan = decide(seen, AWAY)
    assert step_of(plan) == Exclude("svc", 40, "n3")
    assert vetoed(plan.steps[0], seen, AWAY) == ""


def test_that_the_constraint_is_the_operator_s_own_is_remembered_before_it_is_written():
    memory = intend(AWAY, Act((Exclude("svc", 40, "n3"),), "for the test"))
    assert memory.planned.excluded == ("n3",)
    assert intend(memory, Act((Exclude("svc", 40, "n3", back=True),), "")).planned.excluded == ("n3",)


def test_a_run_that_does_not_want_the_node_empty_any_more_takes_the_drained_member_back():
    plan = decide(cluster(member(1), member(2), member(3, stage=Stage.DRAINED)), planning())
    assert "was being drained, but all 3 members are wanted again" in plan.why


def test_a_node_without_a_member_is_kept_out_at_once():
    plan = decide(cluster(member(1), member(2)), AWAY)
    assert step_of(plan) == Exclude("svc", 40, "n3")
    assert vetoed(plan.steps[0], cluster(member(1), member(2)), AWAY) == ""


def test_a_node_without_a_member_is_not_kept_out_over_a_rollout():
    plan = decide(cluster(member(1), member(2), update_state="updating"), AWAY)
    assert plan.why == "n3 is to be kept empty; a service update is updating; a write now would disturb it"


def test_two_members_are_enough_to_empty_the_node_of_one():
    seen = cluster(member(1), member(3, stage=Stage.DRAINED))
    assert step_of(decide(seen, AWAY)) == Exclude("svc", 40, "n3")


def test_a_node_that_is_kept_out_already_is_written_only_once():
    seen = constrained(cluster(member(1), member(2)), "n3")
    for memory in (AWAY, planning(away=("n3",), excluded=("n3",))):
        assert decide(seen, memory).why.startswith("as wished")


def test_a_constraint_that_is_not_there_is_not_taken_back():
    assert decide(three_calm(), planning(excluded=("n3",))).why.startswith("as wished")


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (cluster(member(1), unseen(2), member(3)), "slot 2 (n2) was not seen"),
        (cluster(member(1), member(2, transfer=JOINER), member(3)), "slot 2 (n2) has a state transfer in flight"),
        (three_calm(update_state="updating"), "a service update is updating"),
        (cluster(member(3, writer="db.3")), "slot 3 (n3) is the only member"),
    ],
)
def test_a_node_is_emptied_from_a_calm_cluster_only(seen, why):
    plan = decide(seen, AWAY)
    assert isinstance(plan, Hold)
    assert why in plan.why


def test_while_a_node_is_kept_empty_its_waiting_task_is_no_page():
    seen = constrained(cluster(member(1), member(2), pending(3), update_state="updating"), "n3")
    assert decide(seen, remembered()).name == "update-stuck"
    assert not isinstance(decide(seen, planning(away=("n3",), excluded=("n3",))), Page)


def test_the_operator_s_own_constraint_is_taken_back_when_no_run_wants_it():
    seen = constrained(cluster(member(1), member(2), pending(3)), "n3")
    memory = planning(run=replace(RUN, state=RunState.ABORTED), excluded=("n3",))
    plan = decide(seen, memory)
    assert step_of(plan) == Exclude("svc", 40, "n3", back=True)
    assert vetoed(plan.steps[0], seen, memory) == ""


def test_a_constraint_of_the_user_s_own_is_never_taken_back():
    seen = constrained(three_calm(), "n9")
    assert decide(seen, planning()).why.startswith("as wished")
    assert "did not write" in vetoed(Exclude("svc", 40, "n9", back=True), seen, planning())


def test_the_veto_knows_who_would_leave_with_the_node():
    step = Exclude("svc", 40, "n3")
    assert "which no run asks for" in vetoed(step, three_calm(), planning())
    assert "which no run asks for" in vetoed(step, three_calm(), planning(run=None, away=("n3",)))
    assert "last Synced member" in vetoed(step, cluster(member(3)), AWAY)
    crowded = cluster(member(1), member(2, node="n3"), member(3))
    assert "2 members on n3 would leave at once" in vetoed(step, crowded, AWAY)
    assert "state transfer in flight" in vetoed(step, cluster(member(1), member(2, transfer=JOINER), member(3)), AWAY)
    assert "in flight" in vetoed(step, three_calm(update_state="updating"), AWAY)
    assert "another version" in vetoed(replace(step, version=39), three_calm(), AWAY)


def test_one_member_leaves_in_one_plan():
    plan = Act((DrainMember(*recipient(3), seconds=50.0), Exclude("svc", 40, "n2")), "for the test")
    assert "more than one member would leave in one plan" in broken_invariants(plan, three_calm(), planning(away=("n2",)))


# Updating the service


def test_an_update_is_written_to_a_calm_cluster():
    seen, memory = three_calm(), planning(wanted=Wanted(image="member:2"))
    plan = decide(seen, memory)
    assert step_of(plan) == UpdateService("svc", 40, "member:2")
    assert vetoed(plan.steps[0], seen, memory) == ""
    assert step_of(decide(seen, planning(wanted=Wanted(option="--x=1")))) == UpdateService("svc", 40, "", "--x=1")


def test_two_members_are_enough_for_an_update():
    assert isinstance(step_of(decide(cluster(member(1), member(2)), planning(wanted=Wanted(image="member:2")))), UpdateService)


def test_an_update_waits_for_a_calm_cluster_of_more_than_one():
    wants = planning(wanted=Wanted(image="member:2"))
    assert "slot 2 (n2) was not seen" in decide(cluster(member(1), unseen(2), member(3)), wants).why
    assert "the only member would be down meanwhile" in decide(cluster(member(1)), wants).why


def test_the_veto_knows_that_any_member_may_be_the_first_to_leave():
    step, wants = UpdateService("svc", 40, "member:2"), planning(wanted=Wanted(image="member:2"))
    assert "no run asks for" in vetoed(step, three_calm(), planning())
    assert "no run asks for" in vetoed(step, three_calm(), planning(run=None, wanted=Wanted(image="member:2")))
    assert "no run asks for" in vetoed(replace(step, image="other"), three_calm(), wants)
    assert "no run asks for" in vetoed(replace(step, option="--x=1"), three_calm(), wants)
    assert "another version" in vetoed(replace(step, version=39), three_calm(), wants)
    assert "last Synced member" in vetoed(step, cluster(member(1)), wants)
    assert "not Synced" in vetoed(step, cluster(member(1), unseen(2), member(3)), wants)
    greedy = three_calm()
    greedy = replace(greedy, service=replace(greedy.service, one_at_a_time=False))
    assert "several members at once" in vetoed(step, greedy, wants)


# The writer and a restart: remembered as if a person had asked


@pytest.mark.parametrize("wanted", [Wanted(writer=3), Wanted(restart=True)], ids=["writer", "restart"])
def test_what_other_rules_see_to_is_not_written_to_the_service(wanted):
    assert decide(three_calm(), planning(wanted=wanted)).why.startswith("as wished")


# A smaller size comes first


def test_a_node_is_not_emptied_while_a_smaller_size_is_wished():
    seats = (member(1), member(2), member(3, stage=Stage.DRAINED))
    plan = decide(cluster(*seats, wish=2), planning(away=("n2",)))
    assert isinstance(step_of(plan), Resize)


# Statements


def test_a_statement_is_run_on_the_member_that_was_chosen_and_once():
    seen, memory = three_calm(), planning(wanted=Wanted(sql="SELECT 1", on=2))
    plan = decide(seen, memory)
    assert step_of(plan) == RunSql(2, "10.0.0.2", "SELECT 1")
    assert vetoed(plan.steps[0], seen, memory) == ""
    for told in (Wanted(sql="SELECT 1", on=2, said="1"), Wanted(sql="SELECT 1", on=2, fault="no")):
        assert decide(seen, planning(wanted=told)).why.startswith("as wished")


@pytest.mark.parametrize("second", [unseen(2), waiting(2)], ids=["unseen", "down"])
def test_a_database_that_does_not_answer_is_waited_for(second):
    plan = decide(cluster(member(1), second, member(3)), planning(wanted=Wanted(sql="SELECT 1", on=2)))
    assert not isinstance(plan, Act) or not isinstance(plan.steps[0], RunSql)
    gone = decide(three_calm(), planning(wanted=Wanted(sql="SELECT 1", on=9)))
    assert gone.why == "runbook work waits: the database of slot 9 does not answer"


def test_no_statement_is_run_that_no_run_asks_for():
    step, wants = RunSql(2, "10.0.0.2", "SELECT 1"), Wanted(sql="SELECT 1", on=2)
    for memory in (
        planning(),
        planning(run=None, wanted=wants),
        planning(run=replace(RUN, state=RunState.DONE), wanted=wants),
        planning(wanted=replace(wants, sql="SELECT 2")),
        planning(wanted=replace(wants, on=3)),
    ):
        assert "that no run asks for" in vetoed(step, three_calm(), memory)


# A run that failed


def test_a_run_that_ended_where_nothing_should_be_left_calls_a_person():
    failed = replace(RUN, state=RunState.FAILED, note="stage empty: not within 600 s", pages=True)
    plan = decide(three_calm(), planning(run=failed))
    assert isinstance(plan, Page)
    assert plan.name == "runbook-failed"
    assert plan.why == "runbook work, asked for by ann@desk, ended: stage empty: not within 600 s"


def test_a_run_that_failed_calls_nobody_where_it_does_not_say_so():
    assert decide(three_calm(), planning(run=replace(RUN, state=RunState.FAILED))).why.startswith("as wished")


def test_a_failed_run_holds_nothing_back():
    failed = replace(RUN, state=RunState.FAILED, pages=True)
    assert isinstance(decide(three_calm(wish=4), planning(run=failed)), Act)
