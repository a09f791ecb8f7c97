"""A node dies without a word, and comes back."""

from __future__ import annotations

from swarm_world import Plan, SwarmWorld

from galera_operator.core.swarm_tasks import sort_out

SOON = 30.0
NOTICED = 60.0


def test_a_lost_nodes_task_is_replaced_but_goes_on_being_told_of_until_the_node_is_back(swarm: SwarmWorld) -> None:
    swarm.make(Plan())
    swarm.until_running(3)
    [gone] = [task for task in swarm.kept() if task.node == swarm.nodes[2]]
    others = [task for task in swarm.kept() if task is not gone and task.id != gone.id]
    wakes = swarm.wakes()

    swarm.lose(gone.node)
    swarm.until(lambda: swarm.tasks()[gone.id].node_is_down, NOTICED, "the node to be known as lost")
    swarm.until(lambda: swarm.in_slot(gone.slot).id != gone.id, SOON, "a replacement")
    swarm.until(lambda: swarm.wakes() > wakes, SOON, "the node to wake the watcher")
    lost = swarm.tasks()[gone.id]
    assert (lost.state, lost.desired) == ("running", "shutdown"), "the last that was heard of it"
    replacement = swarm.in_slot(gone.slot)
    assert (replacement.node, replacement.state) == ("", "pending"), "one per node, and no third node"
    assert replacement.message
    swarm.until(lambda: [task for task in swarm.kept() if task.slot != gone.slot] == others, SOON, "the others to stand")

    kept, leaving, out_of_reach = sort_out(list(swarm.tasks().values()))
    assert {task.id for task in kept} == {task.id for task in swarm.kept()}
    assert leaving == ()
    assert [task.id for task in out_of_reach] == [gone.id]

    swarm.scale(2)
    swarm.until(lambda: swarm.kept() == others, SOON, "the one without a node to go")
    assert swarm.tasks()[gone.id].state == "running", "still: nobody can reach it"

    swarm.bring_back(gone.node)
    swarm.until(lambda: swarm.is_over(gone), NOTICED, "the node to say that its task has ended")
    swarm.scale(3)
    swarm.until_running(3, within=NOTICED)
    assert {task.node for task in swarm.kept()} == set(swarm.nodes)
