"""Every step may be the last thing an operator does: the next one continues from what it sees, to the same end."""

from __future__ import annotations

import pytest
from fakes import NAME, Fuse, InlinePool, MemoryStore, OperatorKilled, SmallWorld

from galera_operator.core.plan import Page, Plan
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease
from galera_operator.runtime.tick import ClusterTick, World

TTL = 15.0
STEP = 2.0
"""Seconds between two turns, of a clock that only this file moves."""


class Story:
    """A world, and the operators that come and die in it one after the other."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.world = SmallWorld(fuse)
        self.store = MemoryStore(fuse)
        self.now = 0.0
        self.operators = 0
        self.told: list[str] = []
        self._hire()

    def until(self, done, turns: int = 120) -> None:
        for _ in range(turns):
            plan = self._turn()
            self.world.step()
            if plan is not None and done(plan):
                return
        pytest.fail("not done after {} turns; the last were:\n{}".format(turns, "\n".join(self.told[-20:])))

    def until_settled_at(self, size: int) -> None:
        self.world.wish = size
        self.until(lambda plan: plan.why.startswith("as wished") and len(self.world.boxes) == size)

    def outcome(self):
        memory = self.store.records[NAME].memory
        return self.world.outcome() | {"uuid": memory.uuid, "ledger": sorted(memory.ledger), "shrink": memory.shrink}

    def _turn(self) -> Plan | None:
        self.now += STEP
        try:
            plan = self.operator.turn(self.world.clusters()[0])
        except OperatorKilled:
            self.told.append("-- killed --")
            self._hire()
            return None
        self.told.append(f"{type(plan).__name__}: {plan.why}")
        assert not isinstance(plan, Page), "\n".join(self.told[-20:])
        return plan

    def _hire(self) -> None:
        self.operators += 1
        world = World(self.world, self.world, Journal(None), InlinePool(), clock=lambda: self.now)
        self.operator = ClusterTick(NAME, Lease(self.store, NAME, f"operator{self.operators}", TTL), world)


def up_and_down(story: Story) -> None:
    for size in (1, 3, 1):
        story.until_settled_at(size)


def crash_of_everything(story: Story) -> None:
    story.until_settled_at(3)
    story.world.crash()
    story.until_settled_at(3)


@pytest.mark.parametrize("tale", [up_and_down, crash_of_everything])
def test_an_operator_that_lives_gets_there_without_harm(tale):
    story = Story(Fuse())
    tale(story)
    assert story.world.harm == []
    assert story.operators == 1
    assert story.world.outcome()["one writer"]


@pytest.mark.parametrize("arrives", [True, False], ids=["right after", "right before"])
@pytest.mark.parametrize("tale", [up_and_down, crash_of_everything])
def test_an_operator_killed_at_any_write_is_replaced_by_one_that_gets_to_the_same_end(tale, arrives):
    calm = Story(Fuse())
    tale(calm)
    for at in range(1, calm.fuse.writes + 1):
        story = Story(Fuse(at, arrives=arrives))
        tale(story)
        assert story.operators == 2, f"nobody was killed at write {at}"
        assert story.outcome() == calm.outcome(), f"killed at write {at}:\n" + "\n".join(story.told)
