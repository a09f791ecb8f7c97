from __future__ import annotations

import pytest
from builders import ZEROS, A, B, position

from galera_operator.core.position import Position, PositionNotFound, parse_grastate, recovered_position

GOOD = f"""# GALERA saved state
version: 2.1
uuid:    {A}
seqno:   1234
safe_to_bootstrap: 1
"""


def test_a_cleanly_stopped_members_grastate_tells_its_position():
    grastate = parse_grastate(GOOD)
    assert grastate.position == position(1234)
    assert grastate.safe_to_bootstrap


def test_after_a_crash_grastate_knows_the_history_but_not_the_position():
    grastate = parse_grastate(GOOD.replace("1234", "-1"))
    assert grastate.uuid == A
    assert grastate.position is None


def test_before_the_first_join_grastate_holds_zeros_and_no_position():
    assert parse_grastate(GOOD.replace(A, ZEROS).replace("1234", "0")).position is None


def test_a_grastate_without_the_hint_is_not_safe_to_bootstrap():
    assert not parse_grastate(GOOD.replace("safe_to_bootstrap: 1", "")).safe_to_bootstrap


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no line seqno and no line uuid"),
        (GOOD[: GOOD.index("seqno")], "no line seqno"),
        (GOOD.replace("uuid:   ", "# uuid:"), "no line uuid"),
        (GOOD.replace("version: 2.1", "version"), "line 'version'"),
        (GOOD.replace("version: 2.1", "name: db"), "line 'name: db'"),
        (GOOD + "seqno:   9\n", "two lines seqno"),
        (GOOD + "cert_ind", "in the middle of the line 'cert_ind'"),
        (GOOD.replace("strap: 1", "strap: 11"), "safe_to_bootstrap '11'"),
        (GOOD.replace("1234", "12a4"), "seqno '12a4'"),
        (GOOD.replace("1234", ""), "seqno ''"),
        (GOOD.replace("1234", "1.5"), "seqno '1.5'"),
        (GOOD.replace(A, A[:-3]), "state UUID is 'aaaaaaaa-0000-4000-8000-000000000'"),
        (GOOD.replace(A, "\x00" * 36), "state UUID"),
    ],
    ids=[
        "empty file",
        "cut off",
        "commented out",
        "no value",
        "not a line of Galera's",
        "a line twice",
        "cut off in a line",
        "no yes or no",
        "seqno with a letter",
        "no seqno",
        "fraction",
        "half a UUID",
        "zero bytes",
    ],
)
def test_a_half_written_or_corrupt_grastate_is_refused_with_what_stood_there(text, told):
    with pytest.raises(PositionNotFound) as refused:
        parse_grastate(text)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "found",
    [f"{A}:77", f"{A}:77,0-1-55", f"0-1-55,{A}:77", f"0-1-55,1-2-8,{A}:77"],
    ids=["no GTID", "GTID after", "GTID before", "two GTIDs before"],
)
def test_the_recovered_position_is_read_in_both_orders_of_gtid(found):
    assert recovered_position(f"2026-01-01 [Note] WSREP: Recovered position: {found}\n") == position(77)


def test_the_last_recovered_position_in_the_log_wins():
    log = f"WSREP: Recovered position: {A}:1\nother\nWSREP: Recovered position: {A}:2\n"
    assert recovered_position(log) == position(2)


@pytest.mark.parametrize("log", ["", "WSREP: Recovered", "WSREP: Recovered position: ", "WSREP: Recovered position: 0-1-55\n"])
def test_a_recovery_that_was_cut_short_has_no_position(log):
    with pytest.raises(PositionNotFound):
        recovered_position(log)


def test_a_recovered_position_without_data_is_known_and_unusable():
    assert not recovered_position(f"WSREP: Recovered position: {ZEROS}:-1").is_usable


def test_two_positions_of_one_history_have_an_order():
    assert position(1).is_behind(position(2))
    assert not position(2).is_behind(position(2))


def test_positions_of_two_histories_cannot_be_compared():
    with pytest.raises(ValueError, match="two histories"):
        position(1, A).is_behind(position(2, B))
    with pytest.raises(TypeError):
        assert position(1) < position(2)


@pytest.mark.parametrize("text", ["", A, f"{A}:", f"{A}:x", f"{A}:1:2", "not-a-uuid:1", f"{A[:-1]}g:1", f"{A} :1"])
def test_what_is_not_uuid_colon_seqno_is_no_position(text):
    with pytest.raises(PositionNotFound):
        Position.parse(text)


def test_a_position_reads_back_what_it_writes():
    assert Position.parse(f" {str(position(5)).upper()}\n") == position(5)


@pytest.mark.parametrize(("uuid", "seqno", "usable"), [(A, 0, True), (A, -1, False), (ZEROS, 5, False), (ZEROS, -1, False)])
def test_a_position_is_usable_only_with_both_halves(uuid, seqno, usable):
    assert Position(uuid, seqno).is_usable is usable
