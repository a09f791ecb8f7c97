"""Which task Swarm takes on a scale-down: the real one, the simulated one and `core.scaling.predicted_victims` agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from swarm_world import Plan, SwarmWorld

from galera_operator.core.model import Task
from galera_operator.core.scaling import predicted_victims
from galera_operator.sim.swarm import victims

SOON = 30.0
NEVER = 600.0
"""A restart delay that no test waits for: who died stays dead meanwhile."""


@dataclass(frozen=True)
class Situation:
    """`plan`, then `arrange` until the tasks stand as `holds` says, then the size is written. `slots`: who goes, if known."""

    plan: Plan
    to: int
    arrange: Callable[[SwarmWorld], None]
    holds: Callable[[list[Task]], bool]
    slots: tuple[int, ...] = ()


def crowded(tasks: list[Task]) -> str:
    """The node with more than one task."""
    [(node, count)] = Counter(task.node for task in tasks if task.node).most_common(1)
    return node if count > 1 else ""


def all_run(count: int) -> Callable[[SwarmWorld], None]:
    def arrange(world: SwarmWorld) -> None:
        world.until_running(count)

    return arrange


def kill(slot: int) -> Callable[[SwarmWorld], None]:
    def arrange(world: SwarmWorld) -> None:
        world.until_running(3)
        world.end(world.in_slot(slot), 137)
        world.until(lambda: world.in_slot(slot).state == "ready", SOON, f"slot {slot} to wait for its restart")

    return arrange


def leave_a_gap(world: SwarmWorld) -> None:
    """Slots 1 and 3 are left of three; 3 is then the second to go although there are two tasks."""
    kill(2)(world)
    world.scale(2)
    world.until(lambda: world.slots() == [1, 3], SOON, "slots 1 and 3 to be left")


def one_without_a_node(world: SwarmWorld) -> None:
    world.until(lambda: len(world.running()) == 3 and any(not task.node for task in world.kept()), SOON, "three to run, one not")


def one_starting(world: SwarmWorld) -> None:
    def all_start() -> bool:
        return [task.state for task in world.kept()] == ["starting"] * 3

    world.until(all_start, SOON, "three to start")
    for slot in (1, 3):
        world.set_healthy(world.in_slot(slot), True)
    world.until(lambda: len(world.running()) == 2, SOON, "two to be healthy")


def drain_the_first(world: SwarmWorld) -> None:
    first = world.until_running(3)[0]
    world.drain(first.node)
    world.until(lambda: world.is_over(first) and not world.in_slot(1).node, SOON, "slot 1 to be without a node")


def move_away_and_back(world: SwarmWorld) -> None:
    """The task of slot 1 has to go to another one's node; its old node stays free when it is back in service."""
    first = world.until_running(3)[0]
    world.drain(first.node)
    world.until(lambda: world.is_over(first) and len(world.running()) == 3, SOON, "slot 1 to run elsewhere")
    world.undrain(first.node)


def kill_the_lonely_one(world: SwarmWorld) -> None:
    """Of three tasks two share a node. The third one dies and waits: node balance counts before running or not."""
    last = world.until_running(3)[-1]
    world.drain(last.node)
    world.until(lambda: world.is_over(last) and len(world.running()) == 3, SOON, "slot 3 to run elsewhere")
    world.undrain(last.node)
    [lonely] = [task for task in world.kept() if task.node != crowded(world.kept())]
    world.end(lonely, 137)
    world.until(lambda: world.in_slot(lonely.slot).state == "ready", SOON, "the lonely one to wait for its restart")


def exclude_the_first(world: SwarmWorld) -> None:
    first = world.until_running(3)[0]
    world.exclude(first.node)
    world.until(lambda: world.is_over(first) and not world.in_slot(1).node, SOON, "slot 1 to be without a node")


def anything(_: list[Task]) -> bool:
    return True


def is_crowded(tasks: list[Task]) -> bool:
    return bool(crowded(tasks))


def has_homeless(tasks: list[Task]) -> bool:
    return any(not task.node for task in tasks)


PATIENT = Plan(delay=NEVER)

SITUATIONS = {
    "one per node": Situation(Plan(), 2, all_run(3), anything, (3,)),
    "one per node, two steps": Situation(Plan(), 1, all_run(3), anything, (2, 3)),
    "two on a node": Situation(Plan(4, per_node=0), 3, all_run(4), is_crowded),
    "a gap in the slots": Situation(PATIENT, 1, leave_a_gap, lambda tasks: len(tasks) == 2, (3,)),
    "pending without a node": Situation(Plan(4), 3, one_without_a_node, has_homeless),
    "pending without a node, two steps": Situation(Plan(4), 2, one_without_a_node, has_homeless),
    "just killed": Situation(PATIENT, 2, kill(1), anything, (1,)),
    "still starting": Situation(Plan(gated=True), 2, one_starting, anything, (2,)),
    "its node drained": Situation(Plan(), 2, drain_the_first, has_homeless, (1,)),
    "its node excluded": Situation(Plan(), 2, exclude_the_first, has_homeless, (1,)),
    "moved to another one's node": Situation(Plan(per_node=0), 2, move_away_and_back, is_crowded),
    "dead and lonely": Situation(Plan(per_node=0, delay=NEVER), 2, kill_the_lonely_one, is_crowded),
}


def of_the_simulator(tasks: list[Task], keep: int) -> set[int]:
    """What the simulated Swarm would take of these tasks."""
    slots: dict[int, list[Task]] = defaultdict(list)
    for task in tasks:
        slots[task.slot].append(task)
    return set(victims(slots, keep))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SITUATIONS)
def test_swarm_takes_the_predicted_tasks_and_no_other(swarm: SwarmWorld, name: str) -> None:
    situation = SITUATIONS[name]
    swarm.make(situation.plan)
    situation.arrange(swarm)
    before = swarm.kept()
    assert situation.holds(before), swarm.states()

    predicted = predicted_victims(before, situation.to)
    swarm.scale(situation.to)
    swarm.until(lambda: len(swarm.kept()) == situation.to, SOON, f"{situation.to} tasks to be kept")

    taken = {task.id for task in before} - {task.id for task in swarm.kept()}
    assert taken == {task.id for task in predicted}, (before, swarm.states())
    slots = {task.slot for task in before if task.id in taken}
    assert slots == of_the_simulator(before, situation.to)
    assert not situation.slots or slots == set(situation.slots)
    listed = swarm.tasks()
    assert {listed[task].desired for task in taken & listed.keys()} <= {"remove"}


def test_a_completed_task_that_is_not_restarted_fills_its_slot_and_goes_first(swarm: SwarmWorld) -> None:
    """Nothing to predict for the operator: its members never end with 0. But then 3 replicas are 2 members."""
    swarm.make(Plan(condition="on-failure"))
    first, *others = swarm.until_running(3)
    swarm.end(first, 0)
    swarm.until(lambda: swarm.is_over(first), SOON, "slot 1 to be complete")
    swarm.scale(2)

    def is_removed() -> bool:
        now = swarm.tasks().get(first.id)
        return now is None or now.desired == "remove"

    swarm.until(is_removed, SOON, "it to be removed")
    assert swarm.kept() == others


def test_new_slots_get_the_lowest_free_numbers(swarm: SwarmWorld) -> None:
    swarm.make(Plan(delay=NEVER, per_node=0))
    leave_a_gap(swarm)
    swarm.scale(4)
    swarm.until_running(4)
    assert swarm.slots() == [1, 2, 3, 4]
