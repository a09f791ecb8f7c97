"""Which member took a client's connection in which state, by its own logs."""

from __future__ import annotations

import pytest
from galera_bench.reached import LOOK_EVERY, Accepted, State, first_routed, log_lines, misrouted, parse_audit, state_at, states

LINE = "20261125 05:04:11,member1,demo,10.0.1.7,42,0,CONNECT,,,0\n"
HISTORY = [State(0.0, "down", False), State(10.0, "joined", True), State(12.0, "synced", True), State(20.0, "donor", True)]


def accepted(at: float, container: str = "a") -> Accepted:
    return Accepted(at, container, 1, "10.0.1.7")


def test_a_line_of_the_audit_log_tells_who_was_let_in() -> None:
    assert parse_audit(LINE, 5.0, "a", "demo") == Accepted(5.0, "a", 42, "10.0.1.7")


def test_another_user_a_refused_login_and_an_end_of_a_connection_are_not_who_was_let_in() -> None:
    for line in (
        LINE.replace("demo", "root"),
        LINE.replace(",0\n", ",1045\n"),
        LINE.replace("CONNECT", "DISCONNECT"),
        "half a li",
    ):
        assert parse_audit(line, 5.0, "a", "demo") is None


def test_a_members_states_are_read_from_its_own_log() -> None:
    told = [
        (1.0, "[Note] WSREP: New COMPONENT: primary = yes, bootstrap = no, my_idx = 1, memb_num = 2"),
        (2.0, "[Note] WSREP: Server status change joiner -> initializing"),
        (3.0, "[Note] something else"),
        (4.0, "[Note] WSREP: Server status change joined -> synced"),
        (5.0, "[Note] WSREP: New COMPONENT: primary = no, bootstrap = no"),
    ]
    assert states(told) == [
        State(0.0, "down", False),
        State(1.0, "down", True),
        State(2.0, "initializing", True),
        State(4.0, "synced", True),
        State(5.0, "synced", False),
    ]
    assert [state.serves for state in states(told)] == [False, False, False, True, False]


def test_an_engines_log_has_a_time_for_each_line_and_half_a_line_is_left_out() -> None:
    log = ['{"log":"one\\n","stream":"stderr","time":"2026-01-01T00:00:00.250000000Z"}\n', '{"log":"tw']
    assert list(log_lines(log)) == [(1767225600.25, "one\n")]


def test_a_connection_belongs_to_the_state_that_the_member_was_in() -> None:
    assert state_at(HISTORY, 11.0).name == "joined"
    assert state_at(HISTORY, 15.0).name == "synced"
    assert state_at(HISTORY, 25.0).name == "donor"


def test_a_change_between_acceptance_and_look_is_not_called_wrong_when_either_state_serves() -> None:
    assert state_at(HISTORY, 12.0 + LOOK_EVERY / 2).serves
    assert state_at(HISTORY, 20.0 + LOOK_EVERY / 2).serves
    assert not state_at(HISTORY, 20.0 + LOOK_EVERY * 2).serves


def test_connections_to_a_member_that_does_not_serve_are_counted_by_its_state() -> None:
    other = [State(0.0, "synced", True)]
    told = misrouted([accepted(15.0), accepted(25.0), accepted(26.0), accepted(11.0)], {"a": HISTORY, "b": other})
    assert told == {"donor": 2, "joined": 1}


def test_the_only_member_as_the_donor_of_the_second_is_told_apart() -> None:
    assert misrouted([accepted(25.0)], {"a": HISTORY}) == {"donor (nobody else served)": 1}


def test_a_member_without_a_log_is_not_called_right() -> None:
    assert misrouted([accepted(15.0, "z")], {"a": HISTORY}) == {"unknown, non-Primary": 1}


def test_the_wait_for_the_first_client_counts_from_synced_and_only_for_members_that_became_so() -> None:
    old = [State(0.0, "synced", True)]
    connections = [accepted(11.9), accepted(13.5), accepted(12.7), accepted(5.0, "old")]
    assert first_routed(connections, {"a": HISTORY, "old": old}, since=9.0) == [pytest.approx(0.7)]
    assert first_routed([accepted(11.0)], {"a": HISTORY}, since=9.0) == []
