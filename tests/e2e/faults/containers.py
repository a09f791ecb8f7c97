"""The sandbox's containers as this machine sees them: by control group and by the engines' own files.

It works while a node is cut off, without a manager, and in a millisecond; a docker command would cost the databases a core.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from galera_operator.sandbox import cgroups
from galera_operator.sandbox.layout import Layout

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Container:
    """A container of a Swarm task. `node` counts from 1; `created` is in seconds since the epoch, as text by the engine."""

    service: str
    slot: int
    node: int
    id: str
    created: str
    pids: tuple[int, ...]
    """As this machine numbers them. Empty: it does not run."""


class Containers:
    """All task containers of a sandbox, also those that have ended."""

    def __init__(self, layout: Layout, nodes: int) -> None:
        self._layout = layout
        self._nodes = range(1, nodes + 1)
        self._known: dict[str, tuple[str, int, str]] = {}

    def folder(self, node: int, container: str) -> Path:
        """Where the engine keeps what it knows of a container, with its log."""
        return self._layout.data / self._layout.node(node).name / "containers" / container

    def volume(self, node: int, name: str) -> Path:
        """The content of a volume."""
        return self._layout.data / self._layout.node(node).name / "volumes" / name / "_data"

    def address(self, container: Container) -> str:
        """Its address on the stack's network; empty before it has one."""
        told = json.loads((self.folder(container.node, container.id) / "config.v2.json").read_text())
        networks = told["NetworkSettings"]["Networks"]
        return next((entry.get("IPAddress") or "" for name, entry in networks.items() if name != "ingress"), "")

    def all(self, service: str) -> list[Container]:
        """A service's containers on every node, the oldest first, running or not."""
        found = []
        for node in self._nodes:
            home = self.folder(node, "").parent / "containers"
            for entry in home.iterdir() if home.is_dir() else ():
                told = self._tell(node, entry.name)
                if told and told[0] == service:
                    found.append(Container(service, told[1], node, entry.name, told[2], self._pids(node, entry.name)))
        return sorted(found, key=lambda one: one.created)

    def running(self, service: str) -> list[Container]:
        """Those that have a process, in the order of slots."""
        return sorted((one for one in self.all(service) if one.pids), key=lambda one: one.slot)

    def _tell(self, node: int, container: str) -> tuple[str, int, str] | None:
        """Service, slot and time of creation; None for one that is no task or has just been removed."""
        if container not in self._known:
            try:
                told = json.loads((self.folder(node, container) / "config.v2.json").read_text())
            except (OSError, ValueError):
                return None  # being written or removed
            labels: dict[str, Any] = told.get("Config", {}).get("Labels") or {}
            name = labels.get("com.docker.swarm.task.name", "..")
            slot = name.split(".")[1]
            self._known[container] = (
                labels.get("com.docker.swarm.service.name", ""),
                int(slot) if slot.isdigit() else 0,
                told["Created"],
            )
        return self._known[container]

    def _pids(self, node: int, container: str) -> tuple[int, ...]:
        inside = Path(self._layout.tag, self._layout.node(node).name, container)
        for mount in cgroups.hierarchies():
            try:
                found = {int(line) for line in (mount / inside / "cgroup.procs").read_text().split()}
            except OSError:
                continue  # not in this hierarchy, or it ends right now
            if found - {0}:
                return tuple(sorted(found - {0}))
        return ()


def named(container: Container, program: str) -> tuple[int, ...]:
    """The processes of a container that run this program."""
    found = []
    for pid in container.pids:
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        if name == program:
            found.append(pid)
    return tuple(found)


def send(pids: tuple[int, ...], what: signal.Signals) -> None:
    """Send a signal to all of them; one that has ended meanwhile is fine."""
    for pid in pids:
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            continue


def in_network_of(pid: int, work: Callable[[], T]) -> T:
    """Do something in the network namespace of a process, in a thread of its own (a thread may change its own alone).

    Raises:
        OSError: The process is gone, or what `work` raises.
    """
    outcome: list[T] = []
    fault: list[BaseException] = []
    libc = ctypes.CDLL(None, use_errno=True)

    def enter() -> None:
        try:
            with Path(f"/proc/{pid}/ns/net").open() as space:
                failed = libc.setns(space.fileno(), _CLONE_NEWNET)
            outcome.append(work() if not failed else _raise_errno())
        except BaseException as error:
            fault.append(error)

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    thread.join()
    if fault:
        raise fault[0]
    return outcome[0]


def _raise_errno() -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
