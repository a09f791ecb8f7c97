"""Each shipped runbook on a real Swarm under load, twice: planned work fails no transaction, the second run finds it done."""

from __future__ import annotations

import itertools
import json
import re
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deployment import LogFollower
from faults.cluster import Cluster
from faults.containers import send
from faults.probe import PORT
from faults.scene import LOAD_SECONDS_MAX
from faults.verdict import judge, read_copies

from galera_operator.demo.load_process import LoadProcess
from galera_operator.demo.tally import Result
from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import NotInTime, NotYet, wait_until

pytestmark = pytest.mark.e2e

FILLER = 5_000
"""Rows of 1 kB: state transfers are not what is tested here."""
CALM_WRITES = 30
SOON = 60.0
_RUNS = itertools.count(101)


@pytest.fixture(scope="module")
def deployed(sandbox: Sandbox) -> Iterator[Cluster]:
    cluster = Cluster(sandbox, FILLER)
    try:
        cluster.deploy()
        yield cluster
    finally:
        cluster.deployment.remove()


@pytest.fixture
def cluster(deployed: Cluster) -> Cluster:
    """Three healthy members, also after a test that failed."""
    try:
        deployed.wait_whole(SOON)
    except NotInTime:
        deployed.start_over()
    return deployed


@dataclass
class Loaded:
    """What the load saw, once its block is over, and what had to hold and did not."""

    results: list[Result] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def seen(self) -> Result:
        return self.results[0]

    def assert_unharmed(self) -> None:
        """Every acknowledged write is on every member."""
        assert not self.broken, "\n".join(self.broken)

    def assert_nothing_failed(self) -> None:
        seen = self.seen
        print(f"{seen.transactions} transactions, {seen.failed + seen.unconnected} failed, longest stall {seen.stall}")
        assert (seen.failed, seen.unconnected) == (0, 0), seen.failures
        self.assert_unharmed()


@contextmanager
def load(cluster: Cluster) -> Iterator[Loaded]:
    """Clients write through all proxies while the block runs; three members are there again at its end."""
    run, loaded = next(_RUNS), Loaded()
    arguments = ["--port", str(PORT), "--run", str(run), "--seconds-max", str(LOAD_SECONDS_MAX)]
    process = LoadProcess(cluster.hosts(), cluster.password, arguments=arguments)
    try:
        wait_until(lambda: process.progress and process.progress.acknowledged >= CALM_WRITES, 30, "the load to write", every=0.05)
        yield loaded
        cluster.wait_whole(SOON)
        loaded.results.append(process.stop())
    finally:
        process.kill()
    loaded.broken = judge(read_copies(cluster, run), loaded.seen, set())


def runbook(cluster: Cluster, *words: str, timeout: float = 280.0) -> tuple[int, list[dict[str, Any]]]:
    """``galera-operator runbook run ... --wait --json`` in the operator's container: its exit code and its lines."""
    command = " ".join(("galera-operator", "runbook", "run", *words, "--wait", "--json"))
    deployment = cluster.deployment
    said = deployment.execute(deployment.operator, "sh", "-c", f"{command}; echo exit $?", timeout=timeout).splitlines()
    return int(said[-1].removeprefix("exit ")), [json.loads(line) for line in said[:-1]]


def run(cluster: Cluster, name: str, *words: str) -> list[dict[str, Any]]:
    """Run it to its end. Every line of its progress."""
    code, lines = runbook(cluster, name, cluster.database, *words)
    assert (code, lines[-1]["state"]) == (0, "done"), lines
    return lines


def stages(lines: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(line["stage_name"] for line in lines if line["stage_name"]))


def test_scale(cluster: Cluster) -> None:
    with load(cluster) as loaded:
        run(cluster, "scale", "--set", "replicas=2")
        before = cluster.deployment.running()
        run(cluster, "scale", "--set", "replicas=2")
        assert cluster.deployment.running() == before, "the second run finds it done"
        run(cluster, "scale", "--set", "replicas=3")
    loaded.assert_nothing_failed()


def test_node_maintenance(cluster: Cluster) -> None:
    node = f"node{cluster.writer().node}"
    with load(cluster) as loaded:
        code, lines = runbook(cluster, "node-maintenance", cluster.database, "--set", f"node={node}")
        assert (code, lines[-1]["state"]) == (4, "asking"), lines
        assert {task.node for task in cluster.deployment.running().values()} == {"node1", "node2", "node3"} - {node}
        cluster.deployment.execute(cluster.operator, "galera-operator", "runbook", "answer", cluster.database, "yes")
        cluster.wait_whole(120)
        run(cluster, "node-maintenance", "--set", f"node={node}", "--yes")
    loaded.assert_nothing_failed()
    spec = json.loads(cluster.deployment.docker("service", "inspect", cluster.database))[0]["Spec"]
    assert not spec["TaskTemplate"]["Placement"].get("Constraints")


def test_node_maintenance_goes_on_under_the_next_operator(cluster: Cluster) -> None:
    node = f"node{cluster.readers()[0].node}"
    follower = LogFollower(cluster.deployment, cluster.operator)
    try:
        with load(cluster) as loaded:
            words = ("run", "node-maintenance", cluster.database, "--set", f"node={node}", "--yes")
            cluster.deployment.execute(cluster.operator, "galera-operator", "runbook", *words)
            for moment in (r"is drained and leaves it", r"runbook node-maintenance, running, stage bring back"):
                follower.wait_for(moment, 0)
                cluster.deployment.kill_operator()
            follower.wait_for(r"runbook node-maintenance, done", 0)
    finally:
        follower.close()
    loaded.assert_nothing_failed()


def test_change_server_option(cluster: Cluster) -> None:
    words = ("--set", "option=max_connections", "--set", "value=321")
    with load(cluster) as loaded:
        assert stages(run(cluster, "change-server-option", *words))[0] == "roll out"
        assert cluster.sql_everywhere("SELECT @@max_connections") == dict.fromkeys((1, 2, 3), "321\n")
        before = cluster.deployment.running()
        run(cluster, "change-server-option", *words)
        assert cluster.deployment.running() == before, "the second run finds it done"
    loaded.assert_nothing_failed()


def test_rolling_restart(cluster: Cluster) -> None:
    """A second run is another restart: it is done when every task is a new one once more."""
    with load(cluster) as loaded:
        for _ in range(2):
            before = set(cluster.deployment.running())
            run(cluster, "rolling-restart")
            assert not before & set(cluster.deployment.running())
    loaded.assert_nothing_failed()


def test_move_writer(cluster: Cluster) -> None:
    slot = cluster.readers()[0].slot
    with load(cluster) as loaded:
        run(cluster, "move-writer", "--set", f"slot={slot}")
        assert cluster.writer().slot == slot
        run(cluster, "move-writer", "--set", f"slot={slot}")
        assert cluster.writer().slot == slot
    loaded.assert_nothing_failed()


def test_rolling_update(cluster: Cluster) -> None:
    spec = json.loads(cluster.deployment.docker("service", "inspect", cluster.database))[0]["Spec"]
    image = spec["TaskTemplate"]["ContainerSpec"]["Image"].partition("@")[0]
    other = f"{image.rpartition(':')[0]}:next"
    for node in cluster.sandbox.nodes:
        cluster.sandbox.docker(node.index, "tag", image, other)
    with load(cluster) as loaded:
        run(cluster, "rolling-update", "--set", f"image={other}")
        before = cluster.deployment.running()
        run(cluster, "rolling-update", "--set", f"image={other}")
        assert cluster.deployment.running() == before, "the second run finds it done"
    loaded.assert_nothing_failed()


def test_a_schedule_fires_once_although_the_operator_is_killed_at_its_time(cluster: Cluster) -> None:
    deployment = cluster.deployment
    soon = (datetime.now(UTC) + timedelta(seconds=75)).replace(second=0)
    follower = LogFollower(deployment, cluster.operator)
    try:
        label = f"--label-add=galera.schedule.evening={soon.minute} {soon.hour} * * * -> 2"
        deployment.docker("service", "update", "--detach", "--no-resolve-image", label, cluster.database)
        wait_until(lambda: time.time() >= soon.timestamp() or NotYet("the clock"), 80, "the schedule's time", every=0.1)
        deployment.kill_operator()
        follower.wait_for(r"runbook scale, done", 0)
        deployment.kill_operator()
        deployment.wait_settled(2)
        asked = [line for line in follower.lines if "schedule evening asks for runbook scale" in line]
        assert len(asked) == 1, asked
        run(cluster, "scale", "--set", "replicas=3")
    finally:
        follower.close()
        deployment.unlabel("schedule.evening")


def test_full_outage(cluster: Cluster) -> None:
    with load(cluster) as loaded:
        for member in cluster.containers.running(cluster.database):
            send(member.pids, signal.SIGKILL)
        lines = run(cluster, "full-outage")
        assert stages(lines)[-1] == "everybody back"
        run(cluster, "full-outage")
    loaded.assert_unharmed()


def test_quorum_lost(cluster: Cluster) -> None:
    with load(cluster) as loaded:
        for member in cluster.containers.running(cluster.database)[:2]:
            send(member.pids, signal.SIGKILL)
        run(cluster, "quorum-lost")
        run(cluster, "quorum-lost")
    loaded.assert_unharmed()


def test_replace_member(cluster: Cluster) -> None:
    """A copy of another history, made by hand while the operator looks on, is kept out until it is given up."""
    deployment, foreign = cluster.deployment, str(uuid.uuid4())
    member = cluster.readers()[0]
    with load(cluster) as loaded:
        deployment.docker(
            "service", "update", "--detach", "--no-resolve-image", "--label-add=galera.pause=true", cluster.database
        )
        mounts = '{{range .Mounts}}{{if eq .Destination "/var/lib/mysql"}}{{.Source}}{{end}}{{end}}'
        volume = cluster.sandbox.docker(member.node, "inspect", "--format", mounts, member.id).strip()
        cluster.sandbox.docker(member.node, "stop", member.id, timeout=120)
        grastate = Path(volume) / "grastate.dat"
        text = re.sub(r"uuid:.*", f"uuid:    {foreign}", re.sub(r"seqno:.*", "seqno:   7", grastate.read_text()))
        grastate.write_text(text)
        deployment.unlabel("pause")
        assert deployment.wait_page("foreign-history", within=120)["runbook"] == "replace-member"
        run(cluster, "replace-member", "--set", f"slot={member.slot}", "--yes")
        cluster.wait_whole(120)
        run(cluster, "replace-member", "--set", f"slot={member.slot}", "--yes")
    loaded.assert_unharmed()


@pytest.mark.parametrize("name", ["split-brain", "stuck-state-transfer", "wrong-setup", "operator-trouble"])
def test_a_way_out_of_trouble_that_is_not_there_is_over_at_once_and_touches_nothing(cluster: Cluster, name: str) -> None:
    before = cluster.deployment.running()
    with load(cluster) as loaded:
        run(cluster, name)
        run(cluster, name)
    assert cluster.deployment.running() == before
    loaded.assert_nothing_failed()


def test_a_request_that_cannot_be_run_is_refused_and_changes_nothing(cluster: Cluster) -> None:
    deployment = cluster.deployment
    with pytest.raises(CommandFailed, match="replicas is missing"):
        deployment.execute(deployment.operator, "galera-operator", "runbook", "run", "scale", cluster.database)
    status = deployment.execute(deployment.operator, "galera-operator", "runbook", "status", cluster.database, "--json")
    assert all(one["state"] in {"done", "failed", "aborted"} for one in json.loads(status)["runs"])
