"""The agent's ports: a real server on loopback, in front of a real member that has no mariadbd."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from builders import A, B, wsrep

from galera_operator.agent.connections import MAX_CONNECTIONS
from galera_operator.agent.disk import Disk
from galera_operator.agent.member import Member
from galera_operator.agent.peers import Peers
from galera_operator.agent.server import Server
from galera_operator.agent.settings import read_settings
from galera_operator.core.agent_api import (
    Admission,
    Admit,
    AgentStatus,
    AppointWriter,
    Command,
    Drain,
    Grant,
    Stage,
    Stop,
    command_to_json,
)
from galera_operator.core.position import ZERO_UUID, Directory, Position

TOKEN = "the token"
PATH = {Grant: "/grant", Admit: "/admit", AppointWriter: "/appoint", Drain: "/drain", Stop: "/stop"}
SYNCED = wsrep(cluster_size=1, members=("db.1",))


@dataclass
class Agent:
    member: Member
    server: Server

    def http(self, method: str, path: str, body: str | None = None, token: str = "") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.ports[0], timeout=10)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def send(self, command: Command) -> tuple[int, str]:
        return self.http("POST", PATH[type(command)], command_to_json(command), TOKEN)

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.server.ports[0]), 10) as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
            return answer

    def haproxy(self, line: bytes = b"") -> str:
        with socket.create_connection(("127.0.0.1", self.server.ports[1]), 10) as connection:
            connection.sendall(line)
            with connection.makefile() as answer:
                return answer.readline()

    @property
    def life(self) -> str:
        return self.member.settings.incarnation

    def run(self, **changes: object) -> None:
        """Pretend that mariadbd runs and says this."""
        self.member.enter(Stage.RUNNING, "Synced")
        self.member.saw_wsrep(replace(SYNCED, **changes))  # type: ignore[arg-type]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    (tmp_path / "token").write_text(TOKEN)
    environ = {"GALERA_TOKEN_FILE": str(tmp_path / "token"), "GALERA_SERVICE": "db", "GALERA_SLOT": "1"}
    settings = read_settings(environ, [])
    member = Member(settings, Peers(settings.incarnation, (), ()))
    server = Server(member, "127.0.0.1", 0, 0)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(5)
    yield Agent(member, server)

    async def end() -> None:
        await server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(end(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def wait_with(agent: Agent, disk: Disk) -> None:
    agent.member.found_disk(disk)
    agent.member.enter(Stage.WAITING, "waiting")


def test_reading_needs_no_token(agent: Agent) -> None:
    status, body = agent.http("GET", "/status")
    assert status == 200
    assert AgentStatus.from_json(body).name == "db.1"
    assert [agent.http("GET", path)[0] for path in ("/ready", "/writer", "/live")] == [503, 503, 503]
    assert agent.haproxy().startswith("down#")
    assert agent.haproxy(b"write\n").startswith("down#")


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1], "ünïcode"])
def test_a_command_without_the_right_token_is_refused_whatever_it_says(agent: Agent, token: str, caplog) -> None:
    for path in PATH.values():
        body = command_to_json(Stop(1, agent.life))
        connection = http.client.HTTPConnection("127.0.0.1", agent.server.ports[0], timeout=10)
        connection.request("POST", path, body, {"Authorization": f"Bearer {token}".encode()} if token else {})
        assert connection.getresponse().status == 401
        connection.close()
    assert not agent.member.stopping.is_set()
    assert TOKEN not in caplog.text


BAD = [
    ("GET", "/nothing", None, 404),
    ("POST", "/nothing", "{}", 404),
    ("POST", "/grant", "not json", 400),
    ("POST", "/grant", "[]", 400),
    ("POST", "/grant", '{"epoch": 1}', 400),
    ("POST", "/drain", '{"epoch": 1, "incarnation": "x", "seconds": "long"}', 400),
    ("POST", "/stop", '{"epoch": 1, "incarnation": "x", "more": 1}', 400),
    ("POST", "/stop", "x" * (64 * 1024 + 1), 413),
    ("GET", "/grant", None, 405),
    ("PUT", "/status", "", 405),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), BAD)
def test_a_bad_request_gets_one_sentence(agent: Agent, method: str, path: str, body: str | None, expected: int) -> None:
    status, answer = agent.http(method, path, body, TOKEN)
    assert status == expected
    assert json.loads(answer)["error"]


@pytest.mark.parametrize(
    ("request_bytes", "expected"),
    [
        (b"\r\n\r\n", b"400"),
        (b"GET /status\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"POST /stop HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /stop HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n", b"413"),
        (b"POST /stop HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
    ],
)
def test_what_is_not_http_gets_an_answer_too(agent: Agent, request_bytes: bytes, expected: bytes) -> None:
    assert agent.raw(request_bytes).split(b" ")[1] == expected
    assert agent.http("GET", "/status")[0] == 200


def test_200_silent_connections_harm_nothing_and_too_many_make_room(agent: Agent) -> None:
    silent = [socket.create_connection(("127.0.0.1", agent.server.ports[0]), 5) for _ in range(200)]
    since = time.monotonic()
    assert agent.http("GET", "/status")[0] == 200
    assert time.monotonic() - since < 1
    silent += [socket.create_connection(("127.0.0.1", agent.server.ports[0]), 5) for _ in range(MAX_CONNECTIONS)]
    assert silent[0].recv(1) == b"", "the oldest one is closed"
    assert agent.http("GET", "/status")[0] == 200
    assert agent.haproxy().startswith("down#"), "the other port does not suffer"
    for connection in silent:
        connection.close()


def test_a_command_for_another_life_or_of_an_old_epoch_is_refused(agent: Agent) -> None:
    agent.run()
    status, body = agent.send(Admit(3, "another-life", 5.0, allow_donor=False))
    assert (status, "the member restarted" in body) == (409, True)
    assert agent.send(Admit(3, agent.life, 5.0, allow_donor=False))[0] == 200
    status, body = agent.send(Drain(2, agent.life, 5.0))
    assert (status, "epoch 2 is over" in body) == (409, True)
    assert agent.member.status().epoch == 3
    assert agent.member.stage is Stage.RUNNING


@pytest.mark.parametrize(
    ("disk", "position", "sentence"),
    [
        (Disk(Directory.INCOMPLETE, note="cut off"), None, "may never seed"),
        (Disk(Directory.MID_DDL, Position(A, 3)), Position(A, 3), "only under a new history"),
        (Disk(Directory.EMPTY), Position(A, 3), "this member has none"),
        (Disk(Directory.USABLE, Position(A, 3)), None, "this member has"),
        (Disk(Directory.USABLE, Position(A, 3)), Position(A, 4), "this member has"),
        (Disk(Directory.USABLE, Position(A, 3)), Position(B, 3), "this member has"),
    ],
)
def test_a_grant_for_another_position_is_refused(agent: Agent, disk: Disk, position: Position | None, sentence: str) -> None:
    wait_with(agent, disk)
    status, body = agent.send(Grant(1, agent.life, "10.0.0.1", position, ()))
    assert status == 409
    assert sentence in json.loads(body)["error"]
    assert agent.member.wishes.start is None
    assert agent.member.status().epoch == 0


def test_a_grant_that_fits_is_taken_once(agent: Agent) -> None:
    wait_with(agent, Disk(Directory.USABLE, Position(A, 3)))
    assert agent.send(Grant(1, agent.life, "10.0.0.1", Position(A, 3), ()))[0] == 200
    start = agent.member.wishes.start
    assert start is not None
    assert (start.is_bootstrap, start.address, start.position) == (True, "10.0.0.1", Position(A, 3))
    assert agent.send(Grant(1, agent.life, "10.0.0.1", Position(A, 3), ()))[0] == 409


def test_addresses_in_a_grant_are_addresses(agent: Agent) -> None:
    wait_with(agent, Disk(Directory.EMPTY))
    assert agent.send(Grant(1, agent.life, "--wsrep", None, ()))[0] == 409
    body = command_to_json(Grant(1, agent.life, "10.0.0.1", None, ())).replace('"peers": []', '"peers": "10.0.0.2"')
    assert agent.http("POST", "/grant", body, TOKEN)[0] == 400
    assert agent.send(Grant(1, agent.life, "10.0.0.1", None, ("10.0.0.2",)))[0] == 200
    assert agent.member.peers.addresses() == ["10.0.0.2"]
    assert agent.member.wishes.start is None, "joining is for what answers there"


UNFIT = {
    "joining": {"local_state": 1, "ready": False},
    "donor": {"local_state": 2},
    "non-Primary": {"cluster_status": "non-Primary"},
    "a state UUID of zeros": {"state_uuid": ZERO_UUID},
}


@pytest.mark.parametrize("changes", UNFIT.values(), ids=UNFIT.keys())
def test_only_a_synced_member_is_admitted(agent: Agent, changes: dict[str, object]) -> None:
    agent.run(**changes)
    assert agent.send(Admit(1, agent.life, 5.0, allow_donor=False))[0] == 409
    assert agent.member.status().admission is Admission.NONE
    assert agent.http("GET", "/ready")[0] == 503


def test_admission_drain_and_admission_again(agent: Agent) -> None:
    agent.run()
    assert agent.send(Admit(1, agent.life, 5.0, allow_donor=False))[0] == 200
    assert [agent.http("GET", path)[0] for path in ("/ready", "/writer", "/live")] == [200, 200, 200]
    assert agent.haproxy(b"write\n") == agent.haproxy() == "up ready 100%\n"
    assert agent.send(Drain(1, agent.life, 5.0))[0] == 200
    assert [agent.http("GET", path)[0] for path in ("/ready", "/writer", "/live")] == [404, 404, 200]
    assert agent.haproxy(b"read\n") == agent.haproxy() == "drain\n"
    assert agent.send(Admit(1, agent.life, 7.0, allow_donor=False))[0] == 200
    assert agent.member.wishes.cancel_drain
    assert agent.member.terms.drain_seconds == 7.0


def test_a_waiting_member_has_nothing_to_drain_and_is_not_admitted(agent: Agent) -> None:
    wait_with(agent, Disk(Directory.EMPTY))
    assert agent.send(Drain(1, agent.life, 5.0))[0] == 409
    assert agent.send(Admit(1, agent.life, 5.0, allow_donor=False))[0] == 409


def test_a_stop_takes_the_member_out_at_once(agent: Agent) -> None:
    agent.run()
    agent.send(Admit(1, agent.life, 5.0, allow_donor=False))
    assert agent.send(Stop(1, agent.life))[0] == 200
    assert agent.member.stopping.is_set()
    assert agent.http("GET", "/ready")[0] == 404
    assert agent.send(Admit(1, agent.life, 5.0, allow_donor=False))[0] == 409


def test_a_writer_must_be_in_the_component(agent: Agent) -> None:
    agent.run(members=("db.1", "db.2"), cluster_size=2)
    assert agent.send(AppointWriter(1, agent.life, "db.7"))[0] == 409
    assert agent.send(AppointWriter(1, agent.life, ""))[0] == 409
    assert agent.send(AppointWriter(1, agent.life, "db.2"))[0] == 200
    assert agent.member.status().writer == "db.2"


def test_only_the_operators_authenticated_look_is_a_sign_of_life(agent: Agent) -> None:
    before = agent.member._operator_at
    agent.http("GET", "/status")
    agent.http("GET", "/status", token="wrong")
    assert agent.member._operator_at == before
    agent.http("GET", "/status", token=TOKEN)
    assert agent.member._operator_at > before


def test_a_health_check_is_answered_at_the_moment_of_admission(agent: Agent) -> None:
    agent.run()
    answered: list[tuple[int, float]] = []
    check = threading.Thread(target=lambda: answered.append((agent.http("GET", "/live?wait=8")[0], time.monotonic())))
    check.start()
    deadline = time.monotonic() + 5
    while agent.server._crowds[0].size == 0:
        assert time.monotonic() < deadline, "the check never came"
    assert not answered, "it is held"
    assert agent.send(Admit(1, agent.life, 5.0, allow_donor=False))[0] == 200
    admitted = time.monotonic()
    check.join(5)
    [(status, at)] = answered
    assert (status, at - admitted < 0.3) == (200, True)


def test_without_a_token_commands_are_refused_by_the_name_of_the_missing_secret() -> None:
    settings = read_settings({"GALERA_SERVICE": "db"}, [])
    assert settings.token is None
    assert "galera_token" in settings.token_missing


def test_what_is_refused_is_logged_in_one_line_without_secrets(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    agent.send(Drain(1, agent.life, 5.0))
    agent.http("POST", "/drain", "{}", TOKEN)
    refused = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(refused) == 2
    assert not any(TOKEN in line for line in refused)


ASKED = b"GET /status HTTP/1.1\r\nConnection: keep-alive\r\n"
AUTHENTIC = f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()


def test_the_operator_asks_over_one_connection_as_often_as_it_looks(agent: Agent) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", agent.server.ports[0], timeout=10)
    connection.connect()
    opened = connection.sock
    for _ in range(3):
        connection.request("GET", "/status", headers={"Authorization": f"Bearer {TOKEN}", "Connection": "keep-alive"})
        assert AgentStatus.from_json(connection.getresponse().read()).name == "db.1"
        assert connection.sock is opened
    connection.close()


@pytest.mark.parametrize(
    "request_",
    [
        ASKED + b"\r\n",
        b"GET /nothing HTTP/1.1\r\nConnection: keep-alive\r\n" + AUTHENTIC,
        b"GET /status HTTP/1.1\r\n" + AUTHENTIC,
    ],
    ids=["without the token", "a refused request", "who did not ask for it"],
)
def test_nobody_elses_connection_lasts_longer_than_its_answer(agent: Agent, request_: bytes) -> None:
    assert b"Connection: close" in agent.raw(request_)  # reads until the end of the stream


def test_a_kept_connection_that_is_not_used_ends_without_a_word(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("galera_operator.agent.server.IDLE_SECONDS", 0.05)
    head, _, body = agent.raw(ASKED + AUTHENTIC).partition(b"\r\n\r\n")
    assert b"Connection: keep-alive" in head
    assert AgentStatus.from_json(body).name == "db.1"  # and not a byte behind it
