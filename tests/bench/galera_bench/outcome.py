"""What the clients of one scenario felt, from every single transaction of the open loop. Pure.

Times are seconds since the load began.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from galera_operator.demo.tally import Attempt, Kind, failure_from, percentiles

BUCKET = 0.5
"""Seconds of one point of a plot."""


AT_THE_END = 0.05
"""Seconds: who is due so shortly before the load's end may see the end first, and has missed nothing."""


@dataclass(frozen=True, slots=True)
class Felt:
    """One load, summed up.

    due = acknowledged + failed + unserved. `failed`: a statement or COMMIT got an error, its outcome is unknown, or there was no
    connection. `unserved`: due before the end and never tried, because their client still hung in an earlier one.
    `stall`: the longest time that one client waited for an acknowledged transaction that was due.
    `outage`: the longest time in which no client at all got one, and `outage_at` when that began.
    `latency`: 50th, 95th, 99th percentile and longest, from when the transaction was due.
    """

    seconds: float
    due: int
    acknowledged: int
    failed: int
    failed_writes: int
    unknown: int
    unconnected: int
    unserved: int
    stall: float
    stall_at: float
    outage: float
    outage_at: float
    latency: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Point:
    """One bucket of time: acknowledged and failed transactions a second, and the longest latency of those that were due in it."""

    at: float
    throughput: float
    failures: float
    latency: float


def read_attempts(lines: Iterable[str]) -> list[Attempt]:
    """Read what `galera_operator.demo.load --attempts` wrote, in the order of their ends."""
    found = []
    for line in lines:
        raw = json.loads(line)
        raw["failure"] = failure_from(raw["failure"]) if raw["failure"] else None
        found.append(Attempt(**raw))
    return sorted(found, key=lambda attempt: attempt.ended)


def arrivals(rate: float, connections: int, seconds: float) -> int:
    """How many transactions the load's schedule had due before an end: each client's first is staggered by its number."""
    interval = connections / rate
    return sum(max(0, math.ceil((seconds - interval * worker / connections) / interval)) for worker in range(connections))


def felt(attempts: Sequence[Attempt], rate: float, connections: int, seconds: float) -> Felt:
    """Sum up one load.

    Args:
        attempts: all of them.
        rate: transactions a second that were due.
        connections: clients.
        seconds: how long the load ran.
    """
    good = [attempt for attempt in attempts if attempt.failure is None]
    kinds = [attempt.failure.kind for attempt in attempts if attempt.failure]
    due = arrivals(rate, connections, seconds - AT_THE_END)
    stall, stall_at = longest_wait(attempts)
    outage, outage_at = longest_gap([attempt.ended for attempt in good], seconds)
    return Felt(
        seconds=seconds,
        due=max(len(attempts), due),
        acknowledged=len(good),
        failed=len(kinds),
        failed_writes=sum(1 for attempt in attempts if attempt.failure and attempt.wrote),
        unknown=kinds.count(Kind.UNKNOWN),
        unconnected=kinds.count(Kind.CONNECT),
        unserved=max(0, due - len(attempts)),
        stall=stall,
        stall_at=stall_at,
        outage=outage,
        outage_at=outage_at,
        latency=percentiles([attempt.ended - attempt.due for attempt in good]),
    )


def longest_wait(attempts: Sequence[Attempt]) -> tuple[float, float]:
    """The longest time one client waited for an acknowledged transaction it had begun, failures between included; and when."""
    longest, at = 0.0, 0.0
    since: dict[int, float] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.ended):
        begun = since.setdefault(attempt.worker, attempt.begun)
        if attempt.ended - begun > longest:
            longest, at = attempt.ended - begun, begun
        if attempt.failure is None:
            del since[attempt.worker]
    return longest, at


def longest_gap(ends: Sequence[float], seconds: float) -> tuple[float, float]:
    """The longest time without any of these ends, from 0 to `seconds`; and when it began."""
    edges = [0.0, *sorted(ends), seconds]
    gaps = [(after - before, before) for before, after in itertools.pairwise(edges)]
    return max(gaps, key=lambda gap: gap[0])


def series(attempts: Sequence[Attempt], seconds: float) -> list[Point]:
    """Throughput, failures and latency over time, for a plot."""
    count = max(1, math.ceil(seconds / BUCKET))
    good, bad, slowest = [0] * count, [0] * count, [0.0] * count
    for attempt in attempts:
        ended = min(count - 1, int(attempt.ended / BUCKET))
        if attempt.failure is None:
            good[ended] += 1
            due = min(count - 1, int(attempt.due / BUCKET))
            slowest[due] = max(slowest[due], attempt.ended - attempt.due)
        else:
            bad[ended] += 1
    return [Point(n * BUCKET, good[n] / BUCKET, bad[n] / BUCKET, slowest[n]) for n in range(count)]
