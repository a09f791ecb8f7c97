"""Planned work under load: what clients saw of it, and what every member holds after it."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from pathlib import Path

from faults.cluster import Cluster
from faults.containers import in_network_of
from faults.probe import PORT
from faults.verdict import judge, read_copies
from galera_operator.core.agent_api import HTTP_PORT
from galera_operator.demo.load_process import LoadProcess
from galera_operator.demo.tally import Result
from galera_operator.sandbox.waiting import wait_until

CALM_WRITES = 100
LOGS = Path(__file__).parents[3] / "build" / "planned"


def under_load(cluster: Cluster, run: int, work: Callable[[], None]) -> Result:
    """Do the work while clients write, half of them over a connection for each transaction, half over a pool.

    Args:
        cluster: Three members, nothing to do.
        run: Number of this load's rows, another one for each work.
        work: Returns when the last of it is done; the cluster is whole then, or soon.

    Returns:
        What the load saw. The members' copies have been compared: with each other, and with what was acknowledged.
    """
    at = time.time()
    load = LoadProcess(cluster.hosts(), cluster.password, arguments=["--port", str(PORT), "--run", str(run)])
    try:
        wait_until(lambda: load.progress and load.progress.acknowledged >= CALM_WRITES, 30, "the load to write", every=0.05)
        work()
        cluster.wait_whole(120)
        seen = load.stop()
        broken = judge(read_copies(cluster, run), seen, set())
    except BaseException:
        cluster.logs.keep((cluster.database, cluster.operator, cluster.proxy), at, LOGS / f"{run}.log")
        raise
    finally:
        load.kill()
    if broken or seen.failures:
        cluster.logs.keep((cluster.database, cluster.operator, cluster.proxy), at, LOGS / f"{run}.log")
    print(f"{seen.transactions} transactions, {seen.failed} failed, {seen.unconnected} unconnected, longest stall {seen.stall}")
    assert broken == []
    return seen


def operator(cluster: Cluster, *arguments: str, timeout: float = 300) -> str:
    """Run one of the project's commands in the operator's container; returns its output on one line."""
    text = cluster.deployment.execute(cluster.operator, "galera-operator", *arguments, timeout=timeout)
    return " ".join(text.split())


def writers(cluster: Cluster) -> list[int]:
    """The slots whose agents let the write port through to them, asked on their own loopback."""
    running = cluster.containers.running(cluster.database)
    return sorted(one.slot for one in running if in_network_of(one.pids[0], _may_write))


def _may_write() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=2.0)
    try:
        connection.request("GET", "/writer")
        return connection.getresponse().status == http.client.OK
    finally:
        connection.close()
