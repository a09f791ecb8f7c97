"""The routes: ``/`` the status page, ``/events`` its stream, ``/api/status``, ``/metrics``, ``/healthz``; and those of runs."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from galera_operator.runtime.asked import Asked
from galera_operator.runtime.board import Board
from galera_operator.runtime.pulse import Pulse
from galera_operator.web.feed import Feed
from galera_operator.web.metrics import CONTENT_TYPE, Metrics
from galera_operator.web.page import Pages, status
from galera_operator.web.runs import Runs

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""On every answer: nothing of another origin is loaded, nothing runs inline, nothing is kept."""

_STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


def make_app(board: Board, pulse: Pulse, feed: Feed, pages: Pages, asked: Asked) -> Starlette:
    metrics = Metrics(board, pulse)
    as_of: dict[str, tuple[tuple[int, int], bytes]] = {}

    def once(name: str, make: Callable[[], bytes]) -> bytes:
        """Made once for each state of the board and second, however often it is asked for."""
        key = board.version, int(time.monotonic())
        if name not in as_of or as_of[name][0] != key:
            as_of[name] = key, make()
        return as_of[name][1]

    async def page(_: Request) -> Response:
        return HTMLResponse(once("page", lambda: pages.whole().encode()))

    async def events(_: Request) -> Response:
        if feed.is_full:
            return PlainTextResponse("too many pages are open; come back later\n", 503, {"retry-after": "10"})
        return StreamingResponse(feed.stream(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    async def state(_: Request) -> Response:
        return Response(once("state", lambda: json.dumps(status(board.posted())).encode()), media_type="application/json")

    async def scrape(_: Request) -> Response:
        return Response(once("metrics", metrics.text), headers={"content-type": CONTENT_TYPE})

    async def health(_: Request) -> Response:
        fault = pulse.fault()
        return JSONResponse({"alive": not fault, "fault": fault, "swarm": pulse.swarm_fault}, 503 if fault else 200)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        feed.attach()
        yield

    routes = [
        Route("/", page),
        Route("/events", events),
        Route("/api/status", state),
        Route("/metrics", scrape),
        Route("/healthz", health),
        *Runs(board, asked).routes,
        *(Route(f"/static/{name}", _static(name, kind)) for name, kind in _STATIC.items()),
    ]
    return Starlette(routes=routes, middleware=[Middleware(SafeHeaders)], lifespan=lifespan)


def _static(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = files("galera_operator.web").joinpath("static", name).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


class SafeHeaders:
    """Adds `_HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
