"""The word for the whole cluster and the plan agree: what forms a Primary component follows from few conditions only."""

from __future__ import annotations

from dataclasses import replace

from builders import A, C, cluster, decided, position
from hypothesis import assume, event, example, given
from hypothesis import strategies as st
from strategies import ACCEPTED, DOWN, NO_MAJORITY, memories, seats, snapshots

from galera_operator.core.condition import Condition, condition_of
from galera_operator.core.consent import losses, objection
from galera_operator.core.decide import decide
from galera_operator.core.memory import intend, remember
from galera_operator.core.model import Live, Snapshot, Stopped, Unseen
from galera_operator.core.plan import Act, Bootstrap, FormPrimary, Invite, Page, Plan, StopMember
from galera_operator.core.remembered import Memory
from galera_operator.core.veto import broken_invariants

BY_ITSELF = {Condition.FIRST_START, Condition.ALL_STOPPED}
"""From these alone a member may be granted to bootstrap without a person's decision."""


@st.composite
def outages(draw: st.DrawFn) -> Snapshot:
    """Nobody, or hardly anybody, is in a Primary component."""
    kinds = draw(st.sampled_from([DOWN, NO_MAJORITY]))
    return cluster(*[draw(seats(slot, kinds)) for slot in draw(st.sampled_from([(1,), (1, 2), (1, 2, 3)]))])


def steps_of(plan: Plan) -> tuple[object, ...]:
    return plan.steps if isinstance(plan, Act) else ()


def forming(plan: Plan) -> list[Bootstrap | FormPrimary]:
    return [step for step in steps_of(plan) if isinstance(step, Bootstrap | FormPrimary)]


@given(snapshots() | outages(), memories())
def test_what_forms_a_primary_component_follows_from_the_conditions_that_allow_it(seen, memory):
    memory = remember(memory, seen)
    condition, plan = condition_of(seen, memory), decide(seen, memory)
    event(f"{condition}: {', '.join(type(step).__name__ for step in steps_of(plan)) or type(plan).__name__}")
    for step in forming(plan):
        if isinstance(step, FormPrimary):
            assert condition is Condition.NO_PRIMARY
        elif memory.consent is None:
            assert condition in BY_ITSELF
        else:
            assert step.history == memory.consent.history
            assert not seen.live


@given(snapshots() | outages(), memories())
def test_nothing_is_formed_beside_a_primary_component_or_somebody_unseen_that_nobody_gave_up(seen, memory):
    memory = remember(memory, seen)
    accepted = memory.consent.accepted if memory.consent else ()
    for step in forming(decide(seen, memory)):
        assert not seen.primaries
        assert not seen.leaving
        assert all(seat.slot in accepted for seat in seen.unseen)
        assert all(task.slot in accepted for task in seen.lost)
        assert {slot for slot, *_ in step.fence} == {seat.slot for seat in seen.seats if seat.agent} - {step.slot}


@given(outages(), memories())
def test_whoever_goes_on_has_the_newest_copy_of_the_recorded_history_that_nobody_gave_up(seen, memory):
    assume(memory.consent is None)
    for step in forming(decide(seen, memory)):
        if step.position is None:
            assert not memory.uuid
            assert all(isinstance(seat.member, Stopped) and not seat.agent.position for seat in seen.seats)
            continue
        assert memory.uuid in {"", step.position.uuid}
        assert step.position.seqno >= memory.highest_seqno
        for seat in seen.seats:
            held = seat.agent.position if isinstance(seat.member, Stopped) else None
            if isinstance(seat.member, Live):
                held = position(seat.wsrep.last_committed, seat.wsrep.state_uuid)
            if held and held.uuid == step.position.uuid and memory.given_up.get(seat.slot) != held.uuid:
                former = memory.fork and held.uuid == memory.fork.origin.uuid
                assert former or held.seqno <= step.position.seqno


@given(outages(), memories(), st.sampled_from([1, 2, 3]), ACCEPTED)
def test_a_decision_that_may_be_taken_is_carried_out_or_says_what_it_waits_for(seen, memory, slot, accepted):
    memory = remember(replace(memory, consent=None), seen)
    assume(objection(seen, memory, slot, accepted) is None)
    seed = seen.seat(slot)
    assert seed is not None
    start = seed.agent.position
    if isinstance(seed.member, Live):
        start = position(seed.wsrep.last_committed, seed.wsrep.state_uuid)
    memory = replace(memory, consent=decided(slot, start, *accepted, history=HISTORY))
    plan = decide(seen, memory)
    event(f"{', '.join(type(step).__name__ for step in steps_of(plan)) or getattr(plan, 'name', type(plan).__name__)}")
    assert broken_invariants(plan, seen, memory) == ()
    if isinstance(plan, Page):
        assert plan.name in {"wrong-secret", "not-galera"}
    for step in steps_of(plan):
        assert isinstance(step, Bootstrap | StopMember)


HISTORY = "dddddddd-0000-4000-8000-000000000004"


@given(outages(), memories(), st.sampled_from([1, 2, 3]))
def test_the_command_that_is_offered_is_allowed(seen, memory, slot):
    memory = remember(memory, seen)
    why_not = objection(seen, memory, slot, losses(seen, memory, slot))
    assert why_not is None or "data of slot" not in why_not


@given(outages(), memories(), st.sampled_from([1, 2, 3]), ACCEPTED)
def test_what_is_not_named_is_not_given_up(seen, memory, slot, accepted):
    memory = remember(memory, seen)
    assume(objection(seen, memory, slot, accepted) is None)
    for seat in seen.seats:
        never_had_data = seat.task.never_placed and seat.slot not in memory.ledger
        assert not isinstance(seat.member, Unseen) or never_had_data or seat.slot in accepted
    assert all(task.slot in accepted for task in seen.lost)


@given(snapshots(), memories())
def test_only_a_copy_that_was_given_up_or_is_contained_is_replaced(seen, memory):
    memory = remember(memory, seen)
    for step in steps_of(decide(seen, memory)):
        if isinstance(step, Invite) and step.replaces:
            fork = memory.fork
            given_up = memory.given_up.get(step.slot) == step.position.uuid
            contained = fork and step.position.uuid == fork.origin.uuid and step.position.seqno <= fork.origin.seqno
            named = fork and step.position.uuid == fork.origin.uuid and step.slot in fork.accepted
            assert given_up or contained or named


@given(snapshots() | outages(), memories())
def test_nobody_who_serves_the_recorded_history_is_stopped(seen, memory):
    memory = remember(memory, seen)
    for step in steps_of(decide(seen, memory)):
        if isinstance(step, StopMember):
            wsrep = seen.seat(step.slot).wsrep
            assert not (wsrep.is_primary and wsrep.state_uuid == memory.uuid)


@given(snapshots() | outages(), memories())
@example(cluster(), Memory(A))
def test_every_cluster_has_one_word_and_it_does_not_depend_on_what_is_intended(seen, memory):
    assert condition_of(seen, memory) in Condition
    assert condition_of(seen, intend(memory, decide(seen, memory))) is condition_of(seen, memory)


def test_the_third_history_of_these_properties_is_not_one_that_the_clusters_have():
    assert HISTORY not in {A, C}
