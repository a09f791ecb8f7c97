"""What a real HAProxy does with ``charts/galera/haproxy.cfg`` when members come, drain, move and die.

The proxy and its configuration are the real ones; only listening addresses are replaced. Behind them stand scripted
members: each has an address of its own on loopback, an agent whose answers the test chooses, and a port 3306 that greets
with the member's name, for what is tested is which member a connection reaches and when, not the database.
``GALERA_TEST_HAPROXY`` names another binary than the one on PATH.
"""

from __future__ import annotations

import csv
import os
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import pytest

CHART = Path(__file__).parents[2] / "charts" / "galera"
HAPROXY = os.environ.get("GALERA_TEST_HAPROXY") or shutil.which("haproxy") or "/usr/sbin/haproxy"
HTTP_STATUS = {"up": "200 OK", "drain": "404 Not Found", "down": "503 Service Unavailable"}
AGENT_LINE = {"up": "ready up 100%", "drain": "drain", "down": "down # scripted"}
PORTS = {"write": 3306, "read": 3307}
T = TypeVar("T")

pytestmark = pytest.mark.integration


def eventually(look: Callable[[], T], within: float, what: str, seen: Callable[[], object] = str) -> T:
    """Return what ``look`` returns once it is true; after ``within`` seconds fail and tell what was seen."""
    pause, deadline = threading.Event(), time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within} s: {what}; seen: {seen()}"
        pause.wait(0.005)
    return found


class Listener:
    """Accepts on one address and port and hands each connection to ``serve`` in a thread of its own."""

    def __init__(self, address: str, port: int, serve: Callable[[socket.socket], None]) -> None:
        self.connections: list[socket.socket] = []
        self._serve = serve
        self._dark = False
        self._socket = socket.create_server((address, port), backlog=256)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            if self._dark:
                return
            self._threads.append(threading.Thread(target=self._run, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _run(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self._serve(connection)

    def stop_listening(self) -> None:
        """New connections are refused; those that are open stay open."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def go_dark(self) -> None:
        """New connections get no answer at all, as from a machine without power; those that are open stay open.

        The kernel drops a SYN for a listener whose queue of accepted connections is full, so fill it and never empty it.
        """
        self._dark = True
        self._socket.listen(0)
        for _ in range(10):
            filler = socket.socket()
            self.connections.append(filler)
            filler.setblocking(False)
            filler.connect_ex(self._socket.getsockname())
            if not select.select([], [filler], [], 0.1)[1]:
                return
            self._threads[0].join(5)  # it takes the first one and ends
        raise AssertionError("the listener still takes connections")

    def reset_connections(self) -> None:
        for connection in self.connections:
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.stop_listening()
        self.reset_connections()
        for thread in self._threads:
            thread.join(5)
        for connection in self.connections:
            connection.close()


class Member:
    """A member as the proxy sees it: its agent's two channels and its port 3306."""

    def __init__(self, name: str, address: str, *, read: str = "up", write: str = "drain") -> None:
        self.name, self.address = name, address
        self.says = {"read": read, "write": write}
        self.asked: Counter[str] = Counter()
        self.agent_may_answer = threading.Event()
        self.agent_may_answer.set()
        self.http_may_answer = threading.Event()
        self.http_may_answer.set()
        self.sql = Listener(address, 3306, self._sql)
        self._http_listener = Listener(address, 9200, self._http)
        self._agent_listener = Listener(address, 9201, self._agent)

    @property
    def sessions(self) -> int:
        """Connections that ever reached port 3306."""
        return len(self.sql.connections)

    def go_dark(self) -> None:
        """Like a container or a machine that is gone: silence, also on the connections that are open."""
        for listener in (self.sql, self._http_listener, self._agent_listener):
            listener.go_dark()

    def stop_listening(self) -> None:
        for listener in (self.sql, self._http_listener, self._agent_listener):
            listener.stop_listening()

    def die(self) -> None:
        """Like ``kill -9`` of every process there: nothing listens, and the kernel resets what was open."""
        self.stop_listening()
        self.sql.reset_connections()

    def close(self) -> None:
        self.agent_may_answer.set()
        self.http_may_answer.set()
        for listener in (self.sql, self._http_listener, self._agent_listener):
            listener.close()

    def _sql(self, connection: socket.socket) -> None:
        connection.sendall(f"{self.name}\n".encode())
        while data := connection.recv(1024):
            connection.sendall(data)

    def _http(self, connection: socket.socket) -> None:
        role = "write" if b"GET /writer" in connection.recv(1024) else "read"
        self.asked[f"http {role}"] += 1
        self.http_may_answer.wait(60)
        status = HTTP_STATUS[self.says[role]]
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    def _agent(self, connection: socket.socket) -> None:
        role = connection.recv(64).decode().strip()
        self.asked[f"agent {role}"] += 1
        self.agent_may_answer.wait(60)
        connection.sendall(f"{AGENT_LINE[self.says[role]]}\n".encode())


class Dns:
    """Answers A queries for ``tasks.dbcluster`` as Docker does: every address, or NXDOMAIN when there is none."""

    def __init__(self, address: str) -> None:
        self.members: list[Member] = []
        self.silent = False
        self.queries = 0
        self._open = True
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(0.2)
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while self._open:
            with suppress(OSError):  # also its time-out
                query, client = self._socket.recvfrom(4096)
                self.queries += 1
                if not self.silent:
                    self._socket.sendto(self.answer(query), client)

    def wait_for_queries(self, count: int) -> None:
        """Half a second each; so also a measure of time that passes on the proxy's side."""
        enough = self.queries + count
        eventually(lambda: self.queries >= enough, count * 2, f"{count} DNS queries")

    def answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        asked_for, kind = query[12 : end - 4], query[end - 4 : end - 2]
        known = asked_for == b"\x05tasks\x09dbcluster\0" and bool(self.members)
        members = list(self.members) if known and kind == b"\0\1" else []
        records = b"".join(
            b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(member.address) for member in random.sample(members, len(members))
        )
        code = b"\x81\x80" if known else b"\x81\x83"
        return query[:2] + code + b"\0\1" + struct.pack(">H", len(members)) + b"\0\0\0\0" + query[12:end] + records

    def close(self) -> None:
        self._open = False
        self._thread.join(5)
        self._socket.close()


class Client:
    """One application connection through the proxy."""

    def __init__(self, address: str, port: int) -> None:
        self._socket = socket.create_connection((address, port), timeout=20)

    def member(self, within: float = 5) -> str:
        """The name of the member that answers; '' if the proxy closed the connection instead."""
        self._socket.settimeout(within)
        with suppress(ConnectionError):
            return self._socket.recv(64).decode().strip()
        return ""

    @property
    def keepalive_seconds(self) -> int:
        """When the proxy's side of this connection will send its next keepalive; -1 if never. From /proc/net/tcp."""
        own, theirs = (f":{address[1]:04X}" for address in (self._socket.getsockname(), self._socket.getpeername()))
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, _, timer, *_ = line.split()
            if local.endswith(theirs) and remote.endswith(own):
                kind, _, jiffies = timer.partition(":")
                return int(jiffies, 16) // os.sysconf("SC_CLK_TCK") if kind == "02" else -1
        raise AssertionError("the kernel has no such connection")

    def works(self) -> bool:
        self._socket.settimeout(5)
        try:
            self._socket.sendall(b"ping")
            return self._socket.recv(64) == b"ping"
        except OSError:
            return False

    def cut_after(self, within: float) -> float:
        """Seconds from now until the proxy ends this connection."""
        start = time.monotonic()
        self._socket.settimeout(within)
        with suppress(ConnectionError):
            assert self._socket.recv(64) == b""
        return time.monotonic() - start

    def close(self) -> None:
        self._socket.close()


class Rig:
    """One HAProxy, its DNS, its members, and the clients in front of it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.prefix = f"127.{random.randint(16, 250)}.{random.randint(1, 250)}"
        self.dns = Dns(f"{self.prefix}.2")
        stack.callback(self.dns.close)
        self._members = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, hold: str = "150s") -> None:
        """Start HAProxy on the chart's configuration, listening on this rig's loopback addresses."""
        text = (CHART / "haproxy.cfg").read_text()
        for pattern, replacement in {
            r"bind :(?=\d)": f"bind {self.prefix}.1:",
            r"127\.0\.0\.11:53": f"{self.prefix}.2:53",
            r"127\.0\.0\.1:3399": f"{self.prefix}.1:3399",
            r"(hold \w+) 150s": rf"\1 {hold}",
        }.items():
            text, count = re.subn(pattern, replacement, text)
            assert count, f"haproxy.cfg has no {pattern}"
        config = self.folder / "haproxy.cfg"
        config.write_text(text)
        log = (self.folder / "haproxy.log").open("wb")
        shutil.copy(CHART / "slots.lua", self.folder)
        self.process = subprocess.Popen([HAPROXY, "-db", "-f", str(config)], stdout=log, stderr=log)
        self._stack.callback(self._stop, log)
        eventually(lambda: self.get("/health"), 10, "HAProxy answers /health", self.log)

    def _stop(self, log: BinaryIO) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(10)
        log.close()

    def member(self, name: str, **says: str) -> Member:
        """A member that runs but is not in DNS yet."""
        self._members += 1
        member = Member(name, f"{self.prefix}.{10 + self._members}", **says)
        self._stack.callback(member.close)
        return member

    def admitted(self, name: str, **says: str) -> Member:
        """A member that is in DNS and that the proxy has heard say what it says."""
        member = self.member(name, **says)
        self.dns.members.append(member)
        self.heard(member)
        return member

    def heard(self, *members: Member) -> None:
        """Wait until the proxy has asked each member once more on each channel, i.e. acts on what it says now."""
        channels = [f"{kind} {role}" for kind in ("agent", "http") for role in PORTS]
        before = {member.name: dict(member.asked) for member in members}
        for member in members:
            eventually(
                lambda member=member: all(member.asked[c] >= before[member.name].get(c, 0) + 2 for c in channels),
                10,
                f"the proxy asks {member.name}",
                lambda member=member: (dict(member.asked), self.log()),
            )

    def client(self, port: str) -> Client:
        client = Client(f"{self.prefix}.1", PORTS[port])
        self._stack.callback(client.close)
        return client

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://{self.prefix}.1:8404{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def statuses(self, backend: str) -> list[str]:
        """HAProxy's own word for each slot of a backend that has an address."""
        rows = csv.DictReader(self.get("/stats;csv").lstrip("# ").splitlines())
        own = [row["status"] for row in rows if row["pxname"] == backend and row["svname"].startswith("db")]
        return [status for status in own if "resolution" not in status]

    def log(self) -> str:
        return (self.folder / "haproxy.log").read_text()[-3000:]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(tmp_path, stack)


# --- a member gets nothing before its agent has answered -------------------------------------------------------------


@pytest.mark.parametrize("port", PORTS)
def test_a_member_new_in_dns_gets_no_connection_before_its_agent_has_answered(rig: Rig, port: str) -> None:
    rig.start()
    member = rig.member("one", read="up", write="up")
    member.agent_may_answer.clear()
    rig.dns.members = [member]
    waiting = [rig.client(port) for _ in range(20)]
    eventually(lambda: member.asked[f"agent {port}"], 5, "the proxy asks the agent", rig.log)
    rig.dns.wait_for_queries(4)
    assert member.sessions == 0
    member.agent_may_answer.set()
    assert {client.member() for client in waiting} == {"one"}


@pytest.mark.parametrize("port", PORTS)
def test_the_next_member_in_a_dead_members_slot_gets_no_connection_before_its_own_agent_has_answered(rig: Rig, port: str) -> None:
    rig.start(hold="1s")
    old = rig.admitted("old", write="up")
    assert rig.client(port).member() == "old"
    old.die()
    rig.dns.members = []
    eventually(lambda: rig.statuses(port) == [], 10, "the slot has no address", lambda: rig.statuses(port))
    new = rig.member("new", read="up", write="up")
    new.agent_may_answer.clear()
    waiting = [rig.client(port) for _ in range(20)]
    rig.dns.members = [new]
    eventually(lambda: new.asked[f"agent {port}"], 5, "the proxy asks the new agent", rig.log)
    rig.dns.wait_for_queries(4)
    assert new.sessions == 0
    new.agent_may_answer.set()
    assert {client.member() for client in waiting} == {"new"}


# --- DNS --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["NXDOMAIN", "no answer"])
def test_the_first_member_is_routed_to_within_two_seconds_of_its_admission(rig: Rig, before: str) -> None:
    rig.dns.silent = before == "no answer"
    rig.start()
    rig.dns.wait_for_queries(3)
    member = rig.member("one", write="up")
    clients = [rig.client("write"), rig.client("read")]
    rig.dns.members, rig.dns.silent, admitted = [member], False, time.monotonic()
    assert [client.member() for client in clients] == ["one", "one"]
    assert time.monotonic() - admitted < 2


def test_a_member_that_joins_a_running_cluster_gets_reads_and_no_writes(rig: Rig) -> None:
    rig.start()
    rig.admitted("one", write="up")
    rig.admitted("two")
    assert {rig.client("read").member() for _ in range(30)} == {"one", "two"}
    assert {rig.client("write").member() for _ in range(30)} == {"one"}


def test_when_two_members_call_themselves_the_writer_one_of_them_gets_the_connections(rig: Rig) -> None:
    rig.start()
    rig.admitted("one", write="up")
    rig.admitted("two", write="up")
    assert len({rig.client("write").member() for _ in range(30)}) == 1


# --- draining ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", PORTS)
def test_a_draining_member_gets_no_new_connection_and_its_sessions_go_on(rig: Rig, port: str) -> None:
    rig.start()
    leaving = rig.admitted("leaving", write="up")
    session = rig.client(port)
    assert session.member() == "leaving"
    rig.admitted("staying", write="up")
    leaving.says = {"read": "drain", "write": "drain"}
    rig.heard(leaving)
    before = leaving.sessions
    assert {rig.client(port).member() for _ in range(30)} == {"staying"}
    assert leaving.sessions == before
    assert session.works()


@pytest.mark.parametrize("others", [1, 0])
def test_a_drain_goes_on_after_swarm_has_taken_the_member_out_of_dns(rig: Rig, others: int) -> None:
    rig.start()
    leaving = rig.admitted("leaving", write="up")
    session = rig.client("write")
    assert session.member() == "leaving"
    rig.dns.members = [rig.admitted("staying") for _ in range(others)]
    leaving.says = {"read": "drain", "write": "drain"}
    rig.heard(leaving)
    rig.dns.wait_for_queries(4)
    assert session.works()


def test_a_proxy_that_is_told_to_stop_lets_its_sessions_end_and_takes_no_more(rig: Rig) -> None:
    rig.start()
    rig.admitted("one", write="up")
    session = rig.client("write")
    assert session.member() == "one"
    assert rig.process
    rig.process.send_signal(signal.SIGUSR1)
    eventually(lambda: not rig.get("/health"), 5, "the proxy stops listening", rig.log)
    with pytest.raises(ConnectionRefusedError):
        rig.client("write")
    assert session.works()
    session.close()
    assert rig.process.wait(10) == 0


# --- death ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", PORTS)
def test_sessions_of_a_member_that_says_503_are_cut_within_one_and_a_half_seconds(rig: Rig, port: str) -> None:
    rig.start()
    member = rig.admitted("one", write="up")
    session = rig.client(port)
    assert session.member() == "one"
    member.says = {"read": "down", "write": "down"}
    assert session.cut_after(within=5) < 1.5


@pytest.mark.parametrize("said", ["up", "drain"])
def test_sessions_of_a_member_that_went_dark_are_cut_within_two_and_a_half_seconds(rig: Rig, said: str) -> None:
    rig.start()
    member = rig.admitted("one", write="up")
    session = rig.client("write")
    assert session.member() == "one"
    member.says["write"] = said
    rig.heard(member)
    assert session.works()
    member.go_dark()
    assert session.cut_after(within=5) < 2.5


def test_sessions_of_a_member_whose_agent_accepts_but_does_not_answer_are_cut_after_three_checks(rig: Rig) -> None:
    rig.start()
    member = rig.admitted("one", write="up")
    session = rig.client("write")
    assert session.member() == "one"
    member.http_may_answer.clear()
    member.agent_may_answer.clear()
    assert 2.5 < session.cut_after(within=15) < 6


def test_reads_do_not_fail_while_a_dead_member_is_not_yet_noticed(rig: Rig) -> None:
    rig.start()
    dead = rig.admitted("dead")
    for name in ("b", "c"):
        rig.admitted(name)
    assert {client.member() for client in [rig.client("read") for _ in range(30)]} == {"dead", "b", "c"}
    dead.die()
    died, reached = time.monotonic(), set()
    while time.monotonic() < died + 1.5:
        client = rig.client("read")
        reached.add(client.member())
        client.close()
    assert reached == {"b", "c"}


@pytest.mark.parametrize("port", PORTS)
def test_connections_on_their_way_to_a_member_that_went_dark_reach_another(rig: Rig, port: str) -> None:
    """HAProxy's own ``on-marked-down shutdown-sessions`` fails these (2.6) or leaves them hanging for ever (3.0.11)."""
    rig.start()
    dark, other = rig.admitted("dark", write="up"), rig.admitted("other")
    assert rig.client("write").member() == "dark"
    dark.go_dark()
    waiting = [rig.client(port) for _ in range(40)]
    eventually(lambda: "DOWN" in rig.statuses(port), 5, "the proxy notices", lambda: rig.statuses(port))
    other.says["write"] = "up"
    assert {client.member() for client in waiting} == {"other"}


# --- the writer moves -------------------------------------------------------------------------------------------------


def test_when_the_writer_moves_new_connections_follow_and_the_old_ones_end_by_themselves(rig: Rig) -> None:
    rig.start()
    old, new = rig.admitted("old", write="up"), rig.admitted("new")
    session = rig.client("write")
    assert session.member() == "old"
    old.says["write"] = "drain"
    rig.heard(old)
    waiting = [rig.client("write") for _ in range(20)]
    rig.heard(new)
    assert new.sessions == 0
    new.says["write"], moved = "up", time.monotonic()
    assert {client.member() for client in waiting} == {"new"}
    assert time.monotonic() - moved < 1.5
    assert session.works()


def test_connections_that_come_while_the_writer_is_dead_reach_the_next_one(rig: Rig) -> None:
    rig.start()
    old, new = rig.admitted("old", write="up"), rig.admitted("new")
    assert rig.client("write").member() == "old"
    old.die()
    died, waiting = time.monotonic(), [rig.client("write")]
    while time.monotonic() < died + 2:
        rig.heard(new)
        waiting.append(rig.client("write"))
    new.says["write"], taken_over = "up", time.monotonic()
    assert {client.member() for client in waiting} == {"new"}
    assert time.monotonic() - taken_over < 1.5


def test_a_connection_waits_ten_seconds_for_a_writer_before_it_fails(rig: Rig) -> None:
    rig.start()
    rig.admitted("one")
    client, start = rig.client("write"), time.monotonic()
    assert client.member(within=20) == ""
    assert 8 < time.monotonic() - start < 13


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_an_idle_connection_is_kept_alive_before_ipvs_forgets_it_after_900_seconds(rig: Rig) -> None:
    rig.start()
    rig.admitted("one", write="up")
    session = rig.client("write")
    assert session.member() == "one"
    assert 0 < session.keepalive_seconds <= 300


def test_the_inner_port_tells_health_and_metrics(rig: Rig) -> None:
    rig.start()
    rig.admitted("one", write="up")
    assert "OK" in rig.get("/health")
    metrics = rig.get("/metrics")
    assert 'haproxy_server_status{proxy="write",server="db1",state="UP"} 1' in metrics
