"""The Docker Engine API as this project uses it: raw GET and raw POST, no cooked updates.

docker-py's ``Service.scale`` and ``Service.update`` fetch the spec with defaults filled in and post it back; Swarm then sees
every task as changed and restarts all members. Here the stored spec is posted back with one field changed.
"""

from __future__ import annotations

import contextlib
import http
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import docker
import requests
import urllib3
from docker.errors import DockerException
from docker.transport.unixconn import UnixHTTPAdapter

from galera_operator.ports import Conflict, Refused, Unreachable

TIMEOUT = 5.0
"""Seconds for one call. A manager without quorum answers writes only after a minute; waiting for it helps nobody."""

STREAM_TIMEOUT = 600.0
"""Seconds of silence after which a stream of events is opened anew."""

CONNECTIONS = 32
"""That are kept; as many as there are turns at once."""

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
        self._headers = {name: str(value) for name, value in self.client.headers.items()} | {"Content-Type": "application/json"}
        self._timeout = timeout

    def get(self, path: str, **params: str) -> Any:
        """GET a path below the API version; JSON. Raises `Unreachable` or `Refused` with the engine's own words."""
        return json.loads(self._send("GET", path, params).data)

    def post(self, path: str, body: Any, **params: str) -> Any:
        """POST JSON. Raises `Conflict` when the object's version is not the one named."""
        answer = self._send("POST", path, params, json.dumps(body))
        return json.loads(answer.data) if answer.data else None

    @contextlib.contextmanager
    def stream(self, path: str, **params: str) -> Iterator[Iterator[bytes]]:
        """GET the lines of a stream that has no end; silence for too long counts as one. Raises `Unreachable`, `Refused`."""
        answer = self._send("GET", path, params, patience=STREAM_TIMEOUT, preload_content=False)
        try:
            yield iter(answer)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"the stream {path} broke: {type(error).__name__}") from error
        finally:
            answer.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._pool.close()
        self.client.close()

    def _send(
        self, method: str, path: str, params: Mapping[str, str], body: str | None = None, patience: float = 0.0, **options: bool
    ) -> urllib3.BaseHTTPResponse:
        """Args: `patience`: seconds between two bytes of the answer, where they are not the same as for all calls."""
        url = f"/v{self.client.api_version}{quote(path, safe='/._-')}" + (f"?{urlencode(params)}" if params else "")
        timeout = urllib3.Timeout(connect=self._timeout, read=patience or self._timeout)
        try:
            answer = self._pool.urlopen(
                method, url, body, self._headers, retries=False, redirect=False, timeout=timeout, **options
            )
            if answer.status < http.HTTPStatus.BAD_REQUEST:
                return answer
            message = _message(answer.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"the engine did not answer {method} {path}: {type(error).__name__}") from error
        if _OUT_OF_SEQUENCE in message or answer.status == http.HTTPStatus.CONFLICT:
            raise Conflict(message)
        raise Refused(f"{method} {path}: {answer.status} {message}")


def _pool_to(client: docker.APIClient) -> urllib3.HTTPConnectionPool:
    """The connections below docker-py's own session, which takes longer over a call than the connection does.

    docker-py keeps them by the whole URL with its query, so one with an object's id in it is hardly ever used again: one pool
    is enough for one engine.
    """
    base = str(client.base_url)
    adapter = client.get_adapter(base)
    assert isinstance(adapter, requests.adapters.HTTPAdapter)
    if isinstance(adapter, UnixHTTPAdapter):
        adapter.max_pool_size = CONNECTIONS
    request = client.prepare_request(requests.Request("GET", base))
    pool = adapter.get_connection_with_tls_context(request, client.verify, cert=client.cert)
    assert isinstance(pool, urllib3.HTTPConnectionPool)
    return pool


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")
