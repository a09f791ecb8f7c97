"""The operator's writes, and a user's: versions, who is touched by which change, and who is not."""

from __future__ import annotations

import pytest
from swarm_world import Plan, SwarmWorld

from galera_operator.core.spec import Wish
from galera_operator.ports import Conflict, Refused

SOON = 30.0
ROLLOUT = 120.0


def ids(swarm: SwarmWorld) -> set[str]:
    return {task.id for task in swarm.kept()}


def test_a_write_names_the_version_it_has_seen_or_does_nothing(swarm: SwarmWorld) -> None:
    swarm.make(Plan(replicas=1))
    swarm.until_running(1)
    seen = swarm.cluster.service

    swarm.engine.resize(seen.id, seen.version, 2)
    now = swarm.cluster.service
    assert (now.replicas, now.version > seen.version) == (2, True)
    with pytest.raises(Conflict):
        swarm.engine.resize(seen.id, seen.version, 3)
    with pytest.raises(Conflict):
        swarm.engine.set_label(seen.id, seen.version, "galera.replicas", "3")
    assert swarm.cluster.service.replicas == 2
    assert swarm.cluster.service.version == now.version

    swarm.engine.set_label(seen.id, now.version, "galera.replicas", "5")
    wish = swarm.cluster.wish
    assert isinstance(wish, Wish)
    assert wish.replicas == 5
    assert swarm.cluster.service.version > now.version
    with pytest.raises(Conflict):
        swarm.engine.resize(seen.id, now.version, 3)
    assert swarm.cluster.service.replicas == 2


def test_a_service_that_is_not_there_is_refused(swarm: SwarmWorld) -> None:
    swarm.make(Plan(replicas=1))
    with pytest.raises(Refused):
        swarm.engine.resize("0123456789abcdefghijklmno", 1, 2)
    with pytest.raises(Refused):
        swarm.engine.set_label("0123456789abcdefghijklmno", 1, "galera.replicas", "2")


def test_a_write_of_the_size_or_of_a_label_restarts_nobody(swarm: SwarmWorld) -> None:
    swarm.make(Plan(replicas=2))
    swarm.until_running(2)
    two = ids(swarm)
    swarm.scale(3)
    swarm.until_running(3)
    three = ids(swarm)
    assert two < three
    service = swarm.cluster.service
    swarm.engine.set_label(service.id, service.version, "galera.replicas", "3")
    swarm.scale(3)  # writes, though it changes nothing
    swarm.scale(2)
    swarm.until_running(2)
    assert ids(swarm) == two
    assert swarm.cluster.service.update_state == ""


def test_a_new_constraint_replaces_the_tasks_it_excludes_and_no_other(swarm: SwarmWorld) -> None:
    """With no other node free, the update goes on for as long as the replacement has no place; the next write ends it."""
    swarm.make(Plan())
    one, *others = swarm.until_running(3)
    swarm.exclude(one.node)
    swarm.until(lambda: swarm.in_slot(1).id != one.id, SOON, "a replacement in slot 1")
    assert swarm.in_slot(1).node == ""
    swarm.until(lambda: swarm.is_over(one), SOON, "the excluded task to end")
    assert swarm.terminated(one) is not None
    assert swarm.cluster.service.update_state == "updating"
    assert swarm.kept()[1:] == others

    swarm.scale(2)
    swarm.until(lambda: swarm.kept() == others, SOON, "only the others to be left")
    assert swarm.cluster.service.update_state == ""


def test_a_rollout_replaces_one_task_after_the_other_and_says_so(swarm: SwarmWorld) -> None:
    swarm.make(Plan())
    before = {task.slot: task.id for task in swarm.until_running(3)}
    version = swarm.cluster.service.version
    swarm.roll_out()
    fewest = 3
    states = set()

    def is_done() -> bool:
        nonlocal fewest
        service = swarm.cluster.service
        states.add(service.update_state)
        fewest = min(fewest, len(swarm.running()))
        return service.update_state == "completed"

    swarm.until(is_done, ROLLOUT, "the rollout to be completed")
    after = {task.slot: task.id for task in swarm.until_running(3)}
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert fewest == 2
    assert states - {""} == {"updating", "completed"}, "nothing is said until the orchestrator takes the update up"
    assert swarm.cluster.service.version > version

    swarm.scale(3)
    assert swarm.cluster.service.update_state == "", "any write clears what the update left"


def test_service_and_node_events_wake_the_watcher_and_the_end_of_a_task_does_not(swarm: SwarmWorld) -> None:
    swarm.make(Plan(replicas=2, delay=600))
    one, _ = swarm.until_running(2)
    wakes = swarm.wakes()
    swarm.end(one, 137)
    swarm.until(lambda: swarm.in_slot(1).state == "ready", SOON, "slot 1 to wait for its restart")
    assert swarm.wakes() == wakes, "tasks have no events: only looking again finds this"

    def wakes_again() -> bool:
        return swarm.wakes() > wakes

    swarm.scale(3)
    swarm.until(wakes_again, SOON, "the size to wake the watcher")
    wakes = swarm.wakes()
    service = swarm.cluster.service
    swarm.engine.set_label(service.id, service.version, "galera.replicas", "3")
    swarm.until(wakes_again, SOON, "a label to wake the watcher")
    wakes = swarm.wakes()
    swarm.drain(swarm.nodes[2])
    swarm.until(wakes_again, SOON, "a node to wake the watcher")
