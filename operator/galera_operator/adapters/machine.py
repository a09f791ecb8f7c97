"""What an engine, its kernel and its Swarm say of themselves, for the doctor: their API, /proc, and which ports answer."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.core.checkup.machines import MANAGERS, SWIM
from galera_operator.core.checkup.setup import Machine, Node

CONNECT_TIMEOUT = 2.0
"""Seconds for a port of another node to answer; on one network it takes milliseconds."""

DATA_PORT = 4789


def look_at_machine(api: EngineApi) -> Machine:
    """Ask the engine, the kernel and the other nodes' ports.

    Raises:
        Unreachable, Refused: the engine does not answer.
    """
    swarm = api.get("/info").get("Swarm") or {}
    manager = bool(swarm.get("ControlAvailable"))
    nodes = tuple(_node(raw) for raw in api.get("/nodes")) if manager else ()
    asked = [(node.name, node.address, port) for node in nodes for port in _ports(node)]
    closed = _closed(asked)
    return Machine(
        ip_vs=has_ip_vs(),
        is_manager=manager,
        state=swarm.get("LocalNodeState") or "inactive",
        nodes=nodes,
        closed=closed,
        is_blind=bool(asked) and len(closed) == len(asked),
        data_port=(swarm.get("Cluster") or {}).get("DataPathPort") or DATA_PORT,
    )


def has_ip_vs(proc: Path = Path("/proc"), modules: Path = Path("/lib/modules")) -> bool | None:
    """Whether the kernel has IPVS, loaded or as a module that Docker would load. None where only the host could tell."""
    if (proc / "net" / "ip_vs").exists():
        return True
    try:
        if any(line.startswith("ip_vs ") for line in (proc / "modules").read_text().splitlines()):
            return True
    except OSError:
        pass  # a kernel without modules
    lists = [modules / os.uname().release / name for name in ("modules.dep", "modules.builtin")]
    there = [path.read_text() for path in lists if path.exists()]
    if not there:
        return None
    return any("/ip_vs.ko" in text for text in there)


def _node(raw: Mapping[str, Any]) -> Node:
    description, status = raw.get("Description") or {}, raw.get("Status") or {}
    manager = raw.get("ManagerStatus") or {}
    return Node(
        name=description.get("Hostname", ""),
        # A manager that made the Swarm may have the address 0.0.0.0 here; the one it tells other managers is right.
        address=(manager.get("Addr") or "").rpartition(":")[0] or status.get("Addr", ""),
        engine=(description.get("Engine") or {}).get("EngineVersion", ""),
        is_manager=bool(manager),
        usable=status.get("State") == "ready" and (raw.get("Spec") or {}).get("Availability", "active") == "active",
    )


def _ports(node: Node) -> tuple[int, ...]:
    if not node.usable:
        return ()  # its silence is known already
    return (SWIM, MANAGERS) if node.is_manager else (SWIM,)


def _closed(asked: list[tuple[str, str, int]]) -> tuple[tuple[str, int], ...]:
    with ThreadPoolExecutor(max(1, min(32, len(asked)))) as pool:
        answers = list(pool.map(lambda one: _answers(one[1], one[2]), asked))
    return tuple((name, port) for (name, _, port), open_ in zip(asked, answers, strict=True) if not open_)


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), CONNECT_TIMEOUT):
            return True
    except OSError:
        return False
