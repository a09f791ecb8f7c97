"""What the sandbox looks like from outside: for ``galera-operator sandbox status``."""

from __future__ import annotations

import json
from dataclasses import dataclass

from galera_operator.sandbox import host, image_store, network, swarm, teardown
from galera_operator.sandbox.builder import builder_engine
from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.layout import Layout, Node


@dataclass(frozen=True)
class NodeStatus:
    """A node, and what the swarm says about it: ``Ready``, ``Down``, ``Unknown``; and ``Leader``, ``Reachable``, ..."""

    node: Node
    state: str
    manager: str


@dataclass(frozen=True)
class Status:
    """The sandbox.

    Attributes:
        running: Whether `up` had finished.
        nodes: The nodes, also those that are down; none unless running.
        ip_vs: Whether this machine's kernel has IPVS.
        endpoint_mode: How services are deployed therefore.
        cached_images: Names of images that a new node gets at once.
        leftovers: What there is of a sandbox that is not running; to be removed with `down`.
    """

    running: bool
    nodes: tuple[NodeStatus, ...]
    ip_vs: bool
    endpoint_mode: str
    cached_images: tuple[str, ...]
    leftovers: tuple[str, ...]


def look(layout: Layout) -> Status:
    """Look at the sandbox; changes nothing."""
    running = layout.state.exists() and bool(network.namespaces(layout))
    ip_vs = host.has_ip_vs()
    return Status(
        running=running,
        nodes=_nodes(layout) if running else (),
        ip_vs=ip_vs,
        endpoint_mode="vip" if ip_vs else "dnsrr",
        cached_images=tuple(sorted(image_store.named_images(builder_engine(layout).data_root))),
        leftovers=() if running else tuple(teardown.leftovers(layout)),
    )


def _nodes(layout: Layout) -> tuple[NodeStatus, ...]:
    count = int(json.loads(layout.state.read_text())["nodes"])
    engines = [swarm.node_engine(layout, index) for index in range(1, count + 1)]
    said: dict[str, list[str]] = {}
    for engine in (engine for engine in engines if engine.pid is not None):
        try:
            rows = engine.docker("node", "ls", "--format", "{{.Hostname}}\t{{.Status}}\t{{.ManagerStatus}}", timeout=10)
        except CommandFailed:
            continue  # no quorum, or it is just starting: another one may know more
        said = {name: rest for name, *rest in (row.split("\t") for row in rows.splitlines())}
        break
    found = []
    for index, engine in enumerate(engines, 1):
        node = layout.node(index, engine.pid)
        state, manager = said.get(node.name, ["Unknown", ""])
        found.append(NodeStatus(node, state, manager))
    return tuple(found)
