from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from galera_operator.agent import connections
from galera_operator.agent.connections import ALL_LINES, LINES, MAX_CONNECTIONS, Crowd, Refusals, one_line


class Connection:
    """As much of a StreamWriter as a crowd looks at."""

    def __init__(self) -> None:
        self.transport = self
        self.is_closed = False

    def abort(self) -> None:
        self.is_closed = True


def enter(crowd: Crowd, address: str, count: int = 1) -> list[Any]:
    made: list[Any] = [Connection() for _ in range(count)]
    assert all(crowd.enter(connection, address) for connection in made)
    return made


@pytest.fixture
def crowd() -> Crowd:
    return Crowd(Refusals())


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WINDOW", 1.0)


def told(caplog: pytest.LogCaptureFixture, word: str = "refused ") -> list[str]:
    return [record.getMessage() for record in caplog.records if word in record.getMessage()]


def test_a_newcomer_takes_the_place_of_the_oldest_silent_one_of_whoever_has_most(crowd: Crowd) -> None:
    async def scene() -> None:
        operator = enter(crowd, "10.0.0.5")
        flood = enter(crowd, "10.0.0.66", MAX_CONNECTIONS - 2)
        proxy = enter(crowd, "10.0.0.7", 2)
        assert [connection.is_closed for connection in operator + flood[:2] + proxy] == [False, True, False, False, False]
        enter(crowd, "10.0.0.66", 500)
        assert not any(connection.is_closed for connection in operator + proxy), "they came before, and said nothing yet either"
        assert all(connection.is_closed for connection in flood)

    asyncio.run(scene())


def test_who_has_been_heard_keeps_the_connection_until_the_answer(crowd: Crowd) -> None:
    held = enter(crowd, "127.0.0.1", MAX_CONNECTIONS)
    for connection in held:
        crowd.heard(connection)
    newcomer: Any = Connection()
    assert not crowd.enter(newcomer, "10.0.0.5")
    assert not any(connection.is_closed for connection in held)
    crowd.leave(held[0])
    assert crowd.enter(newcomer, "10.0.0.5")
    assert crowd.size == MAX_CONNECTIONS


def test_who_has_left_makes_room(crowd: Crowd) -> None:
    first = enter(crowd, "10.0.0.5", MAX_CONNECTIONS)
    for connection in first:
        crowd.leave(connection)
    assert crowd.size == 0
    enter(crowd, "10.0.0.6", MAX_CONNECTIONS)
    assert not any(connection.is_closed for connection in first)


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - what is waited for is a line of the log
            await asyncio.sleep(0.01)


def test_many_refusals_of_one_client_are_counted_and_those_of_another_still_told(caplog: Any, brief: None) -> None:
    async def flood() -> None:
        said = Refusals()
        for _ in range(100):
            said.say("GET /x", "10.0.0.66", "no")
        said.say("GET /y", "10.0.0.5", "no")
        assert told(caplog) == ["refused GET /x from 10.0.0.66: no"] * LINES + ["refused GET /y from 10.0.0.5: no"]
        await until(lambda: told(caplog, "more requests"))
        said.say("GET /x", "10.0.0.66", "no")

    asyncio.run(flood())
    assert told(caplog, "more requests") == [f"{100 - LINES} more requests were refused in 1 s, most of them from 10.0.0.66"]
    assert len(told(caplog, "/x from")) == LINES + 1, "and then they are told again"


def test_clients_beyond_number_do_not_flood_the_log_either(caplog: Any, brief: None) -> None:
    async def flood() -> None:
        said = Refusals()
        for number in range(2 * ALL_LINES):
            said.say("GET /x", f"10.0.{number // 250}.{number % 250}", "no")
        await until(lambda: told(caplog, "more requests"))

    asyncio.run(flood())
    assert len(told(caplog, "/x from")) == ALL_LINES


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("slot 1: is down", "slot 1: is down"),
        ("Größe", "Größe"),
        ("two\nlines\r\0", r"two\nlines\r\x00"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\ud800", r"\ud800"),
        ("\u202eover", r"\u202eover"),
        ("x" * 1000, "x" * 350 + "..."),
    ],
)
def test_text_from_outside_is_one_printable_line(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
