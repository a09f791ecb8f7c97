"""A task that runs and that Swarm's DNS has lost: the operator notices, and restarts it once.

What makes Swarm lose one is a race in the engine (moby #35508, #37535). Here the entry is taken out of the network database of
the task's own node by the engine's diagnostic server: the other nodes then forget it like one that never was entered.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from deployment import Deployment, LogFollower

from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import NotYet, wait_until

pytestmark = pytest.mark.e2e

DIAGNOSTICS = 2000
"""The port of the engine's diagnostic server, on loopback."""


def descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(one for child in children for one in descendants(child))]


def open_diagnostics(deployment: Deployment, node: int) -> None:
    """Let the node's engine read its configuration again, with the server in it."""
    one = deployment.sandbox.nodes[node - 1]
    assert one.pid is not None
    (Path(one.socket.removeprefix("unix://")).parent / "daemon.json").write_text(
        json.dumps({"network-diagnostic-port": DIAGNOSTICS})
    )
    engines = [pid for pid in descendants(one.pid) if Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd"]
    os.kill(engines[0], signal.SIGHUP)
    wait_until(lambda: "OK" in ask(deployment, node, "/ready"), 10, "the diagnostic server")


def ask(deployment: Deployment, node: int, path: str) -> str:
    program = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{DIAGNOSTICS}{path}', timeout=5).read().decode())"
    return deployment.sandbox.inside(node, "python3", "-c", program).stdout


def lose(deployment: Deployment, slot: int) -> None:
    """Take the slot's entry out of Swarm's DNS on every node but its own."""
    node, container = deployment.container(deployment.database, slot)
    networks = json.loads(deployment.sandbox.docker(node, "inspect", container))[0]["NetworkSettings"]["Networks"]
    found = networks[f"{deployment.stack}_default"]
    open_diagnostics(deployment, node)
    path = f"/deleteentry?nid={found['NetworkID']}&tname=endpoint_table&key={found['EndpointID']}"
    assert "OK" in ask(deployment, node, path)


def member(status: dict[str, Any], slot: int) -> dict[str, Any]:
    return next(one for one in status["members"] if one["slot"] == slot)


def test_a_member_that_dns_has_lost_is_restarted_once_and_found_again(galera: Deployment) -> None:
    galera.label(replicas="3")
    galera.wait_settled(3)
    at_home = galera.container(galera.operator)[0]
    slots = [slot for slot in (1, 2, 3) if galera.container(galera.database, slot)[0] != at_home]
    lost = slots[0]
    before = galera.running()
    with_log = LogFollower(galera, galera.operator)
    try:
        lose(galera, lost)

        def is_missing() -> bool | NotYet:
            status = galera.status()
            return True if not member(status, lost)["listed"] else NotYet(json.dumps(status, indent=1))

        wait_until(is_missing, 30, f"slot {lost} to be missing in DNS", ignoring=(CommandFailed,))
        assert all(member(galera.status(), slot)["listed"] for slot in (1, 2, 3) if slot != lost)
        with_log.wait_for(f"act: slot {lost} .*Swarm has lost its binding", 0, within=90)
        with_log.wait_for(f"done: restart slot {lost}", 0)
        with_log.wait_for(f"done: admit slot {lost}", 0, within=120)
        settled = galera.wait_settled(3)
    finally:
        with_log.close()
    assert all(one["listed"] for one in settled["members"])
    after = galera.running()
    assert {task.slot for task in before.values() if task.id not in after} == {lost}
    lines = "\n".join(with_log.lines)
    assert lines.count(f"done: restart slot {lost}") == 1
    assert "PAGE" not in lines
