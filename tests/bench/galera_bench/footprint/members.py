"""The members' stand-ins: the agent's HTTP port and as much of MariaDB's protocol as a wsrep status takes."""

from __future__ import annotations

import asyncio
import struct

from galera_bench.footprint.world import UUID, World
from galera_operator.adapters.sql import PORT as SQL_PORT
from galera_operator.core.agent_api import HTTP_PORT

_CAPABILITIES = 0x0008_A20F  # long password and flag, connect with db, protocol 41, transactions, secure connection, plugin auth
_AUTOCOMMIT = 2


class Agent(asyncio.Protocol):
    """Answers every GET with the member's status; keeps the connection where the client wants that."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._cluster, self._slot = self._world.of_address(transport.get_extra_info("sockname")[0])

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while b"\r\n\r\n" in self._pending:
            head, _, self._pending = self._pending.partition(b"\r\n\r\n")
            self._cluster.was_asked(self._slot, HTTP_PORT)
            body = self._cluster.http[self._slot - 1]
            closes = b"connection: keep-alive" not in head.lower()
            kept = b"close" if closes else b"keep-alive"
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: %b\r\n\r\n%b"
                % (len(body), kept, body)
            )
            if closes:
                self._transport.close()


class Database(asyncio.Protocol):
    """Lets everybody in, and has the same wsrep status for every query that begins with SELECT."""

    def __init__(self, world: World, answers: dict[int, bytes]) -> None:
        self._world, self._answers = world, answers
        self._pending = b""
        self._is_in = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._cluster, self._slot = self._world.of_address(transport.get_extra_info("sockname")[0])
        transport.write(_packet(0, _greeting()))

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) >= 4 + (length := int.from_bytes(self._pending[:3], "little")):
            number, body = self._pending[3], self._pending[4 : 4 + length]
            self._pending = self._pending[4 + length :]
            self._take(number, body)

    def _take(self, number: int, body: bytes) -> None:
        if not self._is_in:
            self._is_in = True
            self._transport.write(_packet(number + 1, _OK))
        elif body[:1] == b"\x01":
            self._transport.close()
        elif body[1:7].upper() == b"SELECT":
            self._transport.write(self._answers[self._cluster.size])
            self._cluster.was_asked(self._slot, SQL_PORT)
        else:
            self._transport.write(_packet(number + 1, _OK))


_OK = b"\x00\x00\x00" + struct.pack("<HH", _AUTOCOMMIT, 0)


def _packet(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def _text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


def _greeting() -> bytes:
    low, high = struct.pack("<I", _CAPABILITIES)[:2], struct.pack("<I", _CAPABILITIES)[2:]
    return (
        b"\x0a5.5.5-11.8.3-MariaDB\x00" + struct.pack("<I", 7) + b"saltsalt\x00" + low + b"\x2d" + struct.pack("<H", _AUTOCOMMIT)
        + high + b"\x15" + bytes(10) + b"saltsaltsalt\x00" + b"mysql_native_password\x00"
    )  # fmt: skip


def status_answer(size: int) -> bytes:
    """The packets of one row with one column, and in that a line for each variable."""
    rows = {
        "wsrep_ready": "ON", "wsrep_connected": "ON", "wsrep_cluster_status": "Primary", "wsrep_local_state": "4",
        "wsrep_local_state_comment": "Synced", "wsrep_cluster_state_uuid": UUID, "wsrep_local_state_uuid": UUID,
        "wsrep_cluster_conf_id": str(size), "wsrep_cluster_size": str(size), "wsrep_last_committed": "1000",
        "wsrep_local_recv_queue": "0", "wsrep_flow_control_paused": "0.0", "wsrep_desync_count": "0",
    }  # fmt: skip
    text = "\n".join(f"{name.upper()}={value}" for name, value in rows.items()).encode()
    kind = b"\x0c" + struct.pack("<HIBHBH", 45, 65536, 0xFC, 0, 0, 0)
    column = _text("def") + _text("") + _text("") + _text("") + _text("lines") + _text("") + kind
    end = b"\xfe" + struct.pack("<HH", 0, _AUTOCOMMIT)
    bodies = [b"\x01", column, end, b"\xfc" + len(text).to_bytes(2, "little") + text, end]
    return b"".join(_packet(number, body) for number, body in enumerate(bodies, 1))


async def serve(world: World, http_port: int, sql_port: int) -> list[asyncio.Server]:
    """Listen on every address of loopback: the one that a client chose tells which member it means."""
    loop = asyncio.get_running_loop()
    answers = {cluster.size: status_answer(cluster.size) for cluster in world.clusters}
    agents = await loop.create_server(lambda: Agent(world), "0.0.0.0", http_port, backlog=4096)
    databases = await loop.create_server(lambda: Database(world, answers), "0.0.0.0", sql_port, backlog=4096)
    return [agents, databases]
