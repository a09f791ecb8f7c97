"""How far a state transfer is: bytes, rate, and since when nothing has moved. Pure: samples in, numbers out."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from galera_operator.agent.process import Work

WINDOW = 10.0
"""Seconds over which the rate is taken."""
SERVER_SHARE = 0.1
"""Of one core: a mariadbd that uses more while it opens the received database is at work. Waiting, it uses 1 or 2 %."""

_POLLERS = frozenset(
    {"sh", "bash", "dash", "sleep", "timeout", "ps", "ss", "lsof", "netstat", "sockstat", "grep", "sed", "awk", "pv", "logger"}
)
"""The scripts, and what they look around and write progress with, time and again, also while nothing moves."""
_FOLLOWERS = frozenset({"mariadb-backup", "mariabackup"})
"""On the donor they follow the redo log (2 MiB/s, 2 % of a core) also while nobody takes their output; what is behind them in
the pipe tells whether somebody does."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a transfer.

    Attributes:
        at: a monotonic clock's reading.
        stage: in words.
        arrived: bytes in the joiner's directory; 0 on a donor.
        scripts: the processes of the transfer, by process id, without mariadbd.
        server_share: of one core, used by mariadbd since the last sample, where it is its turn; else 0.
        applied: what counts write-sets, where the transfer moves those; else None.
    """

    at: float
    stage: str
    arrived: int
    scripts: Mapping[int, Work]
    server_share: float = 0.0
    applied: tuple[int, int] | None = None


@dataclass(slots=True)
class Progress:
    """Of one transfer on one side, `role` as in `Transfer`. `busy_at`: when it last moved."""

    role: str
    busy_at: float
    moved: int = 0
    _last: Sample | None = None
    _window: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, sample: Sample) -> None:
        """Take the next sample into account."""
        last, self._last = self._last, sample
        if last is None or self._has_moved(last, sample):
            self.busy_at = max(self.busy_at, sample.at)
        if self.role == "joiner":
            self.moved = sample.arrived
        elif last is not None:
            self.moved += _streamed(last.scripts, sample.scripts)
        self._window.append((sample.at, self.moved))
        while sample.at - self._window[0][0] > WINDOW:
            self._window.popleft()

    @property
    def rate(self) -> float:
        """Bytes a second; 0 before the second sample, and where the count went down."""
        if not self._window:
            return 0.0
        (began, before), (now, after) = self._window[0], self._window[-1]
        return max(0.0, (after - before) / (now - began)) if now > began else 0.0

    def _has_moved(self, last: Sample, now: Sample) -> bool:
        if (last.stage, last.arrived, last.applied) != (now.stage, now.arrived, now.applied):
            return True
        idle_ones = _POLLERS if self.role == "joiner" else _POLLERS | _FOLLOWERS
        return now.server_share >= SERVER_SHARE or any(
            work != last.scripts[pid]
            for pid, work in now.scripts.items()
            if pid in last.scripts and work.name not in idle_ones and not work.name.startswith("wsrep_sst_")
        )


def _streamed(before: Mapping[int, Work], after: Mapping[int, Work]) -> int:
    """Bytes that went out: along a pipe each process writes them once more, so the most that one has written."""
    written = [work.written - before[pid].written for pid, work in after.items() if pid in before and work.name not in _POLLERS]
    return max(written, default=0)
