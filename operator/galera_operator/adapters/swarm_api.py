"""The Docker Engine API as this project uses it: raw GET and raw POST, no cooked updates.

docker-py's ``Service.scale`` and ``Service.update`` fetch the spec with defaults filled in and post it back; Swarm then sees
every task as changed and restarts all members. Here the stored spec is posted back with one field changed.
"""

from __future__ import annotations

import contextlib
import http
import json
import select
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import docker
import requests
import urllib3
from docker.errors import DockerException

from galera_operator.adapters.http_connection import HttpConnection
from galera_operator.adapters.kept import close
from galera_operator.ports import Conflict, Refused, Unreachable

TIMEOUT = 5.0
"""Seconds for one call. A manager without quorum answers writes only after a minute; waiting for it helps nobody."""

STREAM_TIMEOUT = 600.0
"""Seconds of silence after which a stream of events is opened anew."""

MAX_ANSWER = 256 * 1024 * 1024
"""Bytes. A task takes some thousand."""

_OUT_OF_SEQUENCE = "update out of sequence"


class EngineApi:
    """One connection pool to one engine."""

    def __init__(self, base_url: str | None = None, timeout: float = TIMEOUT) -> None:
        """Connect.

        Args:
            base_url: ``unix:///var/run/docker.sock`` or ``tcp://...``; None takes DOCKER_HOST or the default socket.

        Raises:
            Unreachable: nobody answers there.
        """
        options: dict[str, Any] = {"version": "auto", "timeout": timeout}
        if base_url:
            options["base_url"] = base_url
        try:
            self.client = docker.APIClient(**options) if base_url else docker.from_env(**options).api
        except (DockerException, requests.RequestException) as error:
            where = base_url or "DOCKER_HOST or the default socket"
            raise Unreachable(f"no Docker engine answers at {where}: {error}; mount the socket or set DOCKER_HOST") from error
        self._pool = _pool_to(self.client)
        # docker-py would take compressed answers, too, which a proxy before the engine may give; nobody here unpacks them.
        ours = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        self._headers = {name: str(value) for name, value in self.client.headers.items()} | ours
        self._timeout = timeout
        self._idle: deque[HttpConnection] = deque()  # never more than calls at once

    def get(self, path: str, **params: str) -> Any:
        """GET a path below the API version; JSON. Raises `Unreachable`, or `Refused` with the engine's own words."""
        return _json("GET", path, self._send("GET", path, params, b""))

    def post(self, path: str, body: Any, **params: str) -> Any:
        """POST JSON. Raises `Conflict` when the object's version is not the one named."""
        content = self._send("POST", path, params, json.dumps(body).encode())
        return _json("POST", path, content) if content else None

    @contextlib.contextmanager
    def stream(self, path: str, **params: str) -> Iterator[Iterator[bytes]]:
        """GET the lines of a stream that has no end; silence for too long counts as one. Raises `Unreachable`, `Refused`."""
        timeout = urllib3.Timeout(connect=self._timeout, read=STREAM_TIMEOUT)
        try:
            answer = self._pool.urlopen(
                "GET",
                self._target(path, params),
                headers=self._headers,
                retries=False,
                redirect=False,
                timeout=timeout,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_answer("GET", path, error) from error
        try:
            if answer.status >= http.HTTPStatus.BAD_REQUEST:
                raise _refusal("GET", path, answer.status, answer.data)
            yield iter(answer)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"the stream {path} broke: {type(error).__name__}") from error
        finally:
            answer.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            close(self._idle.pop())
        self._pool.close()
        self.client.close()

    def _send(self, method: str, path: str, params: Mapping[str, str], content: bytes) -> bytes:
        """The content of the answer. Nothing is asked twice: nobody knows how far the first time got."""
        lines = [f"{method} {self._target(path, params)} HTTP/1.1", "Host: docker", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        try:
            connection = self._connection()
            connection.put("".join(f"{line}\r\n" for line in [*lines, ""]).encode() + content)
            answer = connection.get()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_answer(method, path, error) from error
        if connection.stays_open:
            self._idle.append(connection)
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise _refusal(method, path, answer.status, answer.content)
        return answer.content

    def _connection(self) -> HttpConnection:
        """One that is kept and that the engine has not hung up on, or a new one. Raises OSError, HTTPError."""
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread took the last one
                kept = self._idle.pop()
                if not _hung_up(kept):
                    return kept
                close(kept)
        # urllib3's connection knows the way (socket, TCP, TLS) from docker-py.
        connection: Any = self._pool._new_conn()  # noqa: SLF001 - what docker-py overrides
        connection.timeout = self._timeout
        connection.connect()
        return HttpConnection(connection.sock, self._timeout, MAX_ANSWER)

    def _target(self, path: str, params: Mapping[str, str]) -> str:
        return f"/v{self.client.api_version}{quote(path, safe='/._-')}" + (f"?{urlencode(params)}" if params else "")


def _hung_up(connection: HttpConnection) -> bool:
    """True where the other end has closed it, or said something that nobody asked for."""
    poll = select.poll()
    poll.register(connection, select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))


def _no_answer(method: str, path: str, error: Exception) -> Unreachable:
    return Unreachable(f"the engine did not answer {method} {path}: {type(error).__name__}")


def _refusal(method: str, path: str, status: int, content: bytes) -> Conflict | Refused:
    message = _message(content)
    if _OUT_OF_SEQUENCE in message or status == http.HTTPStatus.CONFLICT:
        return Conflict(message)
    return Refused(f"{method} {path}: {status} {message}")


def _pool_to(client: docker.APIClient) -> urllib3.HTTPConnectionPool:
    """The connections below docker-py's own session, which takes longer over a call than the connection does.

    docker-py keeps them by the whole URL with its query, so one with an object's id in it is hardly ever used again: one pool
    is enough for one engine.
    """
    base = str(client.base_url)
    adapter = client.get_adapter(base)
    assert isinstance(adapter, requests.adapters.HTTPAdapter)
    request = client.prepare_request(requests.Request("GET", base))
    pool = adapter.get_connection_with_tls_context(request, client.verify, cert=client.cert)
    assert isinstance(pool, urllib3.HTTPConnectionPool)
    return pool


def _json(method: str, path: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise Unreachable(f"the answer to {method} {path} is not JSON ({error}): no Docker engine is there") from error


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")
