"""One fault under load, from the calm before it to the verdict after it."""

from __future__ import annotations

import contextlib
import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from faults.cluster import Cluster
from faults.containers import Container
from faults.logs import seconds
from faults.probe import GAP, PORT, Probe
from faults.table import Row
from faults.verdict import judge, read_copies
from galera_operator.demo.load_process import LoadDied, LoadProcess
from galera_operator.demo.operator_log import Said
from galera_operator.demo.tally import Result
from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import NotInTime, NotYet, wait_until

LOGS = Path(__file__).parents[3] / "build" / "faults"
"""What everybody said during a fault that did not end well."""
LOAD_SECONDS_MAX = 300.0
BACK_WITHIN = 180.0
PATIENCE = 10.0
"""Seconds that a page stands before its command is run."""
CALM_WRITES = 30
CALM_AFTER = 1.0
"""Seconds of undisturbed new connections that end the measurement."""

_A_COMMAND = re.compile(r"galera-operator (bootstrap|replace) [^;`(]*[^;`(\s.]")
_A_MEMBER_TELLS = re.compile(r"\bwsrep: |mariadbd ended by itself|asked to stop")


@dataclass
class Scene:
    """What a fault has at hand while it strikes."""

    cluster: Cluster
    target: Container
    at: float = 0.0
    """When the blow fell, in seconds since the epoch."""
    undone_at: float | None = None
    """When what does not end by itself had been undone."""
    obeyed: list[str] = field(default_factory=list)
    """Commands that a page named and that were then run."""

    def blow(self) -> None:
        """To be called right before the first thing that hurts."""
        self.at = time.time()

    def undone(self) -> None:
        """To be called when the fault itself is over, where it lasts."""
        self.undone_at = time.time()

    def until_gone(self, *containers: Container) -> None:
        """Wait until these have ended. Before that, their last words still sound as if all were well."""
        ids = {one.id for one in containers or (self.target,)}

        def gone() -> bool | NotYet:
            services = {one.service for one in containers or (self.target,)}
            left = [one for name in services for one in self.cluster.containers.running(name) if one.id in ids]
            return not left or NotYet(left)

        wait_until(gone, 60, "the killed containers to end", every=0.05)

    def stay(self, duration: float) -> None:
        """Leave things as they are for so many seconds."""
        until = time.monotonic() + duration
        wait_until(lambda: time.monotonic() >= until or NotYet("the clock"), duration + 5, "the end of the fault", every=0.05)

    def until_told(self, words: str) -> None:
        """Wait until an agent says this, after the blow."""
        logs, service = self.cluster.logs, self.cluster.database

        def told() -> bool | NotYet:
            return any(words in line.text for line in logs.since(service, self.at)) or NotYet("not said yet")

        wait_until(told, 60, f"an agent to say {words!r}", every=0.2)


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    Attributes:
        name: what is done, as the row says it.
        target: who is hit; chosen in calm, before the load begins.
        strike: does it, and undoes what does not end by itself. Calls `Scene.blow` first.
        loses_node: clients cannot reach the proxy on the target's node meanwhile, so they use the others.
        writes_within: seconds after the blow in which a new connection has to have written; None: no promise.
    """

    name: str
    target: Callable[[Cluster], Container]
    strike: Callable[[Scene], None]
    loses_node: bool = False
    writes_within: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What was measured, and every promise that was broken."""

    row: Row
    interrupted_at: list[float]
    """Seconds after the fault at which each interruption of `row` began."""
    load: Result
    pages: list[Said]
    """The first of each name."""
    obeyed: list[str]
    broken: list[str] = field(default_factory=list)


def suffer(cluster: Cluster, fault: Fault, run: int) -> Outcome:
    """Run one fault on a whole cluster.

    Args:
        cluster: Three members, nothing to do.
        fault: What happens to it.
        run: Number of this load's rows, another one for each fault.

    Raises:
        NotInTime: The members did not come back by themselves; with what was last seen and what the operator said.
    """
    scene = Scene(cluster, fault.target(cluster))
    cluster.deployment.manager = next(node.index for node in cluster.sandbox.nodes if node.index != scene.target.node)
    hosts = cluster.hosts(without=[scene.target.node] if fault.loses_node else [])
    arguments = ["--port", str(PORT), "--run", str(run), "--seconds-max", str(LOAD_SECONDS_MAX)]
    load = LoadProcess(hosts, cluster.password, arguments=arguments)
    probe = Probe(hosts, cluster.password, run)
    probe.start()
    since = time.time()
    try:
        wait_until(lambda: load.progress and load.progress.acknowledged >= CALM_WRITES, 30, "the load to write", every=0.05)
        fault.strike(scene)
        back = _wait_back(scene) - scene.at
        wait_until(lambda: _calm(probe), 30, "new connections to write undisturbed")
        seen = load.stop()
    except BaseException:
        _keep_logs(cluster, scene.at or since, run)
        with contextlib.suppress(LoadDied):
            load.stop()
        raise
    finally:
        load.kill()
        probe.stop()
    broken = judge(read_copies(cluster, run), seen, probe.written())
    gaps = probe.gaps(scene.at)
    interruptions = tuple(gap.ended - (scene.at if gap.begun - scene.at < GAP else gap.begun) for gap in gaps)
    if fault.writes_within is not None and interruptions and interruptions[0] > fault.writes_within:
        broken.append(f"a new connection wrote after {interruptions[0]:.1f} s, promised are {fault.writes_within:.1f} s")
    if broken:
        _keep_logs(cluster, scene.at, run)
    failed = seen.failed + seen.unconnected
    after_end = back - (scene.undone_at - scene.at) if scene.undone_at else None
    row = Row(fault.name, _detected(scene), interruptions, failed, seen.transactions, back, after_end)
    said = [one for one in cluster.logs.said(cluster.operator, scene.at) if one.kind.startswith("PAGE")]
    pages = list({one.kind: one for one in reversed(said)}.values())
    return Outcome(row, [gap.begun - scene.at for gap in gaps], seen, pages, scene.obeyed, broken)


def _keep_logs(cluster: Cluster, at: float, run: int) -> None:
    cluster.logs.keep((cluster.database, cluster.operator, cluster.proxy), at, LOGS / f"{run:02d}.log")


def _wait_back(scene: Scene) -> float:
    """Wait until all is whole again, and do what a page says in between; returns when that was first seen."""
    cluster = scene.cluster

    def back() -> bool | NotYet:
        _obey(scene)
        return bool(cluster.whole() and cluster.as_wished()) or NotYet(cluster.trouble())

    try:
        wait_until(back, BACK_WITHIN, "all members to be back", every=0.2, ignoring=(CommandFailed,))
    except NotInTime as late:
        said = "\n".join(f"{one.at - scene.at:7.2f} {one}" for one in cluster.logs.said(cluster.operator, scene.at))
        raise NotInTime(f"{late}\nthe operator, seconds after the fault:\n{said}") from None
    return time.time()


def _obey(scene: Scene) -> None:
    """Run the command that a page names, when the page has stood for as long as a person needs to read it."""
    cluster = scene.cluster
    page = cluster.logs.last_word(cluster.operator)
    if page is None or not page.kind.startswith("PAGE") or page.at < scene.at or time.time() - page.at < PATIENCE:
        return
    command = command_in(page)
    if command and command not in scene.obeyed:
        cluster.deployment.execute(cluster.operator, *shlex.split(command), "--yes")
        scene.obeyed.append(command)


def command_in(page: Said) -> str:
    """The first of this project's commands that a page names; empty: none."""
    found = _A_COMMAND.search(page.text)
    return found[0] if found else ""


def _calm(probe: Probe) -> bool | NotYet:
    recent = [attempt for attempt in probe.attempts if attempt.begun > time.time() - CALM_AFTER - 1]
    good = [attempt for attempt in recent if not attempt.fault]
    return (len(good) > 5 and not probe.gaps(time.time() - CALM_AFTER)) or NotYet(recent[-3:])


def _detected(scene: Scene) -> float | None:
    """Seconds until somebody said that something had changed: the operator, a member, or Swarm by a new task."""
    cluster = scene.cluster
    told = [said.at for said in cluster.logs.said(cluster.operator, scene.at) if not said.kind.endswith("done")]
    told += [line.at for line in cluster.logs.since(cluster.database, scene.at) if _A_MEMBER_TELLS.search(line.text)]
    for service in (cluster.database, cluster.operator, cluster.proxy):
        told += [when for one in cluster.containers.all(service) if (when := seconds(one.created)) >= scene.at]
    return min(told) - scene.at if told else None
