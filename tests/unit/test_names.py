"""What Docker's DNS says, asked over a real socket: addresses, no such name, or that it is not known."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from galera_operator.adapters.names import DockerNames
from galera_operator.core.model import Listed, NamesUnknown

Reply = Callable[[bytes], bytes | None]


@contextmanager
def dns(reply: Reply, asked: list[bytes] | None = None) -> Iterator[DockerNames]:
    """A name server that answers one question as `reply` says; None: not at all."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)

        def serve() -> None:
            question, client = server.recvfrom(4096)
            if asked is not None:
                asked.append(question)
            answer = reply(question)
            if answer is not None:
                server.sendto(answer, client)

        serving = threading.Thread(target=serve)
        serving.start()
        yield DockerNames(server.getsockname(), timeout=0.3)
        serving.join(5)


def message(question: bytes, *records: bytes, code: int = 0, flags: int = 0x8180, number: int = 0) -> bytes:
    head = struct.pack("!6H", (struct.unpack("!H", question[:2])[0] + number) % 65536, flags | code, 1, len(records), 0, 0)
    return head + question[12:] + b"".join(records)


def a(address: str, name: bytes = b"\xc0\x0c") -> bytes:
    """One address, for the name that was asked for: a pointer to the question."""
    return name + struct.pack("!HHIH", 1, 1, 600, 4) + socket.inet_aton(address)


ALIAS = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 600, 3) + b"\x01x\x00"
SPELT = b"\x05tasks\x02db\x00"


@pytest.mark.parametrize(
    ("records", "addresses"),
    [
        ((a("10.0.1.7"), a("10.0.1.6")), ("10.0.1.6", "10.0.1.7")),
        ((ALIAS, a("10.0.1.6")), ("10.0.1.6",)),
        ((a("10.0.1.6", SPELT),), ("10.0.1.6",)),
        ((), ()),
    ],
)
def test_the_addresses_of_an_answer_are_listed(records, addresses):
    with dns(lambda question: message(question, *records)) as names:
        assert names.tasks("db") == Listed(addresses)


def test_the_question_is_for_the_tasks_of_the_service():
    asked: list[bytes] = []
    with dns(message, asked) as names:
        names.tasks("shop_db")
    assert asked[0][2:] == struct.pack("!5H", 0x0100, 1, 0, 0, 0) + b"\x05tasks\x07shop_db\x00\x00\x01\x00\x01"


def test_no_such_name_is_an_answer_without_addresses():
    with dns(lambda question: message(question, code=3)) as names:
        assert names.tasks("db") == Listed(())


def test_a_server_that_cannot_tell_is_not_believed_to_know_nobody():
    with dns(lambda question: message(question, code=2)) as names:
        assert names.tasks("db") == NamesUnknown("Docker's DNS could not answer (code 2)")


def test_silence_has_a_name():
    with dns(lambda _: None) as names:
        assert names.tasks("db") == NamesUnknown("Docker's DNS at 127.0.0.1 does not answer: TimeoutError")


def test_where_nobody_listens_nothing_is_known():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = taken.getsockname()
    assert isinstance(DockerNames(address, timeout=0.3).tasks("db"), NamesUnknown)


@pytest.mark.parametrize(
    "reply",
    [
        lambda question: message(question, a("10.0.1.6"), number=1),
        lambda question: message(question, a("10.0.1.6"), flags=0x0100),
        lambda question: message(question, a("10.0.1.6"), flags=0x8380),
        lambda question: message(question, a("10.0.1.6"))[:-6],
        lambda question: message(question, a("10.0.1.6"))[:-2],
        lambda question: message(question)[:14],
        lambda _: b"",
        lambda _: b"\xff" * 40,
    ],
    ids=[
        "another question",
        "a question",
        "cut",
        "short of a head",
        "short of an address",
        "short of a name",
        "nothing",
        "noise",
    ],
)
def test_what_is_no_answer_is_not_believed(reply):
    with dns(reply) as names:
        assert isinstance(names.tasks("db"), NamesUnknown)


@pytest.mark.parametrize("service", ["", "a" * 64, "x..y"])
def test_a_name_that_dns_cannot_hold_is_not_asked_for(service):
    assert isinstance(DockerNames(("127.0.0.1", 9), timeout=0.1).tasks(service), NamesUnknown)
