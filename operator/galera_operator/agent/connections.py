"""Who is connected to a port, and what is said about what was refused there. Both are bounded: no client, and no number of them,
costs another one its answer or fills the disk with log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from asyncio import StreamWriter
from collections import Counter

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 256
"""Per port. Well above HAProxy's checks from a dozen proxies plus the operator."""
LINES = 10
"""Refusals of one address that are logged one by one within `WINDOW` seconds; the others are counted."""
ALL_LINES = 200
"""The same for all addresses together."""
WINDOW = 10.0
_LENGTH = 350


class Refusals:
    """The log of what was refused to clients that have not shown the token."""

    def __init__(self) -> None:
        self._since = float("-inf")
        self._by_address: Counter[str] = Counter()
        self._held_back: Counter[str] = Counter()

    def say(self, what: str, address: str, why: str) -> None:
        """Log one, or count it: ``refused POST /drain from 10.0.1.7: the bearer token is missing or wrong``."""
        now = time.monotonic()
        if now - self._since > WINDOW:
            self._sum_up()
            self._since = now
        self._by_address[address] += 1
        if self._by_address[address] <= LINES and self._by_address.total() - self._held_back.total() <= ALL_LINES:
            log.warning("%s", one_line(f"refused {what} from {address}: {why}"))
            return
        if not self._held_back:
            asyncio.get_running_loop().call_later(self._since + WINDOW - now, self._sum_up)
        self._held_back[address] += 1

    def _sum_up(self) -> None:
        if self._held_back:
            (worst, _), count = self._held_back.most_common(1)[0], self._held_back.total()
            log.warning("%d more requests were refused in %.0f s, most of them from %s", count, WINDOW, worst)
        self._by_address.clear()
        self._held_back.clear()


class Crowd:
    """The connections of one port.

    At the limit a newcomer is let in, and of the address with the most connections that have not said anything yet, the oldest
    one is closed: who holds silent connections loses those, not the operator, the proxies or the health check their turn.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._silent: dict[StreamWriter, str] = {}
        self.size = 0

    def enter(self, writer: StreamWriter, address: str) -> bool:
        """Let a newcomer in; False where everybody is being answered and there is no room."""
        if self.size >= MAX_CONNECTIONS and not self._make_room():
            self._refusals.say("a connection", address, f"too many connections: {self.size}")
            return False
        self.size += 1
        self._silent[writer] = address
        return True

    def heard(self, writer: StreamWriter) -> None:
        """What it wants has arrived: it is not closed any more before it has its answer."""
        self._silent.pop(writer, None)

    def leave(self, writer: StreamWriter) -> None:
        self._silent.pop(writer, None)
        self.size -= 1

    def _make_room(self) -> bool:
        if not self._silent:
            return False
        address = Counter(self._silent.values()).most_common(1)[0][0]
        oldest = next(writer for writer, of in self._silent.items() if of == address)
        del self._silent[oldest]
        oldest.transport.abort()  # its handler sees the end, and leaves
        self._refusals.say("a silent connection", address, f"too many connections: {self.size}; closed for a newcomer")
        return True


def one_line(text: str) -> str:
    """Text from outside as part of one line of the log: printable, and not too long."""
    plain = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return plain if len(plain) <= _LENGTH else f"{plain[:_LENGTH]}..."
