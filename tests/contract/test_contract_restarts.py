"""What Swarm does about a task that ended by itself."""

from __future__ import annotations

from swarm_world import Plan, SwarmWorld

from galera_operator.core.model import Task

SOON = 30.0
DELAY = 2.0


def until_replaced(swarm: SwarmWorld, old: Task) -> tuple[Task, float]:
    """The running task that came after this one, and when its container was first seen to start."""

    def started() -> float:
        states = [task.state for task in swarm.kept() if task.slot == old.slot and task.id != old.id]
        return swarm.now() if states and states[0] in {"starting", "running"} else 0.0

    when = swarm.until(started, SOON, f"slot {old.slot} to start again")
    swarm.until(lambda: swarm.in_slot(old.slot).is_running, SOON, f"slot {old.slot} to run again")
    return swarm.in_slot(old.slot), when


def check_replaced(swarm: SwarmWorld, old: Task, ended_at: float) -> None:
    new, started_at = until_replaced(swarm, old)
    assert new.slot == old.slot
    assert new.id != old.id
    assert started_at - ended_at >= DELAY - 0.2, "the restart policy's delay"
    gone = swarm.tasks().get(old.id)
    assert gone is None or (gone.state in {"complete", "failed"} and gone.desired == "shutdown")


def test_any_restarts_whatever_the_exit_code_was_after_the_delay_and_touches_no_other_task(swarm: SwarmWorld) -> None:
    swarm.make(Plan(condition="any", delay=DELAY))
    one, two, three = swarm.until_running(3)
    at = swarm.now()
    swarm.end(one, 0)
    swarm.end(two, 137)
    check_replaced(swarm, one, at)
    check_replaced(swarm, two, at)
    assert swarm.in_slot(3) == three
    assert swarm.slots() == [1, 2, 3]


def test_on_failure_restarts_143_and_a_kill_but_never_0(swarm: SwarmWorld) -> None:
    """The agent ends with 143 after a SIGTERM for this reason."""
    swarm.make(Plan(condition="on-failure", delay=DELAY))
    one, two, three = swarm.until_running(3)
    at = swarm.now()
    swarm.end(one, 0)
    swarm.end(two, 143)
    check_replaced(swarm, two, at)
    at = swarm.now()
    swarm.end(three, 137)
    check_replaced(swarm, three, at)
    assert swarm.slots() == [2, 3], "slot 1 would be back by now"
    assert swarm.tasks()[one.id].state == "complete"


def test_a_task_that_waits_for_its_restart_is_ready_on_a_node_and_says_so(swarm: SwarmWorld) -> None:
    swarm.make(Plan(delay=600))
    one, *others = swarm.until_running(3)
    swarm.end(one, 137)
    swarm.until(lambda: swarm.in_slot(1).id != one.id and swarm.in_slot(1).state == "ready", SOON, "its replacement to be ready")
    waiting = swarm.in_slot(1)
    assert (waiting.desired, waiting.node) == ("ready", one.node), "no other node is free"
    assert swarm.kept()[1:] == others
