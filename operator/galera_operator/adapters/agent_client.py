"""Talk to member agents over HTTP on the overlay network. Answers are checked before they are believed."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator

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
        self._kept = KeptConnections[_Connection](hang_ups)

    def ask(self, address: str, token: str) -> AgentStatus:
        """`ports.Members.ask`."""
        with _explained(address):
            body = self._ask_kept(address, token) or self._ask(_Connection(address), token)
        try:
            return AgentStatus.from_json(body)
        except BadMessage as error:
            raise Refused(f"the agent at {address} answered something else than a status: {error}") from error

    def close(self) -> None:
        """Close the connections that are kept between looks."""
        self._kept.close()

    def _ask_kept(self, address: str, token: str) -> bytes | None:
        """None: no connection is kept, or that agent closed it meanwhile; another agent may be at this address by now."""
        connection = self._kept.take((address, token))
        if connection is None:
            return None
        try:
            return self._ask(connection, token)
        except (ConnectionError, http.client.HTTPException):
            return None

    def _ask(self, connection: _Connection, token: str) -> bytes:
        content = connection.exchange("GET", "/status", token, None)
        if connection.stays_open:
            self._kept.keep((connection.host, token), connection)
        return content


def send(address: str, token: str, command: Command) -> None:
    """`ports.Members.send`, over a connection of its own: nobody knows whether a kept one would have to be tried twice."""
    with _explained(address):
        _Connection(address).exchange("POST", _PATH_OF[type(command)], token, command_to_json(command))


class _Connection(http.client.HTTPConnection):
    """To one agent. After an exchange it is open where both sides want that, and closed otherwise."""

    def __init__(self, address: str) -> None:
        super().__init__(address, HTTP_PORT, timeout=TIMEOUT)

    @property
    def stays_open(self) -> bool:
        return self.sock is not None

    def fileno(self) -> int:
        return int(self.sock.fileno())

    def exchange(self, method: str, path: str, token: str, body: str | None) -> bytes:
        """Ask once.

        Raises:
            Refused: another answer than 200.
            OSError, HTTPException: no answer.
        """
        keeps = "keep-alive" if body is None else "close"
        headers = {"Connection": keeps} | ({"Authorization": f"Bearer {token}"} if token else {})
        ended = False
        try:
            self.request(method, path, body, headers)
            answer = self.getresponse()
            content = answer.read(MAX_ANSWER)
            ended = answer.status == http.HTTPStatus.OK and answer.isclosed()
        finally:
            if not ended:
                close(self)
        if answer.status == http.HTTPStatus.OK:
            return content
        raise Refused(f"{path} at {self.host}: {answer.status} {_reason(content)}")


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    try:
        yield
    except ConnectionRefusedError as error:
        raise Unreachable(f"nothing listens on {address}:{HTTP_PORT}", refused=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"no answer from {address}:{HTTP_PORT}: {type(error).__name__}") from error


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")
