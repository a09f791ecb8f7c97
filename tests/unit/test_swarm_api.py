"""EngineApi against a small HTTP server on a unix socket."""

from __future__ import annotations

import contextlib
import json
import select
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest

from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.ports import Conflict, Refused, Unreachable


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections += 1

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer()

    def answer(self):
        self.server.asked.append(self.path)
        self.server.encodings.add(self.headers["Accept-Encoding"])
        status, body = self.server.answers.get(
            self.path.partition("?")[0].removeprefix("/v1.41"), (404, b'{"message":"nothing"}')
        )
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or self.server.hangs_up

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Engine(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture
def engine(tmp_path):
    server = Engine(str(tmp_path / "engine.sock"), Handler)
    server.connections, server.asked, server.bodies, server.encodings, server.hangs_up = 0, [], [], set(), False
    server.answers = {"/version": (200, b'{"ApiVersion": "1.41", "MinAPIVersion": "1.24"}')}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.api = EngineApi(f"unix://{tmp_path}/engine.sock")
    server.connections, server.encodings = 0, set()
    try:
        yield server
    finally:
        server.api.close()
        server.shutdown()
        thread.join()
        server.server_close()


def test_one_connection_serves_every_path_and_query(engine):
    engine.answers |= {f"/services/{number}": (200, b"{}") for number in range(20)}
    for number in range(20):
        assert engine.api.get(f"/services/{number}", version=str(number)) == {}
    assert engine.connections == 1


def test_calls_at_once_have_a_connection_each_and_keep_them(engine):
    engine.answers["/nodes"] = (200, b"[]")
    together = threading.Barrier(4)

    def ask() -> None:
        for _ in range(20):
            together.wait(10)
            assert engine.api.get("/nodes") == []

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(ask) for _ in range(4)]:
            done.result()
    assert 1 <= engine.connections <= 4


def test_a_connection_that_the_engine_closed_meanwhile_is_not_asked(engine):
    engine.answers["/nodes"] = (200, b"[]")
    engine.hangs_up = True
    for number in range(1, 4):
        assert engine.api.get("/nodes") == []
        assert engine.connections == number
        assert select.select([engine.api._idle[-1]], [], [], 10)[0], "it hangs up"


def test_an_answer_in_chunks_of_any_size_is_one_answer(engine):
    names = [f"node{number}" for number in range(50_000)]
    engine.answers["/nodes"] = (200, json.dumps(names).encode())
    assert engine.api.get("/nodes") == names


def test_what_is_asked_reaches_the_engine_as_it_was_said(engine):
    engine.answers["/services/a%20b/update"] = (200, b"")
    assert engine.api.post("/services/a b/update", {"Name": "dätä"}, version="7", filters='{"name": ["x&y"]}') is None
    assert engine.bodies == [{"Name": "dätä"}]
    assert engine.encodings == {"identity"}, "nobody here unpacks an answer"
    assert engine.asked[-1] == "/v1.41/services/a%20b/update?version=7&filters=%7B%22name%22%3A+%5B%22x%26y%22%5D%7D"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, b'{"message": "rpc error: update out of sequence"}', Conflict),
        (409, b'{"message": "name conflicts with an existing object"}', Conflict),
        (404, b'{"message": "service x not found"}', Refused),
        (503, b"<html>not JSON", Refused),
        (500, b'"a word"', Refused),
    ],
)
def test_the_engine_s_no_is_told_in_its_own_words(engine, status, body, expected):
    engine.answers["/services/x"] = (status, body)
    with pytest.raises(expected) as caught:
        engine.api.get("/services/x")
    said = json.loads(body)["message"] if b"{" in body else body.decode()
    assert said in str(caught.value)


def test_a_server_that_is_no_engine_is_told_as_one(engine):
    engine.answers["/services"] = (200, b"<html>It works!</html>")
    with pytest.raises(Unreachable, match=r"the answer to GET /services is not JSON .*: no Docker engine is there"):
        engine.api.get("/services")


def test_an_engine_that_hangs_up_is_unreachable(engine):
    engine.answers["/services"] = (0, b"")
    with pytest.raises(Unreachable, match="the engine did not answer GET /services: ConnectionError"):
        engine.api.get("/services")


def test_an_engine_behind_tcp_is_asked_as_well(engine):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.connections, server.asked, server.bodies, server.encodings, server.hangs_up = 0, [], [], set(), False
        server.answers = engine.answers | {"/nodes": (200, b"[]")}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with contextlib.closing(EngineApi(f"tcp://127.0.0.1:{server.server_address[1]}")) as api:
            assert api.get("/nodes") == api.get("/nodes") == []
        server.shutdown()
        thread.join()


def test_a_stream_gives_its_lines_and_its_end(engine):
    engine.answers["/events"] = (200, b'{"a": 1}\n{"b": 2}\n')
    with engine.api.stream("/events", filters="{}") as lines:
        assert [json.loads(line) for line in lines] == [{"a": 1}, {"b": 2}]


def test_a_stream_that_is_refused_says_so(engine):
    with pytest.raises(Refused, match="GET /events: 404 nothing"), engine.api.stream("/events"):
        pytest.fail("there is no stream")


def test_where_nobody_listens_it_says_what_to_do():
    with pytest.raises(
        Unreachable, match=r"no Docker engine answers at tcp://127.0.0.1:1: .*; mount the socket or set DOCKER_HOST"
    ):
        EngineApi("tcp://127.0.0.1:1")
