from __future__ import annotations

import pytest
from builders import task

from galera_operator.core.swarm_tasks import sort_out


def ids(tasks):
    return [found.id for found in tasks]


def test_tasks_that_swarm_wants_running_are_kept():
    kept, leaving, _ = sort_out([task(1), task(2, desired="ready", state="preparing")])
    assert ids(kept) == ["task1", "task2"]
    assert leaving == ()


@pytest.mark.parametrize("desired", ["shutdown", "remove"])
def test_a_task_that_is_to_end_and_still_runs_is_leaving(desired):
    kept, leaving, _ = sort_out([task(1), task(2, desired=desired)])
    assert (ids(kept), ids(leaving)) == (["task1"], ["task2"])


@pytest.mark.parametrize("state", ["complete", "failed", "shutdown", "rejected", "orphaned", "remove"])
def test_a_task_that_has_ended_is_neither(state):
    assert sort_out([task(1, desired="shutdown", state=state), task(2, state=state)]) == ((), (), ())


def test_a_task_that_is_to_end_and_never_got_a_node_is_gone():
    assert sort_out([task(1, desired="shutdown", node_id="", state="pending")]) == ((), (), ())


@pytest.mark.parametrize("turned_round", [False, True])
def test_of_two_tasks_in_one_slot_the_running_one_is_kept(turned_round):
    two = [task(1, id="new", state="preparing"), task(1, id="old")]
    assert ids(sort_out(two[::-1] if turned_round else two)[0]) == ["old"]


def test_a_replacement_stands_beside_the_task_that_still_ends():
    kept, leaving, _ = sort_out([task(1, id="old", desired="shutdown"), task(1, id="new", desired="ready", state="ready")])
    assert (ids(kept), ids(leaving)) == (["new"], ["old"])


def test_a_task_on_a_node_that_swarm_has_lost_is_neither_kept_nor_leaving():
    lost = task(3, desired="shutdown", node_is_down=True)
    kept, leaving, away = sort_out([task(1), lost, task(2, id="elsewhere")])
    assert (ids(kept), leaving, ids(away)) == (["task1", "elsewhere"], (), ["task3"])
