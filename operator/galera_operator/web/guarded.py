"""A connection that cannot be held open for nothing: whoever is slow to ask or slow to read is cut off, others find room."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0
"""For the whole head of a request, and for each standstill while an answer is sent."""

CONNECTIONS = 128
"""At once, besides those from the operator's own container: its health check always gets through."""


class GuardedProtocol(H11Protocol):
    """One request for each connection; the server's header ``Connection: close`` sees to that."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self._is_own() and len(self.connections) > CONNECTIONS:
            transport.abort()
            return
        self._limit()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.cycle is not None and not self.flow.write_paused and not self.cycle.response_complete:
            self._unlimit()  # the request is there; what it takes to answer is our own business

    def connection_lost(self, exc: Exception | None) -> None:
        self._unlimit()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._limit()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._limit()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unlimit()

    def _limit(self) -> None:
        self._unlimit()
        self._timer = self.loop.call_later(SECONDS, self.transport.abort)

    def _unlimit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_own(self) -> bool:
        peer: Any = self.client
        try:
            return peer is not None and ip_address(peer[0]).is_loopback
        except ValueError:
            return False
