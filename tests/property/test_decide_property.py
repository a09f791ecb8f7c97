"""Whatever a look finds and whatever is remembered: a plan comes out, says why, and the second opinion has nothing against it."""

from __future__ import annotations

import json

from hypothesis import assume, event, given
from hypothesis import strategies as st
from strategies import memories, seats, snapshots

from galera_operator.core.decide import decide
from galera_operator.core.memory import differs_in_kind, intend, remember
from galera_operator.core.model import Snapshot
from galera_operator.core.plan import Act, Bootstrap, DrainMember, Page, Resize
from galera_operator.core.position import ZERO_UUID
from galera_operator.core.remembered import Memory
from galera_operator.core.spec import Wish
from galera_operator.core.veto import broken_invariants


def planned(seen: Snapshot, memory: Memory):
    """As one turn does it: remember the look first, then decide."""
    memory = remember(memory, seen)
    return decide(seen, memory), memory


@given(snapshots(), memories())
def test_every_look_gives_a_plan_that_says_why_and_is_not_vetoed(seen, memory):
    plan, memory = planned(seen, memory)
    event(f"{type(plan).__name__} {type(plan.steps[0]).__name__ if isinstance(plan, Act) else getattr(plan, 'name', '')}")
    assert plan.why.strip()
    assert "None" not in plan.why
    assert plan.recheck > 0
    assert broken_invariants(plan, seen, memory) == ()
    if isinstance(plan, Act):
        assert plan.steps
    if isinstance(plan, Page):
        assert plan.name
        assert plan.remedy.strip()


@given(snapshots(), memories())
def test_also_a_plan_from_a_memory_that_missed_this_look_is_not_vetoed(seen, memory):
    assert broken_invariants(decide(seen, memory), seen, memory) == ()


@given(snapshots(), memories())
def test_the_same_look_and_memory_give_the_same_plan(seen, memory):
    again = Snapshot(seen.service, seen.wish, seen.seats, seen.leaving, seen.lost)
    assert decide(seen, memory) == decide(again, memory)


@given(snapshots(wishes=st.just(Wish(replicas=3, pause=True))), memories())
def test_a_paused_cluster_is_never_acted_on(seen, memory):
    assert not isinstance(decide(seen, memory), Act)


@given(snapshots(), memories())
def test_one_plan_moves_the_size_by_one_and_takes_at_most_one_member(seen, memory):
    plan, _ = planned(seen, memory)
    steps = plan.steps if isinstance(plan, Act) else ()
    assert sum(isinstance(step, DrainMember | Resize | Bootstrap) for step in steps) <= 1
    for step in steps:
        if isinstance(step, Resize) and step.after < step.before:
            assert step.after == step.before - 1 >= 1


@given(snapshots(wishes=st.just(Wish(replicas=3))), memories())
def test_nobody_who_may_still_serve_is_taken_while_another_member_cannot(seen, memory):
    plan, _ = planned(seen, memory)
    steps = plan.steps if isinstance(plan, Act) else ()
    leaving = {step.slot for step in steps if isinstance(step, DrainMember)}
    leaving |= {step.victim[0] for step in steps if isinstance(step, Resize) and step.victim}
    for seat in seen.seats:
        if leaving and seat.slot not in leaving:
            assert seat.wsrep is not None
            assert seat.wsrep.is_synced


@given(snapshots(), memories())
def test_a_look_never_shrinks_what_is_known_of_the_slots_that_are_here(seen, memory):
    after = remember(memory, seen)
    assert after.uuid == memory.uuid or not memory.uuid
    assert after.uuid != ZERO_UUID
    for slot, copy in memory.ledger.items():
        if seen.seat(slot):
            assert after.ledger[slot].seqno >= copy.seqno
    assert remember(after, seen) == after


@given(snapshots(), memories())
def test_from_a_look_at_nobody_alive_nothing_is_forgotten(seen, memory):
    assume(not seen.live)
    after = remember(memory, seen).ledger
    being_replaced = {seat.slot for seat in seen.seats if seat.agent and seat.agent.transfer}
    for slot, copy in memory.ledger.items():
        if slot in being_replaced:
            continue
        assert after[slot].node_id == copy.node_id
        assert after[slot].seqno >= copy.seqno


@given(snapshots(), memories())
def test_what_was_intended_is_written_at_once(seen, memory):
    plan, memory = planned(seen, memory)
    intended = intend(memory, plan)
    if isinstance(plan, Act) and any(isinstance(step, Resize) and step.victim for step in plan.steps):
        assert intended.shrink is not None
        assert differs_in_kind(memory, intended) or intended.shrink == memory.shrink
    else:
        assert intended == memory


@given(st.data())
def test_every_agent_status_of_a_generated_seat_survives_the_wire(data):
    seat = data.draw(seats(1))
    if seat.agent:
        assert type(seat.agent).from_json(seat.agent.to_json()) == seat.agent
        assert json.loads(seat.agent.to_json())["name"] == "db.1"
