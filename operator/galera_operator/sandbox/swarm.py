"""Bringing up the nodes and joining them into one swarm; losing a node and getting it back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from galera_operator.sandbox import builder, host, network
from galera_operator.sandbox.engine import Engine
from galera_operator.sandbox.errors import CommandFailed, SandboxError
from galera_operator.sandbox.installing import Say
from galera_operator.sandbox.layout import Layout, Node
from galera_operator.sandbox.waiting import NotInTime, NotYet, wait_until


def node_engine(layout: Layout, index: int) -> Engine:
    """The engine of a node."""
    node = layout.node(index)
    return Engine(
        name=node.name,
        folder=layout.run / node.name,
        data_root=layout.data / node.name,
        cgroup_parent=f"/{layout.tag}/{node.name}",
        namespace=node.namespace,
        options=(
            f"--dns={layout.switch_address}",
            "--userland-proxy=false",  # a process less per published port
            "--log-opt=max-size=20m",
        ),
    )


def bring_up(layout: Layout, count: int, say: Say) -> None:
    """Start ``count`` nodes and make them one swarm of managers. Nothing of the sandbox may be running.

    Raises:
        SandboxError: A node does not start or does not join.
    """
    layout.run.mkdir(parents=True)
    host.enough_disk(layout.root, 3)
    network.build_switch(layout)
    engines = [node_engine(layout, index) for index in range(1, count + 1)]
    with ThreadPoolExecutor(max_workers=count) as pool:
        cached = set().union(*pool.map(lambda engine: builder.seed(layout, engine.data_root), engines))
    say(f"cached images: {', '.join(sorted(cached)) or 'none yet'}")
    for index, engine in enumerate(engines, 1):
        network.plug_in(layout, layout.node(index))
        _start(layout, engine)
    for engine in engines:
        engine.wait_until_ready()
    first = layout.node(1)
    engines[0].docker("swarm", "init", "--advertise-addr", first.address)
    token = engines[0].docker("swarm", "join-token", "--quiet", "manager").strip()
    for index, engine in enumerate(engines[1:], 2):
        own = layout.node(index).address
        engine.docker("swarm", "join", "--advertise-addr", own, "--token", token, f"{first.address}:2377")
    _wait_until_all_ready(layout, engines[0], count)
    layout.state.write_text(json.dumps({"nodes": count, "network": str(layout.network)}) + "\n")
    say(f"swarm of {count} nodes is up; DOCKER_HOST={first.socket}")


def restart_with_cached_images(layout: Layout, engines: Sequence[Engine]) -> None:
    """Give idle nodes the cached images without copying them: stop all nodes, link the images, start all again.

    Args:
        layout: Which sandbox.
        engines: All its nodes' engines; none may have a container.
    """
    with ThreadPoolExecutor(max_workers=len(engines)) as pool:
        list(pool.map(lambda engine: engine.stop(), engines))
        list(pool.map(lambda engine: builder.seed(layout, engine.data_root), engines))
    for engine in engines:
        _start(layout, engine)
    for engine in engines:
        engine.wait_until_ready()
    _wait_until_all_ready(layout, engines[0], len(engines))


def lose(layout: Layout, node: Node) -> None:
    """Cut a node's cable, then end all that runs on it."""
    network.cut_cable(layout, node)
    node_engine(layout, node.index).kill()
    network.remove_namespace(node.namespace)


def start_again(layout: Layout, node: Node) -> None:
    """Start a lost node with the disk that it had, and wait until its engine answers."""
    lose(layout, node)  # whatever a crash left of its network
    network.plug_in(layout, node)
    engine = node_engine(layout, node.index)
    _start(layout, engine)
    engine.wait_until_ready()


def _start(layout: Layout, engine: Engine) -> None:
    # Each start of a task asks an image registry about its image. The name server that knows no name ends that at once.
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {engine.name}\n"
    engine.prepare(hosts=hosts, resolv_conf=f"nameserver {layout.switch_address}\n")
    engine.start()


def _wait_until_all_ready(layout: Layout, engine: Engine, count: int) -> None:
    try:
        wait_until(lambda: _all_ready(engine, count), 60, f"{count} ready nodes", ignoring=(CommandFailed,))
    except NotInTime as late:
        raise SandboxError(f"{late}; see the logs in {layout.run}/node*/dockerd.log") from None


def _all_ready(engine: Engine, count: int) -> list[str] | NotYet:
    rows = engine.docker("node", "ls", "--format", "{{.Hostname}} {{.Status}} {{.ManagerStatus}}").splitlines()
    ready = [row for row in rows if " Ready " in row and row.endswith(("Leader", "Reachable"))]
    return ready if len(ready) == count else NotYet(rows)
