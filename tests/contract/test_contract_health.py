"""Health decides who is in DNS; whoever is to end leaves DNS first and gets SIGTERM later."""

from __future__ import annotations

from swarm_world import Plan, SwarmWorld

from galera_operator.core.model import Task

SOON = 30.0
EARLY = 1.0
"""Seconds by which DNS is ahead of SIGTERM at least. Swarm waits for 2 s; a look at DNS may be late."""


def starting(swarm: SwarmWorld, count: int) -> list[Task]:
    """Wait for containers that run and are not healthy yet."""

    def all_start() -> list[Task]:
        kept = swarm.kept()
        return kept if [task.state for task in kept] == ["starting"] * count and all(task.address for task in kept) else []

    return swarm.until(all_start, SOON, f"{count} tasks to start")


def until_dns(swarm: SwarmWorld, *tasks: Task) -> None:
    addresses = {task.address for task in tasks}
    swarm.until(lambda: swarm.dns() == addresses, SOON, f"DNS to have {addresses}")


def left_in_order(swarm: SwarmWorld, task: Task) -> float:
    """Wait until a task got SIGTERM, which is after it had left DNS; returns when."""
    at = swarm.until(lambda: swarm.terminated(task), SOON, f"slot {task.slot} to get SIGTERM")
    assert at is not None
    left = swarm.until(lambda: swarm.left_dns(task.address), SOON, f"slot {task.slot} to leave DNS")
    assert left is not None
    assert at - left >= EARLY, f"left DNS at {left}, SIGTERM at {at}"
    return at


def test_a_task_is_in_dns_while_it_is_healthy_and_replaced_once_it_is_not(swarm: SwarmWorld) -> None:
    swarm.make(Plan(replicas=2, gated=True))
    one, two = starting(swarm, 2)
    assert swarm.dns() == frozenset(), "their addresses are known from the Swarm, not from DNS"

    swarm.set_healthy(one, True)
    until_dns(swarm, one)
    swarm.until(lambda: swarm.in_slot(1).is_running, SOON, "slot 1 to run")
    assert swarm.in_slot(2).state == "starting"
    swarm.set_healthy(two, True)
    until_dns(swarm, one, two)

    swarm.until_running(2)
    swarm.set_healthy(one, False)
    until_dns(swarm, two)
    assert swarm.tasks()[one.id].state == "running"
    left_in_order(swarm, one)
    swarm.until(lambda: swarm.in_slot(1).id != one.id, SOON, "slot 1 to be replaced")
    assert swarm.is_over(one), "before the replacement was made"
    swarm.until(lambda: swarm.in_slot(1).state == "starting", SOON, "the replacement to start")
    assert swarm.dns() == {two.address}
    swarm.set_healthy(swarm.in_slot(1), True)
    until_dns(swarm, swarm.in_slot(1), two)
    assert swarm.left_dns(two.address) is None
    assert swarm.terminated(two) is None


def test_a_removed_task_leaves_dns_before_it_gets_sigterm(swarm: SwarmWorld) -> None:
    swarm.make(Plan())
    one, two, three = swarm.until_running(3)
    until_dns(swarm, one, two, three)
    at = swarm.now()
    swarm.scale(2)
    assert left_in_order(swarm, three) - at >= EARLY
    swarm.until(lambda: swarm.is_over(three), SOON, "slot 3 to be over")
    until_dns(swarm, one, two)
    for survivor in (one, two):
        assert swarm.left_dns(survivor.address) is None
        assert swarm.terminated(survivor) is None


def test_who_ignores_sigterm_is_leaving_until_it_is_killed_at_the_end_of_its_grace(swarm: SwarmWorld) -> None:
    swarm.make(Plan(replicas=2, grace=3))
    _, two = swarm.until_running(2)
    swarm.linger(two)
    swarm.scale(1)
    terminated = swarm.until(lambda: swarm.terminated(two), SOON, "SIGTERM")
    assert terminated is not None
    now = swarm.tasks()[two.id]
    assert (now.state, now.desired) == ("running", "remove"), "it still runs, and the operator can see that"
    swarm.until(lambda: swarm.is_over(two), SOON, "SIGKILL")
    assert swarm.now() - terminated >= 2.5


def test_a_task_that_ends_by_itself_gets_no_sigterm_and_leaves_dns_at_once(swarm: SwarmWorld) -> None:
    swarm.make(Plan(replicas=2, delay=600))
    one, two = swarm.until_running(2)
    until_dns(swarm, one, two)
    swarm.end(one, 137)
    until_dns(swarm, two)
    swarm.until(lambda: swarm.is_over(one), SOON, "slot 1 to be over")
    assert swarm.terminated(one) is None
