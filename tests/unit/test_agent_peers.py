from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders import A, B, status, wsrep

from galera_operator.agent.drain import cut_sql, end_idle_sql, threshold_after
from galera_operator.agent.peers import Component, Heard, find_component, first_in_line, live_members, primary_at
from galera_operator.agent.watch import incoming_hosts
from galera_operator.core.agent_api import Stage
from galera_operator.core.position import ZERO_UUID, Position


def heard(slot: int, **changes: Any) -> Heard:
    ours = {key: changes.pop(key) for key in ("stage", "writer", "leaving", "term") if key in changes}
    return Heard(f"10.0.0.{slot}", replace(status(slot, **ours), wsrep=wsrep(**changes)), 0.1)


def waiting(slot: int) -> Heard:
    return Heard(f"10.0.0.{slot}", status(slot, stage=Stage.WAITING), 0.1)


def test_a_live_component_is_found_and_the_donor_is_not_the_writer() -> None:
    found = find_component(Position(A, 100), [heard(1), heard(2), waiting(3)])
    assert found == Component(("10.0.0.1", "10.0.0.2"), ("db.2",), A, "")
    assert isinstance(find_component(Position(ZERO_UUID, -1), [heard(1)]), Component)
    assert isinstance(find_component(Position(A, -1), [heard(1)]), Component), "its history is known, its position is not"


def donors(*peers: Heard) -> tuple[str, ...]:
    found = find_component(Position(A, 100), peers, name="db.4")
    assert isinstance(found, Component)
    return found.donors


def test_the_writer_is_asked_to_donate_only_when_it_is_alone() -> None:
    assert donors(heard(1, writer="db.1", members=("db.1",))) == ()
    assert donors(heard(1, writer="db.1"), heard(2), heard(3)) == ("db.2", "db.3")


def test_the_writer_is_who_the_latest_choice_says_and_not_who_is_heard_first() -> None:
    assert donors(heard(1, writer="db.1", term=4), heard(2, writer="db.2", term=5)) == ("db.1",)


def test_a_reader_that_was_not_heard_yet_is_waited_for_lest_the_writer_be_the_donor() -> None:
    members = ("db.1", "db.2", "db.4", "garb")  # the own name: its last life, which the group has not missed yet
    first = find_component(Position(A, 100), [heard(1, writer="db.1", members=members)], name="db.4")
    assert isinstance(first, Component)
    assert first.unheard == "db.2"
    named_otherwise = find_component(Position(A, 100), [heard(1, members=("db.1", "node0"))], name="db.4")
    assert isinstance(named_otherwise, Component)
    assert named_otherwise.unheard == "node0"
    both = find_component(Position(A, 100), [heard(1, writer="db.1", members=members), heard(2)], name="db.4")
    assert isinstance(both, Component)
    assert (both.unheard, both.donors) == ("", ("db.2",))


NOTHING = {
    "nobody answers": [],
    "others wait too": [waiting(1), waiting(2)],
    "not Primary": [heard(1, cluster_status="non-Primary")],
    "not ready": [heard(1, ready=False)],
    "a state UUID of zeros": [heard(1, state_uuid=ZERO_UUID)],
    "it is being bootstrapped": [heard(1, stage=Stage.BOOTSTRAPPING)],
    "all of it is leaving": [heard(1, stage=Stage.DRAINED), heard(2, stage=Stage.STOPPING)],
    "two histories": [heard(1), heard(2, state_uuid=B)],
    "another history than the own data": [heard(1, state_uuid=B)],
}


@pytest.mark.parametrize("peers", NOTHING.values(), ids=NOTHING.keys())
def test_there_is_nothing_to_join(peers: list[Heard]) -> None:
    assert isinstance(find_component(Position(A, 100), peers), str)


def test_own_data_is_never_given_up_for_another_history() -> None:
    for own in (Position(A, 100), Position(A, -1)):
        said = find_component(own, [heard(1, state_uuid=B)])
        assert isinstance(said, str)
        assert "erase" in said
    assert live_members([heard(1, state_uuid=B)]), "and it is alive: no bootstrap beside it"


def test_write_sets_that_the_component_has_not_are_not_given_up() -> None:
    said = find_component(Position(A, 103), [heard(1, last_committed=100), heard(2, last_committed=99)])
    assert isinstance(said, str)
    assert "3 write-sets ahead" in said
    assert isinstance(find_component(Position(A, 103), [heard(1, last_committed=100), heard(2, last_committed=103)]), Component)


GIVEN_UP = {
    "of another history": (Position(B, 7), [heard(1)]),
    "ahead of the component": (Position(A, 103), [heard(1)]),
    "behind it, but perhaps with rows of its own": (Position(A, 99), [heard(1)]),
    "of a history whose position is not known": (Position(B, -1), [heard(1)]),
}


@pytest.mark.parametrize(("own", "peers"), GIVEN_UP.values(), ids=GIVEN_UP.keys())
def test_a_copy_that_was_given_up_is_replaced_as_a_whole(own: Position, peers: list[Heard]) -> None:
    found = find_component(own, peers, frozenset({"10.0.0.1"}))
    assert isinstance(found, Component)
    assert found.replaces


def test_a_copy_is_given_up_for_the_named_component_only() -> None:
    assert isinstance(find_component(Position(B, 7), [heard(1)], frozenset({"10.0.0.2"})), str)
    two_histories = [heard(1), heard(2, state_uuid=B)]
    assert isinstance(find_component(Position(B, 7), two_histories, frozenset({"10.0.0.1"})), str)
    joined = find_component(Position(A, 99), [heard(1)])
    assert isinstance(joined, Component)
    assert not joined.replaces


def test_a_component_that_is_being_bootstrapped_counts_as_one() -> None:
    assert primary_at([heard(1), heard(2, stage=Stage.BOOTSTRAPPING)]) == "10.0.0.1, 10.0.0.2"
    assert primary_at([waiting(1), heard(2, cluster_status="non-Primary"), heard(3, stage=Stage.JOINING)]) == ""


def test_of_two_that_wait_the_lower_name_joins_first() -> None:
    assert first_in_line("db.3", [waiting(2), heard(1)]) == "db.2"
    assert first_in_line("db.2", [waiting(3), waiting(10)]) == ""
    assert first_in_line("db.11", [waiting(9), waiting(10)]) == "db.9"
    assert first_in_line("db.3", [heard(2, stage=Stage.WAITING, leaving=True)]) == "", "it will not join any more"


@pytest.mark.parametrize("busy", [heard(2, local_state=2), heard(2, local_state=3), heard(2, stage=Stage.JOINING)])
def test_one_state_transfer_at_a_time(busy: Heard) -> None:
    found = find_component(Position(A, 100), [heard(1), busy])
    assert isinstance(found, Component)
    assert "db.2" in found.busy
    assert "db.2" not in found.donors


def test_peers_are_read_from_incoming_addresses() -> None:
    assert incoming_hosts("10.0.1.3:0,10.0.1.4:3306,AUTO,,unspecified") == ["10.0.1.3", "10.0.1.4"]


def test_the_threshold_halves_and_never_hits_a_client_between_ping_and_use() -> None:
    assert [threshold_after(seconds) for seconds in (-1, 0, 1.9, 2, 4, 6)] == [1, 1, 1, 0.5, 0.25, 0.125]
    assert threshold_after(60) == threshold_after(3600) == 0.02


def test_the_statement_of_a_round_looks_twice_and_spares_transactions() -> None:
    sql = end_idle_sql(17, 0.5)
    assert sql.count("TIME_MS >= 500") == 2
    assert "t.trx_id IS NULL" in sql
    assert "p.ID <= 17" in sql
    assert "'galera_monitor'" in sql
    assert "'galera_monitor'" in cut_sql(17)
