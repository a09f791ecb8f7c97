"""HTTP/1.1 over one socket: a question, its answer, and the next question over the same connection.

requests, urllib3 and http.client do it as well, in four, four and two times the processor time: there are many questions.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httptools

from galera_operator.adapters.kept import close

_AT_ONCE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: bytes


class HttpConnection:
    """After an answer it is open where the server wants that, and closed otherwise; after an error it is closed."""

    def __init__(self, connected: socket.socket, patience: float, most: int) -> None:
        """Args: `patience`: seconds for sending a question, and for an answer as a whole. `most`: bytes of an answer."""
        connected.settimeout(patience)
        self._socket, self._patience, self._most = connected, patience, most
        self.stays_open = True

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self.stays_open = False
        self._socket.close()

    def put(self, question: bytes) -> None:
        """Send a question, its content with it. Raises OSError."""
        with self._closed_on_error():
            self._socket.sendall(question)

    def get(self) -> Answer:
        """Read the answer. Raises OSError: there is none, or it is not HTTP."""
        answer = _Reading(self._most)
        with self._closed_on_error():
            deadline = time.monotonic() + self._patience
            while not answer.is_whole:
                answer.take(self._socket.recv(_AT_ONCE))
                if time.monotonic() > deadline:
                    raise TimeoutError("its answer drips")
        if not answer.keeps_open:
            self.close()
        return Answer(answer.status, b"".join(answer.parts))

    @contextlib.contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            close(self)
            raise


class _Reading:
    """One answer as it comes in."""

    def __init__(self, most: int) -> None:
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._left = most
        self.parts: list[bytes] = []
        self.status = 0
        self.keeps_open = False

    @property
    def is_whole(self) -> bool:
        return self.status != 0

    def take(self, received: bytes) -> None:
        """Raises ConnectionError where the answer ends too early, has no end, or is none."""
        assert self._parser is not None, "it is whole"
        if not received:
            raise ConnectionError("hung up before the end of its answer")
        try:
            self._parser.feed_data(received)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise ConnectionError(f"its answer is not HTTP: {error}") from error
        if self.is_whole:
            self._parser = None  # the two refer to each other: Python's collector would have to find that, for every answer

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)
        self._left -= len(part)
        if self._left < 0:
            raise ValueError("more bytes than an answer may have")

    def on_message_complete(self) -> None:
        assert self._parser is not None, "it calls this"
        self.status, self.keeps_open = int(self._parser.get_status_code()), bool(self._parser.should_keep_alive())
