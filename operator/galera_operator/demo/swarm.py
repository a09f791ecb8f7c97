"""Looking at the Swarm over the engine's API: one service's replicas and tasks, often and cheaply.

A docker command a few times a second would take a fifth of a core away from the databases. Only GET is in here.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT = 5.0

_ENDED = {"complete", "failed", "shutdown", "rejected", "remove", "orphaned"}


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """A task. `node`: the host name; empty until it has one. `container`: empty until it has one."""

    id: str
    slot: int
    node: str
    state: str
    wanted: str
    container: str

    @property
    def is_alive(self) -> bool:
        """Not ended yet, whatever is wished for it."""
        return self.state not in _ENDED

    @property
    def serves(self) -> bool:
        """Swarm lets it be found: a task with a health check is `running` only after its first healthy answer."""
        return self.state == "running" and self.wanted == "running"

    @property
    def title(self) -> str:
        return f"slot {self.slot} on {self.node}" if self.node else f"slot {self.slot}"


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """A service as its spec and its tasks say. Ended tasks are left out."""

    replicas: int
    tasks: tuple[TaskSeen, ...]

    @property
    def serving(self) -> tuple[TaskSeen, ...]:
        return tuple(task for task in self.tasks if task.serves)

    def __str__(self) -> str:
        tasks = ", ".join(f"{task.title} {task.state} (wanted {task.wanted})" for task in self.tasks)
        return f"replicas {self.replicas}; {tasks or 'no tasks'}"


class NotAnswered(Exception):
    """The engine refused or did not answer; says what."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(self._path)


class Eyes:
    """Looks through one manager's engine."""

    def __init__(self, docker_host: str) -> None:
        """`docker_host`: ``unix:///...``."""
        self._path = docker_host.removeprefix("unix://")
        self._names: dict[str, str] = {}

    def service(self, name: str) -> ServiceSeen:
        """Look at a service.

        Raises:
            NotAnswered: there is none, or the engine cannot say.
        """
        spec = self._get(f"/services/{name}")["Spec"]
        filters = urllib.parse.quote(json.dumps({"service": [name]}))
        raw = self._get(f"/tasks?filters={filters}")
        if any(task.get("NodeID", "") not in self._names for task in raw):
            self._names = {node["ID"]: node["Description"]["Hostname"] for node in self._get("/nodes")} | {"": ""}
        tasks = (_task(task, self._names) for task in raw)
        alive = sorted((task for task in tasks if task.is_alive), key=lambda task: (task.slot, task.id))
        return ServiceSeen(int(spec["Mode"]["Replicated"].get("Replicas", 1)), tuple(alive))

    def services(self) -> list[str]:
        """Names of all services."""
        return [service["Spec"]["Name"] for service in self._get("/services")]

    def _get(self, path: str) -> Any:
        connection = _UnixConnection(self._path)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotAnswered(f"GET {path}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise NotAnswered(f"GET {path}: {answer.status} {body[:300].decode(errors='replace').strip()}")
        return json.loads(body)


def _task(raw: Mapping[str, Any], names: Mapping[str, str]) -> TaskSeen:
    status = raw.get("Status", {})
    return TaskSeen(
        id=raw["ID"],
        slot=raw.get("Slot", 0),
        node=names.get(raw.get("NodeID", ""), "a new node"),
        state=status.get("State", ""),
        wanted=raw.get("DesiredState", ""),
        container=(status.get("ContainerStatus") or {}).get("ContainerID", ""),
    )


def news(before: ServiceSeen | None, after: ServiceSeen) -> list[str]:
    """What changed between two looks, in words."""
    if before is None:
        return []
    told = [f"replicas {before.replicas} -> {after.replicas}"] if before.replicas != after.replicas else []
    old, new = ({task.id: task for task in seen.tasks} for seen in (before, after))
    for task_id, task in new.items():
        was = old.get(task_id)
        if task.serves and not (was and was.serves):
            told.append(f"{task.title} is in service")
        if task.wanted != "running" and was and was.wanted == "running":
            told.append(f"{task.title} is being stopped")
    told += [f"{task.title} is gone" for task_id, task in old.items() if task_id not in new]
    return told


class Watch:
    """Looks at one service several times a second, in a thread of its own, and tells what changed."""

    def __init__(self, eyes: Eyes, service: str, on_news: Callable[[str], None], every: float = 0.4) -> None:
        self._eyes, self._service, self._on_news, self._every = eyes, service, on_news, every
        self._over = threading.Event()
        self._seen: ServiceSeen | None = None
        self._ever: dict[str, TaskSeen] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(2 * TIMEOUT)

    @property
    def seen(self) -> ServiceSeen | None:
        """The last look; None before the first."""
        return self._seen

    @property
    def ever(self) -> tuple[TaskSeen, ...]:
        """Every task there has been, as it was last seen."""
        return tuple(self._ever.values())

    def _run(self) -> None:
        while not self._over.wait(self._every):
            try:
                after = self._eyes.service(self._service)
            except NotAnswered:
                continue  # a manager that is busy electing answers the next time; deadlines are the scenario's
            for line in news(self._seen, after):
                self._on_news(line)
            self._ever |= {task.id: task for task in after.tasks}
            self._seen = after
