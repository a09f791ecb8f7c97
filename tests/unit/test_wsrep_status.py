from __future__ import annotations

import pytest
from builders import ZEROS, A, B

from galera_operator.core.wsrep_status import STATUS_NAMES, StatusUnreadable, wsrep_from_status

ROWS = {
    "wsrep_ready": "ON",
    "wsrep_connected": "ON",
    "wsrep_cluster_status": "Primary",
    "wsrep_local_state": "4",
    "wsrep_local_state_comment": "Synced",
    "wsrep_cluster_state_uuid": A,
    "wsrep_local_state_uuid": A,
    "wsrep_cluster_conf_id": "7",
    "wsrep_cluster_size": "3",
    "wsrep_last_committed": "100",
    "wsrep_local_recv_queue": "2",
    "wsrep_flow_control_paused": "0.25",
    "wsrep_desync_count": "1",
}


def test_the_rows_of_a_synced_member_become_a_value():
    found = wsrep_from_status(ROWS, ["db.2", "db.1"])
    assert found.is_synced
    assert (found.state_uuid, found.conf_id, found.cluster_size, found.last_committed) == (A, 7, 3, 100)
    assert (found.queue, found.flow_control_paused, found.desync_count, found.members) == (2, 0.25, 1, ("db.1", "db.2"))


def test_a_member_outside_any_group_is_not_primary():
    rows = ROWS | {"wsrep_cluster_status": "non-Primary", "wsrep_ready": "OFF", "wsrep_cluster_conf_id": "18446744073709551615"}
    assert not wsrep_from_status(rows, ()).is_primary


def test_before_the_first_group_the_state_uuid_is_told_as_zeros():
    rows = ROWS | {"wsrep_cluster_state_uuid": "", "wsrep_local_state_uuid": "", "wsrep_local_state": "0"}
    assert wsrep_from_status(rows, ()).state_uuid == ZEROS


@pytest.mark.parametrize("name", ["wsrep_cluster_state_uuid", "wsrep_local_state_uuid"])
def test_what_is_no_state_uuid_is_unreadable(name):
    with pytest.raises(StatusUnreadable, match="not a UUID"):
        wsrep_from_status(ROWS | {name: "Undefined"}, ())


def test_a_member_whose_own_history_differs_from_its_components_counts_as_zeros():
    assert wsrep_from_status(ROWS | {"wsrep_local_state_uuid": B}, ()).state_uuid == ZEROS


LEFT = {key: value for key, value in ROWS.items() if key != "wsrep_desync_count"} | {
    "wsrep_connected": "OFF",
    "wsrep_cluster_status": "Disconnected",
    "wsrep_ready": "OFF",
}


def test_a_server_that_has_left_its_group_tells_nothing_of_the_layer_below_and_is_understood():
    found = wsrep_from_status(LEFT, ())
    assert (found.connected, found.is_primary, found.desync_count) == (False, False, 0)


@pytest.mark.parametrize("name", [name for name in STATUS_NAMES if name not in {"wsrep_desync_count", "wsrep_connected"}])
def test_also_a_server_that_has_left_its_group_tells_everything_else(name):
    with pytest.raises(StatusUnreadable, match=name):
        wsrep_from_status({key: value for key, value in LEFT.items() if key != name}, ())


@pytest.mark.parametrize("name", STATUS_NAMES)
def test_a_server_without_one_of_the_rows_is_unreadable_and_the_row_is_named(name):
    with pytest.raises(StatusUnreadable, match=name):
        wsrep_from_status({key: value for key, value in ROWS.items() if key != name}, ())


@pytest.mark.parametrize("name", ["wsrep_local_state", "wsrep_cluster_size", "wsrep_flow_control_paused", "wsrep_last_committed"])
def test_a_row_that_should_be_a_number_and_is_not_is_unreadable(name):
    with pytest.raises(StatusUnreadable, match="not a number"):
        wsrep_from_status(ROWS | {name: "many"}, ())
