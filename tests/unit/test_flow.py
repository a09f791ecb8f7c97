"""Flow control: what an agent tells of the last seconds, who slows the group, and when that holds growth."""

from __future__ import annotations

import pytest
from builders import cluster, joined_but_not_admitted, member, remembered, unseen

from galera_operator.agent.flow import KNOWN_AFTER, WINDOW, FlowWindow
from galera_operator.core.decide import decide
from galera_operator.core.flow import HIGH, NOTICEABLE, brake
from galera_operator.core.plan import Act, Hold
from galera_operator.core.serving import FlowControl
from galera_operator.core.wsrep_status import FlowCounters, flow_from_status

ROWS = {
    "wsrep_flow_control_paused_ns": "1500000000",
    "wsrep_flow_control_sent": "7",
    "wsrep_flow_control_requested": "true",
}


def counted(seconds: float = 0.0, sent: int = 0, *, requests: bool = False) -> FlowCounters:
    """Paused for so many seconds since mariadbd was started."""
    return FlowCounters(round(seconds * 1e9), sent, requests)


def told(*samples: tuple[float, FlowCounters | None]) -> FlowControl | None:
    window = FlowWindow()
    for now, counters in samples:
        window.take(counters, now)
    return window.told(samples[-1][0])


# What mariadbd says


def test_the_rows_become_counters():
    assert flow_from_status(ROWS) == counted(1.5, 7, requests=True)
    assert flow_from_status(ROWS | {"wsrep_flow_control_requested": "false"}) == counted(1.5, 7)


@pytest.mark.parametrize("name", ROWS)
def test_a_server_that_does_not_tell_all_of_it_tells_nothing(name):
    assert flow_from_status({key: value for key, value in ROWS.items() if key != name}) is None
    odd = "?" if name.endswith("requested") else "x"
    assert (flow_from_status(ROWS | {name: odd}) is None) is (odd == "x")


# What the agent tells


def test_the_share_is_that_of_the_seconds_looked_at_and_not_of_the_servers_whole_life():
    assert told((100, counted(60)), (104, counted(61, 5))) == FlowControl(4, 0.25, 5)


def test_before_there_are_enough_seconds_nothing_is_known():
    assert told((100, counted())) is None
    assert told((100, counted()), (100 + KNOWN_AFTER - 0.1, counted(1))) is None
    assert told((100, counted()), (100 + KNOWN_AFTER, counted(1))) is not None


def test_what_is_older_than_the_window_does_not_count():
    per_second = [(float(second), counted(min(second, 5), min(second, 5))) for second in range(40)]
    assert told(*per_second) == FlowControl(WINDOW, 0, 0)


def test_a_request_that_has_stood_since_before_the_window_counts():
    standing = [(float(second), counted(second, 1, requests=True)) for second in range(40)]
    assert told(*standing) == FlowControl(WINDOW, 1, 1)


def test_a_member_that_was_not_synced_begins_anew():
    assert told((0, counted(0)), (4, counted(4, 9)), (4.2, None), (5, counted(5, 9)), (8, counted(5, 9))) == FlowControl(3, 0, 0)
    assert told((0, counted(0)), (4, counted(4)), (4.2, None)) is None


@pytest.mark.parametrize("fewer", [counted(1, 9), counted(9, 1)])
def test_counters_that_go_back_begin_anew(fewer):
    assert told((0, counted(5, 5)), (4, counted(6, 6)), (5, fewer)) is None


def test_an_answer_from_long_ago_is_not_told():
    window = FlowWindow()
    window.take(counted(), 0)
    window.take(counted(3), 6)
    assert window.told(6 + WINDOW) is not None
    assert window.told(6.1 + WINDOW) is None


def test_a_share_is_never_more_than_all_of_the_time():
    assert told((0, counted(0)), (4, counted(4.1))) == FlowControl(4, 1, 0)


# What the operator makes of it


def flowing(paused: float = 0.0, sent: int = 0) -> FlowControl:
    return FlowControl(10, paused, sent)


def slow(paused: float = 0.5, **changes):
    """Slot 3 has asked for pauses, and the writers were paused for this part of the time."""
    return cluster(
        member(1, flow=flowing(paused)), member(2, flow=flowing(paused / 2)), member(3, flow=flowing(0, 7), queue=132), **changes
    )


def test_who_asks_for_the_pauses_slows_the_group_and_how_much_is_told():
    assert str(brake(slow())) == (
        "slot 3 (n3) slows the group: in the last 10 s flow control paused commits for 50% of the time; "
        "it asked for 7 of the pauses and has 132 write-sets to apply"
    )


def test_of_several_the_one_that_asks_most_is_named_and_of_two_alike_the_lower_slot():
    assert brake(cluster(member(1, flow=flowing(0.1, 2)), member(2, flow=flowing(0, 3)))).seat.slot == 2
    assert brake(cluster(member(1, flow=flowing(0.1, 3)), member(2, flow=flowing(0, 3)))).seat.slot == 1


@pytest.mark.parametrize(("paused", "told"), [(NOTICEABLE, True), (NOTICEABLE / 2, False)])
def test_what_nobody_notices_is_not_told(paused, told):
    assert (brake(slow(paused)) is not None) is told


def test_pauses_that_nobody_asks_for_any_more_have_nobody_behind_them():
    assert brake(cluster(member(1, flow=flowing(0.9)), member(2, flow=flowing(0.9)))) is None


@pytest.mark.parametrize("seats", [(member(1),), (member(1, flow=None), unseen(2))])
def test_nobody_is_blamed_for_what_is_not_known(seats):
    assert brake(cluster(*seats)) is None


def test_a_slow_group_does_not_grow_and_the_sentence_says_who_and_how_much():
    plan = decide(slow(wish=4), remembered())
    assert isinstance(plan, Hold)
    assert plan.why.startswith("4 members are wished, 3 are there; the next one waits: slot 3 (n3) slows the group")
    assert "50% of the time" in plan.why


@pytest.mark.parametrize(("paused", "grows"), [(HIGH, False), (HIGH - 0.01, True)])
def test_a_group_that_is_slowed_a_little_grows(paused, grows):
    assert isinstance(decide(slow(paused, wish=4), remembered()), Act) is grows


def test_a_slow_group_may_shrink():
    assert isinstance(decide(slow(0.9, wish=2), remembered()), Act)


def test_a_member_that_was_just_let_in_does_not_hold_the_next_one_by_what_it_needed_to_catch_up():
    seats = member(1, flow=flowing(0.9)), member(2, flow=None)
    assert isinstance(decide(cluster(*seats, wish=3), remembered()), Act)
    assert isinstance(decide(cluster(seats[0], joined_but_not_admitted(2), wish=3), remembered()), Act)
