"""Flow control over the last seconds, from the counters that mariadbd has kept since its start.

The agent keeps this and not the operator: it looks four times a second, so there is an answer at the first look of whoever asks,
also right after the operator was restarted.
"""

from __future__ import annotations

from collections import deque

from galera_operator.core.serving import FlowControl
from galera_operator.core.wsrep_status import FlowCounters

WINDOW = 10.0
"""Seconds: longer than one checkpoint or lock of a backup holds the appliers up, and short enough to tell of now."""
KNOWN_AFTER = 2.0
"""Seconds of samples below which a share of them says nothing."""


class FlowWindow:
    """The counters of the last `WINDOW` seconds. Times are a monotonic clock's readings, handed in by the caller."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, FlowCounters]] = deque()

    def take(self, counters: FlowCounters | None, now: float) -> None:
        """Add a sample; None: not Synced, or no answer.

        A member that is not Synced begins anew afterwards: while it catches up with the others, pauses are Galera's means to
        let it, and they end with its being Synced. Counters that went back (FLUSH STATUS) begin anew as well.
        """
        last = self._samples[-1][1] if self._samples else None
        if counters is None or (last and (counters.paused_ns < last.paused_ns or counters.sent < last.sent)):
            self._samples.clear()
        if counters is None:
            return
        self._samples.append((now, counters))
        while len(self._samples) > 1 and now - self._samples[1][0] >= WINDOW:
            self._samples.popleft()

    def told(self, now: float) -> FlowControl | None:
        """What the samples say; None while there are too few of them, or when the newest is older than the window."""
        if not self._samples or now - self._samples[-1][0] > WINDOW:
            return None
        (begun, first), (ended, last) = self._samples[0], self._samples[-1]
        over = ended - begun
        if over < KNOWN_AFTER:
            return None
        paused = min(1.0, (last.paused_ns - first.paused_ns) / (over * 1e9))
        return FlowControl(round(over, 1), round(paused, 3), last.sent - first.sent + first.requests)
