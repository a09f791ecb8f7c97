"""What a load's clients saw, counted: acknowledged writes, failures by kind, latencies, the longest stall. Pure.

Times are seconds since the load began.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

MOST_FAILURES = 200
"""Failures kept with their text. All are counted."""


class Step(StrEnum):
    """Where in a transaction an error came."""

    CONNECT = "connect"
    BEGIN = "begin"
    INSERT = "insert"
    UPDATE = "update"
    SELECT = "select"
    COMMIT = "commit"


class Kind(StrEnum):
    """What a failure means to the client."""

    CONNECT = "no connection"
    """Nothing was sent. Reported in a row of its own."""
    STATEMENT = "statement failed"
    """A statement before COMMIT got an error: nothing of the transaction is in the database."""
    REFUSED = "commit refused"
    """COMMIT got an error that says that it was rolled back."""
    UNKNOWN = "outcome unknown"
    """COMMIT was sent and no clear answer came: the write is there or not."""


_ROLLED_BACK = {1047, 1213, 1290}
"""On COMMIT: not prepared (a member outside a Primary component), certification failed, read-only. Any other is unclear."""


def classify(step: Step, code: int | None) -> Kind:
    """What an error means.

    Args:
        step: Where it came.
        code: The server's or the driver's number; None where it had none (a broken socket).
    """
    if step is Step.CONNECT:
        return Kind.CONNECT
    if step is not Step.COMMIT:
        return Kind.STATEMENT
    return Kind.REFUSED if code in _ROLLED_BACK else Kind.UNKNOWN


@dataclass(frozen=True, slots=True)
class Failure:
    """One transaction that was not acknowledged. `at`: when the client gave it up."""

    at: float
    worker: int
    seq: int
    step: Step
    kind: Kind
    code: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.at:.1f} s, connection {self.worker}: {self.kind} ({self.step}): {self.code or ''} {self.text}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One transaction of one worker.

    `due`: when the schedule wanted it. `begun`: then, or when the worker's transaction before it ended, whichever is later.
    `ended`: when it was acknowledged or given up. Connecting, and a pool's ping, lie between `begun` and `ended`.
    `wrote`: False for one that only reads.
    """

    worker: int
    seq: int
    due: float
    begun: float
    ended: float
    failure: Failure | None = None
    wrote: bool = True


@dataclass(frozen=True, slots=True)
class Stall:
    """The longest time that a worker went without an acknowledged write while it had one to make.

    From `Attempt.begun` of a transaction to its end; where that failed, to the end of the worker's next acknowledged one.
    So a slow connect counts, a failure does not end a stall, and time that a transaction spent in the queue behind a slow
    one does not count twice. The workers' schedules are staggered: a stall of the database is seen to within one interval
    divided by the number of workers (31 ms for 8 workers with 4 transactions a second each).
    """

    at: float = 0.0
    """When it began."""
    seconds: float = 0.0
    worker: int = -1


class Ranges:
    """Ascending sequence numbers, kept as first and last of each unbroken run."""

    def __init__(self, ranges: Sequence[Sequence[int]] = ()) -> None:
        self._ranges = [[first, last] for first, last in ranges]

    def add(self, number: int) -> None:
        if self._ranges and self._ranges[-1][1] + 1 == number:
            self._ranges[-1][1] = number
        else:
            self._ranges.append([number, number])

    def __iter__(self) -> Iterator[int]:
        return (number for first, last in self._ranges for number in range(first, last + 1))

    def as_lists(self) -> list[list[int]]:
        return [list(pair) for pair in self._ranges]


@dataclass(frozen=True, slots=True)
class Result:
    """All that a load saw.

    transactions = acknowledged + failed + unconnected. `failed`: a statement or commit got an error, or its outcome is
    unknown. `reconnects`: a pool's ping found its connection gone and another one took its place; no failure.
    `latency`: seconds at the 50th, 95th, 99th percentile and the longest, of acknowledged transactions, from when they were
    due (so a queue behind a stall counts for each that waited in it).
    `written`, `unclear`: sequence numbers by worker that were acknowledged, and those whose outcome is unknown.
    """

    begun: float
    """`time.monotonic()` of the machine at the load's second 0."""
    seconds: float
    transactions: int
    acknowledged: int
    failed: int
    unconnected: int
    reconnects: int
    stall: Stall
    latency: tuple[float, float, float, float]
    failures: tuple[Failure, ...] = ()
    written: Mapping[int, Sequence[Sequence[int]]] = field(default_factory=dict)
    unclear: Mapping[int, Sequence[Sequence[int]]] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Result:
        raw: dict[str, Any] = json.loads(text)
        raw["stall"] = Stall(**raw["stall"])
        raw["latency"] = tuple(raw["latency"])
        raw["failures"] = tuple(failure_from(given) for given in raw["failures"])
        for name in ("written", "unclear"):
            raw[name] = {int(worker): ranges for worker, ranges in raw[name].items()}
        return cls(**raw)

    def rows(self) -> set[tuple[int, int]]:
        """Worker and sequence number of each acknowledged write."""
        return _rows(self.written)

    def unclear_rows(self) -> set[tuple[int, int]]:
        return _rows(self.unclear)


def failure_from(raw: Mapping[str, Any]) -> Failure:
    """A failure as JSON told it."""
    return Failure(**{**raw, "step": Step(raw["step"]), "kind": Kind(raw["kind"])})


class Tally:
    """Counts attempts as they end. Not for two threads at once."""

    def __init__(self) -> None:
        self._acknowledged = self._failed = self._unconnected = self._reconnects = 0
        self._latencies: list[float] = []
        self._failures: list[Failure] = []
        self._written: dict[int, Ranges] = {}
        self._unclear: dict[int, Ranges] = {}
        self._without_since: dict[int, float] = {}
        self._stall = Stall()

    def add(self, attempt: Attempt) -> None:
        since = self._without_since.get(attempt.worker, attempt.begun)
        self._stall = _longer(self._stall, Stall(since, attempt.ended - since, attempt.worker))
        failure = attempt.failure
        if failure is None:
            self._acknowledged += 1
            self._latencies.append(attempt.ended - attempt.due)
            if attempt.wrote:
                self._written.setdefault(attempt.worker, Ranges()).add(attempt.seq)
            self._without_since.pop(attempt.worker, None)
            return
        self._without_since.setdefault(attempt.worker, attempt.begun)
        if failure.kind is Kind.CONNECT:
            self._unconnected += 1
        else:
            self._failed += 1
        if failure.kind is Kind.UNKNOWN and attempt.wrote:
            self._unclear.setdefault(attempt.worker, Ranges()).add(attempt.seq)
        if len(self._failures) < MOST_FAILURES:
            self._failures.append(failure)

    def add_reconnect(self) -> None:
        self._reconnects += 1

    def result(self, begun: float, now: float, busy: Mapping[int, float], *, whole: bool = True) -> Result:
        """What was counted until `now`.

        Args:
            begun: `Result.begun`.
            now: Seconds since then.
            busy: For each worker in a transaction, when it began: a stall that has not ended yet counts as well.
            whole: With the sequence numbers, failures and percentiles; without, it is cheap enough for every second.
        """
        stall = self._stall
        for worker, since in busy.items():
            first = self._without_since.get(worker, since)
            stall = _longer(stall, Stall(first, now - first, worker))
        return Result(
            begun=begun,
            seconds=now,
            transactions=self._acknowledged + self._failed + self._unconnected,
            acknowledged=self._acknowledged,
            failed=self._failed,
            unconnected=self._unconnected,
            reconnects=self._reconnects,
            stall=stall,
            latency=percentiles(self._latencies) if whole else (0.0, 0.0, 0.0, 0.0),
            failures=tuple(self._failures) if whole else (),
            written={worker: ranges.as_lists() for worker, ranges in self._written.items()} if whole else {},
            unclear={worker: ranges.as_lists() for worker, ranges in self._unclear.items()} if whole else {},
        )


def next_due(due: float, interval: float, now: float, *, failed: bool) -> float:
    """When a worker's next transaction is due.

    The schedule does not wait for the database: what a stall held up is made up for at once, so that each that waited is
    measured. After a failure the missed ones are dropped: a database that refuses quickly would else be asked in a tight loop.
    """
    following = due + interval
    if failed and following <= now:
        following = due + interval * (math.floor((now - due) / interval) + 1)
    return following


def is_read(seq: int, share: float) -> bool:
    """Whether a worker's transaction number `seq` (from 1) is one that only reads, so that this `share` of them are."""
    return math.floor(seq * share) > math.floor((seq - 1) * share)


def percentiles(values: Sequence[float]) -> tuple[float, float, float, float]:
    """The 50th, 95th and 99th percentile (nearest rank) and the maximum; zeros where there is no value."""
    if not values:
        return (0.0, 0.0, 0.0, 0.0)
    ordered = sorted(values)
    ranks = (math.ceil(len(ordered) * percent / 100) - 1 for percent in (50, 95, 99, 100))
    p50, p95, p99, longest = (ordered[rank] for rank in ranks)
    return (p50, p95, p99, longest)


def _longer(one: Stall, other: Stall) -> Stall:
    return other if other.seconds > one.seconds else one


def _rows(ranges: Mapping[int, Sequence[Sequence[int]]]) -> set[tuple[int, int]]:
    return {(worker, seq) for worker, given in ranges.items() for seq in Ranges(given)}
