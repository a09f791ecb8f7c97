"""The engine's stand-in: the paths of the Engine API that the operator uses, over a unix socket."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from galera_bench.footprint.world import NETWORK, World, as_json

API = "/v1.41"


class StandInEngine:
    """One manager's engine. Writes are compare-and-swap by version, as in Swarm."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._configs: dict[str, dict[str, Any]] = {}
        self._streams: list[asyncio.StreamWriter] = []
        self._tasks = {cluster.id: as_json(cluster.tasks()) for cluster in world.clusters}
        self._services = {cluster.id: as_json(cluster.service()) for cluster in world.clusters}
        self._all_tasks = _joined(self._tasks.values())
        self.requests = 0

    async def serve(self, path: Path) -> asyncio.Server:
        return await asyncio.start_unix_server(self._client, str(path), limit=1 << 20)

    def wish(self, number: int, members: int) -> None:
        """A user writes the label; the event tells it."""
        cluster = self._world.clusters[number]
        cluster.wish, cluster.version = members, cluster.version + 1
        self._services[cluster.id] = as_json(cluster.service())
        self._tell(cluster.id, cluster.name)

    def reset(self, number: int) -> None:
        """As before the wish, without an event."""
        cluster = self._world.clusters[number]
        cluster.wish = cluster.replicas = cluster.size
        cluster.version += 1
        self._services[cluster.id] = as_json(cluster.service())

    def _tell(self, service: str, name: str) -> None:
        event = as_json({"Type": "service", "Action": "update", "Actor": {"ID": service, "Attributes": {"name": name}}}) + b"\n"
        for stream in self._streams:
            stream.write(b"%x\r\n%b\r\n" % (len(event), event))

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for method, target, body in _requests(reader):
                self.requests += 1
                if target.startswith(f"{API}/events"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
                    self._streams.append(writer)
                    continue
                status, answer = self._answer(method, target, body)
                head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                writer.write(head % (status, len(answer)) + answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            if writer in self._streams:
                self._streams.remove(writer)
            writer.close()

    def _answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        url = urlsplit(target)
        query = parse_qs(url.query)
        filters = json.loads(query.get("filters", ["{}"])[0])
        parts = url.path.removeprefix(API).strip("/").split("/")
        match method, *parts:
            case "GET", "version":
                return 200, as_json({"ApiVersion": API.removeprefix("/v"), "Version": "26.1.5", "MinAPIVersion": "1.24"})
            case "GET", "info":
                return 200, as_json({"Swarm": {"ControlAvailable": True, "LocalNodeState": "active"}})
            case "GET", "nodes":
                return 200, as_json(self._world.nodes())
            case "GET", "networks":
                return 200, as_json([{"Id": NETWORK, "Name": "shop_default"}])
            case "GET", "services":
                names = filters.get("name")
                found = [self._world.by_name[name].id for name in names] if names else self._services
                return 200, b"[" + b",".join(self._services[one] for one in found) + b"]"
            case "GET", "services", service:
                return 200, self._services[service]
            case "GET", "tasks":
                wanted = filters.get("service", list(self._tasks))
                return 200, self._all_tasks if len(wanted) == len(self._tasks) else _joined(self._tasks[one] for one in wanted)
            case "POST", "services", service, "update":
                return self._write_service(service, query["version"][0], json.loads(body))
            case "GET", "configs":
                names = filters.get("name")
                return 200, as_json([one for one in self._configs.values() if not names or one["Spec"]["Name"] in names])
            case "GET", "configs", one:
                return (200, as_json(self._configs[one])) if one in self._configs else (404, as_json({"message": "no config"}))
            case "POST", "configs", "create":
                return 201, self._create_config(json.loads(body))
            case "POST", "configs", one, "update":
                return self._write_config(one, query["version"][0], json.loads(body))
        return 404, as_json({"message": f"no {method} {url.path} here"})

    def _write_service(self, service: str, version: str, spec: dict[str, Any]) -> tuple[int, bytes]:
        cluster = self._world.by_id[service]
        if int(version) != cluster.version:
            return 500, as_json({"message": "rpc error: update out of sequence"})
        cluster.replicas = spec["Mode"]["Replicated"]["Replicas"]
        cluster.version += 1
        self._services[cluster.id] = as_json(cluster.service())
        self._world.wrote.setdefault(cluster.id, time.monotonic())
        self._tell(cluster.id, cluster.name)
        return 200, b"{}"

    def _create_config(self, spec: dict[str, Any]) -> bytes:
        one = f"cfg{len(self._configs):06d}"
        base64.b64decode(spec["Data"])
        self._configs[one] = {"ID": one, "Version": {"Index": 1}, "Spec": spec}
        return as_json({"ID": one})

    def _write_config(self, one: str, version: str, spec: dict[str, Any]) -> tuple[int, bytes]:
        stored = self._configs[one]
        if int(version) != stored["Version"]["Index"]:
            return 500, as_json({"message": "rpc error: update out of sequence"})
        self._configs[one] = {"ID": one, "Version": {"Index": int(version) + 1}, "Spec": spec}
        return 200, b""


async def _requests(reader: asyncio.StreamReader) -> AsyncIterator[tuple[str, str, bytes]]:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        first, *rest = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, colon, value in (line.partition(":") for line in rest) if colon}
        yield method, target, await reader.readexactly(int(headers.get("content-length", "0")))


def _joined(lists: Iterable[bytes]) -> bytes:
    """One JSON list of several, none of them empty."""
    return b"[" + b",".join(body[1:-1] for body in lists) + b"]"
