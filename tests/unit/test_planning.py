"""Planned work in the operator's own turns: asked for in the record, done by the loop, told in the log."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import three_calm
from fakes import InlinePool, MemoryStore
from loguru import logger
from small_world import NAME, SmallWorld

from galera_operator.core.plan import Page
from galera_operator.core.planned import Run, RunState
from galera_operator.core.remembered import Memory
from galera_operator.core.runbook import Runbook, Stage
from galera_operator.core.running import request
from galera_operator.core.spec import BadWish, Wish
from galera_operator.core.timetable import read_schedule, read_windows
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease
from galera_operator.runtime.planning import Planning
from galera_operator.runtime.runbooks import load
from galera_operator.runtime.tick import ClusterTick, World

BOOKS = load()
MORNING = 1_767_254_400.0
"""2026-01-01 08:00 UTC, a Thursday."""


class Bench:
    """Operators, one after the other, before one small world; `now` is the only clock."""

    def __init__(self, now: float = MORNING):
        self.world, self.store, self.now = SmallWorld(), MemoryStore(), now
        self.restart("first")

    def restart(self, holder: str) -> None:
        planning = Planning(BOOKS, lambda: self.now)
        ports = World(self.world, self.world, Journal(None), InlinePool(), clock=lambda: self.now, planning=planning)
        self.tick = ClusterTick(NAME, Lease(self.store, NAME, holder, 15.0), ports)

    def until(self, done, turns=80):
        for _ in range(turns):
            plan = self.tick.turn(self.world.clusters()[0])
            self.world.step()
            self.now += 2.0
            if done(plan):
                return plan
        return pytest.fail("not done")

    @property
    def memory(self) -> Memory:
        return self.store.records[NAME].memory

    def ask_for(self, name: str, number: int = 1, **arguments: str) -> None:
        run = Run(f"dddddddd-0000-4000-8000-00000000000{number}", name, BOOKS[name].digest, arguments, "ann@desk", self.now)
        self.store.edit(NAME, lambda memory: request(memory, run))

    def until_over(self) -> Run:
        self.until(lambda _: self.memory.planned.run is not None and self.memory.planned.run.state.is_over)
        assert self.memory.planned.run
        return self.memory.planned.run


@pytest.fixture
def bench():
    bench = Bench()
    bench.until(lambda plan: plan.why.startswith("as wished"))
    return bench


@pytest.fixture
def log():
    lines: list[str] = []
    handler = logger.add(
        lambda message: lines.append(f"{message.record['level'].name} {message.record['message']}"), level="INFO"
    )
    yield lines
    logger.remove(handler)


def test_a_run_that_is_asked_for_is_done_and_told_stage_by_stage(bench, log):
    bench.ask_for("scale", replicas="2")
    assert bench.until_over().state is RunState.DONE
    told = [line for line in log if "runbook scale" in line]
    assert f"INFO {NAME}: runbook scale, running, stage wish: sets galera.replicas to 2" in told
    assert any(f"INFO {NAME}: runbook scale, done, stage end" in line for line in told)


def test_the_same_run_a_second_time_writes_nothing(bench):
    bench.ask_for("scale", replicas="2")
    bench.until_over()
    bench.until(lambda plan: plan.why.startswith("as wished"))
    bench.ask_for("scale", 2, replicas="2")
    bench.until(lambda _: bench.memory.planned.run.id.endswith("2") and bench.memory.planned.run.state is RunState.DONE)
    assert bench.world.labels_written == 1


def test_a_run_that_failed_pages_with_the_runbook_for_it_until_it_is_aborted(bench, log):
    bench.ask_for("scale", replicas="2")
    bench.world.silent.add(2)
    bench.until(lambda _: bench.world.wish == 2)
    bench.now += 1800.0
    page = bench.until(lambda plan: isinstance(plan, Page))
    assert page.name == "runbook-failed"
    assert any("ERROR" in line and "runbook scale, failed" in line for line in log)
    assert any("PAGE runbook-failed" in line and "(runbook operator-trouble)" in line for line in log)


def test_a_scheduled_size_is_set_once_at_its_time(bench):
    bench.world.schedules = (read_schedule("day", "5 8 * * * -> 2"),)
    bench.until(lambda _: bench.now >= MORNING + 299.0, turns=200)
    assert bench.world.wish == 1
    bench.until(lambda _: bench.now >= MORNING + 400.0, turns=200)
    assert (bench.world.wish, bench.world.labels_written) == (2, 1)


def test_an_operator_that_was_away_at_the_time_says_so_and_does_it_once(bench, log):
    bench.world.schedules = (read_schedule("day", "5 8 * * * -> 2"),)
    bench.until(lambda _: "day" in bench.memory.planned.fired)
    bench.now += 3 * 86400
    bench.restart("second")
    bench.until_over()
    assert any("schedule day missed 3 runs" in line for line in log)
    bench.restart("third")
    bench.now += 60
    bench.until(lambda plan: plan.why.startswith("as wished"))
    assert bench.world.labels_written == 1


def test_a_scheduled_size_across_a_clock_change_and_a_restart_is_set_once():
    """02:30 in Berlin on 2026-10-25 comes twice: at 00:30 and at 01:30 UTC. A person's own wish in between stays."""
    before = 1_792_888_100.0
    bench = Bench(before)
    bench.world.schedules = (read_schedule("night", "30 2 * * * -> 2"),)
    clusters = bench.world.clusters
    bench.world.clusters = lambda: [replace(one, wish=replace(one.wish, timezone="Europe/Berlin")) for one in clusters()]
    bench.until(lambda _: bench.world.wish == 2, turns=2000)
    assert 1_792_888_200.0 <= bench.now <= 1_792_888_300.0
    bench.until_over()
    bench.world.wish = 1
    bench.restart("second")
    bench.until(lambda _: bench.now > before + 3 * 3600, turns=6000)
    assert (bench.world.wish, bench.world.labels_written) == (1, 1)


def test_planned_work_waits_for_its_window_and_says_so(bench):
    seen = three_calm(wish=Wish(maintenance=read_windows("Sun 02:00-04:00")))
    run = Run(
        "dddddddd-0000-4000-8000-000000000001", "node-maintenance", BOOKS["node-maintenance"].digest, {"node": "n3"}, "x", 0.0
    )
    planning = Planning(BOOKS, lambda: MORNING)
    memory = planning.turn(seen, request(bench.memory, run))
    assert memory.planned.run is None
    assert memory.planned.requests[0].note == "waits for the maintenance window: Sun 02:00-04:00"
    on_sunday = Planning(BOOKS, lambda: MORNING + 3 * 86400 - 5 * 3600)
    assert on_sunday.turn(seen, memory).planned.run.note == "empties n3"


def test_a_schedule_is_not_forgotten_while_a_label_beside_it_cannot_be_read(bench):
    seen = three_calm(wish=Wish(schedules=(read_schedule("day", "5 8 * * * -> 2"),)))
    memory = Planning(BOOKS, lambda: MORNING).turn(seen, bench.memory)
    broken = replace(seen, wish=BadWish("bad-label", "galera.replicas is 'x'", "correct it"))
    memory = Planning(BOOKS, lambda: MORNING + 400).turn(broken, memory)
    assert Planning(BOOKS, lambda: MORNING + 500).turn(seen, memory).planned.run.by == "schedule day"


def test_a_schedule_in_a_paused_cluster_is_not_lost_and_not_run(bench):
    seen = three_calm(wish=Wish(schedules=(read_schedule("day", "5 8 * * * -> 2"),)))
    memory = Planning(BOOKS, lambda: MORNING).turn(seen, bench.memory)
    paused = replace(seen, wish=replace(seen.wish, pause=True))
    memory = Planning(BOOKS, lambda: MORNING + 400).turn(paused, memory)
    assert memory.planned.run is None
    assert memory.planned.requests == ()
    assert Planning(BOOKS, lambda: MORNING + 500).turn(seen, memory).planned.run.by == "schedule day"


ASKS = Runbook(
    "asks",
    "for the test",
    False,
    (),
    (),
    (),
    (Stage("ask", "sql", {"member": "1", "statement": "SELECT 1", "expect": ""}),),
    "d1",
)
DENIED = replace(ASKS, name="denied", stages=(Stage("ask", "sql", {"member": "1", "statement": "DENIED", "expect": ""}),))


def test_a_statement_is_run_once_and_what_the_database_says_is_told(bench, log, monkeypatch):
    monkeypatch.setitem(BOOKS, "asks", ASKS)
    bench.ask_for("asks")
    assert bench.until_over().state is RunState.DONE
    assert bench.world.statements == [(1, "SELECT 1")]
    assert any("runbook asks, done, stage end: done: slot 1 answered 151" in line for line in log)


def test_a_statement_that_the_database_refuses_ends_the_run_with_its_words(bench, monkeypatch):
    monkeypatch.setitem(BOOKS, "denied", DENIED)
    bench.ask_for("denied")
    ended = bench.until_over()
    assert ended.state is RunState.FAILED
    assert "slot 1 did not do it: Access denied" in ended.note
    assert bench.world.statements == [(1, "DENIED")]
