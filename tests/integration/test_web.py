"""The operator's HTTP server on loopback, in front of a board."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from builders import cluster, joined_but_not_admitted, member, three_calm, unseen
from shown import busy_board, calm_board, named, post, post_waiting

from galera_operator.core.condition import Condition
from galera_operator.core.phase import Phase
from galera_operator.core.plan import Hold
from galera_operator.core.report import as_json
from galera_operator.runtime.board import Board
from galera_operator.runtime.pulse import Pulse
from galera_operator.sandbox.waiting import wait_until
from galera_operator.web import feed, guarded
from galera_operator.web import health as health_check
from galera_operator.web.page import TONES, Pages, split_commands
from galera_operator.web.server import CannotListen, serving

pytestmark = pytest.mark.integration

DEADLINE = 10.0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Site:
    def __init__(self, port, board, pulse):
        self.port, self.board, self.pulse = port, board, pulse

    def ask(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def connect(self, source="127.0.0.1"):
        return socket.create_connection(("127.0.0.1", self.port), DEADLINE, (source, 0))

    @contextmanager
    def following(self):
        """The messages of a stream, as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        connection.request("GET", "/events")
        answer = connection.getresponse()
        try:
            yield answer, (json.loads(line[6:]) for line in iter(answer.readline, b"") if line.startswith(b"data: "))
        finally:
            answer.close()
            connection.close()


@contextmanager
def site(board, pulse=None):
    port, pulse = free_port(), pulse or Pulse(2.0)
    with serving(("127.0.0.1", port), board, pulse):
        yield Site(port, board, pulse)


@pytest.fixture
def busy():
    with site(busy_board()) as there:
        yield there


@pytest.fixture
def calm():
    with site(calm_board()) as there:
        yield there


# --- answers ----------------------------------------------------------------------------------------------------------


def test_the_status_is_what_the_command_line_tells(busy):
    answer, text = busy.ask("/api/status")
    assert answer.status == 200
    told = json.loads(text)
    assert told == {"clusters": [as_json(one.view) for one in busy.board.posted()], "waiting": []}


def test_a_cluster_that_another_operator_holds_is_told_with_its_reason():
    board = Board()
    post_waiting(board, "shop_db")
    with site(board) as there:
        told = json.loads(there.ask("/api/status")[1])
        assert told["clusters"] == []
        assert told["waiting"][0]["service"] == "shop_db"
        assert "holds the lease" in told["waiting"][0]["why"]
        assert "holds the lease" in there.ask("/")[1]


def test_the_status_follows_every_turn(calm):
    post(calm.board, cluster(member(1), member(2), unseen(3)), second=2)
    told = json.loads(calm.ask("/api/status")[1])
    assert told["clusters"][0]["members"][2]["phase"] == "unseen"


def test_metrics_are_served_as_prometheus_reads_them(busy):
    answer, text = busy.ask("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'galera_operator_page_open{cluster="wiki_db",page="copy-missing"} 1.0' in text


def test_a_loop_that_hangs_is_unhealthy_with_the_reason_also_when_nothing_new_is_posted():
    now = [0.0]
    with site(calm_board(), Pulse(2.0, lambda: now[0])) as there:
        assert there.ask("/healthz")[0].status == 200
        now[0] = 100.0
        answer, text = there.ask("/healthz")
        assert answer.status == 503
        assert "has not come round for 100 s" in json.loads(text)["fault"]


def test_a_swarm_that_cannot_be_read_is_told_and_is_healthy():
    pulse = Pulse(2.0)
    pulse.came_round("no manager")
    with site(calm_board(), pulse) as there:
        answer, text = there.ask("/healthz")
        assert (answer.status, json.loads(text)["swarm"]) == (200, "no manager")


@pytest.mark.parametrize("path", ["/", "/api/status", "/metrics", "/healthz", "/static/page.js", "/static/page.css", "/odd"])
def test_every_answer_forbids_what_a_page_of_ours_never_needs(calm, path):
    answer, _ = calm.ask(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["connection"] == "close"
    assert "server" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/", "/api/status", "/metrics", "/events"])
def test_nothing_can_be_written(calm, method, path):
    assert calm.ask(path, method)[0].status == 405


def test_no_answer_leaves_the_folder_of_static_files(calm):
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/", "/templates/page.html"):
        assert calm.ask(path)[0].status == 404


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_tells_everything_without_a_script(busy):
    _, text = busy.ask("/")
    for told in ("shop_db", "uncertain", "Page: copy-missing", "writer", "1.3 GB of 2.0 GB", "set replicas 1 -&gt; 2"):
        assert told in text
    assert "<code>galera-operator bootstrap wiki_db --from-slot 1 --accept-loss-of 3</code>" in text


def test_the_page_has_no_script_style_or_address_of_its_own_inline(busy):
    _, text = busy.ask("/")
    assert re.findall(r"<script[^>]*>", text) == ['<script src="/static/page.js" defer>']
    assert "style=" not in text
    assert not re.search(r"\son\w+=", text)
    assert not re.search(r"(src|href)=\"(?![/#])", text)


def test_what_members_say_is_shown_as_text_and_never_as_markup():
    board = Board()
    post(board, cluster(member(1), joined_but_not_admitted(2, note="<script>alert(1)</script>")))
    text = Pages(board).whole()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_without_a_cluster_the_page_says_which_label_makes_one():
    assert "galera.replicas" in Pages(Board()).whole()


def test_every_phase_and_condition_has_a_tone():
    assert set().union(*TONES.values()) == {*Phase, *Condition}
    assert sum(map(len, TONES.values())) == len(Phase) + len(Condition)


def test_the_title_counts_open_pages_first():
    assert "<title>1 page open - galera-operator</title>" in Pages(busy_board()).whole()
    assert "<title>1 of 1 serving - galera-operator</title>" in Pages(calm_board()).whole()


@pytest.mark.parametrize(
    ("remedy", "commands"),
    [
        ("Report this as a bug.", []),
        (
            "Bring back n3. If it is gone for good and runs nowhere any more: galera-operator bootstrap a --from-slot 1",
            ["galera-operator bootstrap a --from-slot 1"],
        ),
        (
            "galera-operator replace a --slot 1 ; or: galera-operator replace a --slot 2",
            ["galera-operator replace a --slot 1", "galera-operator replace a --slot 2"],
        ),
        ("Look at both: docker service logs a_db . To begin it again: docker kill of the joiner's", ["docker service logs a_db"]),
        (
            "Nothing is done: docker service update --label-add galera.replicas=2 a.",
            ["docker service update --label-add galera.replicas=2 a"],
        ),
    ],
)
def test_the_commands_in_a_remedy_are_found(remedy, commands):
    pieces = split_commands(remedy)
    assert [piece for piece, is_command in pieces if is_command] == commands
    assert "".join(piece for piece, _ in pieces) == remedy


# --- the stream -------------------------------------------------------------------------------------------------------


def test_the_stream_begins_with_the_whole_and_then_tells_only_what_changed(calm):
    with calm.following() as (answer, messages):
        assert answer.headers["content-type"].startswith("text/event-stream")
        first = next(messages)
        assert first.keys() == {"clusters", "looked", "title"}
        post(calm.board, three_calm(wish=3), second=1)
        assert next(messages).keys() == {"looked"}
        post(calm.board, cluster(member(1), member(2), unseen(3)), second=2)
        news = next(message for message in messages if "clusters" in message)
        assert "slot 3 (n3) is unseen (was admitted)" in news["clusters"]


def test_the_stream_says_something_also_when_nothing_happens(calm):
    with calm.following() as (_, messages):
        next(messages)
        begun = time.monotonic()
        assert next(messages) == {}
        assert time.monotonic() - begun < feed.WORD + feed.CALM + 1


def test_a_slow_reader_gets_the_newest_state_and_not_every_one(calm):
    with calm.following() as (_, messages):
        next(messages)
        for second in range(200):
            post(calm.board, named(three_calm(wish=3), "shop_db"), second=second)
        told = []
        while "03:07:24" not in [message.get("looked") for message in told]:
            told.append(next(messages))
        assert len(told) <= 4


def test_one_page_too_many_is_asked_to_come_back_later(calm, monkeypatch):
    monkeypatch.setattr(feed, "PAGES", 1)
    with calm.following() as (_, messages):
        next(messages)
        answer, _ = calm.ask("/events")
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")


def test_a_page_that_went_away_makes_room(calm, monkeypatch):
    monkeypatch.setattr(feed, "PAGES", 1)
    monkeypatch.setattr(feed, "WORD", 0.05)
    with calm.following() as (_, messages):
        next(messages)

    def admitted():
        with calm.following() as (answer, _):
            return answer.status == 200

    assert wait_until(admitted, DEADLINE, "room for another page", every=0.1)


def test_an_open_stream_does_not_hold_up_the_end_of_the_operator():
    with site(calm_board()) as there:
        stream = there.following()
        _, messages = stream.__enter__()
        next(messages)
        begun = time.monotonic()
    assert time.monotonic() - begun < 3
    with suppress(OSError, http.client.HTTPException):
        stream.__exit__(None, None, None)


# --- bad clients ------------------------------------------------------------------------------------------------------


def is_cut(connection):
    connection.settimeout(DEADLINE)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nX: "])
def test_whoever_does_not_finish_asking_is_cut_off(calm, monkeypatch, sent):
    monkeypatch.setattr(guarded, "SECONDS", 0.2)
    with calm.connect() as connection:
        connection.sendall(sent)
        assert is_cut(connection)
    assert calm.ask("/healthz")[0].status == 200


def test_whoever_does_not_read_is_cut_off(monkeypatch):
    monkeypatch.setattr(guarded, "SECONDS", 0.2)
    monkeypatch.setattr(feed, "CALM", 0.01)
    board, turn = Board(), count()
    for number in range(60):
        post(board, named(three_calm(wish=3), f"shop{number:02}_db"))
    with site(board) as there, there.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: open_connections(there.port) == 1, DEADLINE, "the stream to begin", every=0.01)

        def is_over():
            post(board, three_calm(wish=3), second=next(turn), plan=Hold(f"news {next(turn)}"))
            return open_connections(there.port) == 0

        assert wait_until(is_over, DEADLINE, "the connection to be cut", every=0.02)


def open_connections(port):
    """Established connections at our end of the port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    ours = [line.split() for line in lines if line.split()[1].endswith(f":{port:04X}")]
    return sum(fields[3] == "01" for fields in ours)


def test_a_crowd_from_elsewhere_does_not_keep_the_health_check_out(calm, monkeypatch):
    monkeypatch.setattr(guarded, "CONNECTIONS", 3)
    monkeypatch.setattr(guarded.GuardedProtocol, "_is_own", lambda self: self.client[0] == "127.0.0.1")
    crowd = [calm.connect("127.0.0.2") for _ in range(6)]
    try:
        assert sum(is_cut(connection) for connection in crowd[3:]) == 3
        assert calm.ask("/healthz")[0].status == 200
    finally:
        for connection in crowd:
            connection.close()


@pytest.mark.parametrize(
    "rubbish", [b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 200_000, b"GET http://[ HTTP/1.1\r\n\r\n"]
)
def test_rubbish_is_refused_and_nobody_else_notices(calm, rubbish, said):
    with calm.connect() as connection:
        connection.settimeout(DEADLINE)
        with suppress(ConnectionError):
            connection.sendall(rubbish)
            connection.recv(100)
    assert calm.ask("/healthz")[0].status == 200


def test_turns_are_posted_at_once_however_many_are_asking(calm):
    """Posting never waits for a client: it wakes the server's loop and goes on."""
    stop = threading.Event()

    def hammer():
        while not stop.is_set():
            calm.ask("/metrics")

    crowd = [threading.Thread(target=hammer) for _ in range(8)]
    for one in crowd:
        one.start()
    try:
        begun = time.monotonic()
        for second in range(20):
            post(calm.board, three_calm(wish=3), second=second)
        assert time.monotonic() - begun < 5
    finally:
        stop.set()
        for one in crowd:
            one.join(DEADLINE)


# --- starting, and the health check ------------------------------------------------------------------------------------


def test_an_address_that_is_taken_is_told_before_the_operator_starts():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"cannot listen at 127.0.0.1:{port}: Address already in use"):
            serving(("127.0.0.1", port), Board(), Pulse(2.0)).__enter__()


def test_switched_off_nothing_is_served_and_nothing_is_started():
    before = threading.active_count()
    with serving(None, Board(), Pulse(2.0)):
        assert threading.active_count() == before


def run_health_check(**environment):
    command = [sys.executable, "-I", "-S", health_check.__file__]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=DEADLINE)


def test_the_health_check_asks_the_server_and_says_what_it_heard():
    now = [0.0]
    with site(calm_board(), Pulse(2.0, lambda: now[0])) as there:
        listen = f"0.0.0.0:{there.port}"
        assert run_health_check(GALERA_OPERATOR_LISTEN=listen).returncode == 0
        now[0] = 100.0
        told = run_health_check(GALERA_OPERATOR_LISTEN=listen)
        assert told.returncode == 1
        assert "has not come round" in told.stdout


def test_the_health_check_fails_when_nobody_answers_and_passes_when_there_is_nobody_to_ask():
    told = run_health_check(GALERA_OPERATOR_LISTEN=f"127.0.0.1:{free_port()}")
    assert told.returncode == 1
    assert "does not answer" in told.stdout
    assert run_health_check(GALERA_OPERATOR_LISTEN="off").returncode == 0


def test_the_health_check_asks_where_the_operator_listens_by_default():
    from galera_operator.settings import Settings

    assert Settings.model_fields["listen"].default == health_check.DEFAULT
