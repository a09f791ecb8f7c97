"""Talk to member agents over HTTP on the overlay network. Answers are checked before they are believed."""

from __future__ import annotations

import http.client
import json

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


def ask(address: str, token: str, timeout: float = TIMEOUT) -> AgentStatus:
    """`ports.Members.ask`."""
    body = _exchange("GET", address, "/status", token, None, timeout)
    try:
        return AgentStatus.from_json(body)
    except BadMessage as error:
        raise Refused(f"the agent at {address} answered something else than a status: {error}") from error


def send(address: str, token: str, command: Command, timeout: float = TIMEOUT) -> None:
    """`ports.Members.send`."""
    _exchange("POST", address, _PATH_OF[type(command)], token, command_to_json(command), timeout)


def _exchange(method: str, address: str, path: str, token: str, body: str | None, timeout: float) -> bytes:
    connection = http.client.HTTPConnection(address, HTTP_PORT, timeout=timeout)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        content = answer.read(MAX_ANSWER)
    except ConnectionRefusedError as error:
        raise Unreachable(f"nothing listens on {address}:{HTTP_PORT}", refused=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"no answer from {address}:{HTTP_PORT}: {type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.OK:
        return content
    raise Refused(f"{path} at {address}: {answer.status} {_reason(content)}")


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")
