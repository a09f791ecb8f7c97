"""Every step may be the last thing an operator does, or the last for a long while: the next one gets to the same end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from builders import A, C, decided
from fakes import Fuse, InlinePool, MemoryStore, OperatorKilled
from small_world import NAME, SmallWorld

from galera_operator.core.plan import Page, Plan
from galera_operator.core.planned import Run, RunState
from galera_operator.core.remembered import Memory, Restart, WriterMove
from galera_operator.core.running import answer, request
from galera_operator.core.timetable import read_schedule
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease
from galera_operator.runtime.planning import Planning
from galera_operator.runtime.runbooks import load
from galera_operator.runtime.tick import ClusterTick, World

TTL = 15.0
STEP = 2.0
"""Seconds between two turns, of a clock that only this file moves."""
WALL = 1_767_254_400.0
"""2026-01-01 08:00 UTC, when that clock stands at 0."""
BOOKS = load()


class Story:
    """A world, and the operators that come and die in it one after the other, or freeze and come back."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.world = SmallWorld(fuse)
        self.store = MemoryStore(fuse)
        self.now = 0.0
        self.operators = 0
        self.told: list[str] = []
        self.pages: set[str] = set()
        self.thawed: list[ClusterTick] = []
        self.done: Callable[[Plan], bool] = lambda plan: True
        self._hire()

    def until(self, done: Callable[[Plan], bool], turns: int = 120) -> None:
        self.done = done
        for _ in range(turns):
            plan = self._turn()
            self.world.step()
            if plan is not None and done(plan):
                return
        pytest.fail("not done after {} turns; the last were:\n{}".format(turns, "\n".join(self.told[-20:])))

    def until_settled_at(self, size: int) -> None:
        self.world.wish = size
        self.until(lambda plan: plan.why.startswith("as wished") and len(self.world.boxes) == size)

    def freeze(self) -> None:
        """The operator stands still inside a write; another one takes over and gets done what was wanted. Then it goes on."""
        frozen, done = self.operator, self.done
        self._hire()
        self.until(done)
        self.thawed.append(frozen)
        self.told.append("-- thawed --")

    def ask_for(self, runbook: str, **arguments: str) -> None:
        """A person asks for a run."""
        run = Run("dddddddd-0000-4000-8000-000000000004", runbook, BOOKS[runbook].digest, arguments, "ann@desk", WALL)
        self.store.edit(NAME, lambda memory: request(memory, run))

    def until_run_is(self, state: RunState) -> None:
        def is_it(plan: Plan) -> bool:
            run = self.store.records[NAME].memory.planned.run
            return "holds the lease" not in plan.why and run is not None and run.state is state

        self.until(is_it)

    def outcome(self):
        memory = self.store.records[NAME].memory
        return self.world.outcome() | {"uuid": memory.uuid, "ledger": sorted(memory.ledger), "shrink": memory.shrink}

    def ask(self, **wish: Any) -> None:
        """A person's wish, as the command records it."""
        self.store.edit(NAME, lambda memory: replace(memory, **wish))

    def lives(self) -> dict[int, str]:
        return {box.slot: f"life of {box.id}" for box in self.world.members()}

    @property
    def restart(self) -> Restart | None:
        return self.store.records[NAME].memory.restart

    def _turn(self) -> Plan | None:
        self.now += STEP
        operator = self.operator
        try:
            plan = operator.turn(self.world.clusters()[0])
        except OperatorKilled:
            self.told.append("-- killed --")
            self._hire()
            return None
        self.told.append(f"{type(plan).__name__}: {plan.why}")
        if isinstance(plan, Page) and operator is self.operator:
            assert plan.name in self.pages, "\n".join(self.told[-20:])
        for other in self.thawed:
            other.turn(self.world.clusters()[0])
        return plan if operator is self.operator else None

    def _hire(self) -> None:
        self.operators += 1
        planning = Planning(BOOKS, lambda: WALL + self.now)
        world = World(self.world, self.world, Journal(None), InlinePool(), clock=lambda: self.now, planning=planning)
        self.operator = ClusterTick(NAME, Lease(self.store, NAME, f"operator{self.operators}", TTL), world)


def up_and_down(story: Story) -> None:
    for size in (1, 3, 1):
        story.until_settled_at(size)


def crash_of_everything(story: Story) -> None:
    story.until_settled_at(3)
    story.world.crash()
    story.until_settled_at(3)


def majority_lost_and_the_newest_lives(story: Story) -> None:
    story.until_settled_at(3)
    story.world.crash(3)
    story.until_settled_at(3)


def majority_lost_and_an_older_one_lives(story: Story) -> None:
    story.until_settled_at(3)
    story.world.crash(1)
    story.until_settled_at(3)


def newest_copy_lost_and_a_person_goes_on_without_it(story: Story) -> None:
    """The node of slot 3, which holds the newest copy, is away; later it comes back with rows that were given up."""
    story.until_settled_at(3)
    story.world.silent.add(3)
    story.world.crash()
    story.pages = {"copy-missing", "consent-outdated"}
    story.until(lambda plan: isinstance(plan, Page) and plan.name == "copy-missing")
    start = story.world.volumes[2]

    def go_on_from_slot_2(memory: Memory) -> Memory:
        return replace(memory, consent=decided(2, start, 3))

    story.store.edit(NAME, go_on_from_slot_2)
    story.until(lambda plan: story.world.history == C and "slot 3" in plan.why and len(story.world.members()) == 2)
    story.world.silent.clear()
    story.until_settled_at(3)


def a_runbook_scales(story: Story) -> None:
    story.until_settled_at(1)
    story.ask_for("scale", replicas="3")
    story.until_run_is(RunState.DONE)
    assert (story.world.wish, len(story.world.members())) == (3, 3)
    story.until_settled_at(3)
    assert story.world.labels_written == 1


def a_schedule_scales(story: Story) -> None:
    """At 08:01, which comes once, whoever operates then."""
    story.world.schedules = (read_schedule("day", "1 8 * * * -> 2"),)
    story.until_settled_at(1)
    story.until(lambda plan: "holds the lease" not in plan.why and story.world.wish == 2)
    story.until_run_is(RunState.DONE)
    story.world.wish = 1
    story.until_settled_at(1)
    assert story.world.labels_written == 1


def a_node_is_emptied_and_comes_back(story: Story) -> None:
    story.until_settled_at(3)
    story.ask_for("node-maintenance", node="n3")
    story.until_run_is(RunState.ASKING)
    assert [box.slot for box in story.world.members()] == [1, 2]
    story.store.edit(NAME, lambda memory: answer(memory, "yes", {}))
    story.until_run_is(RunState.DONE)
    assert len(story.world.members()) == 3
    story.until_settled_at(3)
    assert story.world.constraints == []


def the_writer_is_moved(story: Story) -> None:
    story.until_settled_at(3)
    story.ask_for("move-writer", slot="3")
    story.until_run_is(RunState.DONE)
    story.until_settled_at(3)
    assert {box.writer for box in story.world.boxes.values()} == {"db.3"}


def rolling_restart(story: Story) -> None:
    story.until_settled_at(3)
    story.ask(restart=Restart(story.lives(), "ann@desk", "now"))
    story.until(lambda plan: plan.why.startswith("as wished") and len(story.world.members()) == 3 and not story.restart)


def restart_of_the_only_member(story: Story) -> None:
    story.until_settled_at(1)
    story.world.outage_allowed = True
    story.ask(restart=Restart(story.lives(), "ann@desk", "now", alone=True))
    story.until(lambda plan: plan.why.startswith("as wished") and not story.restart)


def writer_moved(story: Story) -> None:
    story.until_settled_at(3)
    (before,) = {box.writer for box in story.world.boxes.values()}
    life = next(life for slot, life in story.lives().items() if before == f"db.{slot}")
    story.ask(move=WriterMove(2 if before != "db.2" else 3, life, "ann@desk", "now"))
    story.until(lambda plan: plan.why.startswith("as wished") and not story.store.records[NAME].memory.move)


def a_runbook_restarts(story: Story) -> None:
    story.until_settled_at(3)
    lives = story.lives()
    story.ask_for("rolling-restart")
    story.until_run_is(RunState.DONE)
    story.until_settled_at(3)
    assert not set(lives.values()) & set(story.lives().values())


TALES = [
    a_runbook_restarts,
    the_writer_is_moved,
    a_runbook_scales,
    a_schedule_scales,
    a_node_is_emptied_and_comes_back,
    rolling_restart,
    restart_of_the_only_member,
    writer_moved,
    up_and_down,
    crash_of_everything,
    majority_lost_and_the_newest_lives,
    majority_lost_and_an_older_one_lives,
    newest_copy_lost_and_a_person_goes_on_without_it,
]
each_tale = pytest.mark.parametrize("tale", TALES, ids=lambda tale: tale.__name__)


@each_tale
def test_an_operator_that_lives_gets_there_without_harm(tale):
    story = Story(Fuse())
    tale(story)
    assert story.world.harm == []
    assert story.operators == 1
    assert story.world.outcome()["one writer"]
    assert story.world.outcome()["one history"]


@each_tale
def test_no_epoch_sees_two_primary_components_formed(tale):
    story = Story(Fuse())
    tale(story)
    epochs = [epoch for epoch, _ in story.world.formed]
    assert sorted(set(epochs)) == epochs
    runbooks = {a_runbook_scales, a_schedule_scales, a_node_is_emptied_and_comes_back, the_writer_is_moved, a_runbook_restarts}
    assert len(epochs) == (1 if tale in {up_and_down, rolling_restart, writer_moved} | runbooks else 2)


def test_a_rolling_restart_restarts_each_member_once_and_the_writer_last():
    story = Story(Fuse())
    rolling_restart(story)
    assert story.world.restarted == [2, 3, 1]


def test_a_moved_writer_stays_where_it_was_asked_for():
    story = Story(Fuse())
    writer_moved(story)
    assert {box.writer for box in story.world.boxes.values()} == {"db.2"}


def test_a_person_s_decision_gives_the_cluster_a_new_history_and_no_other_recovery_does():
    for tale in TALES:
        story = Story(Fuse())
        tale(story)
        chosen = tale is newest_copy_lost_and_a_person_goes_on_without_it
        assert story.store.records[NAME].memory.uuid == (C if chosen else A)
        assert (story.store.records[NAME].memory.fork is not None) is chosen


@pytest.mark.parametrize("arrives", [True, False], ids=["right after", "right before"])
@each_tale
def test_an_operator_killed_at_any_write_is_replaced_by_one_that_gets_to_the_same_end(tale, arrives):
    calm = Story(Fuse())
    tale(calm)
    for at in range(1, calm.fuse.writes + 1):
        story = Story(Fuse(at, arrives=arrives))
        tale(story)
        assert story.operators == 2, f"nobody was killed at write {at}"
        assert story.outcome() == calm.outcome(), f"killed at write {at}:\n" + "\n".join(story.told)


@each_tale
def test_an_operator_frozen_before_any_write_does_no_harm_when_it_goes_on_after_another_has_done_the_work(tale):
    calm = Story(Fuse())
    tale(calm)
    for at in range(1, calm.fuse.writes + 1):
        fuse = Fuse(at)
        story = Story(fuse)
        fuse.meanwhile = story.freeze
        tale(story)
        assert len(story.thawed) == 1, f"nobody was frozen at write {at}"
        assert story.outcome() == calm.outcome(), f"frozen at write {at}:\n" + "\n".join(story.told)
        epochs = [epoch for epoch, _ in story.world.formed]
        assert sorted(set(epochs)) == epochs, f"frozen at write {at}: {story.world.formed}"
