"""Further figures of the operator: how fast it acts, how fast a member that is ready gets traffic, what the proxy costs."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faults.containers import Container

from galera_bench.audit import Audit
from galera_bench.cluster import LOAD_USER, PASSWORD, Bench
from galera_bench.reached import first_routed
from galera_operator.sandbox import commands

ROUNDS = 10
SYSBENCH_SECONDS = 12
SYSBENCH_ROUNDS = 3
SYSBENCH_THREADS = 8
BARE_PORT = 3390
READ_PORT = 3307

Line = tuple[str, str, str]
"""What, the figure, and what is promised."""


@dataclass(frozen=True)
class Figure:
    """`before`, `after`: members."""

    before: int
    after: int
    measure: Callable[[Bench], list[Line]]


class ServiceEvents:
    """The manager's own events about one service, with its own times."""

    def __init__(self, socket: str, service: str) -> None:
        arguments = ["events", "--filter", "type=service", "--filter", f"service={service}", "--format", "{{json .}}"]
        self._process = subprocess.Popen(
            [commands.docker_command(), "-H", socket, *arguments], stdout=subprocess.PIPE, text=True, env=commands.environment()
        )

    def stop(self) -> list[tuple[float, str]]:
        """Time in seconds since the epoch, and the new number of replicas (empty where that did not change)."""
        self._process.terminate()
        told, _ = self._process.communicate(timeout=10)
        events = [json.loads(line) for line in told.splitlines()]
        return [(event["timeNano"] / 1e9, event["Actor"]["Attributes"].get("replicas.new", "")) for event in events]


def label_and_routing(bench: Bench) -> list[Line]:
    """2 -> 3 -> 2 again and again by the label, with readers on the read port."""
    audit = Audit(bench)
    audit.start()
    writes, waits = [], []
    with tempfile.TemporaryDirectory() as folder:
        load = bench.load(9000, Path(folder, "attempts"), port=READ_PORT, reads=1.0)
        try:
            for _ in range(ROUNDS):
                events = ServiceEvents(bench.sandbox.nodes[0].socket, bench.database)
                time.sleep(0.5)
                since = time.time()
                bench.scale(3)
                bench.wait_whole(3, 60)
                time.sleep(1.5)
                writes.append(_first_write(events.stop(), since))
                waits += first_routed(audit.accepted, audit.histories(), since)
                bench.scale(2)
                bench.wait_whole(2, 60)
            result = load.stop()
        finally:
            load.kill()
            audit.stop()
            audit.close()
    known = [one for one in writes if one is not None]
    failed = result.failed + result.unconnected
    return [
        ("label change -> first service write, median", _spread(known, 1000, "ms"), "< 300 ms"),
        ("Synced -> first transaction routed, median", _spread(waits, 1000, "ms"), "< 1500 ms"),
        ("reads on the read port during that, failed", f"{failed} of {result.transactions}", "0"),
    ]


def _first_write(events: Sequence[tuple[float, str]], since: float) -> float | None:
    """Seconds from the label's event to the next one that changed the number of replicas."""
    label = next((at for at, replicas in events if at >= since and not replicas), None)
    wrote = next((at for at, replicas in events if label and at >= label and replicas), None)
    return wrote - label if label and wrote else None


def _spread(values: Sequence[float], factor: float, unit: str) -> str:
    if not values:
        return "not seen"
    low, middle, high = (value * factor for value in (min(values), statistics.median(values), max(values)))
    return f"{middle:.0f} {unit} ({low:.0f} to {high:.0f}, n = {len(values)})"


def proxy_cost(bench: Bench) -> list[Line]:
    """Run sysbench oltp_read_write against the writer in turns: directly, through the stack's proxy, and through a bare HAProxy.

    The bare one does nothing else and is beside the client, one hop less on the network: what is the least that a proxy costs.
    """
    writer, proxy, home = _path(bench)
    ways = {
        "direct": (bench.containers.address(writer), 3306),
        "through the proxy": (bench.containers.address(proxy), 3306),
        "through a bare HAProxy": ("127.0.0.1", BARE_PORT),
    }
    with _bare_proxy(bench, bench.containers.address(writer)):
        rates = _in_turns(bench, ways)
    middle = {way: statistics.median(found) for way, found in rates.items()}
    where = f"client on node {home}, proxy on {proxy.node}, writer on {writer.node}"
    return [
        (f"proxy: transactions of sysbench oltp_read_write, {SYSBENCH_THREADS} threads; {where}", _said(rates), ""),
        ("proxy: cost", f"{1 - middle['through the proxy'] / middle['direct']:.1%}", "<= 10 %"),
        ("proxy: cost of a bare HAProxy beside the client", f"{1 - middle['through a bare HAProxy'] / middle['direct']:.1%}", ""),
    ]


def proxy_cost_apart(bench: Bench) -> list[Line]:
    """The same where the proxy takes nothing from the database: the only member has one core, client and proxy have the others.

    That is how it is on machines of their own; above, what is lost is what the proxy takes away from a database on a full core.
    """
    writer, proxy, _ = _path(bench)
    database, *others = sorted(os.sched_getaffinity(0))
    if not others:
        return [("proxy: cost, the member on a core of its own", "not measured: this machine has one core", "<= 10 %")]
    _pin(writer.pids, {database})
    _pin(proxy.pids, set(others))
    ways = {"direct": (bench.containers.address(writer), 3306), "through the proxy": (bench.containers.address(proxy), 3306)}
    rates = _in_turns(bench, ways, set(others))
    cost = 1 - statistics.median(rates["through the proxy"]) / statistics.median(rates["direct"])
    return [
        (f"proxy: the only member on a core of its own, {SYSBENCH_THREADS} threads", _said(rates), ""),
        ("proxy: cost, the member on a core of its own", f"{cost:.1%}", "<= 10 %"),
    ]


def _path(bench: Bench) -> tuple[Container, Container, int]:
    """With sysbench's tables made: the writer, the proxy beside the client if there is one, and the client's node."""
    audit = Audit(bench)
    audit.start()
    try:
        proxies = bench.containers.running("bench_proxy")
        home = bench.containers.running("bench_client")[0].node
        proxy = next((one for one in proxies if one.node == home), proxies[0])
        _sysbench(bench, bench.containers.address(proxy), "prepare")
        return audit.busiest(30.0), proxy, home
    finally:
        audit.stop()
        audit.close()


def _in_turns(bench: Bench, ways: Mapping[str, tuple[str, int]], cores: AbstractSet[int] = frozenset()) -> dict[str, list[float]]:
    """Transactions a second by way, some runs each. Args: `cores`: where sysbench is to run; empty: anywhere."""
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(SYSBENCH_ROUNDS):
        for way, (host, port) in ways.items():
            rates[way].append(_sysbench(bench, host, "run", port, cores))
    return rates


def _said(rates: Mapping[str, Sequence[float]]) -> str:
    return ", ".join(f"{_spread(found, 1, '/s')} {way}" for way, found in rates.items())


def _pin(pids: Sequence[int], cores: AbstractSet[int]) -> None:
    """Keep all threads of these processes on these cores."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


@contextmanager
def _bare_proxy(bench: Bench, writer: str) -> Iterator[None]:
    """HAProxy with nothing but one server, beside the client."""
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        times = "\n".join(f"  timeout {what} 60s" for what in ("client", "server", "connect"))
        server = f"listen write\n  bind 127.0.0.1:{BARE_PORT}\n  server writer {writer}:3306\n"
        file.write(f"global\n  nbthread 2\n  maxconn 100\ndefaults\n  mode tcp\n{times}\n{server}")
        file.flush()
        process = subprocess.Popen([*bench.enter(), "haproxy", "-db", "-f", file.name], stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _sysbench(bench: Bench, host: str, command: str, port: int = 3306, cores: AbstractSet[int] = frozenset()) -> float:
    """Transactions a second; 0 for the preparation."""
    options = [
        "--db-driver=mysql", f"--mysql-host={host}", f"--mysql-port={port}", f"--mysql-user={LOAD_USER}",
        f"--mysql-password={PASSWORD}", "--mysql-db=sbtest",
        "--tables=4", "--table-size=10000", f"--threads={SYSBENCH_THREADS}", f"--time={SYSBENCH_SECONDS}", "--report-interval=0",
        "--mysql-ignore-errors=1213,1205,1020", "--mysql-ssl=off",  # deadlock, lock wait, changed since the snapshot
    ]  # fmt: skip
    place = ["taskset", "--cpu-list", ",".join(map(str, sorted(cores)))] if cores else []
    done = commands.run([*bench.enter(), *place, "sysbench", "oltp_read_write", *options, command], timeout=180)
    match = re.search(r"transactions:\s+\d+\s+\((?P<rate>[\d.]+) per sec", done.stdout)
    return float(match["rate"]) if match else 0.0


FIGURES = {
    "label": Figure(2, 2, label_and_routing),
    "proxy": Figure(3, 3, proxy_cost),
    "proxy-apart": Figure(1, 1, proxy_cost_apart),
}
