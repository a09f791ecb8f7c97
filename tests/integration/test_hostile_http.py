"""Wrong and hostile input to the ports of an agent that supervises a real, admitted mariadbd.

Every test ends with the same question: is all of it refused, said in the log, and the member exactly as it was, with clients that
wrote through SQL all the time? What each request is answered is told by tests/unit/test_agent_server.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pytest
from galera_processes import PATH_OF, TOKEN, Cluster, Member, wait_for
from operator_turns import Operator
from writes import Writes

from galera_operator.agent import health
from galera_operator.agent.connections import LINES, MAX_CONNECTIONS
from galera_operator.core.agent_api import (
    Admission,
    Admit,
    AppointWriter,
    Command,
    Drain,
    Grant,
    Stage,
    Stop,
    command_to_json,
)
from galera_operator.core.plan import Hold

pytestmark = pytest.mark.integration

T = TypeVar("T")

STALL = 2.0
"""Seconds without an acknowledged row that count as harm. A commit takes milliseconds; the machine may be busy."""


@pytest.fixture(scope="module")
def one() -> Iterator[Member]:
    """The only member of a cluster: admitted, in epoch 5, the writer."""
    cluster = Cluster()
    try:
        member = cluster.bootstrap()
        assert member.admit(epoch=5, drain_seconds=50.0)[0] == 200
        wait_for("it is the writer", lambda: member.code("/writer") == 200)
        yield member
    finally:
        cluster.destroy()


@pytest.fixture(scope="module")
def writes(one: Member) -> Iterator[Writes]:
    """A client that writes all the time."""
    with Writes([one], pause=0.02) as running:
        yield running


@dataclass
class Before:
    """What a test found, and what it may look for in the log."""

    member: Member
    client: str
    """The address that this test's hostile requests come from: the log's patience is for each one."""
    log_length: int

    @property
    def log(self) -> str:
        """What the agent has said since the test began."""
        return self.member.log[self.log_length :]

    def said(self, *words: str) -> str:
        """Wait for a line of the log that has all of these words."""

        def line() -> str | None:
            return next((line for line in self.log.splitlines() if all(word in line for word in words)), None)

        return wait_for(f"the log says {words}", line, 10, lambda: self.log[-2000:])

    @property
    def lines(self) -> list[str]:
        return [line for line in self.log.splitlines() if " agent: " in line]


@pytest.fixture(autouse=True)
def agent(one: Member, writes: Writes) -> Iterator[Before]:
    """Afterwards, see that the member is as it was, and that the writes never waited."""
    before, mariadbd, began = one.status(), one.mariadbd(), time.monotonic()
    found = Before(one, f"{one.address.rpartition('.')[0]}.{next(_NUMBERS)}", len(one.log))
    yield found
    written = len(writes.acknowledged)
    wait_for("rows are still written", lambda: len(writes.acknowledged) > written, 5, lambda: writes.failed)
    assert writes.failed == []
    assert writes.longest_gap(began) < STALL, "writes waited"
    after = one.status()
    assert one.exit_code is None
    assert one.mariadbd() == mariadbd
    same = ("name", "incarnation", "stage", "directory", "admission", "writer", "cut", "epoch", "transfer")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert (after.stage, after.admission, after.epoch) == (Stage.RUNNING, Admission.OPERATOR, 5)
    assert (one.code("/ready"), one.code("/writer")) == (200, 200)
    assert "Traceback" not in found.log
    assert "a request failed" not in found.log
    assert TOKEN not in found.log


_NUMBERS = iter(range(10, 250))


def commands(life: str, epoch: int, address: str) -> list[Command]:
    """Each command there is, in a form that this agent would otherwise read."""
    return [
        Grant(epoch, life, address, None, ()),
        Grant(epoch, life, address, None, (address,)),
        Admit(epoch, life, 1.0, allow_donor=True),
        AppointWriter(epoch, life, "db.1"),
        Drain(epoch, life, 1.0),
        Stop(epoch, life),
    ]


def raw(agent: Before, request: bytes, port: int = 9200) -> bytes:
    """Send this and return all that comes back until the agent closes; nothing where it closes without a word."""
    answer = b""
    with socket.create_connection((agent.member.address, port), 10, (agent.client, 0)) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        with contextlib.suppress(ConnectionError):
            while chunk := connection.recv(4096):
                answer += chunk
    return answer


def code(answer: bytes) -> str:
    """The status of an HTTP answer; empty for none: the agent closed while the request was still being sent."""
    return answer.split(b" ")[1].decode() if answer.startswith(b"HTTP/1.1 ") else answer.decode("latin-1")


# Who may command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong-token-of-an-intruder",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        f"Bearer {'t' * 12000}",
    ],
    ids=["none", "empty", "no value", "wrong", "longer", "shorter", "another scheme", "12 kB long"],
)
def test_who_does_not_know_the_token_commands_nothing(agent: Before, authorization: str | None) -> None:
    life = agent.member.status().incarnation
    for command in commands(life, 6, agent.member.address):
        path, body = PATH_OF[type(command)], command_to_json(command)
        header = f"Authorization: {authorization}\r\n" if authorization is not None else ""
        request = f"POST {path} HTTP/1.1\r\n{header}Content-Length: {len(body)}\r\n\r\n{body}"
        assert code(raw(agent, request.encode())) == "401"
        agent.said(f"refused POST {path} from {agent.client}", "the bearer token is missing or wrong")
    assert "intruder" not in agent.log, "what was tried may be somebody's real secret"


def test_the_operator_of_an_old_epoch_commands_nothing(agent: Before) -> None:
    for command in commands(agent.member.status().incarnation, 4, agent.member.address):
        status, body = agent.member.send(command)
        assert (status, "epoch 4 is over, 5 has been obeyed" in body) == (409, True)
        agent.said(f"refused POST {PATH_OF[type(command)]} from 127.0.0.1", "epoch 4 is over")


def test_a_command_for_another_life_of_the_member_does_not_reach_this_one(agent: Before) -> None:
    for command in commands("0123456789abcdef", 6, agent.member.address):
        status, body = agent.member.send(command)
        assert (status, "the member restarted" in body) == (409, True)
        agent.said(f"refused POST {PATH_OF[type(command)]} from 127.0.0.1", "meant for incarnation 0123456789abcdef")


def test_a_grant_for_this_life_is_refused_too_as_long_as_mariadbd_runs(agent: Before) -> None:
    now = agent.member.status()
    for position in (now.position, None):
        grant = Grant(6, now.incarnation, agent.member.address, position, ())
        status, body = agent.member.send(grant)
        assert (status, "a grant is for a waiting member" in body) == (409, True)
    agent.said("refused POST /grant from 127.0.0.1", "stage running")


# What is in a request -------------------------------------------------------------------------------------------------

HEAD = f"POST /stop HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n"


def post(body: bytes, length: str | None = None, path: str = "/drain") -> bytes:
    """A request with the right token."""
    length = str(len(body)) if length is None else length
    return f"POST {path} HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {length}\r\n\r\n".encode() + body


MEGABYTES = b"x" * (20 << 20)
LENGTHS = {
    "10 GB are announced": (post(b"{}", "10000000000"), "413", "longer than 64 KiB"),
    "20 MB are announced and sent": (post(MEGABYTES), "413", "longer than 64 KiB"),
    "a length of 5,000 digits": (post(b"{}", "9" * 5000), "413", "longer than 64 KiB"),
    "a negative length": (post(b"{}", "-1"), "400", "expected a number of bytes"),
    "a length in words": (post(b"{}", "all of it"), "400", "expected a number of bytes"),
    "chunks without an end": (
        f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + b"ffff\r\n" + MEGABYTES, "411", "send a Content-Length",
    ),
    "20 MB of head": (b"GET /" + MEGABYTES, "431", "longer than 16 KiB"),
    "100,000 headers": (b"GET /status HTTP/1.1\r\n" + b"a: b\r\n" * 100_000 + b"\r\n", "431", "longer than 16 KiB"),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "expected", "told"), LENGTHS.values(), ids=LENGTHS.keys())
def test_what_is_too_long_is_not_read(agent: Before, request_: bytes, expected: str, told: str) -> None:
    memory = resident_kb(agent.member)
    assert code(raw(agent, request_)) in {expected, ""}
    agent.said("refused", f"from {agent.client}", told)
    assert resident_kb(agent.member) - memory < 5_000


def resident_kb(member: Member) -> int:
    """The memory that the agent (not mariadbd) has."""
    assert member.agent is not None
    with open(f"/proc/{member.agent.pid}/status") as file:  # noqa: PTH123 - not a file of ours
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def drain(life: str, **changes: str) -> bytes:
    """A drain as JSON, with some values written as given."""
    texts = {"epoch": "6", "incarnation": json.dumps(life), "seconds": "5.0"} | changes
    return f"{{{', '.join(f'{json.dumps(key)}: {text}' for key, text in texts.items())}}}".encode()


BODIES: dict[str, Callable[[str], bytes]] = {
    "NaN seconds": lambda life: drain(life, seconds="NaN"),
    "endless seconds": lambda life: drain(life, seconds="Infinity"),
    "minus endless seconds": lambda life: drain(life, seconds="-Infinity"),
    "seconds beyond a float": lambda life: drain(life, seconds="1e999"),
    "seconds of 5,000 digits": lambda life: drain(life, seconds="9" * 5000),
    "NaN for the epoch": lambda life: drain(life, epoch="NaN"),
    "half an epoch": lambda life: drain(life, epoch="6.5"),
    "true for the epoch": lambda life: drain(life, epoch="true"),
    "no epoch": lambda life: drain(life, epoch="null"),
    "a list for the incarnation": lambda life: drain(life, incarnation=f"[{json.dumps(life)}]"),
    "a key too many": lambda life: drain(life, force="true"),
    "lists 30,000 deep": lambda _: b"[" * 30_000 + b"]" * 30_000,
    "objects 10,000 deep": lambda _: b'{"a":' * 10_000,
    "an incarnation 400 lists deep": lambda life: drain(life, incarnation="[" * 400 + "]" * 400),
    "an incarnation 900 lists deep": lambda life: drain(life, incarnation="[" * 900 + "]" * 900),
    "a value of 60 kB": lambda life: drain(life, seconds=json.dumps("long" * 15_000)),
    "no JSON": lambda _: b"drain, please",
    "half of it": lambda life: drain(life)[:-1],
    "twice": lambda life: drain(life) * 2,
    "nothing": lambda _: b"",
    "bytes that are no text": lambda _: bytes(range(128, 256)),
    "zero bytes": lambda _: bytes(4096),
    "another line for the log": lambda life: drain(life, seconds=json.dumps("5\nWARNING agent: all is lost\x1b[2J\ud800")),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_cannot_be_meant_is_refused_in_one_short_line(agent: Before, body: Callable[[str], bytes]) -> None:
    life = agent.member.status().incarnation
    assert code(raw(agent, post(body(life)))) == "400"
    line = agent.said(f"refused POST /drain from {agent.client}")
    assert len(line) < 500
    assert line.isprintable()
    assert len([line for line in agent.lines if "refused" in line]) == 1
    assert not [line for line in agent.lines if line.startswith("WARNING")]


# What is no request ---------------------------------------------------------------------------------------------------

GARBAGE = {
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2 + b"\r\n\r\n",
    "an SSH banner": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a MariaDB handshake": b"\x4a\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB\x00\r\n\r\n",
    "random bytes": random.Random(1).randbytes(8000) + b"\r\n\r\n",
    "zero bytes": bytes(8000) + b"\r\n\r\n",
    "an empty request": b"\r\n\r\n",
    "HTTP/0.9": b"GET /status\r\n\r\n",
    "an address that is none": b"GET http://[::1 HTTP/1.1\r\n\r\n",
    "a path that opens a bracket": b"GET //[ HTTP/1.1\r\n\r\n",
    "a path out of the tree": b"GET /../../../../run/secrets/galera_token HTTP/1.1\r\n\r\n",
    "an encoded path out of the tree": b"GET /%2e%2e/%2e%2e/run/secrets/galera_token HTTP/1.1\r\n\r\n",
    "a path through another": b"GET /status/../../etc/passwd HTTP/1.1\r\n\r\n",
    "a path with a zero byte": b"GET /status\x00 HTTP/1.1\r\n\r\n",
    "a path with colours": b"GET /\x1b[31mred HTTP/1.1\r\n\r\n",
    "a command under another name": post(b"{}", path="/stop/../stop"),
    "a method that is none": b"SMASH /status HTTP/1.1\r\n\r\n",
    "a proxy's method": b"CONNECT 10.0.0.1:3306 HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("request_", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_no_request_is_answered_with_an_error_and_said(agent: Before, request_: bytes) -> None:
    answer = raw(agent, request_)
    assert code(answer) in {"400", "404", "405", "431"}
    assert TOKEN.encode() not in answer
    line = agent.said("refused", f"from {agent.client}")
    assert len(line) < 500
    assert line.isprintable()


WORDS = {
    "random bytes": random.Random(2).randbytes(4000),
    "a line that never ends": b"w" * 100_000,
    "another word": b"writer\n",
    "half a word": b"writ",
    "HTTP": b"GET /writer HTTP/1.1\r\n\r\n",
    "zero bytes": bytes(100),
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_what_is_no_agent_check_is_not_answered_and_said(agent: Before, words: bytes) -> None:
    assert raw(agent, words, 9201) == b"", "HAProxy takes no answer for no news; 'up' would be for the wrong question"
    agent.said(f"refused an agent-check from {agent.client}", "expected read or write")
    assert agent.member.haproxy(b"write\n") == agent.member.haproxy(b"read\n") == agent.member.haproxy() == "up ready 100%\n"


# Who takes their time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_client_that_sends_a_byte_at_a_time_is_sent_away_after_five_seconds(agent: Before, part: str) -> None:
    life = agent.member.status().incarnation
    whole = post(drain(life).ljust(20_000))
    fast = whole[:10] if part == "head" else whole.replace(b"  ", b"")
    ended, answer = threading.Event(), []

    def drip() -> None:
        here = (agent.client, 0)
        with socket.create_connection((agent.member.address, 9200), 20, here) as connection, contextlib.suppress(OSError):
            connection.sendall(fast)
            rest = iter(whole[len(fast) :])
            connection.settimeout(0.1)
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    answer.append(connection.recv(4096))
                    return
                connection.sendall(bytes([next(rest)]))

    began = time.monotonic()
    slow = threading.Thread(target=drip)
    slow.start()
    try:
        slow.join(8)
        assert not slow.is_alive(), "it is still being listened to"
    finally:
        ended.set()
    assert 4.5 < time.monotonic() - began < 7
    assert code(answer[0]) == "408"
    agent.said(f"refused a request from {agent.client}", "did not arrive within 5 s")


@contextlib.contextmanager
def silent(agent: Before, count: int) -> Iterator[None]:
    """That many connections of one client that says nothing, each of them replaced when the agent closes it."""

    def connect() -> socket.socket:
        return socket.create_connection((agent.member.address, 9200), 5, (agent.client, 0))

    held = [connect() for _ in range(count)]
    ended = threading.Event()

    def hold() -> None:
        while not ended.wait(0.1):
            for index, connection in enumerate(held):
                connection.setblocking(False)
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    connection.recv(4096)
                    connection.close()
                    held[index] = connect()

    keeper = threading.Thread(target=hold)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join(10)
        for connection in held:
            connection.close()


@contextlib.contextmanager
def health_check(member: Member) -> Iterator[subprocess.Popen[bytes]]:
    """Docker's HEALTHCHECK, as the image runs it: held by the agent for as long as all is well, at most 50 s."""
    arguments = [sys.executable, "-I", "-S", health.__file__]
    with subprocess.Popen(arguments, env=os.environ | {"GALERA_BIND_ADDRESS": member.address}) as check:
        try:
            yield check
        finally:
            check.kill()


@pytest.mark.parametrize(
    ("count", "told"),
    [(200, "did not arrive within 5 s"), (MAX_CONNECTIONS + 50, "too many connections")],
    ids=["200", "more than it takes"],
)
def test_silent_connections_keep_nobody_else_waiting(agent: Before, count: int, told: str) -> None:
    one = agent.member
    asked: dict[str, list[float]] = {"/ready": [], "write": [], "operator": []}
    with silent(agent, count), health_check(one) as check, Operator([one]) as operator:
        for _ in range(40):
            assert timed(asked["/ready"], lambda: one.code("/ready")) == 200
            assert timed(asked["write"], lambda: one.haproxy(b"write\n")) == "up ready 100%\n"
        for _ in range(3):
            plan = timed(asked["operator"], operator.turn)
            assert isinstance(plan, Hold), plan
        assert one.admit(epoch=5, drain_seconds=50.0)[0] == 200, "it can command as well"
        agent.said(f"from {agent.client}", told)
        assert one.code("/live") == 200
        assert check.poll() in {None, 0}, "Docker would kill the member"
    slowest = {what: round(max(seconds), 3) for what, seconds in asked.items()}
    print(f"{count} silent connections; slowest answers in seconds: {slowest}")
    assert sorted(asked["/ready"])[36] < 0.1, "HAProxy's patience is 500 ms"
    assert sorted(asked["write"])[36] < 0.1
    assert slowest["operator"] < 1.5, "the operator's patience with one member"


def timed(asked: list[float], ask: Callable[[], T]) -> T:
    began = time.monotonic()
    answer = ask()
    asked.append(time.monotonic() - began)
    return answer


def test_a_flood_of_refusals_does_not_flood_the_log(agent: Before) -> None:
    for _ in range(300):
        raw(agent, b"GET /nothing HTTP/1.1\r\n\r\n")
    assert agent.member.send(Drain(4, agent.member.status().incarnation, 1.0))[0] == 409
    agent.said("epoch 4 is over")  # who shows the token is not held back
    sum_ = agent.said("more requests were refused")
    written = len([line for line in agent.lines if "/nothing" in line])
    assert LINES <= written <= 3 * LINES
    assert int(sum_.partition(" agent: ")[2].split()[0]) >= 300 - written, "the others are counted"
