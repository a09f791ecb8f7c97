"""Talk to member agents over HTTP on the overlay network. Answers are checked before they are believed."""

from __future__ import annotations

import contextlib
import http
import json
import socket
from collections.abc import Iterator
from functools import lru_cache

from galera_operator.adapters.http_connection import HttpConnection
from galera_operator.adapters.kept import HangUps, KeptConnections, close
from galera_operator.core.agent_api import (
    HTTP_PORT,
    PATHS,
    AgentStatus,
    Command,
    command_to_json,
)
from galera_operator.core.strict_json import BadMessage
from galera_operator.ports import Refused, Unreachable

TIMEOUT = 1.5
"""Seconds for one exchange. An agent answers from memory; longer means that it does not answer."""

MAX_ANSWER = 256 * 1024

_PATH_OF = {kind: path for path, kind in PATHS.items()}


class AgentPoll:
    """Asks agents for their status, over one connection per address. Different addresses may be asked at the same time."""

    def __init__(self, hang_ups: HangUps) -> None:
        self._kept = KeptConnections[AgentConnection](hang_ups)

    def ask(self, address: str, token: str) -> AgentStatus:
        """`ports.Members.ask`."""
        with _explained(address):
            connection = self.begin(address, token)
            if connection is not None:
                with contextlib.suppress(ConnectionError):
                    return self.end(connection, token)  # else it was closed meanwhile, and another agent may be there
            connection = AgentConnection(address)
            connection.ask("GET", "/status", token)
            return self.end(connection, token)

    def begin(self, address: str, token: str) -> AgentConnection | None:
        """Ask over the connection that is kept; None without one that takes the question."""
        connection = self._kept.take((address, token))
        if connection is None:
            return None
        try:
            connection.ask("GET", "/status", token)
        except OSError:
            close(connection)
            return None
        return connection

    def end(self, connection: AgentConnection, token: str) -> AgentStatus:
        """Read the answer and keep the connection.

        Raises:
            Refused: another answer than a status.
            OSError: no answer.
        """
        content = connection.answer()
        if connection.stays_open:
            self._kept.keep((connection.host, token), connection)
        try:
            return AgentStatus.from_json(content)
        except BadMessage as error:
            raise Refused(f"the agent at {connection.host} answered something else than a status: {error}") from error

    def close(self) -> None:
        """Close the connections that are kept between looks."""
        self._kept.close()


def send(address: str, token: str, command: Command) -> None:
    """`ports.Members.send`, over a connection of its own: nobody knows whether a kept one would have to be tried twice."""
    with _explained(address), contextlib.closing(AgentConnection(address)) as connection:
        connection.ask("POST", _PATH_OF[type(command)], token, command_to_json(command))
        connection.answer()


class AgentConnection(HttpConnection):
    """To one agent."""

    def __init__(self, address: str) -> None:
        """Connect. Raises OSError."""
        self.host = address
        connected = socket.create_connection((address, HTTP_PORT), timeout=TIMEOUT)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(connected, TIMEOUT, MAX_ANSWER)

    def ask(self, method: str, path: str, token: str, body: str | None = None) -> None:
        """Send the question. Raises OSError, and is closed then."""
        content = b"" if body is None else body.encode()
        self.put(_head(method, path, self.host, token, None if body is None else len(content)) + content)

    def answer(self) -> bytes:
        """The answer's body.

        Raises:
            Refused: another answer than 200; it is closed then.
            OSError: no answer, or one that is not HTTP.
        """
        answer = self.get()
        if answer.status != http.HTTPStatus.OK:
            close(self)
            raise Refused(f"the agent at {self.host}: {answer.status} {_reason(answer.content)}")
        return answer.content


@lru_cache(maxsize=4096)
def _head(method: str, path: str, host: str, token: str, length: int | None) -> bytes:
    """Args: `length`: of the body, in bytes; None: no body, and the connection is to be kept."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{HTTP_PORT}"]
    lines += ["Connection: keep-alive"] if length is None else ["Connection: close", f"Content-Length: {length}"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn no answer into `Unreachable`; `Refused` passes as it is."""
    try:
        yield
    except ConnectionRefusedError as error:
        raise Unreachable(f"nothing listens on {address}:{HTTP_PORT}", refused=True) from error
    except OSError as error:
        raise Unreachable(f"no answer from {address}:{HTTP_PORT}: {type(error).__name__}") from error


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")
