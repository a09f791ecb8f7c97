"""The simulated Swarm keeps Swarm's rules: FACTS-SWARM, without an operator in between."""

from __future__ import annotations

from itertools import product

import pytest

from galera_operator.core.model import Task
from galera_operator.core.scaling import predicted_victims
from galera_operator.ports import Conflict
from galera_operator.sim.perform import boot_node, lose_node
from galera_operator.sim.swarm import SimTask, victims
from galera_operator.sim.wires import Ports
from galera_operator.sim.world import World


def alone(size: int = 3, nodes: int = 3, seed: int = 1) -> World:
    """A cluster that serves, and no operator."""
    world = World(seed, size, nodes)
    world.operators["A"].end(again_at=None)
    return world


def sim_task(slot: int, node: str, state: str) -> SimTask:
    return SimTask(f"t{slot}", slot, node, "running", 0.0, state)


def seen_task(one: SimTask) -> Task:
    return Task(one.id, one.slot, one.node, one.node, one.state, one.desired, "")


@pytest.mark.parametrize("keep", range(5))
def test_swarm_takes_whom_the_core_predicts_in_every_small_layout(keep):
    """Both were written from swarmkit's source, apart from each other."""
    for nodes in product(["n1", "n2", ""], repeat=3):
        for states in product(["running", "starting"], repeat=3):
            tasks = [sim_task(slot, nodes[slot - 1], states[slot - 1]) for slot in (1, 2, 3)]
            slots = {one.slot: [one] for one in tasks}
            predicted = predicted_victims([seen_task(one) for one in tasks], keep)
            assert sorted(victims(slots, keep)) == sorted(task.slot for task in predicted), (nodes, states)


@pytest.mark.parametrize(
    ("layout", "goes"),
    [
        ({1: ("n1", "running"), 2: ("n2", "running"), 3: ("n3", "running")}, 3),
        ({1: ("n1", "starting"), 2: ("n2", "running"), 3: ("n3", "running")}, 1),
        ({1: ("n1", "starting"), 2: ("n2", "running"), 3: ("n2", "running")}, 3),
        ({1: ("n1", "running"), 2: ("", "pending"), 3: ("n3", "running")}, 2),
    ],
    ids=["all run", "slot 1 starts", "node balance beats running", "without a node"],
)
def test_whom_a_scale_down_takes(layout, goes):
    assert victims({slot: [sim_task(slot, *where)] for slot, where in layout.items()}, 2) == [goes]


def test_a_write_on_an_old_version_is_refused_and_changes_nothing():
    world = alone()
    ports = Ports(world)
    version = world.swarm.version
    ports.resize("svc", version, 2)
    with pytest.raises(Conflict, match="out of sequence"):
        ports.resize("svc", version, 1)
    assert world.swarm.replicas == 2


def test_a_member_is_in_dns_only_once_it_is_admitted_and_not_any_more_once_it_is_to_go():
    world = alone(1, 2)
    world.swarm.replicas = 2
    world.swarm.written()
    for _ in range(12):
        world.tick(1.0)
        newcomer = world.in_slot(2)
        assert newcomer is None or (newcomer in world.swarm.dns()) == newcomer.is_admitted
    assert newcomer is not None
    for _ in range(30):
        world.tick(1.0)
    assert newcomer.is_admitted, "the operator is away: it let itself in"
    assert newcomer in world.swarm.dns()
    world.swarm.replicas = 1
    world.swarm.written()
    assert newcomer not in world.swarm.dns()


def test_sigterm_comes_two_seconds_after_the_decision_and_a_killed_task_comes_back_after_the_delay():
    world = alone()
    world.swarm.replicas = 2
    world.swarm.written()
    leaver = world.in_slot(3)
    world.tick(1.9)
    assert leaver.wish_stop == ""
    world.tick(0.2)
    assert leaver.wish_stop
    world.in_slot(1).exit(137)
    world.tick(0.5)
    assert world.in_slot(1) is None
    world.tick(1.0)
    assert world.in_slot(1) is None
    world.tick(1.0)
    assert world.in_slot(1) is not None


@pytest.mark.parametrize(
    ("condition", "code", "returns"), [("any", 0, True), ("on-failure", 0, False), ("on-failure", 143, True)]
)
def test_the_restart_policy(condition, code, returns):
    world = alone()
    world.swarm.condition = condition
    world.in_slot(2).exit(code)
    for _ in range(6):
        world.tick(1.0)
    assert (world.in_slot(2) is not None) == returns


def test_a_completed_task_that_is_not_restarted_fills_its_slot_and_is_the_first_to_go():
    world = alone()
    world.swarm.condition = "on-failure"
    world.in_slot(1).exit(0)
    for _ in range(4):
        world.tick(1.0)
    assert [container.slot for container in world.swarm.dns()] == [2, 3] or len(world.swarm.dns()) == 2
    world.swarm.replicas = 2
    world.swarm.written()
    assert sorted(task.slot for task in world.swarm.tasks if task.kept) == [2, 3]


def test_a_lost_node_keeps_its_task_listed_and_its_slot_starts_elsewhere_if_there_is_room():
    world = alone(3, 4)
    node = world.in_slot(2).node
    lose_node(world, node)
    for _ in range(12):
        world.tick(1.0)
    lost = [task for task in world.swarm.listing() if task.node_is_down]
    assert [(task.slot, task.desired) for task in lost] == [(2, "shutdown")]
    assert world.in_slot(2).node != node
    boot_node(world, node)
    for _ in range(4):
        world.tick(1.0)
    assert not any(task.node_is_down for task in world.swarm.listing())


def test_at_most_one_task_runs_on_a_node_and_the_next_one_waits_without_a_node():
    world = alone(2, 2)
    world.swarm.replicas = 3
    world.swarm.written()
    for _ in range(5):
        world.tick(1.0)
    waiting = [task for task in world.swarm.listing() if not task.node]
    assert [(task.slot, task.state, task.message) for task in waiting] == [(3, "pending", "no suitable node")]


def test_a_rollout_replaces_one_task_after_the_other_and_waits_for_each():
    world = World(1, 2, 2)
    before = {task.id for task in world.swarm.tasks}
    world.swarm.roll_out()
    for _ in range(150):
        world.step(1.0)
        assert len(world.swarm.dns()) >= 1
        assert world.truth.check() == []
    assert world.swarm.update_state == "completed"
    assert not before & {task.id for task in world.swarm.tasks}
