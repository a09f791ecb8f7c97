"""Server-sent events: each page that is open is told what is new, at its own pace, never more than the newest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from galera_operator.runtime.board import Board

PAGES = 32
"""Streams at once; one more is asked to come back later."""

CALM = 0.25
"""Seconds between two messages: several turns in a row are one change for a person."""

WORD = 2.0
"""Seconds after which a page is told at least that the operator is there."""


class Feed:
    """Lives in the server's thread; the board calls `_wake` from the turns' threads."""

    def __init__(self, board: Board, make: Callable[[], dict[str, str]]) -> None:
        """Args: `make`: the newest state as named parts; what has not changed is not sent again."""
        self._board = board
        self._make = make
        self._waiting: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.is_open = True

    def attach(self) -> None:
        """Begin, in the server's loop."""
        self._loop = asyncio.get_running_loop()
        self._board.listen(self._wake)

    def close(self) -> None:
        """End all streams."""
        self.is_open = False
        self._set_all()

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= PAGES

    async def stream(self) -> AsyncIterator[bytes]:
        """The messages for one page, until it goes away or the server ends."""
        news = asyncio.Event()
        self._waiting.add(news)
        sent: dict[str, str] = {}
        try:
            yield b"retry: 1000\n\n"
            while self.is_open:
                parts = self._make()
                changed = {name: part for name, part in parts.items() if sent.get(name) != part}
                sent = parts
                yield f"data: {json.dumps(changed)}\n\n".encode()
                news.clear()
                await asyncio.sleep(CALM)
                try:
                    await asyncio.wait_for(news.wait(), WORD)
                except TimeoutError:
                    pass
        finally:
            self._waiting.discard(news)

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None and self.is_open and self._waiting:  # a page that comes this moment is told the newest anyway
            try:
                loop.call_soon_threadsafe(self._set_all)
            except RuntimeError:
                self.is_open = False  # the server has ended; the turns go on

    def _set_all(self) -> None:
        for news in self._waiting:
            news.set()
