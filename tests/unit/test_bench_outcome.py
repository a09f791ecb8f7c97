"""What the bench makes of every single transaction: failed, stall, outage, latency from when it was due, points of a plot."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from galera_bench.outcome import BUCKET, arrivals, felt, longest_gap, longest_wait, read_attempts, series

from galera_operator.demo.tally import Attempt, Failure, Kind, Step, is_read


def good(worker: int, due: float, ended: float, begun: float | None = None, *, wrote: bool = True) -> Attempt:
    return Attempt(worker, 1, due, due if begun is None else begun, ended, None, wrote)


def bad(worker: int, due: float, ended: float, kind: Kind = Kind.STATEMENT, *, wrote: bool = True) -> Attempt:
    return Attempt(worker, 1, due, due, ended, Failure(ended, worker, 1, Step.INSERT, kind, 1047, "not prepared"), wrote)


@pytest.mark.parametrize(("seconds", "due"), [(0.0, 0), (0.01, 1), (1.0, 8), (2.0, 16), (1.13, 10)])
def test_what_the_schedule_had_due_is_counted_from_each_clients_staggered_begin(seconds: float, due: int) -> None:
    assert arrivals(8.0, 4, seconds) == due


def test_a_transaction_that_was_due_and_never_tried_counts_as_unserved() -> None:
    seen = felt([good(0, 0.0, 0.1)], rate=2.0, connections=1, seconds=2.0)
    assert (seen.due, seen.acknowledged, seen.failed, seen.unserved) == (4, 1, 0, 3)


def test_who_is_due_in_the_last_moment_of_the_load_may_see_its_end_first() -> None:
    assert felt([good(0, 0.0, 0.1)], rate=2.0, connections=1, seconds=0.54).unserved == 0
    assert felt([good(0, 0.0, 0.1)], rate=2.0, connections=1, seconds=0.56).unserved == 1


def test_an_attempt_more_than_the_schedule_had_is_no_negative_number_of_unserved() -> None:
    seen = felt([good(0, 0.0, 0.1), good(0, 0.5, 0.6)], rate=1.0, connections=1, seconds=0.9)
    assert (seen.due, seen.unserved) == (2, 0)


def test_failures_are_counted_by_kind_and_writes_apart() -> None:
    attempts = [bad(0, 0, 1, Kind.CONNECT), bad(1, 0, 1, Kind.UNKNOWN), bad(2, 0, 1, wrote=False), good(3, 0, 1)]
    seen = felt(attempts, rate=4.0, connections=4, seconds=1.0)
    assert (seen.failed, seen.failed_writes, seen.unknown, seen.unconnected, seen.acknowledged) == (3, 2, 1, 1, 1)


def test_latency_counts_from_when_a_transaction_was_due_and_only_where_it_was_acknowledged() -> None:
    seen = felt([good(0, 1.0, 4.0, begun=3.9), bad(0, 4.0, 90.0)], rate=1.0, connections=1, seconds=2.0)
    assert seen.latency[3] == 3.0


def test_a_stall_is_the_longest_wait_of_one_client_and_goes_on_over_its_failures() -> None:
    attempts = [bad(0, 1.0, 1.5), good(1, 1.2, 1.3), bad(0, 2.0, 2.1), good(0, 3.0, 3.5), good(0, 9.0, 9.1)]
    assert longest_wait(attempts) == (2.5, 1.0)


def test_waiting_in_the_queue_behind_a_slow_transaction_is_no_longer_stall() -> None:
    assert longest_wait([good(0, 1.0, 3.0), good(0, 1.5, 3.2, begun=3.0)]) == (2.0, 1.0)


def test_an_outage_is_the_longest_time_without_any_acknowledged_transaction_also_at_the_end() -> None:
    assert longest_gap([1.0, 2.0, 2.5], 9.0) == (6.5, 2.5)
    assert longest_gap([4.0, 5.0], 5.5) == (4.0, 0.0)
    assert longest_gap([], 7.0) == (7.0, 0.0)


def test_a_plot_has_throughput_where_a_transaction_ended_and_its_latency_where_it_was_due() -> None:
    points = series([good(0, 0.1, 1.1), good(1, 1.2, 1.3), bad(2, 0.1, 0.2)], seconds=1.5)
    assert [point.at for point in points] == [0.0, 0.5, 1.0]
    assert [point.throughput for point in points] == [0.0, 0.0, 2 / BUCKET]
    assert [point.failures for point in points] == [1 / BUCKET, 0.0, 0.0]
    assert [point.latency for point in points] == pytest.approx([1.0, 0.0, 0.1])


def test_attempts_are_read_back_as_they_were_written_in_the_order_of_their_ends() -> None:
    first, second = bad(0, 0.0, 1.0, Kind.UNKNOWN), good(1, 0.5, 0.7)
    assert read_attempts([json.dumps(asdict(first)), json.dumps(asdict(second))]) == [second, first]


@pytest.mark.parametrize(("share", "reads"), [(0.0, []), (0.5, [2, 4, 6, 8]), (0.25, [4, 8]), (1.0, [1, 2, 3, 4, 5, 6, 7, 8])])
def test_a_share_of_the_transactions_only_reads(share: float, reads: list[int]) -> None:
    assert [seq for seq in range(1, 9) if is_read(seq, share)] == reads
