"""Whatever a look finds: planned work moves on without a fault, its steps pass the veto, and a schedule never fires twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import event, given
from hypothesis import strategies as st
from strategies import memories, snapshots

from galera_operator.adapters.planned_state import planned_from, state_of
from galera_operator.core.cron import read_cron
from galera_operator.core.decide import decide
from galera_operator.core.memory import intend, remember
from galera_operator.core.plan import Act, Bootstrap, Exclude, Resize, SetWish, UpdateService
from galera_operator.core.planned import Planned, Run, exclusion
from galera_operator.core.runbook import Kind
from galera_operator.core.running import abort, advance, request
from galera_operator.core.veto import broken_invariants
from galera_operator.runtime.runbooks import load
from galera_operator.runtime.schedule import fire_times

BOOKS = load()
NOW = 1_767_254_400.0
VALUES = {Kind.INTEGER: ["1", "2", "3", "5"], Kind.SLOT: ["1", "2", "9"], Kind.SLOTS: ["", "1", "2,3"], Kind.NODE: ["n1", "n2"]}
NODES = st.lists(st.sampled_from(["n1", "n2", "n3"]), max_size=2, unique=True).map(lambda nodes: tuple(sorted(nodes)))


@st.composite
def asked_for(draw: st.DrawFn) -> Run:
    book = BOOKS[draw(st.sampled_from(sorted(BOOKS)))]
    told = {one.name: draw(st.sampled_from(VALUES.get(one.kind, ["x:1"]))) for one in book.parameters}
    return Run("dddddddd-0000-4000-8000-000000000004", book.name, book.digest, told, "ann@desk", NOW)


@st.composite
def looks(draw: st.DrawFn):
    """A look at a cluster that some constraints, ours or not, are written to."""
    seen, nodes = draw(snapshots()), draw(NODES)
    service = replace(
        seen.service, constraints=tuple(map(exclusion, nodes)), one_at_a_time=draw(st.sampled_from([True, True, False]))
    )
    return replace(seen, service=service)


@given(st.lists(looks(), min_size=1, max_size=6), memories(), asked_for(), st.booleans(), NODES, st.sampled_from([1.0, 700.0]))
def test_a_run_moves_on_through_any_looks_and_every_step_on_the_way_passes_the_veto(seen, memory, run, yes, excluded, pace):
    memory = request(replace(memory, planned=Planned(excluded=excluded)), replace(run, answers_all=yes))
    for turn, look in enumerate(seen):
        memory = advance(look, remember(memory, look), BOOKS, NOW + turn * pace)
        plan = decide(look, memory)
        assert broken_invariants(plan, look, memory) == ()
        assert plan.why.strip()
        if isinstance(plan, Act):
            event(type(plan.steps[0]).__name__)
        memory = intend(memory, plan)
        assert planned_from(state_of(memory.planned)) == memory.planned
    assert memory.planned.run is None or memory.planned.run.note


@given(looks(), memories(), asked_for())
def test_two_turns_on_the_same_look_want_the_same_thing(seen, memory, run):
    once = advance(seen, request(memory, run), BOOKS, NOW)
    again = advance(seen, once, BOOKS, NOW)
    assert (again.planned.wanted, again.planned.away) == (once.planned.wanted, once.planned.away)
    assert again.consent == once.consent


@given(looks(), memories(), asked_for(), NODES)
def test_after_an_abort_nothing_of_it_is_done_but_taking_back_the_operator_s_own_constraints(seen, memory, run, excluded):
    memory = advance(seen, request(replace(memory, planned=Planned(excluded=excluded)), run), BOOKS, NOW)
    memory = advance(seen, abort(memory, "bob@desk"), BOOKS, NOW + 1)
    plan = decide(seen, memory)
    steps = plan.steps if isinstance(plan, Act) else ()
    assert not any(isinstance(step, SetWish | UpdateService) for step in steps)
    assert all(step.back and step.node in excluded for step in steps if isinstance(step, Exclude))


@given(looks(), memories(), asked_for())
def test_planned_work_never_stands_in_the_way_of_recovery(seen, memory, run):
    """With nobody Primary, the plan is the one that there would be without the run, but for what the person decided in it."""
    before = remember(memory, seen)
    plan = decide(seen, before)
    after = advance(seen, request(before, run), BOOKS, NOW)
    if not seen.primaries and seen.seats and after.consent == before.consent and after.given_up == before.given_up:
        assert decide(seen, after) == plan
    if isinstance(plan, Act) and isinstance(plan.steps[0], Bootstrap):
        event("bootstrap")


@given(looks(), memories(), asked_for())
def test_a_run_never_changes_the_size_itself(seen, memory, run):
    before = remember(memory, seen)
    plan = decide(seen, advance(seen, request(before, run), BOOKS, NOW))
    if isinstance(plan, Act) and any(isinstance(step, Resize) for step in plan.steps):
        assert plan == decide(seen, before)


# Schedules

CRONS = st.tuples(
    st.sampled_from(["0", "30", "*/15", "59", "7,52"]),
    st.sampled_from(["*", "2", "3", "0-3", "1,2", "23"]),
    st.just("*"),
    st.just("*"),
    st.sampled_from(["*", "sun", "1-6", "0"]),
).map(" ".join)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu"]
)
CHANGES = [datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 8), (3, 29), (4, 5), (10, 4), (10, 25))]
STARTS = st.builds(lambda day, hours: day.timestamp() - hours * 3600, st.sampled_from(CHANGES), st.integers(-12, 24))


@given(CRONS, ZONES, STARTS, st.lists(st.integers(1, 36 * 3600), max_size=8))
def test_however_often_and_whenever_one_looks_every_time_is_found_exactly_once(cron, zone, start, cuts):
    until = start + 36 * 3600
    whole = fire_times(read_cron(cron), zone, start, until)
    found, seen_to = [], start
    for cut in sorted({*cuts, 36 * 3600}):
        found += fire_times(read_cron(cron), zone, seen_to, start + cut)
        seen_to = start + cut
    assert found == whole
    assert all(start < moment <= until for moment in whole)
    assert len(set(whole)) == len(whole)


@given(ZONES, STARTS, st.integers(0, 23), st.sampled_from([0, 30]))
def test_a_time_of_day_comes_once_on_every_day_also_on_one_with_23_or_25_hours(zone, start, hour, minute):
    times = fire_times(read_cron(f"{minute} {hour} * * *"), zone, start, start + 10 * 86400)
    assert len(times) in {9, 10, 11}
    assert all(20 * 3600 < later - earlier < 28 * 3600 for earlier, later in pairwise(times))
