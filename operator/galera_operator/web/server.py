"""The HTTP server in a thread of its own, beside the loop."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from loguru import logger

from galera_operator.runtime.asked import Asked
from galera_operator.runtime.board import Board
from galera_operator.runtime.pulse import Pulse
from galera_operator.web.app import make_app
from galera_operator.web.feed import Feed
from galera_operator.web.guarded import GuardedProtocol
from galera_operator.web.page import Pages

END = 3.0
"""Seconds that the server may take to end; the operator does not wait longer for it."""


TICK = 0.5
"""Seconds between two looks at the clock and at whether to end."""


class _Server(uvicorn.Server):
    """Uvicorn looks ten times a second, which costs an operator that has nothing to do a fifth of all its processor time."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # noqa: ASYNC110 - another thread says when to end
            await asyncio.sleep(TICK)


class CannotListen(Exception):
    """The address is not to be had; says which and why."""


@contextmanager
def serving(at: tuple[str, int] | None, board: Board, pulse: Pulse, asked: Asked | None = None) -> Iterator[None]:
    """Serve while the block runs.

    Args:
        at: address and port; None: serve nothing.
        asked: where requests for runbooks go; None: nobody may make one.

    Raises:
        CannotListen: before the block begins.
    """
    if at is None:
        yield
        return
    host, port = at
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128)
    except OSError as error:
        raise CannotListen(f"GALERA_OPERATOR_LISTEN: cannot listen at {host}:{port}: {error.strerror or error}") from error
    pages = Pages(board)
    feed = Feed(board, pages.parts)
    # Whoever sends rubbish gets 400; a line in the log for each would let them fill the disk.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        make_app(board, pulse, feed, pages, asked or Asked()),
        http=GuardedProtocol,
        ws="none",
        loop="asyncio",
        headers=[("connection", "close")],
        server_header=False,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="web", daemon=True)
    thread.start()
    logger.info("status page, /metrics and /healthz at port {}", listener.getsockname()[1])
    try:
        yield
    finally:
        server.should_exit = True
        feed.close()
        thread.join(END)
        listener.close()
