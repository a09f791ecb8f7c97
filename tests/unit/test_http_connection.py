"""One answer over one socket, whoever sends it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from galera_operator.adapters.http_connection import Answer, HttpConnection

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def ends() -> Iterator[tuple[HttpConnection, socket.socket]]:
    """Ours, and the server's end of it."""
    ours, theirs = socket.socketpair()
    connection = HttpConnection(ours, 5.0, 1000)
    with theirs:
        yield connection, theirs
    connection.close()


@pytest.mark.parametrize(
    ("answer", "content", "stays_open"),
    [
        (OK + b"Content-Length: 2\r\n\r\nab", b"ab", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", b"ab", True),
        (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nab", b"ab", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", b"ab", False),
    ],
    ids=["length", "chunks", "asked to close", "HTTP/1.0"],
)
def test_an_answer_is_whole_and_the_connection_is_kept_where_the_server_keeps_it(ends, answer, content, stays_open):
    connection, theirs = ends
    theirs.sendall(answer)
    assert connection.get() == Answer(200, content)
    assert connection.stays_open is stays_open
    if stays_open:
        theirs.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        assert connection.get() == Answer(404, b"")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "hung up before the end"),
        (OK + b"Content-Length: 900\r\n\r\n{", "hung up before the end"),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "not HTTP"),
        (OK + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001, "not HTTP"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "not HTTP"),
    ],
    ids=["nothing", "cut off", "another protocol", "too much", "broken chunks"],
)
def test_what_is_no_answer_closes_the_connection(ends, answer, words):
    connection, theirs = ends
    theirs.sendall(answer)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionError, match=words):
        connection.get()
    assert not connection.stays_open


def test_an_answer_that_drips_is_given_up():
    ours, theirs = socket.socketpair()
    connection = HttpConnection(ours, 0.2, 1000)
    over = threading.Event()

    def drip() -> None:
        with contextlib.suppress(BrokenPipeError):  # given up
            theirs.sendall(OK + b"Content-Length: 900\r\n\r\n")
            while not over.wait(0.02):
                theirs.sendall(b"x")

    with theirs:
        dripping = threading.Thread(target=drip)
        dripping.start()
        with pytest.raises(TimeoutError, match="drips"):
            connection.get()
        over.set()
        dripping.join()
    assert not connection.stays_open
