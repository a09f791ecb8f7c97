"""The agent's two ports: HTTP for operator, proxy and health check, and HAProxy's agent-check.

One event loop in one thread: a slow or silent client costs a file descriptor, not a thread, and has a deadline of its own.
Every answer comes from what the member already knows; no request waits for a query. What is refused is logged.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from galera_operator.agent.commands import Refused, obey
from galera_operator.agent.connections import Crowd, Refusals, one_line
from galera_operator.agent.member import Member
from galera_operator.core.agent_api import PATHS, command_from_json
from galera_operator.core.strict_json import BadMessage

log = logging.getLogger(__name__)

REQUEST_SECONDS = 5.0
IDLE_SECONDS = 120.0
"""How long an operator's connection is kept between two of its looks."""
MAX_HEAD = 16 << 10
MAX_BODY = 64 << 10
MAX_WORD = 64
MAX_SENTENCE = 2000
MAX_HOLD = 55.0
HAPROXY_LINE_SECONDS = 0.1


_Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    wait: float
    token: str
    body: bytes
    is_local: bool
    keeps_alive: bool


class _Bad(Exception):
    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Server:
    """Both ports. Serves as long as the event loop runs that `start` was called in."""

    def __init__(self, member: Member, address: str, http_port: int, haproxy_port: int) -> None:
        self._member = member
        self._address = address or "0.0.0.0"  # noqa: S104 - operator and proxy are on other nodes
        self._ports = (http_port, haproxy_port)
        self._refusals = Refusals()
        self._crowds = (Crowd(self._refusals), Crowd(self._refusals))
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Bind both ports.

        Raises:
            OSError: a port is taken.
        """
        bound = []
        for index, handler in enumerate((self._http, self._haproxy)):
            serve = self._bounded(index, handler)
            self._servers.append(
                await asyncio.start_server(serve, self._address, self._ports[index], limit=MAX_HEAD, backlog=256)
            )
            bound.append(self._servers[-1].sockets[0].getsockname()[1])
        self._ports = (bound[0], bound[1])

    @property
    def ports(self) -> tuple[int, int]:
        """HTTP and agent-check; as bound, after `start`."""
        return self._ports

    async def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.close()

    def _bounded(self, index: int, handler: _Handler) -> _Handler:
        crowd = self._crowds[index]

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not crowd.enter(writer, _peer(writer)):
                writer.close()
                return
            try:
                await handler(reader, writer)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                log.debug("a client left: %s", error)
            except Exception:
                log.exception("a request failed")
            finally:
                crowd.leave(writer)
                writer.close()

        return serve

    async def _haproxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        word = await _read_word(reader)
        self._crowds[1].heard(writer)
        if word not in {b"", b"read", b"write"}:
            # No answer leaves HAProxy with what it knows; one to another question could open the write port.
            self._refusals.say("an agent-check", _peer(writer), f"{word[:20]!r}; expected read or write, or nothing for read")
            return
        answer = self._member.may_write() if word == b"write" else self._member.may_read()
        writer.write(answer.haproxy_line.encode())
        async with asyncio.timeout(REQUEST_SECONDS):
            await writer.drain()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and of whoever has the token as many as come while the connection lasts."""
        within = REQUEST_SECONDS
        while await self._exchange(reader, writer, within):
            within = IDLE_SECONDS

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, within: float) -> bool:
        """Whether another request may come. Args: `within`: seconds until it has to be here; else the connection ends."""
        peer = _peer(writer)
        is_head = stays_open = False
        what = "a request"
        try:
            async with asyncio.timeout(within):
                request = await _read_request(reader, peer)
            self._crowds[0].heard(writer)
            is_head, what = request.method == "HEAD", f"{request.method} {request.path}"
            stays_open = request.keeps_alive and self._is_authentic(request.token)
            status, body = await self._answer(request, peer)
        except _Bad as bad:
            status, body, stays_open = bad.status, _sentence(str(bad)), False
            self._refusals.say(what, peer, str(bad))
        except TimeoutError:
            if within == IDLE_SECONDS:
                return False
            words = f"the request did not arrive within {within:.0f} s"
            status, body = HTTPStatus.REQUEST_TIMEOUT, _sentence(words)
            self._refusals.say(what, peer, words)
        kind = "application/json" if body.startswith("{") else "text/plain"
        payload = body.encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}; charset=utf-8\r\n"
            f"Content-Length: {len(payload)}\r\nConnection: {'keep-alive' if stays_open else 'close'}\r\n\r\n"
        )
        writer.write(head.encode() + (b"" if is_head else payload))
        async with asyncio.timeout(REQUEST_SECONDS):
            await writer.drain()
        return stays_open

    async def _answer(self, request: Request, peer: str) -> tuple[HTTPStatus, str]:
        if request.method == "POST":
            return self._command(request, peer)
        if request.method not in {"GET", "HEAD"}:
            raise _Bad(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method} is not known here; GET reads, POST commands")
        member = self._member
        if self._is_authentic(request.token):
            member.operator_was_here()
        match request.path:
            case "/status":
                return HTTPStatus.OK, member.status().to_json()
            case "/ready":
                answer = member.may_read()
                return HTTPStatus(answer.code), answer.why + "\n"
            case "/writer":
                answer = member.may_write()
                return HTTPStatus(answer.code), answer.why + "\n"
            case "/live":
                return await self._live(request)
            case path if path in PATHS:
                raise _Bad(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} is a command: POST it")
            case path:
                raise _Bad(
                    HTTPStatus.NOT_FOUND,
                    f"there is no {path}; expected /live, /ready, /writer, /status or a command",
                )

    async def _live(self, request: Request) -> tuple[HTTPStatus, str]:
        """Hold the answer: until admission before it, for a while after it, so that checks are rare and never late.

        Only the own container may hold a connection open.
        """
        deadline = time.monotonic() + (min(request.wait, MAX_HOLD) if request.is_local else 0.0)
        was_admitted = self._member.is_admitted
        while True:
            admitted, alive = self._member.is_admitted, self._member.is_alive
            if admitted and not alive:
                return HTTPStatus.SERVICE_UNAVAILABLE, "mariadbd is down\n"
            if admitted and not was_admitted:
                return HTTPStatus.OK, "just admitted\n"
            if time.monotonic() >= deadline:
                status = HTTPStatus.OK if admitted else HTTPStatus.SERVICE_UNAVAILABLE
                return status, "admitted\n" if admitted else f"not admitted: {self._member.note}\n"
            if admitted and not self._member.holds_health:
                return HTTPStatus.OK, "admitted\n"
            await asyncio.sleep(0.05)

    def _command(self, request: Request, peer: str) -> tuple[HTTPStatus, str]:
        if request.path not in PATHS:
            raise _Bad(
                HTTPStatus.NOT_FOUND,
                f"there is no command {request.path}; expected {', '.join(sorted(PATHS))}",
            )
        if not self._is_authentic(request.token):
            raise _Bad(HTTPStatus.UNAUTHORIZED, self._member.settings.token_missing or "the bearer token is missing or wrong")
        try:
            command = command_from_json(request.path, request.body)
            obey(self._member, command)
        except (BadMessage, Refused) as error:
            log.warning("%s", one_line(f"refused POST {request.path} from {peer}: {error}"))
            status = HTTPStatus.CONFLICT if isinstance(error, Refused) else HTTPStatus.BAD_REQUEST
            return status, _sentence(str(error)[:MAX_SENTENCE])
        log.info("obeyed %s from %s, epoch %d", request.path, peer, command.epoch)
        return HTTPStatus.OK, self._member.status().to_json()

    def _is_authentic(self, token: str) -> bool:
        known = self._member.settings.token
        return known is not None and hmac.compare_digest(known.encode(), token.encode())


async def _read_request(reader: asyncio.StreamReader, peer: str) -> Request:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise _Bad(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is longer than 16 KiB") from error
    first, *rest = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise _Bad(HTTPStatus.BAD_REQUEST, "expected an HTTP/1.x request line")
    headers = {key.strip().lower(): value.strip() for key, colon, value in (line.partition(":") for line in rest) if colon}
    try:
        target = urlsplit(parts[1])
    except ValueError as error:
        raise _Bad(HTTPStatus.BAD_REQUEST, f"expected a path, got {parts[1][:50]!r}") from error
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise _Bad(HTTPStatus.BAD_REQUEST, f"Content-Length is {length[:20]!r}; expected a number of bytes")
    if len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
        raise _Bad(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is longer than 64 KiB")
    if "transfer-encoding" in headers:
        raise _Bad(HTTPStatus.LENGTH_REQUIRED, "send a Content-Length, not a Transfer-Encoding")
    body = await reader.readexactly(int(length))
    scheme, _, token = headers.get("authorization", "").partition(" ")
    wait = parse_qs(target.query).get("wait", ["0"])[-1]
    return Request(
        method=parts[0],
        path=target.path,
        wait=float(wait) if wait.isdecimal() else 0.0,
        token=token.strip() if scheme.lower() == "bearer" else "",
        body=body,
        is_local=_is_loopback(peer),
        keeps_alive=headers.get("connection", "").lower() == "keep-alive",
    )


async def _read_word(reader: asyncio.StreamReader) -> bytes:
    """What HAProxy sends with an agent-check (``agent-send``): one line, or nothing."""
    sent = b""
    try:
        async with asyncio.timeout(HAPROXY_LINE_SECONDS):
            while b"\n" not in sent and len(sent) <= MAX_WORD and (chunk := await reader.read(MAX_WORD)):
                sent += chunk
    except TimeoutError:
        pass  # it sends nothing unless it is told to
    return sent.partition(b"\n")[0].strip()


def _peer(writer: asyncio.StreamWriter) -> str:
    name = writer.get_extra_info("peername")
    return str(name[0]) if name else "?"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _sentence(text: str) -> str:
    return json.dumps({"error": text})
