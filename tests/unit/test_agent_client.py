"""Questions to agents over real sockets, to servers that answer what the test says."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest
from builders import status

from galera_operator.adapters import agent_client
from galera_operator.adapters.agent_client import MAX_ANSWER, AgentPoll, send
from galera_operator.adapters.kept import HangUps
from galera_operator.core.agent_api import Fence
from galera_operator.ports import Refused, Unreachable

DEADLINE = 10.0
SAID = status(1)
STATUS = SAID.to_json().encode()


def http(body, status="200 OK", more=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


class Server:
    """Gives each connection its list of answers, one for each question, and hangs up after the last."""

    def __init__(self, *connections):
        self.asked, self.connections = [], list(connections)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        for answers in self.connections:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(DEADLINE)
                for answer in answers:
                    if not (question := client.recv(65536)):
                        break
                    self.asked.append(question.decode())
                    for part in answer if isinstance(answer, list) else [answer]:
                        client.sendall(part)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(DEADLINE)
        self.listener.close()


@pytest.fixture
def answering(monkeypatch):
    @contextmanager
    def run(*connections):
        server, poll = Server(*connections), AgentPoll(HangUps())
        monkeypatch.setattr(agent_client, "HTTP_PORT", server.port)
        agent_client._head.cache_clear()
        try:
            yield server, poll
        finally:
            poll.close()
            server.close()
            agent_client._head.cache_clear()

    return run


def test_two_questions_go_over_one_connection_and_carry_the_token(answering):
    with answering([http(STATUS), http(STATUS)]) as (server, poll):
        assert poll.ask("127.0.0.1", "secret") == poll.ask("127.0.0.1", "secret") == SAID
        lines = server.asked[0].split("\r\n")
    assert lines[0] == "GET /status HTTP/1.1"
    assert {"Connection: keep-alive", "Authorization: Bearer secret"} <= set(lines)
    assert len(server.asked) == 2


def test_an_answer_that_comes_in_pieces_is_put_together(answering):
    whole = http(STATUS)
    with answering([[whole[:9], whole[9:40], whole[40:]]]) as (_, poll):
        assert poll.ask("127.0.0.1", "secret") == SAID


def test_a_kept_connection_that_was_closed_is_opened_anew(answering):
    with answering([http(STATUS, more="Connection: close\r\n")], [http(STATUS)]) as (server, poll):
        for _ in range(2):
            assert poll.ask("127.0.0.1", "secret") == SAID
    assert len(server.asked) == 2


def test_an_agent_that_hung_up_on_a_kept_connection_is_asked_once_more(answering):
    with answering([http(STATUS)], [http(STATUS)]) as (server, poll):
        for _ in range(2):
            assert poll.ask("127.0.0.1", "secret") == SAID
    assert len(server.asked) == 2


@pytest.mark.parametrize("answer", [b"", http(b"x" * (MAX_ANSWER + 1))], ids=["nothing", "too much"])
def test_what_is_no_answer_is_one_that_did_not_come(answering, answer):
    with answering([answer]) as (_, poll), pytest.raises(Unreachable, match=r"no answer from 127.0.0.1:\d+: Connection"):
        poll.ask("127.0.0.1", "secret")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(b'{"error": "wrong token"}', "403 Forbidden"), "403 wrong token"),
        (http(b"<html>", "502 Bad Gateway"), "502 <html>"),
        (http(b"{}"), "something else than a status"),
    ],
)
def test_an_answer_that_is_no_status_is_refused_in_its_own_words(answering, answer, words):
    with answering([answer]) as (_, poll), pytest.raises(Refused, match=words):
        poll.ask("127.0.0.1", "secret")


def test_a_command_goes_over_a_connection_of_its_own_with_its_content(answering):
    with answering([http(b"{}")]) as (server, _):
        send("127.0.0.1", "secret", Fence(7, "abc"))
    head, _, body = server.asked[0].partition("\r\n\r\n")
    assert head.splitlines()[0] == "POST /fence HTTP/1.1"
    assert {"Connection: close", f"Content-Length: {len(body)}"} <= set(head.splitlines())
    assert '"epoch": 7' in body
