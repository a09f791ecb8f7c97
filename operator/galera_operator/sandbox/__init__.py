"""A real multi-node Swarm on one Linux machine, for ``make demo`` and the end-to-end tests.

Several ``dockerd``, each with its own network, mount, process and host-name namespace, its own data root and socket,
joined into one swarm. The machine's own engine, its network settings and its firewall are neither used nor changed.

What may not be in here: anything that the operator itself needs. Nothing outside the tests, the demo and the command
line imports this package.
"""

from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.errors import CommandFailed, SandboxError, SandboxNotRunning
from galera_operator.sandbox.layout import Node
from galera_operator.sandbox.waiting import NotInTime, NotYet, wait_until

__all__ = [
    "CommandFailed",
    "Node",
    "NotInTime",
    "NotYet",
    "Sandbox",
    "SandboxError",
    "SandboxNotRunning",
    "wait_until",
]
