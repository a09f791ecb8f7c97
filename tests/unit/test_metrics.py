from __future__ import annotations

import re

import pytest
from builders import cluster, member, pending, three_calm, unseen
from prometheus_client.parser import text_string_to_metric_families
from shown import busy_board, calm_board, joining, post, post_waiting

from galera_operator.core.condition import Condition
from galera_operator.core.phase import Phase
from galera_operator.core.plan import Page
from galera_operator.runtime.board import Board
from galera_operator.runtime.pulse import Pulse
from galera_operator.web.metrics import Metrics


def families(board, pulse=None):
    text = Metrics(board, pulse or Pulse(2.0)).text().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(board, name, *labels, pulse=None):
    """Samples of one name: the values of these labels to the sample's value."""
    family = next(one for one in families(board, pulse).values() if any(sample.name == name for sample in one.samples))
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in family.samples if sample.name == name}


def test_every_name_has_its_unit_and_is_explained_and_counters_end_in_total():
    found = families(busy_board())
    ours = {name: family for name, family in found.items() if name.startswith("galera_")}
    assert len(ours) > 30
    for name, family in ours.items():
        assert re.fullmatch(r"galera_(operator|cluster|member)_[a-z_]+", name)
        assert family.documentation.endswith("."), name
        assert all(sample.name.endswith("_total") for sample in family.samples) or family.type != "counter"


def test_only_labels_that_cannot_grow_without_bound_are_used():
    allowed = {"cluster", "slot", "node", "phase", "condition", "page", "kind", "step", "outcome", "le", "role", "method"}
    for name, family in families(busy_board()).items():
        if name.startswith("galera_"):
            used = {label for sample in family.samples for label in sample.labels}
            assert used <= (allowed | {"version", "python"} if name == "galera_operator_build_info" else allowed), name


def test_a_member_is_in_exactly_one_phase():
    found = values(busy_board(), "galera_member_phase", "cluster", "slot", "node", "phase")
    assert {phase for *_, phase in found} == set(Phase)
    assert {key for key, value in found.items() if value} == {
        ("shop_db", "1", "n1", "admitted"),
        ("shop_db", "2", "n2", "donor"),
        ("shop_db", "3", "n3", "joining"),
        ("wiki_db", "1", "n1", "waiting"),
        ("wiki_db", "2", "n2", "waiting"),
        ("wiki_db", "3", "n3", "unseen"),
        *(("wordpress_dbcluster", str(slot), f"n{slot}", "admitted") for slot in (1, 2, 3)),
    }


def test_a_cluster_is_in_exactly_one_condition():
    found = values(busy_board(), "galera_cluster_condition", "cluster", "condition")
    assert {condition for _, condition in found} == set(Condition)
    assert {key for key, value in found.items() if value} == {
        ("shop_db", "degraded"),
        ("wiki_db", "uncertain"),
        ("wordpress_dbcluster", "serving"),
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("seen", {"1": 1, "2": 1, "3": 1}),
        ("admitted", {"1": 1, "2": 1, "3": 0}),
        ("writer", {"1": 1, "2": 0, "3": 0}),
        ("primary", {"1": 1, "2": 1, "3": 0}),
        ("synced", {"1": 1, "2": 0, "3": 0}),
        ("sessions", {"1": 23, "2": 4, "3": 0}),
        ("transactions_in_flight", {"1": 2, "2": 0, "3": 0}),
        ("local_state", {"1": 4, "2": 2}),
        ("cluster_size", {"1": 3, "2": 3}),
        ("receive_queue_writesets", {"1": 0, "2": 3}),
        ("last_committed_seqno", {"1": 48120, "2": 48118}),
        ("desync_count", {"1": 0, "2": 0}),
    ],
)
def test_what_is_known_of_each_member_has_a_sample_and_what_is_not_known_has_none(name, expected):
    board = Board()
    post(board, joining())
    assert values(board, f"galera_member_{name}", "slot") == {(slot,): value for slot, value in expected.items()}


def test_the_size_of_a_data_directory_is_told_once_it_was_measured():
    board = Board()
    post(board, cluster(member(1, data_bytes=77), member(2)))
    assert values(board, "galera_member_data_bytes", "slot") == {("1",): 77}


def test_both_sides_of_a_state_transfer_tell_how_far_it_is():
    board = Board()
    post(board, joining())
    sides = {("2", "donor", "mariabackup"): 1.26e9, ("3", "joiner", "mariabackup"): 1.26e9}
    assert values(board, "galera_member_transfer_bytes", "slot", "role", "method") == sides
    assert values(board, "galera_member_transfer_size_bytes", "slot") == {("2",): 2e9, ("3",): 2e9}
    assert values(board, "galera_member_transfer_idle_seconds", "slot") == {("2",): 0.4, ("3",): 0.4}


def test_a_member_that_was_not_seen_or_has_no_node_is_there_with_what_is_known():
    board = Board()
    post(board, cluster(member(1), unseen(2), pending(3)))
    assert values(board, "galera_member_seen", "slot", "node") == {("1", "n1"): 1, ("2", "n2"): 0, ("3", ""): 0}


def test_a_slot_or_a_cluster_that_is_gone_has_no_samples():
    board = calm_board()
    post(board, cluster(member(1), member(2)), second=1)
    assert {slot for (slot,) in values(board, "galera_member_seen", "slot")} == {"1", "2"}
    board.forget("shop_db")
    assert b"shop_db" not in Metrics(board, Pulse(2.0)).text()


def test_a_cluster_that_another_operator_acts_for_is_told_by_that_one_only():
    board = calm_board()
    post_waiting(board, "shop_db", 5)
    found = families(board)
    assert values(board, "galera_operator_lease_held", "cluster") == {("shop_db",): 0}
    assert not found["galera_member_seen"].samples
    assert not found["galera_cluster_condition"].samples


def test_an_open_page_is_told_by_its_name_until_it_is_closed():
    board = busy_board()
    assert values(board, "galera_operator_page_open", "cluster", "page") == {("wiki_db", "copy-missing"): 1}
    board = calm_board()
    post(board, three_calm(), second=1, plan=Page("split-brain", "two", "decide"))
    post(board, three_calm(), second=2)
    assert not families(board)["galera_operator_page_open"].samples
    decisions = values(board, "galera_operator_decisions_total", "kind", "page")
    assert decisions == {("hold", ""): 2, ("page", "split-brain"): 1}


def test_steps_are_counted_by_what_became_of_them():
    found = values(busy_board(), "galera_operator_steps_total", "cluster", "step", "outcome")
    assert found[("shop_db", "Resize", "done")] == 2


def test_the_time_of_looks_is_a_histogram_that_adds_up():
    found = values(busy_board(), "galera_operator_look_duration_seconds_bucket", "cluster", "le")
    assert (found["shop_db", "0.01"], found["shop_db", "0.025"], found["shop_db", "+Inf"]) == (0, 4, 4)
    assert values(busy_board(), "galera_operator_look_duration_seconds_count", "cluster")[("shop_db",)] == 4


def test_the_last_look_is_told_as_unix_time():
    assert values(calm_board(), "galera_operator_last_look_timestamp_seconds", "cluster") == {("shop_db",): 1767323045}


@pytest.mark.parametrize(
    ("seen", "writable"),
    [(three_calm(), 1), (cluster(unseen(1), unseen(2)), 0), (cluster(member(1, writer="db.9"), member(2, writer="")), 0)],
)
def test_a_cluster_is_writable_while_a_member_that_can_serve_is_the_writer(seen, writable):
    board = Board()
    post(board, seen)
    assert values(board, "galera_cluster_writable", "cluster") == {("shop_db",): writable}


def test_the_operators_own_health_is_told():
    pulse = Pulse(2.0)
    pulse.came_round("no engine")
    pulse.turn_ended("a", failed=True)
    assert values(Board(), "galera_operator_swarm_readable", pulse=pulse) == {(): 0}
    assert values(Board(), "galera_operator_alive", pulse=pulse) == {(): 1}
    assert values(Board(), "galera_operator_failed_turns_total", pulse=pulse) == {(): 1}
    assert values(Board(), "process_resident_memory_bytes")[()] > 1e6


def test_wished_and_actual_size_pause_and_kept_volumes_are_told():
    board = busy_board()
    for name, expected in (("members_wished", 3), ("replicas", 3), ("paused", 0)):
        assert values(board, f"galera_cluster_{name}", "cluster")[("shop_db",)] == expected
    assert values(board, "galera_cluster_kept_volumes", "cluster")[("wiki_db",)] == 1
