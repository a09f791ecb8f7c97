"""Prometheus as a real service beside a real cluster: the dashboard's queries have data, every alert fires at a real fault."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from chromium import audit, chromium
from deployment import CHARTS, ROOT, Deployment
from door import door
from faults import probe
from faults.cluster import Cluster
from faults.containers import Container, in_network_of, named, send
from faults.transfers import empty
from playwright.sync_api import expect

from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import NotYet, wait_until

pytestmark = pytest.mark.e2e

MONITORING = CHARTS / "monitoring"
ALERTS = {rule["alert"] for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"] for rule in group["rules"]}
IMAGE = re.search(r"PROMETHEUS_IMAGE:-([^}]+)", (MONITORING / "stack.yml").read_text())[1]  # type: ignore[index]
FILLER = 5_000
NODE = "node1"


@dataclass(frozen=True)
class Prometheus:
    """The service as its own API tells; asked on its own loopback."""

    cluster: Cluster

    def ask(self, path: str) -> Any:
        (one,) = self.cluster.containers.running("mon_prometheus")

        def get() -> Any:
            with closing(http.client.HTTPConnection("127.0.0.1", 9090, timeout=5)) as connection:
                connection.request("GET", path)
                return json.loads(connection.getresponse().read())

        told = in_network_of(one.pids[0], get)
        assert told["status"] == "success", told
        return told["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        return list(self.ask(f"/api/v1/query?query={quote(expression)}")["result"])

    def firing(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self.ask("/api/v1/alerts")["alerts"] if alert["state"] == "firing"}

    def wait_firing(self, alert: str, within: float = 60) -> None:
        def fires() -> bool | NotYet:
            firing = self.firing()
            return alert in firing or NotYet(f"firing: {sorted(firing)}")

        wait_until(fires, within, f"{alert} to fire", every=0.2, ignoring=(OSError, http.client.HTTPException, ValueError))

    def wait_calm(self, within: float = 120) -> None:
        wait_until(
            lambda: not self.firing() or NotYet(self.firing()),
            within,
            "no alert to fire",
            every=0.5,
            ignoring=(OSError, http.client.HTTPException, ValueError),
        )


def impatient(target: Path) -> Path:
    """A copy of the chart that looks every second, waits for nothing before it fires, and stays on one node."""
    shutil.copytree(MONITORING, target)
    alerts, config = target / "alerts.yml", target / "prometheus.yml"
    alerts.write_text(re.sub(r"for: \w+", "for: 0s", alerts.read_text()))
    config.write_text(re.sub(r"(_interval): 5s", r"\1: 1s", config.read_text()))
    beside = {"services": {"prometheus": {"deploy": {"placement": {"constraints": [f"node.hostname == {NODE}"]}}}}}
    (target / "here.yml").write_text(yaml.safe_dump({"version": "3.8", **beside}))
    return target


@pytest.fixture(scope="module")
def cluster(sandbox: Sandbox) -> Iterator[Cluster]:
    sandbox.build_images(ROOT, only=[IMAGE])
    cluster = Cluster(sandbox, FILLER)
    try:
        cluster.deploy()
        yield cluster
    finally:
        Sandbox.up(3)
        cluster.deployment.remove()


@pytest.fixture(scope="module")
def prometheus(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    chart = impatient(tmp_path_factory.mktemp("monitoring") / "chart")
    stack = Deployment(cluster.sandbox, "mon")
    stack.deploy(chart / "stack.yml", chart / "here.yml", GALERA_STACK="db")
    prometheus = Prometheus(cluster)
    try:
        wait_until(
            lambda: bool(prometheus.query("galera_cluster_replicas")) or NotYet("nothing scraped"),
            90,
            "Prometheus to have asked the operator",
            every=0.5,
            ignoring=(OSError, http.client.HTTPException, ValueError),
        )
        prometheus.wait_calm()  # before its first question it knew of no operator
        yield prometheus
    finally:
        stack.remove()


def promised(
    prometheus: Prometheus, alert: str, fault: Callable[[], None], repair: Callable[[], None], within: float = 60
) -> None:
    """The alert does not fire before the fault, fires at it, and ends after the repair."""
    assert alert in ALERTS
    prometheus.wait_calm()
    begun = time.monotonic()
    try:
        fault()
        prometheus.wait_firing(alert, within)
        print(f"{alert} fired after {time.monotonic() - begun:.1f} s")
    finally:
        repair()
    prometheus.wait_calm(180)
    FIRED.add(alert)


FIRED: set[str] = set()


def label(cluster: Cluster, **labels: str) -> Callable[[], None]:
    return lambda: cluster.deployment.label(**labels)


def test_every_query_of_the_dashboard_returns_data(prometheus: Prometheus) -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = re.findall(r"label_values\((\w+), (\w+)\)", json.dumps(dashboard["templating"]))
    assert len(queries) > 15
    assert variables
    prometheus.cluster.sql(prometheus.cluster.writer().slot, "CREATE TABLE IF NOT EXISTS demo.one (id INT PRIMARY KEY)")

    def lacking() -> bool | NotYet:
        empty = [query for query in queries if not prometheus.query(query.replace("$cluster", ".*"))]
        return not empty or NotYet(empty)

    wait_until(lacking, 60, "data for every query", every=1)
    for metric, name in variables:
        assert prometheus.ask(f"/api/v1/label/{name}/values?match[]={metric}") == ["db_dbcluster"]


def test_in_calm_service_no_alert_fires(prometheus: Prometheus) -> None:
    assert prometheus.firing() == set()
    told = prometheus.ask("/api/v1/rules")
    assert {rule["name"] for group in told["groups"] for rule in group["rules"]} == ALERTS


def test_a_page(prometheus: Prometheus) -> None:
    cluster = prometheus.cluster
    promised(prometheus, "GaleraPageOpen", label(cluster, replicas="banana"), label(cluster, replicas="3"))


def test_a_pause_and_a_size_that_is_not_as_wished(prometheus: Prometheus) -> None:
    cluster = prometheus.cluster
    promised(prometheus, "GaleraPaused", label(cluster, pause="true"), label(cluster, pause="false"))
    promised(
        prometheus,
        "GaleraSizeNotAsWished",
        label(cluster, pause="true", replicas="2"),
        label(cluster, pause="false", replicas="3"),
    )
    cluster.wait_whole(120)


def test_a_member_that_does_not_answer(prometheus: Prometheus) -> None:
    cluster = prometheus.cluster
    frozen = cluster.readers()[0]
    promised(
        prometheus,
        "GaleraMemberNotSynced",
        lambda: send(named(frozen, "mariadbd"), signal.SIGSTOP),
        lambda: send(named(frozen, "mariadbd"), signal.SIGCONT),
    )
    cluster.wait_whole(120)


def test_a_slow_member(prometheus: Prometheus) -> None:
    cluster = prometheus.cluster
    writer, slow = cluster.writer().slot, cluster.readers()[0].slot
    cluster.sql(writer, "CREATE TABLE IF NOT EXISTS demo.slow (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")

    def load() -> None:
        threads.append(threading.Thread(target=cluster.sql, args=(slow, "USE demo; LOCK TABLES slow READ; DO SLEEP(30)")))
        threads.extend(threading.Thread(target=write) for _ in range(4))
        for thread in threads:
            thread.start()

    def write() -> None:
        with closing(probe.connect(cluster.hosts()[0], cluster.password, 60.0)) as connection, connection.cursor() as cursor:
            while not ended.is_set():
                cursor.execute("INSERT INTO demo.slow (v) VALUES (1)")
                connection.commit()

    def end() -> None:
        ended.set()
        for thread in threads:
            thread.join(100)

    threads: list[threading.Thread] = []
    ended = threading.Event()
    promised(prometheus, "GaleraFlowControl", load, end)
    cluster.wait_whole(120)


def test_a_killed_member_shows_on_the_status_page_within_three_seconds(prometheus: Prometheus) -> None:
    cluster = prometheus.cluster
    (operator,) = cluster.containers.running(cluster.operator)
    victim = cluster.readers()[0]
    with door(operator.pids[0], 9300) as port, chromium() as browser:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        badge = page.locator(f"[data-slot='{victim.slot}'] .badge")
        expect(badge).to_have_text("admitted")
        page.evaluate("window.stays = true")
        begun = time.monotonic()
        send(victim.pids, signal.SIGKILL)
        expect(badge).not_to_have_text("admitted", timeout=3000)
        print(f"shown after {time.monotonic() - begun:.1f} s: {badge.inner_text()}")
        assert page.evaluate("window.stays") is True, "it was loaded again"
        assert audit(page) == []
    cluster.wait_whole(120)


def test_nobody_takes_writes(prometheus: Prometheus) -> None:
    cluster = prometheus.cluster

    def kill_all() -> None:
        send(tuple(pid for one in cluster.containers.running(cluster.database) for pid in one.pids), signal.SIGKILL)

    promised(prometheus, "GaleraNotWritable", kill_all, lambda: cluster.wait_whole(120))


def test_a_state_transfer_in_which_nothing_moves(prometheus: Prometheus) -> None:
    cluster = prometheus.cluster
    victim = cluster.readers()[0]
    stopped: list[int] = []

    def freeze_the_copy() -> None:
        send(victim.pids, signal.SIGKILL)
        empty(cluster, victim)  # it has to copy everything again
        wait_until(caught, 90, "a copy to be under way", every=0.005, ignoring=(LookupError,))

    def caught() -> bool | NotYet:
        for one in cluster.containers.running(cluster.database):
            copying = named(one, "mariadb-backup") if one.slot != victim.slot else ()
            if copying:
                send(copying, signal.SIGSTOP)
                stopped.extend(copying)
                return True
        return NotYet("no donor runs mariadb-backup")

    promised(
        prometheus,
        "GaleraTransferStuck",
        freeze_the_copy,
        lambda: send(tuple(stopped), signal.SIGCONT),
        within=200,
    )
    cluster.wait_whole(180)


def test_no_operator(prometheus: Prometheus) -> None:
    cluster = prometheus.cluster
    with cluster.without_operator():
        prometheus.wait_firing("GaleraOperatorAbsent", 60)
    prometheus.wait_calm(120)
    FIRED.add("GaleraOperatorAbsent")


def test_a_swarm_without_a_leader(prometheus: Prometheus) -> None:
    """Two of three managers die, while the operator and Prometheus live with the third."""
    cluster = prometheus.cluster
    deployment, sandbox = cluster.deployment, cluster.sandbox
    deployment.docker("service", "update", "--detach", "--constraint-add", f"node.hostname=={NODE}", deployment.operator)

    def on_one() -> Container | NotYet:
        running = cluster.containers.running(deployment.operator)
        return running[0] if len(running) == 1 and running[0].node == 1 else NotYet(running)

    wait_until(on_one, 60, f"the operator to live on {NODE}", every=0.2)
    cluster.wait_whole(60)

    def lose_two() -> None:
        sandbox.kill_node(2)
        sandbox.kill_node(3)

    def bring_back() -> None:
        sandbox.start_node(2)
        sandbox.start_node(3)
        wait_until(lambda: len(cluster.managers()) == 3, 60, "three managers", every=0.5, ignoring=(CommandFailed,))
        cluster.wait_whole(180)

    promised(prometheus, "GaleraOperatorBlind", lose_two, bring_back, within=60)


def test_every_alert_has_fired() -> None:
    """The last one of this file: what it asks for is what the others have seen."""
    assert FIRED == ALERTS
