"""The nodes' network: one namespace per node, one more with a bridge between them, and a leg on this machine."""

from __future__ import annotations

import ipaddress
import json
import os
from pathlib import Path

from galera_operator.sandbox import commands
from galera_operator.sandbox.errors import CommandFailed, SandboxError
from galera_operator.sandbox.layout import Layout, Node

NAMESPACES = Path("/run/netns")


def _ip(*args: str) -> str:
    return commands.run(["ip", *args]).stdout


def build_switch(layout: Layout) -> None:
    """Make the namespace with the bridge, this machine's leg into it, and the DNS server that knows no name.

    Raises:
        SandboxError: This machine uses the network's addresses already.
    """
    _refuse_used_addresses(layout)
    if not os.path.ismount(NAMESPACES):
        # `ip netns add` mounts this folder when it is the first user; whoever made it takes it away again.
        (layout.run / "made-netns-folder").touch()
    switch, bits = layout.switch, layout.network.prefixlen
    _ip("netns", "add", switch)
    _ip("-n", switch, "link", "set", "lo", "up")
    _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
    _ip("-n", switch, "addr", "add", f"{layout.switch_address}/{bits}", "dev", "bridge")
    _ip("-n", switch, "link", "set", "bridge", "up")
    _ip("-n", switch, "link", "add", "host", "type", "veth", "peer", "name", layout.host_interface, "netns", str(os.getpid()))
    _ip("-n", switch, "link", "set", "host", "master", "bridge", "up")
    _ip("addr", "add", f"{layout.host_address}/{bits}", "dev", layout.host_interface)
    _ip("link", "set", layout.host_interface, "up")
    responder = commands.python_module("galera_operator.sandbox.nxdomain", layout.switch_address)
    commands.spawn(["nsenter", f"--net={NAMESPACES / switch}", *responder], layout.run / "nxdomain.log")


def plug_in(layout: Layout, node: Node) -> None:
    """Make a node's namespace and connect it to the switch."""
    _ip("netns", "add", node.namespace)
    _ip("-n", node.namespace, "link", "set", "lo", "up")
    _ip("-n", layout.switch, "link", "add", node.name, "type", "veth", "peer", "name", "eth0", "netns", node.namespace)
    _ip("-n", layout.switch, "link", "set", node.name, "master", "bridge", "up")
    _ip("-n", node.namespace, "addr", "add", f"{node.address}/{layout.network.prefixlen}", "dev", "eth0")
    _ip("-n", node.namespace, "link", "set", "eth0", "up")


def cut_cable(layout: Layout, node: Node) -> None:
    """Disconnect a node at the switch, at once and for good: the others hear nothing more of it, not even a goodbye."""
    commands.run(["ip", "-n", layout.switch, "link", "del", node.name], check=False)


def namespaces(layout: Layout) -> list[str]:
    """The sandbox's network namespaces that exist."""
    if not NAMESPACES.is_dir():
        return []
    return sorted(entry.name for entry in NAMESPACES.iterdir() if entry.name.startswith(f"{layout.tag}-"))


def processes_in(namespace: str) -> list[int]:
    """Processes whose network is this namespace: the engine of a node, but not its containers."""
    try:
        return [int(pid) for pid in _ip("netns", "pids", namespace).split()]
    except CommandFailed:
        return []  # the name is there but not the namespace: `ip netns add` was interrupted


def remove_namespace(namespace: str) -> None:
    """End what runs in a network namespace and delete it; nothing happens when there is none of this name."""
    if not (NAMESPACES / namespace).exists():
        return
    while pids := processes_in(namespace):
        commands.kill_and_wait(pids)
    _ip("netns", "del", namespace)


def remove_all(layout: Layout) -> None:
    """Remove the namespaces and this machine's leg, whatever of them there is."""
    for namespace in namespaces(layout):
        remove_namespace(namespace)
    if host_interface_exists(layout):
        # It goes with its other end in the switch, but the kernel takes its time over that.
        commands.run(["ip", "link", "del", layout.host_interface], check=False)
    if (layout.run / "made-netns-folder").exists() and NAMESPACES.is_dir() and not any(NAMESPACES.iterdir()):
        commands.run(["umount", str(NAMESPACES)], check=False)
        NAMESPACES.rmdir()


def host_interface_exists(layout: Layout) -> bool:
    """Whether this machine has its leg in the nodes' network."""
    return Path("/sys/class/net", layout.host_interface).exists()


def _refuse_used_addresses(layout: Layout) -> None:
    for route in json.loads(_ip("-json", "-4", "route", "show", "table", "all") or "[]"):
        if route["dst"] == "default":
            continue
        if ipaddress.IPv4Network(route["dst"], strict=False).overlaps(layout.network):
            raise SandboxError(
                f"the sandbox's network {layout.network} is in use on this machine:"
                f" route to {route['dst']} by {route.get('dev', '?')};"
                " set GALERA_SANDBOX_NET to a free network, for example GALERA_SANDBOX_NET=10.79.0.0/24"
            )
