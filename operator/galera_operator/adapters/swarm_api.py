"""The Docker Engine API as this project uses it: raw GET and raw POST, no cooked updates.

docker-py's ``Service.scale`` and ``Service.update`` fetch the spec with defaults filled in and post it back; Swarm then sees
every task as changed and restarts all members. Here the stored spec is posted back with one field changed.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import docker
import requests
from docker.errors import DockerException

from galera_operator.ports import Conflict, Refused, Unreachable

TIMEOUT = 5.0
"""Seconds for one call. A manager without quorum answers writes only after a minute; waiting for it helps nobody."""

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
        # Of the environment, requests would look for a proxy before each call: a third of its cost, and a socket has none.
        self.client.trust_env = not str(self.client.base_url).startswith("http+docker")
        self._timeout = timeout
        # The same few questions at each look: to put one together costs as much as to ask it.
        self._question = lru_cache(maxsize=32)(self._prepare)

    def get(self, path: str, **params: str) -> Any:
        """GET a path below the API version; JSON. Raises `Unreachable` or `Refused` with the engine's own words."""
        return json.loads(self._send(path, self._question("GET", path, *params.items())).content)

    def post(self, path: str, body: Any, **params: str) -> Any:
        """POST JSON. Raises `Conflict` when the object's version is not the one named."""
        answer = self._send(path, self._prepare("POST", path, *params.items(), body=body))
        return answer.json() if answer.content else None

    def stream(self, path: str, **params: str) -> requests.Response:
        """GET a stream that has no end; the read time-out is the caller's heartbeat."""
        return self._send(path, self._prepare("GET", path, *params.items()), stream=True, timeout=(self._timeout, 600.0))

    def _prepare(self, method: str, path: str, *params: tuple[str, str], body: Any = None) -> requests.PreparedRequest:
        url = f"{self.client.base_url}/v{self.client.api_version}{quote(path, safe='/._-')}"
        return self.client.prepare_request(requests.Request(method, url, params=dict(params), json=body))

    def _send(self, path: str, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        what = f"{request.method} {path}"
        try:
            answer = self.client.send(request, **{"timeout": self._timeout, "allow_redirects": False} | options)
        except requests.RequestException as error:
            raise Unreachable(f"the engine did not answer {what}: {type(error).__name__}") from error
        if answer.ok:
            return answer
        message = _message(answer)
        if _OUT_OF_SEQUENCE in message or answer.status_code == requests.codes.conflict:
            raise Conflict(message)
        raise Refused(f"{what}: {answer.status_code} {message}")


def _message(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("message", answer.text))
    except ValueError:
        return answer.text[:200]
