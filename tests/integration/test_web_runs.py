"""Runbooks over HTTP: who may ask, what is refused and why, and what the cluster's next turn makes of it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from builders import three_calm
from shown import calm_board, post, post_waiting
from test_web import free_port

from galera_operator.core.planned import Planned, Run, RunState
from galera_operator.core.remembered import Memory
from galera_operator.runtime.asked import Asked
from galera_operator.runtime.board import Board
from galera_operator.runtime.planning import Planning
from galera_operator.runtime.pulse import Pulse
from galera_operator.runtime.runbooks import load
from galera_operator.web.runs import MAX_BODY
from galera_operator.web.server import serving

pytestmark = pytest.mark.integration

BOOKS = load()
TOKEN = "the cluster's token"
SCALE = {"service": "shop_db", "runbook": "scale", "set": {"replicas": "5"}}


class Site:
    def __init__(self, board: Board, token: str = TOKEN) -> None:
        self.board, self.woken = board, []
        self.asked = Asked(BOOKS, token, self.woken.append)
        self.port = free_port()

    def send(self, method: str, path: str, body: Any = None, token: str | None = TOKEN) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        try:
            connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def turn(self, memory: Memory) -> Memory:
        """What the cluster's next turn remembers."""
        return Planning(BOOKS, asked=self.asked).turn(three_calm(), memory)


def opened(site: Site) -> Iterator[Site]:
    with serving(("127.0.0.1", site.port), site.board, Pulse(2.0), site.asked):
        yield site


@pytest.fixture
def site() -> Iterator[Site]:
    yield from opened(Site(calm_board()))


def test_a_run_that_was_asked_for_is_begun_by_the_next_turn(site: Site) -> None:
    code, told = site.send("POST", "/api/runs", SCALE)
    assert (code, told["runbook"], told["state"], told["arguments"]) == (202, "scale", "waiting", {"replicas": "5"})
    assert site.woken == ["shop_db"]
    (run,) = [site.turn(Memory()).planned.run]
    assert (run.id, run.by, run.answers_all) == (told["run"], "HTTP from 127.0.0.1", False)
    assert site.turn(Memory()).planned.run is None, "it is asked for once"


def test_where_a_run_stands_is_told_without_a_token(site: Site) -> None:
    run = Run("dddddddd-0000-4000-8000-000000000004", "scale", BOOKS["scale"].digest, {"replicas": "5"}, "ann", 1_767_254_400.0)
    post(site.board, three_calm(), Memory(planned=Planned(run=run)), second=9)
    code, told = site.send("GET", "/api/runs?service=shop_db", token=None)
    assert code == 200
    assert [(one["run"], one["stage"], one["begun"]) for one in told["runs"]] == [(run.id, 1, "2026-01-01T08:00:00+00:00")]


@pytest.mark.parametrize("token", [None, "", "another", TOKEN + "x"])
@pytest.mark.parametrize("path", ["/api/runs", "/api/runs/answer", "/api/runs/abort"])
def test_without_the_token_nothing_is_taken(site: Site, token: str | None, path: str) -> None:
    code, told = site.send("POST", path, SCALE, token)
    assert code == 401
    assert TOKEN not in json.dumps(told)
    assert site.asked.take("shop_db") == []


def test_where_there_is_no_token_nobody_may_ask() -> None:
    for site in opened(Site(calm_board(), token="")):
        assert site.send("POST", "/api/runs", SCALE, token="")[0] == 401


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        (b"{", 400, "no JSON"),
        (b"[]", 400, "no JSON object"),
        (b'"' + b"x" * MAX_BODY + b'"', 413, "64 KiB"),
        ({**SCALE, "force": True}, 422, "force"),
        ({"service": "shop_db"}, 422, "runbook"),
        ({**SCALE, "runbook": "dance"}, 404, "there is no runbook dance; there are change-server-option"),
        ({**SCALE, "set": {"replicas": "banana"}}, 422, "banana"),
        ({**SCALE, "set": {}}, 422, "replicas is missing"),
        ({**SCALE, "service": "other"}, 404, "there is no Galera service 'other'; there are shop_db"),
    ],
    ids=["half", "a list", "long", "an unknown key", "a missing key", "runbook", "value", "no value", "service"],
)
def test_a_bad_request_is_told_what_is_wrong_and_changes_nothing(site: Site, body: object, code: int, word: str) -> None:
    told = site.send("POST", "/api/runs", body)
    assert told[0] == code, told
    assert word in told[1]["error"]
    assert site.asked.take("shop_db") == []


def test_an_operator_without_the_lease_says_who_acts() -> None:
    board = Board()
    post_waiting(board, "shop_db")
    for site in opened(Site(board)):
        code, told = site.send("POST", "/api/runs", SCALE)
        assert code == 503
        assert "node2-77aa holds the lease" in told["error"]


def test_a_question_is_answered_and_a_run_is_ended(site: Site) -> None:
    book = BOOKS["node-maintenance"]
    run = Run(
        "dddddddd-0000-4000-8000-000000000004", book.name, book.digest, {"node": "n3"}, "ann", 1.0, RunState.ASKING, stage=1
    )
    memory = Memory(planned=Planned(run=run))
    post(site.board, three_calm(), memory, second=9)
    assert site.send("POST", "/api/runs/answer", {"service": "shop_db", "word": "perhaps"})[0] == 422
    assert site.send("POST", "/api/runs/answer", {"service": "shop_db", "word": "no"})[0] == 202
    (change,) = site.asked.take("shop_db")
    assert change(memory).planned.run.answer == "no"
    assert site.send("POST", "/api/runs/abort", {"service": "shop_db"})[0] == 202
    (change,) = site.asked.take("shop_db")
    assert change(memory).planned.run.state is RunState.ABORTED


def test_what_cannot_be_now_is_refused_with_the_reason(site: Site) -> None:
    code, told = site.send("POST", "/api/runs/answer", {"service": "shop_db", "word": "yes"})
    assert (code, told["error"]) == (409, "no runbook asks anything")


def test_what_cannot_be_any_more_when_the_turn_comes_is_left(site: Site) -> None:
    site.send("POST", "/api/runs", SCALE)
    site.send("POST", "/api/runs", SCALE)
    memory = site.turn(Memory())
    assert memory.planned.run.runbook == "scale"
    assert memory.planned.requests == ()
