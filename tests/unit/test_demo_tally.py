"""What the demo's load counts: stalls, failures, percentiles, and what it tells over a pipe."""

from __future__ import annotations

import pytest

from galera_operator.demo.tally import Attempt, Failure, Kind, Ranges, Result, Stall, Step, Tally, classify, next_due, percentiles


def failed(worker: int, seq: int, begun: float, ended: float, kind: Kind = Kind.STATEMENT) -> Attempt:
    step = {Kind.CONNECT: Step.CONNECT, Kind.STATEMENT: Step.INSERT}.get(kind, Step.COMMIT)
    return Attempt(worker, seq, begun, begun, ended, Failure(ended, worker, seq, step, kind, 2013, "gone"))


def counted(*attempts: Attempt, now: float = 100.0) -> Result:
    tally = Tally()
    for attempt in attempts:
        tally.add(attempt)
    return tally.result(0.0, now, {})


def test_a_slow_transaction_is_a_stall_from_when_it_was_due() -> None:
    seen = counted(Attempt(3, 1, due=1.0, begun=1.0, ended=3.5), Attempt(4, 1, due=2.0, begun=2.0, ended=3.5))
    assert seen.stall == Stall(at=1.0, seconds=2.5, worker=3)


def test_waiting_in_the_queue_behind_a_slow_transaction_is_latency_but_no_second_stall() -> None:
    slow = Attempt(0, 1, due=1.0, begun=1.0, ended=3.0)
    queued = Attempt(0, 2, due=1.25, begun=3.0, ended=3.01)
    seen = counted(slow, queued)
    assert seen.stall.seconds == 2.0
    assert seen.latency == pytest.approx((1.76, 2.0, 2.0, 2.0))


def test_a_failure_does_not_end_a_stall() -> None:
    seen = counted(
        failed(0, 1, 1.0, 1.1),
        failed(0, 2, 1.25, 1.3),
        Attempt(1, 1, 2.0, 2.0, 2.1),
        Attempt(0, 3, due=5.0, begun=5.0, ended=5.5),
    )
    assert seen.stall == Stall(at=1.0, seconds=4.5, worker=0)


def test_after_an_acknowledged_write_a_new_stall_begins_from_nothing() -> None:
    seen = counted(failed(0, 1, 1.0, 1.5), Attempt(0, 2, 2.0, 2.0, 2.5), Attempt(0, 3, 9.0, 9.0, 9.1))
    assert seen.stall == Stall(at=1.0, seconds=1.5, worker=0)


def test_a_stall_that_goes_on_is_told_while_it_goes_on() -> None:
    tally = Tally()
    tally.add(failed(2, 1, 4.0, 4.5))
    assert tally.result(0.0, 10.0, {2: 5.0}, whole=False).stall == Stall(at=4.0, seconds=6.0, worker=2)
    assert tally.result(0.0, 10.0, {7: 9.5}, whole=False).stall.seconds == 0.5


def test_each_sort_of_failure_is_counted_once_and_where_it_belongs() -> None:
    seen = counted(
        failed(0, 1, 0, 1, Kind.CONNECT),
        failed(0, 2, 1, 2, Kind.STATEMENT),
        failed(0, 3, 2, 3, Kind.REFUSED),
        failed(0, 4, 3, 4, Kind.UNKNOWN),
        Attempt(0, 5, 5, 5, 6),
    )
    assert (seen.transactions, seen.acknowledged, seen.failed, seen.unconnected) == (5, 1, 3, 1)
    assert seen.rows() == {(0, 5)}
    assert seen.unclear_rows() == {(0, 4)}
    assert len(seen.failures) == 4


@pytest.mark.parametrize(
    ("step", "code", "kind"),
    [
        (Step.CONNECT, 2003, Kind.CONNECT),
        (Step.CONNECT, 1047, Kind.CONNECT),
        (Step.BEGIN, 2013, Kind.STATEMENT),
        (Step.INSERT, 1047, Kind.STATEMENT),
        (Step.UPDATE, None, Kind.STATEMENT),
        (Step.COMMIT, 1213, Kind.REFUSED),
        (Step.COMMIT, 1290, Kind.REFUSED),
        (Step.COMMIT, 2013, Kind.UNKNOWN),
        (Step.COMMIT, 1317, Kind.UNKNOWN),
        (Step.COMMIT, None, Kind.UNKNOWN),
    ],
)
def test_only_a_commit_without_a_clear_answer_leaves_the_outcome_unknown(step: Step, code: int | None, kind: Kind) -> None:
    assert classify(step, code) is kind


def test_the_schedule_does_not_wait_for_a_stalled_database() -> None:
    assert next_due(1.0, 0.25, 4.0, failed=False) == 1.25


def test_after_a_failure_the_missed_transactions_are_dropped_so_that_nothing_is_asked_in_a_tight_loop() -> None:
    assert next_due(1.0, 0.25, 4.1, failed=True) == 4.25
    assert next_due(1.0, 0.25, 1.1, failed=True) == 1.25
    assert next_due(1.0, 0.25, 1.25, failed=True) == 1.5


def test_percentiles_are_values_that_occurred() -> None:
    assert percentiles([]) == (0.0, 0.0, 0.0, 0.0)
    assert percentiles([0.5]) == (0.5, 0.5, 0.5, 0.5)
    assert percentiles([float(number) for number in range(100, 0, -1)]) == (50.0, 95.0, 99.0, 100.0)


def test_sequence_numbers_are_kept_as_runs() -> None:
    ranges = Ranges()
    for number in (1, 2, 3, 5, 6, 9):
        ranges.add(number)
    assert ranges.as_lists() == [[1, 3], [5, 6], [9, 9]]
    assert list(Ranges(ranges.as_lists())) == [1, 2, 3, 5, 6, 9]


def test_a_result_survives_the_way_through_a_pipe() -> None:
    seen = counted(failed(1, 1, 0, 1, Kind.UNKNOWN), Attempt(0, 1, 1, 1, 2), Attempt(0, 2, 2, 2, 2.5))
    assert Result.from_json(seen.to_json()) == seen
