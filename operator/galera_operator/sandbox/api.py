"""The sandbox as the demo and the end-to-end tests use it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import yaml

from galera_operator.sandbox import builder, commands, host, installing, network, swarm, teardown
from galera_operator.sandbox.compose import modern, without_ip_vs
from galera_operator.sandbox.engine import Engine
from galera_operator.sandbox.errors import SandboxError, SandboxNotRunning
from galera_operator.sandbox.layout import MOST_NODES, Layout, Node

Say = Callable[[str], None]


class Sandbox:
    """A swarm of several nodes on this machine. Make one with `up`, or with `attach` if it is up already."""

    def __init__(self, layout: Layout, count: int) -> None:
        self._layout = layout
        self._count = count

    @classmethod
    def up(cls, nodes: int = 3, *, say: Say = print) -> Sandbox:
        """Start a swarm of ``nodes`` managers; a few seconds, plus the installation of what the machine lacks.

        Is it up already with as many nodes, those that are down are started and nothing else happens. If this fails or
        is interrupted, it leaves nothing running.

        Args:
            nodes: 1 to 9. Three or more stay a working swarm when one is lost.
            say: Takes a line at each step.

        Raises:
            SandboxError: Not root, something is missing, or it is up with another number of nodes.
        """
        if not 1 <= nodes <= MOST_NODES:
            raise SandboxError(f"nodes: {nodes}; expected 1 to {MOST_NODES}")
        layout = Layout.from_environment()
        _require_root()
        installing.make_ready(["sandbox"], say)
        with _alone(layout):
            if layout.state.exists() and network.namespaces(layout):
                sandbox = cls.attach()
                if len(sandbox.nodes) != nodes:
                    raise SandboxError(
                        f"the sandbox is up with {len(sandbox.nodes)} nodes, not {nodes}; first: galera-operator sandbox down"
                    )
                for node in sandbox.nodes:
                    if node.pid is None:
                        say(f"{node.name} was down: starting it")
                        swarm.start_again(layout, node)
                return sandbox
            try:
                teardown.down(layout, say)  # leftovers of a crash or of a restart of this machine
                swarm.bring_up(layout, nodes, say)
            except BaseException:
                with _undisturbed():
                    say("did not come up: removing what had been started")
                    teardown.down(layout, say)
                raise
        return cls(layout, nodes)

    @classmethod
    def attach(cls) -> Sandbox:
        """The sandbox that is up.

        Raises:
            SandboxNotRunning: There is none.
        """
        layout = Layout.from_environment()
        start = "start it with: galera-operator sandbox up"
        if not layout.state.exists():
            raise SandboxNotRunning(f"no sandbox is running (no {layout.state}); {start}")
        if not network.namespaces(layout):
            raise SandboxNotRunning(f"the sandbox of {layout.root} did not outlive a restart of this machine; {start}")
        return cls(layout, int(json.loads(layout.state.read_text())["nodes"]))

    def down(self, *, purge: bool = False) -> None:
        """End everything: processes, mounts, namespaces, interfaces, control groups, the nodes' data.

        Args:
            purge: Delete the cached images as well.
        """
        remove(self._layout, _unsaid, purge=purge)

    @property
    def layout(self) -> Layout:
        """Where its things are."""
        return self._layout

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, also those that are down (their ``pid`` is None)."""
        return tuple(self._layout.node(index, swarm.node_engine(self._layout, index).pid) for index in range(1, self._count + 1))

    @property
    def has_ip_vs(self) -> bool:
        """Whether this machine's kernel has IPVS, and so virtual addresses and the ingress mesh work."""
        return host.has_ip_vs()

    @property
    def endpoint_mode(self) -> Literal["vip", "dnsrr"]:
        """How services are found here: by a virtual address, or by DNS round robin where there is no IPVS."""
        return "vip" if self.has_ip_vs else "dnsrr"

    def docker(self, node: int, *args: str, check: bool = True, timeout: float | None = 60) -> str:
        """Run the docker command against a node (from 1) and return what it printed.

        Raises:
            CommandFailed: It failed (with ``check``) or took more than ``timeout`` seconds; with its error output.
        """
        return self._engine(node).docker(*args, check=check, timeout=timeout)

    def inside(self, node: int, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end in a node's network namespace, as if it ran on that machine: iptables, load, curl.

        Its files and processes are this machine's. A failure shows in ``returncode``.
        """
        space = network.NAMESPACES / self._node(node).namespace
        return commands.run(["nsenter", f"--net={space}", "--", *argv], check=False, timeout=None)

    def kill_node(self, node: int) -> None:
        """Lose a node: its cable is cut, then its engine and all its containers end without a word. Its disk stays."""
        swarm.lose(self._layout, self._node(node))

    def start_node(self, node: int) -> None:
        """Bring a lost node back with its disk as it was, as after a power cut; returns when its engine answers."""
        lost = self._node(node)
        if lost.pid is not None:
            raise SandboxError(f"{lost.name} is running (process {lost.pid}); kill_node({node}) first")
        swarm.start_again(self._layout, lost)

    def deploy(self, stack: str, *files: Path) -> None:
        """``docker stack deploy`` on node 1, from images that the nodes have.

        Where there is no IPVS, one more file sets ``endpoint_mode: dnsrr`` on every service and ``mode: host`` on every
        published port: then a port answers on those nodes only that run a task of the service.

        Raises:
            CommandFailed: With the error output.
        """
        with tempfile.TemporaryDirectory() as folder:
            given, overrides = list(files), []
            if not self.has_ip_vs:
                for number, file in enumerate(files):
                    stack_file = _parsed(file)
                    newer = modern(stack_file, file.parent)
                    if newer:
                        given[number] = _written(newer, Path(folder, f"newer-{number}.yml"))
                    overrides.append(_written(without_ip_vs(newer or stack_file), Path(folder, f"without-ip-vs-{number}.yml")))
            arguments = [argument for file in (*given, *overrides) for argument in ("--compose-file", str(file))]
            self.docker(1, "stack", "deploy", "--resolve-image", "never", *arguments, stack, timeout=120)

    def build_images(self, context: Path, say: Say = print, only: Sequence[str] = ()) -> None:
        """Build the images from the repository ``context`` and give them to every node that runs.

        Unchanged images are neither built nor loaded again. `up` gives the cached ones to new nodes.

        Args:
            context: The repository's root.
            say: Takes a line at each step.
            only: Names of the images wanted; none: all of them. The base image always comes along.

        Raises:
            CommandFailed: A build failed; with the end of its output.
        """
        installing.make_ready(["sandbox"], say)
        with _alone(self._layout):
            works = builder.Builder(self._layout)
            ids = works.build(context.resolve(), say, only)
            engines = [self._engine(node.index) for node in self.nodes if node.pid is not None]
            lacking = sorted({name for name in ids for engine in engines if engine.image_id(name) != ids[name]})
            if not lacking:
                return
            say(f"giving to {len(engines)} nodes: {', '.join(lacking)}")
            if len(engines) == self._count and not any(engine.docker("ps", "--all", "--quiet") for engine in engines):
                swarm.restart_with_cached_images(self._layout, engines)  # 20 s; loading takes a minute
            else:
                works.load(lacking, engines)

    @classmethod
    def prepare_images(cls, context: Path, say: Say = print, only: Sequence[str] = ()) -> None:
        """Build the images into the cache, without any node; what `build_images` does before it gives them to the nodes.

        Before `up` this is the fastest way: new nodes get the cached images in 2 s, running ones in 20 s or more.
        """
        layout = Layout.from_environment()
        _require_root()
        installing.make_ready(["sandbox"], say)
        with _alone(layout):
            try:
                builder.Builder(layout).build(context.resolve(), say, only)
            finally:
                if not layout.state.exists():
                    with _undisturbed():
                        teardown.down(layout, _unsaid)

    def _engine(self, node: int) -> Engine:
        return swarm.node_engine(self._layout, self._node(node).index)

    def _node(self, node: int) -> Node:
        if not 1 <= node <= self._count:
            raise SandboxError(f"node {node}: expected 1 to {self._count}")
        return self.nodes[node - 1]


def remove(layout: Layout, say: Say = print, *, purge: bool = False) -> None:
    """Remove a sandbox, whatever there is of it: also after an `up` that did not finish, or a crash.

    Args:
        layout: Which one.
        say: Takes a line if there was something.
        purge: Delete the cached images as well.
    """
    _require_root()
    if layout.root.exists():
        with _alone(layout), _undisturbed():
            teardown.down(layout, say, purge=purge)
            if purge:
                host.remove_tree(layout.root)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise SandboxError(f"the sandbox needs root (network namespaces, mounts); user id is {os.geteuid()}; run it with sudo")


def _unsaid(_line: str) -> None:
    """For steps that nobody needs to hear of."""


def _written(stack: dict[str, Any], file: Path) -> Path:
    file.write_text(yaml.safe_dump(stack))
    return file


def _parsed(file: Path) -> dict[str, Any]:
    try:
        parsed = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise SandboxError(f"{file}: {error}") from None
    if not isinstance(parsed, dict):
        raise SandboxError(f"{file}: expected a stack file, a mapping with 'services'; found {type(parsed).__name__}")
    return parsed


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Only one at a time starts, ends or feeds the sandbox; a second one waits."""
    while True:
        layout.root.mkdir(parents=True, exist_ok=True)
        with (layout.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                # A `down --purge` may have deleted the file while this one waited: then it locks nothing any more.
                current = (layout.root / "lock").stat().st_ino == os.fstat(lock.fileno()).st_ino
            except FileNotFoundError:
                current = False
            if current:
                yield
                return


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Clean up to the end even when someone presses Ctrl-C again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {what: signal.signal(what, signal.SIG_IGN) for what in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for what, handler in before.items():
            signal.signal(what, handler)
