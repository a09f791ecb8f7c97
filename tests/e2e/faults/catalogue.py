"""The faults. Each chooses whom it hits, strikes, and undoes what does not end by itself."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

from faults import cables, transfers
from faults.cluster import FILES, Cluster
from faults.containers import Container, named, send
from faults.scene import Fault, Scene
from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import NotYet, wait_until

FROZEN_SECONDS = 30.0
CUT_SECONDS = 20.0
"""Longer than the 15 s or so after which Swarm takes a node for lost."""
SHORT_CUT_SECONDS = 10.0
SUSPECT_SECONDS = 2.0
"""evs.suspect_timeout of the agent's provider options."""


# -- who ------------------------------------------------------------------------------------------------------------------


def the_writer(cluster: Cluster) -> Container:
    return cluster.writer()


def a_reader(cluster: Cluster) -> Container:
    return cluster.readers()[0]


def one_off_the_leader(cluster: Cluster) -> Container:
    """The writer, or a reader where the writer's node is Swarm's leader: a lost leader is the fault of all nodes lost."""
    leader = next(name for name, is_leader in cluster.managers().items() if is_leader)
    members = [cluster.writer(), *cluster.readers()]
    return next(one for one in members if cluster.sandbox.nodes[one.node - 1].name != leader)


def a_reader_off_the_leader(cluster: Cluster) -> Container:
    """A reader whose node does not lead the Swarm; with three nodes there is one."""
    leader = next(name for name, is_leader in cluster.managers().items() if is_leader)
    return next(one for one in cluster.readers() if cluster.sandbox.nodes[one.node - 1].name != leader)


def the_operator(cluster: Cluster) -> Container:
    return cluster.containers.running(cluster.operator)[0]


def a_proxy(cluster: Cluster) -> Container:
    return cluster.containers.running(cluster.proxy)[0]


# -- what -----------------------------------------------------------------------------------------------------------------


def killed(scene: Scene) -> None:
    """SIGKILL to every process of the container; Swarm makes another one."""
    scene.blow()
    send(scene.target.pids, signal.SIGKILL)
    scene.until_gone()


def database_killed(scene: Scene) -> None:
    """SIGKILL to mariadbd; its agent lives."""
    server = named(scene.target, "mariadbd")
    assert server, f"no mariadbd in {scene.target}"
    scene.blow()
    send(server, signal.SIGKILL)
    scene.until_gone()


def frozen(scene: Scene) -> None:
    """SIGSTOP to every process of the container, SIGCONT after a while: a machine that hangs and goes on."""
    scene.blow()
    send(scene.target.pids, signal.SIGSTOP)
    try:
        scene.stay(FROZEN_SECONDS)
    finally:
        send(scene.target.pids, signal.SIGCONT)
    scene.undone()


def node_lost(scene: Scene) -> None:
    """The node is gone until Swarm has noticed, then comes back with its disk."""
    cluster, node = scene.cluster, scene.target.node
    scene.blow()
    cluster.sandbox.kill_node(node)
    try:
        wait_until(lambda: _swarm_says(cluster, node, "down"), 60, "Swarm to notice", every=0.5, ignoring=(CommandFailed,))
    finally:
        cluster.sandbox.start_node(node)
    scene.undone()


def cut_off(scene: Scene) -> None:
    """Nothing goes to the node and nothing comes from it."""
    scene.blow()
    with cables.cut(scene.cluster.sandbox.layout, scene.target.node):
        scene.stay(CUT_SECONDS)
    scene.undone()


def cut_one_way(scene: Scene) -> None:
    """What the node sends is lost; it hears everything."""
    scene.blow()
    with cables.cut(scene.cluster.sandbox.layout, scene.target.node, receiving=False):
        scene.stay(SHORT_CUT_SECONDS)
    scene.undone()


def all_killed(scene: Scene) -> None:
    """SIGKILL to every process of every member."""
    members = scene.cluster.containers.running(scene.cluster.database)
    scene.blow()
    for member in members:
        send(member.pids, signal.SIGKILL)
    scene.until_gone(*members)


def all_nodes_lost(scene: Scene) -> None:
    """A power cut."""
    sandbox = scene.cluster.sandbox
    nodes = [node.index for node in sandbox.nodes]
    scene.blow()
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(sandbox.kill_node, nodes))
        list(pool.map(sandbox.start_node, nodes))
    scene.undone()


def emptied(scene: Scene) -> None:
    """The member is killed and its data is gone before it comes back."""
    transfers.kill_and_empty(scene)


def donor_killed(scene: Scene) -> None:
    """A member has to copy everything, and whoever gives it the copy is killed in the middle."""
    transfers.begin(scene)
    donor, _ = transfers.in_the_middle(scene)
    scene.blow()
    send(donor.pids, signal.SIGKILL)
    scene.until_gone(donor)
    scene.until_told(transfers.CUT_OFF)


def joiner_killed(scene: Scene) -> None:
    """A member has to copy everything and is killed in the middle."""
    transfers.begin(scene)
    _, joiner = transfers.in_the_middle(scene)
    scene.blow()
    send(joiner.pids, signal.SIGKILL)
    scene.until_gone(joiner)
    scene.until_told(transfers.CUT_OFF)


def redeployed_while_growing(scene: Scene) -> None:
    """Two members, a third one joins, and somebody deploys the stack file with its `replicas: 1` again."""
    deployment = scene.cluster.deployment
    deployment.label(replicas="2")
    wait_until(lambda: _is_size(scene.cluster, 2), 120, "2 members", every=0.2)
    deployment.label(replicas="3")
    wait_until(lambda: len(scene.cluster.statuses()) == 3 or NotYet("2 members"), 60, "the third member", every=0.1)
    scene.blow()
    deployment.deploy(*FILES)


def redeployed(scene: Scene) -> None:
    """Three members in service, and somebody deploys the stack file with its `replicas: 1`: two leave at the same moment."""
    scene.blow()
    scene.cluster.deployment.deploy(*FILES)
    wait_until(lambda: not scene.cluster.whole() or NotYet("three members in service"), 30, "two members to leave", every=0.05)


def wishes_cross(scene: Scene) -> None:
    """3 -> 1, and while the first member leaves: 3 again."""
    deployment = scene.cluster.deployment
    scene.blow()
    deployment.label(replicas="1")
    wait_until(lambda: deployment.replicas() == 2 or NotYet("3 replicas"), 120, "the first step down", every=0.1)
    deployment.label(replicas="3")


def _is_size(cluster: Cluster, members: int) -> bool | NotYet:
    return bool(cluster.whole(members) and cluster.as_wished()) or NotYet(cluster.trouble())


def _swarm_says(cluster: Cluster, node: int, state: str) -> bool | NotYet:
    name = cluster.sandbox.nodes[node - 1].name
    told = cluster.deployment.docker("node", "inspect", "--format", "{{.Status.State}}", name).strip()
    return told == state or NotYet(f"{name} is {told}")


_ONE_WAY = f"a reader's node cut off for {SHORT_CUT_SECONDS:.0f} s, one way"

FAULTS = (
    Fault("a reading member killed (kill -9)", a_reader, killed),
    Fault("the writer killed (kill -9)", the_writer, killed, writes_within=SUSPECT_SECONDS + 2.0),
    Fault("mariadbd of the writer killed, its agent lives", the_writer, database_killed),
    Fault("the operator killed", the_operator, killed),
    Fault("a proxy killed", a_proxy, killed),
    Fault(f"the writer frozen for {FROZEN_SECONDS:.0f} s (SIGSTOP)", the_writer, frozen),
    Fault(f"the writer's node cut off for {CUT_SECONDS:.0f} s, both ways", the_writer, cut_off, loses_node=True),
    Fault(
        f"a reader's node cut off for {SHORT_CUT_SECONDS:.0f} s, one way", a_reader_off_the_leader, cut_one_way, loses_node=True
    ),
    Fault("a member's node lost, and back when Swarm has noticed", one_off_the_leader, node_lost, loses_node=True),
    Fault("all members killed at once", the_writer, all_killed),
    Fault("all nodes lost at once, and back", the_writer, all_nodes_lost),
    Fault("a member's volume emptied", a_reader, emptied),
    Fault("a donor killed in the middle of a state transfer", a_reader, donor_killed),
    Fault("a joiner killed in the middle of a state transfer", a_reader, joiner_killed),
    Fault("`stack deploy` with `replicas: 1` while the third member joins", the_writer, redeployed_while_growing),
    Fault("`stack deploy` with `replicas: 1` on three members in service", the_writer, redeployed),
    Fault("two wishes that cross: 1, then 3 again", the_writer, wishes_cross),
)
