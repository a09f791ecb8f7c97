"""A deployed stack as the end-to-end tests see it: through the docker command and through the operator's own command line."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import NotYet, wait_until

ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "charts"
WATCHER = Path(__file__).with_name("watcher.py")


@dataclass(frozen=True)
class Task:
    id: str
    slot: int
    node: str
    state: str
    desired: str
    exit_code: int | None
    message: str


class Deployment:
    """One stack in the sandbox, with a database service `<stack>_dbcluster` and an operator service `<stack>_operator`."""

    def __init__(self, sandbox: Sandbox, stack: str) -> None:
        self.sandbox = sandbox
        self.stack = stack
        self.database = f"{stack}_dbcluster"
        self.operator = f"{stack}_operator"
        self.manager = 1
        """Number of the node whose manager is asked. Another one where a test loses this node."""

    # -- life ---------------------------------------------------------------------------------------------------------

    def deploy(self, *files: Path, **variables: str) -> None:
        """Deploy, with an operator that notices a dead predecessor after 3 s instead of 15. `variables`: for the files."""
        with _environment(GALERA_OPERATOR_LEASE_TTL="3", **variables):
            self.sandbox.deploy(self.stack, *files)

    def make_secrets(self, *names: str) -> None:
        have = set(self.docker("secret", "ls", "--format", "{{.Name}}").split())
        for name in set(names) - have:
            file = self.sandbox.layout.run / f"secret-{name}"
            file.write_text(secrets.token_hex(16))
            self.docker("secret", "create", name, str(file))
            file.unlink()

    def remove(self) -> None:
        """Remove the stack with its volumes and the operator's state."""
        self.docker("stack", "rm", self.stack, check=False)
        label = f"label=com.docker.stack.namespace={self.stack}"

        def gone() -> bool | NotYet:
            for node in self.sandbox.nodes:
                left = self.sandbox.docker(node.index, "ps", "--all", "--quiet", "--filter", label).split()
                if left:
                    self.sandbox.docker(node.index, "rm", "--force", "--volumes", *left, check=False)
                    return NotYet(f"containers on {node.name}: {left}")
            return True

        wait_until(gone, 180, f"the containers of {self.stack} to end", every=0.5, ignoring=(CommandFailed,))
        for node in self.sandbox.nodes:
            volumes = self.sandbox.docker(node.index, "volume", "ls", "--quiet", "--filter", label).split()
            if volumes:
                self.sandbox.docker(node.index, "volume", "rm", "--force", *volumes, check=False)
        self.docker("config", "rm", f"galera-operator.{self.database}", check=False)
        wait_until(self._networks_gone, 60, f"the networks of {self.stack} to be gone", every=0.2, ignoring=(CommandFailed,))

    def _networks_gone(self) -> bool | NotYet:
        """`stack rm` returns before they are; a deploy right after it finds the old network, uses it, and then it is gone."""
        left = self.docker("network", "ls", "--quiet", "--filter", f"label=com.docker.stack.namespace={self.stack}").split()
        if left:
            self.docker("network", "rm", *left, check=False)
            return NotYet(f"networks {left}")
        return True

    # -- the swarm ----------------------------------------------------------------------------------------------------

    def docker(self, *args: str, check: bool = True) -> str:
        return self.sandbox.docker(self.manager, *args, check=check)

    def service(self, name: str | None = None) -> dict[str, Any]:
        return json.loads(self.docker("service", "inspect", name or self.database))[0]

    def replicas(self) -> int:
        return self.service()["Spec"]["Mode"]["Replicated"]["Replicas"]

    def label(self, **labels: str) -> None:
        """Set service labels of the database as a user does; `drain_timeout="5s"` sets ``galera.drain.timeout``."""
        args = [f"--label-add=galera.{name.replace('_', '.')}={value}" for name, value in labels.items()]
        self.docker("service", "update", "--detach", "--no-resolve-image", *args, self.database)

    def unlabel(self, *labels: str) -> None:
        args = [f"--label-rm=galera.{name}" for name in labels]
        self.docker("service", "update", "--detach", "--no-resolve-image", *args, self.database)

    def tasks(self, service: str | None = None) -> list[Task]:
        """Every task that Swarm still knows. It removes old ones at any moment, also between its list and a look at each."""

        def listed() -> list[dict[str, Any]]:
            ids = self.docker("service", "ps", "--quiet", "--no-trunc", service or self.database).split()
            return json.loads(self.docker("inspect", "--type", "task", *ids)) if ids else []

        def consistent() -> tuple[list[dict[str, Any]]] | NotYet:
            try:
                return (listed(),)
            except CommandFailed as error:
                if "No such task" in str(error):
                    return NotYet(error)
                raise

        (raws,) = wait_until(consistent, 10, "a list of tasks of which none was removed meanwhile")
        nodes = {node["ID"]: node["Description"]["Hostname"] for node in self._nodes()}
        found = []
        for raw in raws:
            status = raw["Status"]
            found.append(
                Task(
                    id=raw["ID"],
                    slot=raw.get("Slot", 0),
                    node=nodes.get(raw.get("NodeID", ""), ""),
                    state=status["State"],
                    desired=raw["DesiredState"],
                    exit_code=(status.get("ContainerStatus") or {}).get("ExitCode"),
                    message=status.get("Err") or status.get("Message", ""),
                )
            )
        return found

    def running(self, service: str | None = None) -> dict[str, Task]:
        return {task.id: task for task in self.tasks(service) if task.state == "running" and task.desired == "running"}

    def leaving(self, service: str | None = None) -> list[Task]:
        """Tasks that still run and are not to."""
        return [task for task in self.tasks(service) if task.state == "running" and task.desired != "running"]

    def _nodes(self) -> list[dict[str, Any]]:
        return json.loads(self.docker("node", "inspect", *self.docker("node", "ls", "--quiet").split()))

    def container(self, service: str, slot: int = 0) -> tuple[int, str]:
        """Node number and container id of a running task."""
        for node in self.sandbox.nodes:
            if node.pid is None:
                continue
            filters = ["--filter", f"label=com.docker.swarm.service.name={service}"]
            lines = self.sandbox.docker(node.index, "ps", "--format", "{{.ID}} {{.Names}}", *filters).splitlines()
            for line in lines:
                container, name = line.split()
                if not slot or name.split(".")[1] == str(slot):
                    return node.index, container
        raise LookupError(f"no running container of {service} slot {slot or 'any'}")

    def execute(self, service: str, *argv: str, slot: int = 0, timeout: float = 60) -> str:
        node, container = self.container(service, slot)
        return self.sandbox.docker(node, "exec", container, *argv, timeout=timeout)

    # -- the operator -------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """The operator's own JSON about the database; exit status 3 (a page is open) is fine."""
        text = self.execute(self.operator, "sh", "-c", f"galera-operator status --json {self.database} || test $? = 3")
        return json.loads(text)["clusters"][0]

    def settled(self, members: int) -> dict[str, Any] | NotYet:
        status = self.status()
        done = (
            status["replicas"] == members
            and len(status["members"]) == members
            and not status["leaving"]
            and all(m["phase"] == "admitted" and m["cluster_size"] == members for m in status["members"])
            and status["plan"]["why"].startswith("as wished")
        )
        return status if done else NotYet(json.dumps(status, indent=1))

    def wait_settled(self, members: int, within: float = 240) -> dict[str, Any]:
        what = f"{self.database} to have {members} admitted members and nothing to do"
        return wait_until(lambda: self.settled(members), within, what, every=0.5, ignoring=(CommandFailed, LookupError))

    def wait_page(self, name: str, within: float = 60) -> dict[str, Any]:
        """Wait until the operator pages by that name; returns its plan."""

        def paged() -> dict[str, Any] | NotYet:
            plan = self.status()["plan"]
            return plan if plan.get("page") == name else NotYet(plan)

        return wait_until(paged, within, f"page {name}", every=0.5, ignoring=(CommandFailed, LookupError))

    def operator_log(self) -> str:
        """All its tasks' lines so far; they are on standard error, as the operator wrote them."""
        socket = self.sandbox.nodes[self.manager - 1].socket
        command = ["/usr/bin/docker", "-H", socket, "service", "logs", "--raw", self.operator]
        told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=True)
        return told.stdout

    def kill_operator(self) -> None:
        node, container = self.container(self.operator)
        self.sandbox.docker(node, "kill", "--signal", "KILL", container)

    def sql(self, statement: str, slot: int = 0) -> str:
        return self.execute(self.database, "mariadb", "--batch", "--skip-column-names", "-e", statement, slot=slot)

    @contextmanager
    def watched(self) -> Iterator[Watch]:
        """Record what the operator's container sees (members, DNS) several times a second while the block runs."""
        watch = Watch(self)
        watch.start()
        try:
            yield watch
        finally:
            watch.stop()


@dataclass
class Watch:
    """Samples of a running watcher; see watcher.py for their shape."""

    deployment: Deployment
    samples: list[dict[str, Any]] = field(default_factory=list)

    def start(self) -> None:
        node, container = self.deployment.container(self.deployment.operator)
        socket = self.deployment.sandbox.nodes[node - 1].socket
        command = ["/usr/bin/docker", "-H", socket, "exec", "-i", container, "python", "-"]
        environment = {**os.environ, "DOCKER_HOST": socket}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self._process.stdin
        self._process.stdin.write(f"SERVICE = {self.deployment.database!r}\n" + WATCHER.read_text())
        self._process.stdin.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(lambda: self.samples or self._dead(), 30, "the first sample of the watcher")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._reader.join(10)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.samples.append(json.loads(line) | {"received": time.monotonic()})

    def _dead(self) -> bool:
        if self._process.poll() is not None and self._process.stderr:
            raise AssertionError(f"the watcher ended: {self._process.stderr.read()}")
        return False


class LogFollower:
    """A service's log as it is written, over all its tasks, also those that come later."""

    def __init__(self, deployment: Deployment, service: str) -> None:
        socket = deployment.sandbox.nodes[0].socket
        command = ["/usr/bin/docker", "-H", socket, "service", "logs", "--follow", "--raw", "--tail", "0", service]
        self.lines: list[str] = []
        self.looked = 0
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str, since: int, within: float = 120) -> str:
        """Wait for a line that matches, not looking at the first `since` lines."""

        def found() -> str | NotYet:
            for line in self.lines[since:]:
                if re.search(pattern, line):
                    return line
            return NotYet("\n".join(self.lines[-15:]))

        return wait_until(found, within, f"the operator to say {pattern!r}", every=0.02)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._reader.join(10)
        if self._process.stdout:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.lines.append(line.rstrip())


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
