"""Where the sandbox keeps its things and what they are called: folders, addresses, namespaces, interfaces."""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from galera_operator.sandbox.errors import SandboxError

DEFAULT_DIRECTORY = "/var/lib/galera-operator/sandbox"
DEFAULT_NETWORK = "10.78.0.0/24"
MOST_NODES = 9


@dataclass(frozen=True)
class Node:
    """One node of the swarm.

    Attributes:
        name: Its host name, which is also its name in the swarm: ``node1``.
        index: Counted from 1.
        socket: The engine's address, as for ``DOCKER_HOST``.
        address: IPv4 address that the swarm uses; also reachable from this machine.
        namespace: Name of its network namespace, as for ``ip netns exec``.
        pid: Process whose end ends the whole node; None while the node is down.
    """

    name: str
    index: int
    socket: str
    address: str
    namespace: str
    pid: int | None


@dataclass(frozen=True)
class Layout:
    """Names and places, all of them derived from two settings, so that ``down`` needs no record to find them.

    Attributes:
        root: Folder of everything: ``run/`` and ``nodes/`` go with ``down``, ``cache/`` stays.
        network: Addresses of the nodes: .1 is the switch, .11 and up the nodes, .254 this machine.
        tag: Begins the name of every namespace, interface and control group.
    """

    root: Path
    network: ipaddress.IPv4Network
    tag: str

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Layout:
        """Read ``GALERA_SANDBOX_DIR`` and ``GALERA_SANDBOX_NET``.

        Raises:
            SandboxError: A value cannot be used; the message says what is expected.
        """
        root = Path(environ.get("GALERA_SANDBOX_DIR") or DEFAULT_DIRECTORY)
        if not root.is_absolute() or root.is_relative_to("/run") or root.is_relative_to("/var/run") or len(str(root)) > 70:
            raise SandboxError(
                f"GALERA_SANDBOX_DIR={root}: expected an absolute path of at most 70 characters (a socket's path is limited)"
                " outside /run (each node has a /run of its own)"
            )
        given = environ.get("GALERA_SANDBOX_NET") or DEFAULT_NETWORK
        try:
            network = ipaddress.IPv4Network(given)
        except ValueError as error:
            raise SandboxError(f"GALERA_SANDBOX_NET={given}: {error}; expected for example {DEFAULT_NETWORK}") from None
        if network.prefixlen > 24:
            raise SandboxError(f"GALERA_SANDBOX_NET={given}: too small; expected a /24 or larger, like {DEFAULT_NETWORK}")
        # Two sandboxes with different folders can live side by side; the usual one has the plain name.
        mark = "" if str(root) == DEFAULT_DIRECTORY else hashlib.sha256(str(root).encode()).hexdigest()[:4]
        return cls(root, network, f"gsb{mark}")

    @property
    def run(self) -> Path:
        """Sockets, process ids, logs: gone after ``down``."""
        return self.root / "run"

    @property
    def data(self) -> Path:
        """The nodes' data roots: gone after ``down``."""
        return self.root / "nodes"

    @property
    def cache(self) -> Path:
        """The builder's images: kept until ``down --purge``."""
        return self.root / "cache"

    @property
    def state(self) -> Path:
        """Written last by ``up``: if it is there, ``up`` had finished."""
        return self.run / "sandbox.json"

    @property
    def switch(self) -> str:
        """The network namespace that holds the bridge between the nodes."""
        return f"{self.tag}-switch"

    @property
    def host_interface(self) -> str:
        """The machine's own interface into the nodes' network."""
        return f"{self.tag}-host"

    def address(self, number: int) -> str:
        """The ``number``-th address of the network."""
        return str(self.network.network_address + number)

    @property
    def switch_address(self) -> str:
        return self.address(1)

    @property
    def host_address(self) -> str:
        return self.address(254)

    def node(self, index: int, pid: int | None = None) -> Node:
        """Names and addresses of node ``index`` (from 1)."""
        name = f"node{index}"
        return Node(
            name=name,
            index=index,
            socket=f"unix://{self.run / name / 'docker.sock'}",
            address=self.address(10 + index),
            namespace=f"{self.tag}-{name}",
            pid=pid,
        )
